#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a start costs in shim and hook: their system calls, their memory, and the instructions of both and of the kernel for
# them, in a virtual machine whose clock counts instructions: so there is no noise, and a change that costs something is seen.
# tests/bench/figures holds what is known; COST_ACCEPT=1 writes it anew.

load helpers
load gpu
load vm
load ../bench/scene

FIGURES=$NVC_TESTS/bench/figures

setup_file() {
	# shellcheck source=tests/lib/vm.sh
	. "$NVC_LIB/vm.sh"
	local kernel root rc=0
	need_root jq cc strip ldconfig || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	export SCENE=$BATS_FILE_TMPDIR/scene CONSOLE=$BATS_FILE_TMPDIR/console MADE_WITH
	kernel=$(vm_kernel) && root=$("$NVC_LIB/roots.sh" --busybox) || rc=$?
	[ $rc != 3 ] || { skip_or_fail 'no virtual machine can be had here' || return "$SKIPPED"; }
	[ $rc = 0 ] || return
	MADE_WITH="$(cc --version | sed 1q), Linux $(cat "$kernel/release")"
	scene_all && cp -a "$root" "$BATS_FILE_TMPDIR/guest" && scene_guest "$BATS_FILE_TMPDIR/guest" &&
		vm_own "$BATS_FILE_TMPDIR/guest" "$kernel" && scene_script >"$BATS_FILE_TMPDIR/run" &&
		vm_pack "$BATS_FILE_TMPDIR/guest" "$BATS_FILE_TMPDIR/run" "$BATS_FILE_TMPDIR/image" &&
		VM_COUNTS=1 vm_boot "$kernel" "$BATS_FILE_TMPDIR/image" "$CONSOLE" 300 && figures >"$BATS_FILE_TMPDIR/figures"
}

teardown_file() {
	[ ! -d "$BATS_FILE_TMPDIR/scene" ] || scene_clean
}

setup() {
	skip_file
}

# What was measured, as FIGURES has it.
figures() {
	cat <<-EOF
		# SPDX-License-Identifier: Apache-2.0
		# What starts cost, see tests/integration/cost.bats. SCENE PROGRAM WHAT FIGURE: system calls, KiB of memory, thousands of instructions.
		# Made with $MADE_WITH
	EOF
	sed -n 's/^\([a-z0-9-]* \(shim\|hook\) [a-z]* [0-9]*\)$/\1/p' "$CONSOLE"
}

# get SCENE PROGRAM WHAT: what was measured.
get() {
	sed -n "s/^$1 $2 $3 //p" "$BATS_FILE_TMPDIR/figures"
}

# limits: in percent. Other compilers and other kernels come to other figures: there as much may be different as is between those that
# are known, which is said; but a newer kernel for the same compiler is no reason for another call.
limits() {
	local made
	made=$(sed -n 's/^# Made with //p' "$FIGURES")
	[ "$made" != "$MADE_WITH" ] || { echo 'calls 0 memory 10 cpu 3' && return; }
	echo "# compared loosely: $FIGURES was made with $made, this with $MADE_WITH" >&3
	if [ "${made%, Linux *}" = "${MADE_WITH%, Linux *}" ]; then
		echo 'calls 0 memory 25 cpu 30'
	else
		echo 'calls 5 memory 25 cpu 30'
	fi
}

@test "calls, memory and instructions are what is known of them" {
	[ "${COST_ACCEPT:-0}" != 1 ] || cp "$BATS_FILE_TMPDIR/figures" "$FIGURES"
	allowed=$(limits)
	run awk -v allowed="$allowed" '
		BEGIN { n = split(allowed, a, " "); for (i = 1; i < n; i += 2) limit[a[i]] = a[i + 1] }
		/^#/ { next }
		NR == FNR { known[$1 " " $2 " " $3] = $4; next }
		{
			key = $1 " " $2 " " $3
			seen[key] = 1
			d = key in known ? 100 * ($4 - known[key]) / (known[key] ? known[key] : 1) : 1000
			if (d > limit[$3] || -d > limit[$3])
				printf "%s: %s, was %s (%+.1f %%)\n", key, $4, known[key], d
		}
		END { for (key in known) if (!(key in seen)) print key ": not measured" }' "$FIGURES" "$BATS_FILE_TMPDIR/figures"
	echo "$output"
	[ -z "$output" ] || echo 'where that is as it should be: COST_ACCEPT=1 tests/lib/run-bats.sh tests/integration/cost.bats'
	[ -z "$output" ]
}

@test "no more than 6 MiB of memory" {
	for scene in start driver-400 image-600 no-shim; do
		[ "$(get $scene hook memory)" -le 6144 ]
	done
	for scene in start driver-400 image-600; do
		[ "$(get $scene shim memory)" -le 6144 ]
	done
}

@test "as many system calls, however many libraries driver and image have" {
	for program in shim hook; do
		[ $(($(get driver-400 $program calls) - $(get start $program calls))) -le 8 ]
		[ $(($(get image-600 $program calls) - $(get start $program calls))) -le 8 ]
	done
}
