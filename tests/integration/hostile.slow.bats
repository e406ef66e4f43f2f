#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The whole of what hostile-*.bats sample, and a sample of it in containers that runc and crun make.

load helpers
load gpu
load box

setup_file() {
	need_root runc cc findmnt jq perl || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	box_setup
}

teardown_file() {
	box_teardown
}

setup() {
	skip_file
}

teardown() {
	bundle_clean "$BOX/b"
}

# whole NAME: every case of that file.
whole() {
	local file=$NVC_TESTS/integration/hostile-$1.bats
	env -u BATS_TEST_NAME -u BATS_FILE_TMPDIR -u BATS_TEST_TMPDIR HOSTILE_ALL=1 bats --tap "$file" >"$BATS_TEST_TMPDIR/out" 2>&1 || {
		cat "$BATS_TEST_TMPDIR/out"
		return 1
	}
	grep '^# cases' "$BATS_TEST_TMPDIR/out" | sed "s/^# cases/# $1/" >&3
	[ "$(grep -c '^ok' "$BATS_TEST_TMPDIR/out")" -gt 0 ]
}

@test "1 to 24, whole" {
	whole input
}

@test "25 to 33, whole" {
	whole values
}

@test "40, 43, 45, 58 to 64, whole" {
	whole files
}

@test "46 to 57, whole" {
	whole paths
}

@test "65 to 73, whole" {
	whole fs
}

@test "74 to 83, whole" {
	whole host
}

# hostile KIND TARGET: puts it into the bundle's root.
hostile() {
	local path=$BOX/b/rootfs$2
	rm -rf "$path"
	mkdir -p "${path%/*}" "$BOX/b/rootfs/opt/x"
	case $1 in
	dir) mkdir -p "$path" ;;
	file) echo x >"$path" ;;
	in-root) ln -s /opt/x "$path" ;;
	host-dir) ln -s "$BOX/canary/dir" "$path" ;;
	host-file) ln -s "$BOX/canary/file" "$path" ;;
	dots) ln -s "../../../../../../../../../..$BOX/canary/dir" "$path" ;;
	proc-root) ln -s "/proc/self/root$BOX/canary/dir" "$path" ;;
	proc-fd) ln -s /proc/self/fd/3 "$path" ;;
	loop) ln -s "${2##*/}" "$path" ;;
	fifo) mkfifo "$path" ;;
	esac
}

# served RUNTIME STAGE KIND TARGET: one container; what must hold whatever comes of it, and how it may come out.
served() {
	local runtime=$1 stage=$2 kind=$3 target=$4 view=hybrid status=0 out want='S'
	[ "$runtime" != crun ] || view=legacy
	bundle_clean "$BOX/b"
	bundle_make "$BOX/b" "$BOX/template"
	bundle_env "$BOX/b" NVIDIA_VISIBLE_DEVICES=all
	bundle_args "$BOX/b" /probe flags /usr/local/nvidia
	hostile "$kind" "$target"
	case $target:$kind in
	/usr/local/nvidia:dir) ;;
	/usr/local/nvidia:* | /usr/local:file | /usr/local:host* | /usr/local:dots | /usr/local:proc* | /usr/local:loop | /usr/local:fifo) want=E ;;
	esac
	"$BOX/bin/snap" -i "$BOX/canary" "$BOX/store" "$BOX/cuda-store" "$BOX/host" "$BOX/host/dev" >"$BOX/before"
	cat /proc/self/mountinfo >"$BOX/mounts"
	bundle_hook "$BOX/b" "$stage" "$NVCOREOS_BUILD/nvcoreos-hook" --config "$BOX/conf" "$stage"
	out=$(CGROUP_VIEW=$view bundle_run "$BOX/b" "$runtime" 2>&1) || status=$?
	"$BOX/bin/snap" -i -c "$BOX/before" "$BOX/canary" "$BOX/store" "$BOX/cuda-store" "$BOX/host" "$BOX/host/dev"
	grep "$BOX" /proc/self/mountinfo | cmp - <(grep "$BOX" "$BOX/mounts")
	case $want in
	S) [[ $status = 0 && $out == ro,nosuid,nodev* ]] ;;
	E) [[ $status != 0 && $out != *ro,nosuid* ]] ;;
	esac || { echo "FAILED $runtime $stage $target is $kind: $status $out" && return 1; }
	echo "$want $runtime $stage: $target is $kind" >>"$BOX/cases"
}

@test "46 to 53: a sample under runc and crun, prestart and createRuntime" {
	local runtime stage target kind runtimes=(runc)
	! command -v crun >/dev/null || runtimes+=(crun)
	for runtime in "${runtimes[@]}"; do
		for stage in prestart createRuntime; do
			for target in /usr/local/nvidia /usr/local /usr/local/cuda /etc/ld.so.cache /etc/ld.so.conf.d /usr/bin; do
				for kind in dir file in-root host-dir host-file dots proc-root proc-fd loop fifo; do
					box_turn_of 6 || continue
					served "$runtime" "$stage" "$kind" "$target"
				done
			done
		done
	done
}

# Here a sample is enough in any case.
box_turn_of() {
	BOX_TURN=$((${BOX_TURN:-0} + 1))
	[ $((BOX_TURN % $1)) = 0 ]
}
