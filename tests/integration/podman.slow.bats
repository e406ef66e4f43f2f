#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Podman, for root: the entry for hooks.d and the shim, under runc and crun, with and without a user namespace.

load helpers
load gpu
load seen
load engines

ONE='nvidia-uvm nvidia-uvm-tools nvidia1 nvidiactl'

setup_file() {
	need_root podman runc crun jq cc || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	have_root bookworm || return "$SKIPPED"
	export ROOT
	engines_setup
	podman_conf "$BASE"
	tar -C "$IMAGE" -c . | podman_root_in import -q -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - localhost/seen:1
}

teardown_file() {
	podman_root_end
	engines_clean
}

setup() {
	skip_file
}

# podman_root_in ARG...: with this shell's input.
podman_root_in() {
	podman --root "$BASE/pod" --runroot "$BASE/podrun" --tmpdir "$BASE/podtmp" "$@" 3>&-
}

# by_hooks RUNTIME ARG...: podman run through hooks.d.
by_hooks() {
	local runtime=$1
	shift
	podman_root "$(podman_view "$runtime")" --runtime "$runtime" --hooks-dir "$HOOKS_DIR" run --rm "$@"
}

# by_shim RUNTIME ARG...: podman run through nvcoreos-runtime on that runtime.
by_shim() {
	local conf=$HOST/conf view
	[ "$1" != crun ] || conf=$HOST/conf-crun
	view=$(podman_view "$1")
	shift
	podman_root "$view" --runtime "$BIN/nvcoreos-runtime" --runtime-flag "nvcoreos-config=$conf" run --rm "$@"
}

# plainly RUNTIME ARG...: podman run without nvcoreos.
plainly() {
	local runtime=$1
	shift
	podman_root "$(podman_view "$runtime")" --runtime "$runtime" run --rm "$@"
}

# both_ways RUNTIME ARG...: what the container sees is right, by hooks.d and by the shim.
both_ways() {
	local runtime=$1 way other
	shift
	# Podman gives a container with a user namespace no device list, and crun then leaves everything open. The hook makes that
	# neither wider nor narrower; the shim closes it.
	other=$(plainly "$runtime" -v "$HOST/host/dev/nvidia0:/other" "$@" localhost/seen:1 /probe open /other) || :
	for way in by_hooks by_shim; do
		echo "--- $runtime $way $*"
		run $way "$runtime" -e NVIDIA_VISIBLE_DEVICES=1 -v "$HOST/host/dev/nvidia0:/other" "$@" localhost/seen:1 /seen
		echo "$output"
		[ "$status" = 0 ]
		[ $way = by_hooks ] || other=EPERM
		# shellcheck disable=SC2086 # a list
		seen_same "$output" "$other" $ONE
	done
}

@test "runc" {
	both_ways runc
	engines_unchanged
}

@test "crun" {
	both_ways crun
	engines_unchanged
}

@test "runc and crun, --uidmap: the files are the container's root's" {
	for runtime in runc crun; do
		both_ways $runtime --uidmap 0:200000:65536 --gidmap 0:200000:65536
	done
	engines_unchanged
}

@test "--read-only, --user, --cap-drop, --pid host, --cgroups=disabled, --cgroupns, --tmpfs" {
	while read -r runtime options; do
		# shellcheck disable=SC2086 # options and nodes are words
		run by_hooks "$runtime" -e NVIDIA_VISIBLE_DEVICES=1 $options localhost/seen:1 /seen
		echo "--- $runtime $options: $output"
		# Not everybody may write the cache with ldconfig.
		# shellcheck disable=SC2086 # a list
		grep -v '^ldconfig' <<<"$output" | diff <(seen_expected - $ONE | grep -v '^ldconfig') -
	done <<-EOF
		runc --read-only
		crun --read-only
		runc --user 1000:1000
		runc --cap-drop all --security-opt no-new-privileges
		runc --pid host --ipc host
		crun --cgroups=disabled
		crun --cgroupns private
		runc --tmpfs /tmp --tmpfs /run
	EOF
	engines_unchanged
}

@test "the container has no cgroup of its own: its engine's rules stay as they are" {
	before=$(cat /sys/fs/cgroup/devices/devices.list 2>/dev/null) || :
	run by_hooks crun -e NVIDIA_VISIBLE_DEVICES=1 --cgroups=disabled localhost/seen:1 /probe open /dev/nvidia1
	echo "$output"
	[ "$output" = ENXIO ]
	[ "$(cat /sys/fs/cgroup/devices/devices.list 2>/dev/null)" = "$before" ]
	grep -q 'no cgroup of its own' "$HOST/host/nvcoreos.log"
}

@test "a container that joins another one's user namespace" {
	holder=$(podman_root legacy --runtime crun run -d --uidmap 0:200000:65536 --gidmap 0:200000:65536 localhost/seen:1 sleep 100)
	run by_hooks crun -e NVIDIA_VISIBLE_DEVICES=1 --userns "container:$holder" localhost/seen:1 /seen
	podman_root legacy rm -f -t 0 "$holder"
	echo "$output"
	[ "$status" = 0 ]
	# shellcheck disable=SC2086 # a list
	seen_same "$output" - $ONE
}

@test "hooks.d: a container that asks for nothing is left alone, even with a configuration that is no good" {
	mkdir "$BASE/bad.d"
	engines_hooks_dir /no/such/file >"$BASE/bad.d/90-nvcoreos.json"
	for runtime in runc crun; do
		run podman_root "$(podman_view $runtime)" --runtime $runtime --hooks-dir "$BASE/bad.d" run --rm localhost/seen:1 \
			sh -c 'ls /dev | grep -c nvidia; [ ! -e /usr/local/nvidia ] && echo none'
		echo "$output"
		[ "${lines[*]}" = '0 none' ]
	done
}

@test "hooks.d: an unknown GPU: no container, the line is in the log; runc shows it to the user" {
	for runtime in runc crun; do
		: >"$HOST/host/nvcoreos.log"
		run by_hooks $runtime -e NVIDIA_VISIBLE_DEVICES=7 localhost/seen:1 echo STARTED
		echo "$output"
		[ "$status" != 0 ]
		[[ $output != *STARTED* ]]
		grep -q 'error: E14: unknown GPU: .*7' "$HOST/host/nvcoreos.log"
		[ $runtime = crun ] || [[ $output == *'nvcoreos-hook: E14: unknown GPU: '* ]]
	done
}

@test "start, stop and start again: the same GPU, nothing twice" {
	id=$(podman_root hybrid --runtime runc --hooks-dir "$HOOKS_DIR" run -d -e NVIDIA_VISIBLE_DEVICES=1 localhost/seen:1 sleep 100)
	podman_root hybrid stop -t 0 "$id"
	podman_root hybrid --runtime runc --hooks-dir "$HOOKS_DIR" start "$id"
	run podman_root hybrid exec "$id" /seen
	podman_root hybrid rm -f -t 0 "$id"
	echo "$output"
	# shellcheck disable=SC2086 # a list
	seen_same "$output" - $ONE
}
