# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # what tests look at
# shellcheck disable=SC2016 # what looks like shell variables belongs to jq
# For cve-*.bats: hostile images of a few files, under each runtime, with every oracle looking.
# CVE_RUNTIMES='runc crun' chooses the runtimes. The rows of a test's table are dealt among them; CVE_FULL=1 does each row under each.

load oracles

CVE_RUNTIMES=${CVE_RUNTIMES:-runc crun}

# cve_rows ROW...: sets `rows` to lines of "RUNTIME:ROW".
cve_rows() {
	local all runtime row n=0
	read -ra all <<<"$CVE_RUNTIMES"
	rows=()
	for row; do
		if [ "${CVE_FULL:-0}" = 1 ]; then
			for runtime in "${all[@]}"; do
				rows+=("$runtime:$row")
			done
		else
			rows+=("${all[n++ % ${#all[@]}]}:$row")
		fi
	done
}

# cve_file: in setup_file. HOST gets two GPUs, a driver, and a canary: a directory that stands for the machine's own files.
cve_file() {
	# shellcheck disable=SC2086 # a list of names
	need_root jq cc findmnt strace $CVE_RUNTIMES || return
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return
	need_cgroups || return
	have_root --busybox || return
	export ROOT HOST=$BATS_FILE_TMPDIR/h
	mkdir "$HOST" && gpu_host "$HOST" >/dev/null &&
		cc -O1 -Wall -Wextra -o "$HOST/exchange" "$NVC_TESTS/lib/exchange.c" && cve_canary "$HOST/canary" &&
		cve_image "$HOST/image" && cve_template >"$HOST/template.json"
}

# Named as the files of ours are, so that whatever leads here finds something to change.
cve_canary() {
	mkdir -p "$1"/{nvidia/lib64,cuda/compat,bin,ld.so.conf.d,driver/nvidia,local/nvidia,nvidia-caps} &&
		echo precious >"$1/file" && echo precious >"$1/ld.so.cache" && echo precious >"$1/ld.so.conf.d/00-nvcoreos.conf" &&
		echo secret >"$1/nvidia/secret" && echo secret >"$1/cuda/compat/libcuda.so.999.99.99" &&
		ln -s libcuda.so.999.99.99 "$1/cuda/compat/libcuda.so.1" && : >"$1/nvidia0" && : >"$1/nvidiactl" &&
		: >"$1/ptmx" && find "$1" -type f -exec chmod 600 {} +
}

# Over busybox's root: what makes it one of glibc's (the loader is only looked for), and the probe.
cve_image() {
	mkdir -p "$1"/{lib,lib64,usr/bin,usr/lib,usr/local,etc} && : >"$1/lib64/ld-linux-x86-64.so.2" && : >"$1/lib/ld-linux-aarch64.so.1" &&
		cc -O1 -Wall -Wextra -static -o "$1/probe" "$NVC_TESTS/integration/probe.c"
}

# config.json of a bundle whose hook, run by the recorder, has the stage @STAGE@ and the configuration @CONF@.
cve_template() {
	local dir=$BATS_FILE_TMPDIR/template
	bundle_make "$dir" "$HOST/image" && bundle_args "$dir" /probe mounts && bundle_env "$dir" NVIDIA_VISIBLE_DEVICES=0 &&
		bundle_jq "$dir" '.linux.cgroupsPath = "/@ID@" | .hooks["@STAGE@"] = [{path: $recorder, env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
			args: [$recorder, "@RECORD@", $hook, "--config", "@CONF@", "@STAGE@"]}]' \
			--arg recorder "$NVC_LIB/hook-recorder.sh" --arg hook "$NVCOREOS_BUILD/nvcoreos-hook" &&
		cat "$dir/config.json" && cleanup_umount "$dir"
}

cve_clean_file() {
	[ -z "${HOST:-}" ] || gpu_clean "$HOST"
}

cve_rootfs() {
	mkdir -p "$B"/{rootfs,upper,work}
	mount -t overlay overlay -o "lowerdir=$HOST/image:$ROOT,upperdir=$B/upper,workdir=$B/work" "$B/rootfs" 2>/dev/null ||
		cp -a --reflink=auto "$ROOT/." "$HOST/image/." "$B/rootfs"
}

