#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The device cgroup by nvcoreos-hook alone, with no shim: cgroup v1, v2 and both, under runc, crun and Docker.
# Numbers after "hostile" are those of the unit tests too (test_cgroup*.c), which make cgroups by hand and so come further.

bats_require_minimum_version 1.5.0
load helpers
load gpu
load cgroup

setup_file() {
	need_root runc jq cc || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	have_root --busybox || return "$SKIPPED"
	export ROOT HOST=$BATS_FILE_TMPDIR/h
	mkdir "$HOST"
	gpu_host "$HOST" 535.261.03
	fakehost_conf "$HOST/host" "$HOST/store" "$HOST/cuda-store" device-cgroup=none >"$HOST/conf-none"
	probe_build "$HOST/probes"
	devprogs_build "$HOST/devprogs"
	cc -shared -fPIC -o "$HOST/nomemlock.so" "$NVC_TESTS/integration/nomemlock.c"
}

teardown_file() {
	[ -z "${HOST:-}" ] || gpu_clean "$HOST"
}

setup() {
	skip_file
	B=$BATS_TEST_TMPDIR/b
	bundle_make "$B" "$ROOT"
	probe_install "$HOST/probes" "$B/rootfs"
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=1
}

teardown() {
	[ -z "${B:-}" ] || bundle_clean "$B"
	[ -z "${U:-}" ] || rmdir "$U"
}

# hook STAGE...: the hook entries of the bundle, and no others.
hook() {
	local stage
	bundle_jq "$B" 'del(.hooks)'
	for stage; do
		bundle_hook "$B" "$stage" "$NVCOREOS_BUILD/nvcoreos-hook" --config "$HOST/conf" "$stage"
	done
}

# cgroup_namespace private|host
cgroup_namespace() {
	bundle_jq "$B" '.linux.namespaces |= map(select(.type != "cgroup"))'
	[ "$1" = host ] || bundle_jq "$B" '.linux.namespaces += [{type: "cgroup"}]'
}

# is_exact RUNTIME...: the bundle runs, and exactly its GPU is open in it.
is_exact() {
	run bundle_run "$B" "$@"
	[ "$status" = 0 ] && [ "$output" = "$(exactly)" ] && return 0
	echo "${CGROUP_VIEW:-}: $* $output"
	return 1
}

# on_v2 CMD...: in the view of v2, where the started container is.
on_v2() {
	cgroup_view v2 "$@"
}

@test "hostile 84: runc in hybrid, v1 and v2, prestart and createRuntime, cgroup namespaces" {
	gpu_sh "$B" "$(oracle)"
	for stage in prestart createRuntime; do
		hook "$stage"
		for namespace in host private; do
			cgroup_namespace "$namespace"
			for CGROUP_VIEW in hybrid legacy v2; do
				is_exact runc
			done
		done
	done
}

@test "hostile 84: crun in v1 and v2, prestart and createRuntime, cgroup namespaces" {
	need_root crun
	gpu_sh "$B" "$(oracle)"
	for stage in prestart createRuntime; do
		hook "$stage"
		for namespace in host private; do
			cgroup_namespace "$namespace"
			CGROUP_VIEW=legacy is_exact crun
			CGROUP_VIEW=v2 is_exact env LD_PRELOAD="$HOST/nomemlock.so" crun
		done
	done
}

@test "without the hook's step nothing of it is open: the oracle tells" {
	gpu_sh "$B" "$(oracle)"
	bundle_hook "$B" createRuntime "$NVCOREOS_BUILD/nvcoreos-hook" --config "$HOST/conf-none" createRuntime
	for CGROUP_VIEW in hybrid v2; do
		run bundle_run "$B"
		echo "$output"
		[ "$output" = "$(nothing)" ]
	done
}

@test "a user namespace of the container's: its device rules are opened all the same" {
	U=$(mktemp -d /tmp/nvcoreos-userns.XXXXXX)
	chmod 755 "$U"
	bundle_clean "$B"
	B=$U/b
	bundle_make "$B" "$ROOT"
	probe_install "$HOST/probes" "$B/rootfs"
	bundle_userns "$B" 100000
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=1
	hook createRuntime
	gpu_sh "$B" 'for n in nvidia1 nvidiactl; do /probe open /dev/$n; done'
	for CGROUP_VIEW in hybrid v2; do
		run bundle_run "$B"
		echo "$CGROUP_VIEW $output"
		[ "$output" = $'ENXIO\nENXIO' ]
	done
}

@test "two hooks on one container: the program does not grow" {
	hook prestart createRuntime
	bundle_args "$B" /bin/sleep 60
	CGROUP_VIEW=v2 bundle_start "$B"
	run on_v2 "$HOST/devprogs" "/sys/fs/cgroup/$(bundle_id "$B")"
	echo "$output"
	two=$output
	bundle_oci "$B" runc delete --force "$(bundle_id "$B")"
	hook createRuntime
	CGROUP_VIEW=v2 bundle_start "$B"
	run on_v2 "$HOST/devprogs" "/sys/fs/cgroup/$(bundle_id "$B")"
	echo "$output"
	[[ $output == '4 rules, '* ]]
	[ "$output" = "$two" ]
}

@test "privileged on v2: everything is open, the engine's program stays as it is" {
	bundle_jq "$B" '.linux.resources.devices = [{"allow": true, "access": "rwm"}]'
	hook createRuntime
	bundle_args "$B" /bin/sleep 60
	CGROUP_VIEW=v2 bundle_start "$B"
	run on_v2 "$HOST/devprogs" "/sys/fs/cgroup/$(bundle_id "$B")"
	echo "$output"
	[[ $output == '0 rules, '* ]]
	[ "$(CGROUP_VIEW=v2 bundle_exec "$B" /probe open /dev/nvidia1)" = ENXIO ]
}

