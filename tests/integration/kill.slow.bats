#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The hook killed at its system calls, and more that kill.bats does on a smaller sample. KILL_STEP=1 does all of everything,
# KILL_STEP=N each Nth call.

load helpers
load gpu
load kill

setup_file() {
	need_root runc jq cc || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	kill_setup && kill_build sweep killat
	export KILL_EACH=${KILL_STEP:-2} KILL_STEP=${KILL_STEP:-5}
}

teardown_file() {
	kill_teardown
}

setup() {
	skip_file
}

teardown() {
	local dir
	for dir in "$BATS_TEST_TMPDIR"/b*; do
		bundle_clean "$dir"
	done
}

# kill_hook BUNDLE KILLAT_OPTION...: the bundle's one hook is ours, under killat; what that prints goes to BUNDLE/calls.
kill_hook() {
	local dir=$1
	shift
	bundle_jq "$dir" 'del(.hooks)'
	bundle_hook "$dir" createRuntime /bin/sh -c 'calls=$1; shift; exec "$@" 2>"$calls"' sh "$dir/calls" \
		"$KILL/bin/killat" "$@" "$NVCOREOS_BUILD/nvcoreos-hook" --config "$KILL/conf" createRuntime
}

@test "SIGKILL at every system call" {
	kill_sweep "$KILL_EACH" signal 9
}

@test "SIGKILL, in a user namespace, with all capabilities" {
	cp -a "$KILL/root" "$KILL/mapped"
	chown -hR 100000:100000 "$KILL/mapped"
	kill_config NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=all
	KILL_LOWER=$KILL/mapped KILL_USERS=100000 kill_sweep "$KILL_STEP" signal 9
	kill_config NVIDIA_VISIBLE_DEVICES=all
}

@test "SIGTERM, SIGHUP, SIGINT, SIGPIPE" {
	for signal in 15 1 2 13; do
		kill_sweep "$KILL_STEP" signal "$signal"
	done
}

@test "a system call that fails" {
	kill_sweep "$KILL_STEP" errno EINTR,EAGAIN,ENOSPC,EIO,ENOMEM,EROFS,EACCES,EMFILE,ESTALE,EDQUOT
}

@test "the container's init ends at every system call" {
	kill_sweep 1 init
}

@test "a second hook at every system call, on the container and on one that shares its root; one that finds the container held gives up" {
	kill_sweep 1 second
	kill_sweep "$KILL_STEP" beside
	kill_sweep 1 busy
}

@test "driver or toolkit changed at every system call" {
	kill_sweep 1 flip "$KILL_DRIVER"
	kill_sweep "$KILL_STEP" flip "$KILL_TOOLKIT"
}

@test "SIGKILL under runc and crun: no container, and the next start is right" {
	need_cgroups
	need_root runc crun
	have_root --busybox
	local b=$BATS_TEST_TMPDIR/b runtime calls points=0
	bundle_make "$b" "$ROOT"
	bundle_env "$b" NVIDIA_VISIBLE_DEVICES=all
	bundle_args "$b" /bin/sh -c 'ls /dev | grep -c nvidia; grep -c " /usr/local/nvidia " /proc/self/mountinfo'
	for runtime in runc crun; do
		export CGROUP_VIEW=legacy
		kill_hook "$b" --count
		[ "$(bundle_run "$b" $runtime)" = $'5\n1' ]
		calls=$(cat "$b/calls")
		before=$(grep -c -e "$b" -e "$KILL" /proc/self/mountinfo || :)
		for ((n = 1 + RANDOM % 60; n < calls; n += 60)); do
			kill_hook "$b" --at "$n"
			run bundle_run "$b" $runtime
			[ "$status" != 0 ]
			[[ $output != 5* ]]
			kill_hook "$b"
			[ "$(bundle_run "$b" $runtime)" = $'5\n1' ]
			points=$((points + 1))
		done
		[ "$(grep -c -e "$b" -e "$KILL" /proc/self/mountinfo || :)" = "$before" ]
	done
	echo "# killed under runc and crun: $points of $calls system calls" >&3
}

@test "64 times runc run at once" {
	need_cgroups
	have_root --busybox
	for ((i = 0; i < 64; i++)); do
		bundle_make "$BATS_TEST_TMPDIR/b$i" "$ROOT"
		bundle_env "$BATS_TEST_TMPDIR/b$i" NVIDIA_VISIBLE_DEVICES=all
		bundle_args "$BATS_TEST_TMPDIR/b$i" /bin/sh -c 'ls /dev | grep -c nvidia; ls /usr/local/nvidia/lib64 | grep -x libcuda.so.1'
	done
	for ((i = 0; i < 64; i++)); do
		{
			started=${EPOCHREALTIME/[.,]/}
			gpu_run "$KILL" "$BATS_TEST_TMPDIR/b$i" >"$BATS_TEST_TMPDIR/out$i" 2>&1 || echo "status $?" >>"$BATS_TEST_TMPDIR/out$i"
			echo $(((${EPOCHREALTIME/[.,]/} - started) / 1000)) >"$BATS_TEST_TMPDIR/ms$i"
		} 3>&- &
	done
	wait
	for ((i = 0; i < 64; i++)); do
		echo "$i: $(tr '\n' ' ' <"$BATS_TEST_TMPDIR/out$i")"
		[ "$(tr '\n' ' ' <"$BATS_TEST_TMPDIR/out$i")" = '5 libcuda.so.1 ' ]
	done
	sort -n "$BATS_TEST_TMPDIR"/ms* | awk '{ ms[NR] = $1 } END { printf "# 64 runc run at once: p50 %d ms, p99 %d ms\n", ms[32], ms[63] }' >&3
}