# cve_new: B is a new bundle that asks for GPU 0, its root as small as one can be; RECORD is what will be known of its start.
cve_new() {
	cve_teardown
	cve_count=$((${cve_count:-0} + 1))
	B=$BATS_TEST_TMPDIR/b$cve_count RECORD=$BATS_TEST_TMPDIR/r$cve_count
	mkdir -p "$RECORD" && cve_rootfs && echo "$B/rootfs" >"$RECORD/rootfs" &&
		printf '%s\n' "$HOST"/{canary,store,cuda-store,host,conf} "$NVCOREOS_BUILD"/{nvcoreos-hook,nvcoreos-runtime} >"$RECORD/guarded" &&
		sed "s,@ID@,$(bundle_id "$B"),; s,@RECORD@,$RECORD," "$HOST/template.json" >"$B/config.json"
}

# cve_conf KEY=VALUE...: a configuration of the test's own.
cve_conf() {
	local pair
	CVE_CONF=$BATS_TEST_TMPDIR/conf
	cp "$HOST/conf" "$CVE_CONF"
	for pair; do
		sed -i "/^${pair%%=*}=/d" "$CVE_CONF"
		printf '%s\n' "$pair" >>"$CVE_CONF"
	done
}

# The runtime has taken its own things away, or else all is looked for.
cve_teardown() {
	[ -z "${B:-}" ] || { umount "$B/rootfs" 2>/dev/null && [ -z "$(ls -A "$B/state" 2>/dev/null)" ]; } || bundle_clean "$B"
	B=
}

# cve_view RUNTIME: the view of the cgroups that it can use.
cve_view() {
	if [ "$1" = crun ]; then echo legacy; else echo hybrid; fi
}

# cve_oci RUNTIME...: runs B on a host that it cannot hurt; the container's status.
cve_oci() {
	CGROUP_VIEW=${CVE_VIEW:-$(cve_view "$1")} bundle_run "$B" "$NVC_LIB/oracle-host.sh" "$RECORD" "$BATS_RUN_TMPDIR" "$@"
}

# cve_ready [STAGE]: the last word on the bundle.
cve_ready() {
	sed -i "s,@STAGE@,${1:-createRuntime},; s,@CONF@,${CVE_CONF:-$HOST/conf}," "$B/config.json"
	bash "$NVC_TESTS/integration/oracles.bash" oracle_guard "$RECORD" before
}

cve_check() {
	bash "$NVC_TESTS/integration/oracles.bash" oracle_all "$RECORD" "$HOST" "$NVCOREOS_BUILD" "$1" "${CVE_NAMES:-}"
}

# cve_run RUNTIME [STAGE]: a start with the hook; `status` and `output` are the container's, `said` the hook's line. Fails where an
# oracle does.
cve_run() {
	cve_ready "${2:-}"
	status=0
	output=$(cve_oci "$1" 2>&1) || status=$?
	said=$(cat "$RECORD/stderr" 2>/dev/null) || :
	mapfile -t lines <<<"$output"
	printf '%s %s: %s\n%s\n' "$1" "${2:-createRuntime}" "$status" "$output"
	cve_check "$status"
}

# cve_shim RUNTIME: a start through nvcoreos-runtime, which makes the hook entry itself.
cve_shim() {
	cve_conf "low-level-runtimes=$1"
	bundle_jq "$B" 'del(.hooks)'
	cve_ready
	status=0
	output=$(CVE_VIEW=${CVE_VIEW:-$(cve_view "$1")} cve_oci "$NVCOREOS_BUILD/nvcoreos-runtime" --nvcoreos-config "$CVE_CONF" 2>&1) || status=$?
	mapfile -t lines <<<"$output"
	printf 'shim, %s: %s\n%s\n' "$1" "$status" "$output"
	bash "$NVC_TESTS/integration/oracles.bash" oracle_host "$RECORD" && bash "$NVC_TESTS/integration/oracles.bash" oracle_mounts "$RECORD"
}

# started: the hook and the container have done their work. refused E<nn>...: the hook has refused with one of these.
started() {
	[ "$status" = 0 ] && [ "$(cat "$RECORD/rc")" = 0 ] && return
	echo "must start: $said"
	return 1
}

refused() {
	local code
	for code; do
		[[ $said != "nvcoreos-hook: $code: "* ]] || return 0
	done
	echo "must be refused with $*: $said"
	return 1
}