@test "hostile 88: an update by the runtime keeps the devices, on v1 and on v2" {
	hook createRuntime
	bundle_args "$B" /bin/sleep 60
	for CGROUP_VIEW in hybrid v2; do
		export CGROUP_VIEW
		bundle_start "$B"
		[ "$(bundle_exec "$B" /bin/sh -c "$(oracle)")" = "$(exactly)" ]
		# On v2 a machine may have no controller whose limit could be changed; all of the cgroup is gone through all the same.
		limit=()
		[ "$CGROUP_VIEW" = v2 ] || limit=(--pids-limit 77)
		bundle_oci "$B" runc update "${limit[@]}" "$(bundle_id "$B")"
		[ "$CGROUP_VIEW" = v2 ] || [ "$(cat "/sys/fs/cgroup/pids/$(bundle_id "$B")/pids.max")" = 77 ]
		[ "$(bundle_exec "$B" /bin/sh -c "$(oracle)")" = "$(exactly)" ]
		bundle_oci "$B" runc delete --force "$(bundle_id "$B")"
	done
	command -v crun >/dev/null || return 0
	crun=(env "LD_PRELOAD=$HOST/nomemlock.so" crun)
	bundle_start "$B" "${crun[@]}"
	run on_v2 "$HOST/devprogs" "/sys/fs/cgroup/$(bundle_id "$B")"
	before=$output
	bundle_oci "$B" "${crun[*]}" update "$(bundle_id "$B")"
	run on_v2 "$HOST/devprogs" "/sys/fs/cgroup/$(bundle_id "$B")"
	bundle_oci "$B" "${crun[*]}" delete --force "$(bundle_id "$B")"
	echo "$before $output"
	[ "$output" = "$before" ]
	[[ $output == '4 rules, '* ]]
}

@test "hostile 89: what the cgroup above forbids is an error that says so, and the container does not start" {
	local parent
	parent=$(bundle_id "$B")
	[ -d /sys/fs/cgroup/devices ] || skip 'no cgroup v1'
	mkdir "/sys/fs/cgroup/devices/$parent"
	echo 'c 195:* rw' >"/sys/fs/cgroup/devices/$parent/devices.deny"
	bundle_jq "$B" '.linux.cgroupsPath += "/child"'
	hook createRuntime
	bundle_args "$B" /bin/echo started
	run bundle_run "$B"
	echo "$output"
	[ "$status" != 0 ]
	[[ $output == *"nvcoreos-hook: E36: device cgroup cannot be changed: c 195:"*" rw into /$parent/child/devices.allow: Operation not permitted: "* ]]
	[[ $output != *started* ]]
	grep -q "container $parent: planned were driver " "$HOST/host/nvcoreos.log"
}

@test "hostile 90: what was opened ends with the container" {
	hook createRuntime
	bundle_args "$B" /bin/sleep 60
	for CGROUP_VIEW in hybrid v2; do
		export CGROUP_VIEW
		bundle_start "$B"
		[ "$(bundle_exec "$B" /probe open /dev/nvidia1)" = ENXIO ]
		bundle_oci "$B" runc delete --force "$(bundle_id "$B")"
		# Others' may go while it looks, which it says as an error.
		run --separate-stderr find /sys/fs/cgroup -name "$(bundle_id "$B")"
		echo "$output"
		[ -z "$output" ]
	done
	# The next one in a cgroup of the same name, without a GPU.
	bundle_jq "$B" 'del(.hooks)'
	gpu_sh "$B" '/probe mknod /tmp/n c 195 1; /probe open /tmp/n'
	for CGROUP_VIEW in hybrid v2; do
		run bundle_run "$B"
		[ "${lines[1]}" = EPERM ]
	done
}

# The script runs in a mount namespace of its own; the daemon and all that it starts are in the view too.
docker_gpus() {
	cgroup_view "$1" bash -c '
		set -e
		. "$NVC_LIB/cleanup.sh"
		. "$NVC_LIB/dockerd.sh"
		dir=$1
		trap "dockerd_stop $dir >&2" EXIT
		PATH=$dir/bin:$PATH dockerd_start "$dir" runc
		docker_import_root "$2" nvtest:1
		docker run --rm --network none --gpus device=1 nvtest:1 sh -c "$3"
		docker run --rm --network none --cgroupns private --gpus device=1 nvtest:1 sh -c "$3"
	' - "$BATS_TEST_TMPDIR/d" "$B/rootfs" "$(oracle)" 3>&-
}

@test "docker run --gpus, with nothing else configured: v2 and v1" {
	# shellcheck source=tests/lib/dockerd.sh
	. "$NVC_LIB/dockerd.sh"
	dockerd_able || skip_or_fail 'no dockerd can run here'
	mkdir -p "$BATS_TEST_TMPDIR/d/bin"
	printf '#!/bin/sh\nexec %s/nvcoreos-hook --config %s/conf "$@"\n' "$NVCOREOS_BUILD" "$HOST" >"$BATS_TEST_TMPDIR/d/bin/nvidia-container-runtime-hook"
	chmod 755 "$BATS_TEST_TMPDIR/d/bin/nvidia-container-runtime-hook"
	for view in v2 hybrid; do
		run docker_gpus "$view"
		echo "$view: $output"
		[ "$status" = 0 ]
		[ "$output" = "$(exactly)"$'\n'"$(exactly)" ]
	done
}
