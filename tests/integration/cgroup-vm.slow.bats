#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The device cgroup by the hook alone on a kernel of its own, in a virtual machine: cgroup v2 with all controllers, so that limits can
# be changed while a container runs, and settings of the kernel that no test may change on the machine itself. It boots once; run.sh is
# what it runs, and each test here looks at what one of its steps wrote. The unit tests of the device cgroup run there too.

load helpers
load vm
load gpu
load cgroup

why_not() {
	local name
	[ "$(id -u)" = 0 ] || echo 'needs root'
	for name in runc jq cc; do
		command -v "$name" >/dev/null || echo "not installed: $name"
	done
	for name in nvcoreos nvcoreos-hook unit/test_cgroup_v2 unit/test_cgroup_steps unit/test_devprog; do
		[ -x "$NVCOREOS_BUILD/$name" ] || echo "not built: $NVCOREOS_BUILD/$name"
	done
	vm_needs 2>&1 || :
}

guest_script() {
	cat <<'END'
. /vm-steps
start() {
	runc run --detach --bundle /bundle c && runc exec c /bin/sh /oracle
}
limits() {
	runc update --pids-limit 77 --memory 200000000 --cpu-share 512 --cpu-quota 50000 c
	cat /sys/fs/cgroup/c/pids.max /sys/fs/cgroup/c/memory.max /sys/fs/cgroup/c/cpu.max
	runc exec c /bin/sh /oracle
	/devprogs /sys/fs/cgroup/c
}
hardened() {
	echo "$1" >/proc/sys/net/core/bpf_jit_harden
	start
}
END
	printf 'cd /\nfor t in devprog cgroup_v2 cgroup_steps; do say "$t" /units/test_$t; done\n'
	printf 'say before /devprogs /sys/fs/cgroup\nsay start start\nsay limits limits\nrunc delete --force c\n'
	printf 'say after ls -d /sys/fs/cgroup/c\n'
	printf 'say harden1 hardened 1\nrunc delete --force c\nsay harden2 hardened 2\nrunc delete --force c\n'
	printf 'exit 0\n'
}

make_guest() {
	local guest=$1 name
	cp -a "$ROOT" "$guest" && mkdir -p "$guest/usr/sbin" "$guest/units" "$guest/bundle" "$guest/gpu" "$guest/etc" || return
	printf 'ID=debian\nVERSION_ID="12"\n' >"$guest/etc/os-release"
	for name in devprog cgroup_v2 cgroup_steps; do
		vm_program "$guest" "$NVCOREOS_BUILD/unit/test_$name" "/units/test_$name" || return
	done
	devprogs_build "$BATS_FILE_TMPDIR/devprogs" && vm_program "$guest" "$BATS_FILE_TMPDIR/devprogs" /devprogs &&
		vm_program "$guest" "$NVCOREOS_BUILD/nvcoreos-hook" /nvcoreos-hook && vm_program "$guest" "$(command -v runc)" /usr/sbin/runc &&
		gpu_host "$guest/gpu" 535.261.03 load-modules=no && rm -rf "$guest/gpu/archives" && sed -i "s,$guest/gpu,/gpu,g" "$guest/gpu/conf" || return
	cp -a "$ROOT" "$guest/bundle/rootfs" && probe_build "$guest/bundle/rootfs" && oracle >"$guest/bundle/rootfs/oracle"
	runc spec -b "$guest/bundle"
	bundle_jq "$guest/bundle" '.process.terminal = false | .root.readonly = false | .process.args = ["/bin/sleep", "600"] | .linux.cgroupsPath = "/c"
		| .process.capabilities |= (.bounding = $caps | .effective = $caps | .permitted = $caps | del(.ambient, .inheritable))' \
		--argjson caps "$(bundle_capabilities)"
	bundle_env "$guest/bundle" NVIDIA_VISIBLE_DEVICES=1
	bundle_hook "$guest/bundle" createRuntime /nvcoreos-hook --config /gpu/conf createRuntime
}

# Older bats know no skip here: setup does it.
setup_file() {
	# shellcheck source=tests/lib/vm.sh
	. "$NVC_LIB/vm.sh"
	export CONSOLE=$BATS_FILE_TMPDIR/console WHY_NOT GUEST=$BATS_FILE_TMPDIR/guest
	local rc=0
	WHY_NOT=$(why_not)
	[ -z "$WHY_NOT" ] || return 0
	KERNEL=$(vm_kernel) && ROOT=$("$NVC_LIB/roots.sh" --busybox) || rc=$?
	[ $rc != 3 ] || WHY_NOT='no kernel or no busybox for a virtual machine can be had here'
	[ $rc != 3 ] || return 0
	[ $rc = 0 ]
	guest_script >"$BATS_FILE_TMPDIR/run.sh"
	make_guest "$GUEST" && vm_pack "$GUEST" "$BATS_FILE_TMPDIR/run.sh" "$BATS_FILE_TMPDIR/image" &&
		vm_boot "$KERNEL" "$BATS_FILE_TMPDIR/image" "$CONSOLE" 300
}

teardown_file() {
	cleanup_umount "$GUEST"
}

setup() {
	[ -z "$WHY_NOT" ] || skip_or_fail "$WHY_NOT"
}

@test "the unit tests of the device cgroup, on that kernel" {
	for name in devprog cgroup_v2 cgroup_steps; do
		step "$name"
		[ "$status" = 0 ]
		[[ $output == *'ok 1 - '* && $output != *'not ok'* && $output != *'# SKIP'* ]]
	done
}

@test "hostile 84: cgroup v2 with all controllers: exactly the GPU" {
	step start
	[ "$status" = 0 ]
	[ "$output" = "$(exactly)" ]
}

@test "hostile 88: runc update of processes, memory and CPU keeps the devices" {
	step limits
	[ "$status" = 0 ]
	[ "$(head -n 3 <<<"$output")" = $'77\n199999488\n50000 100000' ]
	[ "$(sed -n 4,8p <<<"$output")" = "$(exactly)" ]
	[[ ${lines[-1]} == '4 rules, '* ]]
}

@test "hostile 90: nothing is left" {
	step before
	[ "$status" = 0 ]
	[ -z "$output" ]
	step after
	[ "$status" != 0 ]
}

@test "hostile 86: a kernel that hides instructions from all: an error that says what to do; from users alone: no matter" {
	step harden1
	[ "$status" = 0 ]
	[ "$output" = "$(exactly)" ]
	step harden2
	[ "$status" != 0 ]
	[[ $output == *'nvcoreos-hook: E36: device cgroup cannot be changed: device program '*': start the container with nvcoreos-runtime, or set net.core.bpf_jit_harden to 0 or 1'* ]]
}

@test "hostile 86: a program that the kernel only just takes, on this machine" {
	NVCOREOS_SLOW=1 run "$NVCOREOS_BUILD/unit/test_cgroup_v2"
	echo "$output"
	[ "$status" = 0 ]
	grep -q 'ok [0-9]* - hostile_86_a_program_that_the_kernel_only_just_takes$' <<<"$output"
}
