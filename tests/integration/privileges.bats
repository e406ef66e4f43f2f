#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Least privilege by phase: which capabilities a start needs, one by one, and that the hook starts no program.

load helpers
load gpu
load box

setup_file() {
	need_root cc setpriv strace || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook || return "$SKIPPED"
	box_setup
}

teardown_file() {
	box_teardown
}

setup() {
	skip_file
	box_root
}

# without CAPABILITY...: the hook, with all other capabilities of this machine.
without() {
	local drop
	printf -v drop -- ',-%s' "$@"
	echo "exec setpriv --inh-caps=${drop#,} --bounding-set=${drop#,} ${BOX_HOOK#exec }"
}

# only CAPABILITY...: the hook, with these alone.
only() {
	local keep
	printf -v keep ',+%s' "$@"
	echo "exec setpriv --inh-caps=-all --bounding-set=-all$keep ${BOX_HOOK#exec }"
}

@test "a start needs SYS_ADMIN, SYS_CHROOT and SYS_PTRACE, each, and is refused by name without" {
	for cap in sys_admin sys_chroot sys_ptrace; do
		box_case "without $cap" E07 -x "$(without "$cap")"
		[[ $BOX_ERR == *"cap_$cap"* ]]
		box_root
	done
	box_done 3
}

@test "these three alone are enough for a common image of root's" {
	box_case 'three capabilities' S -x "$(only sys_admin sys_chroot sys_ptrace)" -- /probe stat /dev/nvidia0
	echo "$BOX_OUTPUT"
	[[ $BOX_OUTPUT == 'c 195:0'* ]]
	box_done 1
}

@test "SETUID and SETGID are needed, each, where the container's root is another user" {
	chown -R 100000:100000 "$R"
	for cap in setuid setgid; do
		box_case "without $cap" E07 -u 100000:65536 -x "$(without "$cap")"
		[[ $BOX_ERR == *"cap_$cap"* ]]
	done
	box_case 'with both' S -u 100000:65536 -x "$(only sys_admin sys_chroot sys_ptrace setuid setgid)"
	box_done 3
}

@test "DAC_OVERRIDE is needed where a directory's mode closes it to root, DAC_READ_SEARCH where it cannot be searched" {
	chmod 555 "$R/usr/bin" "$R/etc"
	chown 7:7 "$R/etc"
	# By then the mounts stand: their targets stay in a layer whose container never starts.
	box_start -x "$(without dac_override)"
	[[ $BOX_STATUS = 1 && $BOX_ERR == 'nvcoreos-hook: E35: '* ]]
	box_o1_host && box_o2_mounts && box_o5_result
	box_root
	chmod 555 "$R/usr/bin" "$R/etc"
	chown 7:7 "$R/etc"
	box_case 'closed to writing, with' S -A ' \./(usr/bin|etc) 040555 ' -x "$(only sys_admin sys_chroot sys_ptrace dac_override)"
	chmod 700 "$BOX/bundle"
	chown 7:7 "$BOX/bundle"
	box_root
	box_case 'a bundle of another user, without' E12 -x "$(without dac_override dac_read_search)"
	box_case 'a bundle of another user, with' S -x "$(only sys_admin sys_chroot sys_ptrace dac_read_search)"
	chown 0:0 "$BOX/bundle"
	chmod 755 "$BOX/bundle"
	box_done 3
}

@test "no other capability is ever used" {
	chown -R 100000:100000 "$R"
	chmod 555 "$R/usr/bin"
	box_case 'the seven that the phases name' S -A ' \./usr/bin 040555 ' -u 100000:65536 \
		-x "$(only sys_admin sys_chroot sys_ptrace setuid setgid dac_override dac_read_search fowner)"
	box_done 1
}

@test "after its own start the hook executes nothing, forks nothing, and ends under filters that allow neither" {
	box_case 'traced' S -x "exec strace -f -qq -e trace=execve,execveat,fork,vfork,clone,clone3,seccomp -o $BOX/trace ${BOX_HOOK#exec }"
	cat "$BOX/trace"
	[ "$(grep -c 'exec' "$BOX/trace")" = 1 ]
	[ "$(grep -cE '\<v?fork\(|\<clone' "$BOX/trace")" = 0 ]
	# The first filter stands before stdin is read, one more in the container's namespace, one more for its files.
	[ "$(grep -c 'SECCOMP_SET_MODE_FILTER, 0, {' "$BOX/trace")" = 3 ]
	box_done 1
}

@test "the filter stands and every capability is lowered before a byte of the container is read" {
	box_case 'traced' S -x "exec strace -qq -e trace=read,seccomp,capset -o $BOX/trace ${BOX_HOOK#exec }"
	sed -n '/SECCOMP_SET_MODE_FILTER, 0, {/,$p' "$BOX/trace" >"$BOX/after"
	grep -q 'read(0, "{' "$BOX/after"
	[ "$(sed '/SECCOMP_SET_MODE_FILTER, 0, {/,$d' "$BOX/trace" | grep -c 'read(0')" = 0 ]
	[[ $(grep capset "$BOX/trace" | sed '/read(0/,$d' | sed -n '2,3p') == *'effective=0,'* ]]
	box_done 1
}
