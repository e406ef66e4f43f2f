#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The suite for machines with a GPU, where there is none: its program can tell right from wrong, its root is enough for containers,
# and without a GPU it says so.

# shellcheck disable=SC2154 # output, lines and status are set by run
load helpers
load gpu
load ../gpu/gpuroot

setup_file() {
	need_root runc jq cc || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	export HOST=$BATS_FILE_TMPDIR
	cc -O1 -Wall -Wextra -Werror -o "$HOST/vectoradd" "$NVC_TESTS/gpu/vectoradd.c" -ldl
	mkdir "$HOST/emulated"
	cc -O1 -Wall -Wextra -Werror -shared -fPIC -o "$HOST/emulated/libcuda.so.535.261.03" "$NVC_TESTS/gpu/emulated.c" -Wl,-soname,libcuda.so.1
	ln -s libcuda.so.535.261.03 "$HOST/emulated/libcuda.so.1"
	gpuroot_make "$HOST/root" "$HOST/vectoradd"
}

setup() {
	skip_file
}

teardown() {
	[ -z "${B:-}" ] || bundle_clean "$B"
	[ ! -d "$BATS_TEST_TMPDIR/h" ] || gpu_clean "$BATS_TEST_TMPDIR/h"
}

@test "the program tells right sums from wrong ones, from no launch, and from calls that fail" {
	while read -r how want says; do
		run env EMULATED_WRONG="$how" LD_LIBRARY_PATH="$HOST/emulated" "$HOST/vectoradd"
		echo "$how: $status, $output"
		[ "$status" = "$want" ]
		[[ $output == *"$says"* ]]
	done <<-EOF
		nothing 0 emulated: 1000003 of 1000003 sums are right
		sum 1 emulated: 1000002 of 1000003 sums are right
		launch 1 emulated: 0 of 1000003 sums are right
		module 3 cuModuleLoadData(&module, ptx): error 218
	EOF
	run env LD_LIBRARY_PATH="$HOST/emulated" "$HOST/vectoradd" 1
	[ "$status" = 3 ]
}

@test "the program in a container of the suite's root: with a libcuda that adds on the CPU, and with one that finds no device" {
	mkdir "$BATS_TEST_TMPDIR/h"
	gpu_host "$BATS_TEST_TMPDIR/h"
	B=$BATS_TEST_TMPDIR/b
	bundle_make "$B" "$HOST/root"
	tree=$(realpath "$BATS_TEST_TMPDIR/h/store/current")
	gpuroot_copy "$B/rootfs" "$tree/bin/nvidia-smi"
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0
	bundle_args "$B" /vectoradd
	run gpu_run "$BATS_TEST_TMPDIR/h" "$B"
	echo "$output"
	[ "$status" = 3 ]
	[ "$output" = 'cuInit(0): error 100' ]
	cp "$HOST/emulated/libcuda.so.535.261.03" "$tree/lib64/libcuda.so.535.261.03"
	run gpu_run "$BATS_TEST_TMPDIR/h" "$B"
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *'1000003 of 1000003 sums are right'* ]]
	bundle_args "$B" nvidia-smi -L
	run gpu_run "$BATS_TEST_TMPDIR/h" "$B"
	echo "$output"
	[ "$status" = 9 ]
}

@test "without a driver, or without a GPU, the suite says so and fails" {
	mkdir -p "$BATS_TEST_TMPDIR/proc"
	run "$NVC_TESTS/gpu/require.sh" "$BATS_TEST_TMPDIR/proc"
	[ "$status" = 1 ]
	[[ $output == *'no NVIDIA driver is loaded here'* ]]
	mkdir -p "$BATS_TEST_TMPDIR/proc/driver/nvidia/gpus"
	fakehost_version 535.261.03 >"$BATS_TEST_TMPDIR/proc/driver/nvidia/version"
	run "$NVC_TESTS/gpu/require.sh" "$BATS_TEST_TMPDIR/proc"
	[ "$status" = 1 ]
	[[ $output == *'has taken no GPU here'* ]]
	mkdir "$BATS_TEST_TMPDIR/proc/driver/nvidia/gpus/0000:01:00.0"
	fakehost_information 0 535.261.03 >"$BATS_TEST_TMPDIR/proc/driver/nvidia/gpus/0000:01:00.0/information"
	run "$NVC_TESTS/gpu/require.sh" "$BATS_TEST_TMPDIR/proc"
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *'driver: NVRM version: '*'GPU: NVIDIA A100-PG509-200, minor 0'*'runc: runc version '* ]]
	[ ! -e /proc/driver/nvidia/version ] || skip 'there is a driver here'
	STRICT=0 run bats --tap "$NVC_TESTS/gpu/gpu.bats"
	echo "$output"
	[ "$(grep -c '^ok .* # skip no NVIDIA driver is loaded here' <<<"$output")" = "$(grep -c '^@test' "$NVC_TESTS/gpu/gpu.bats")" ]
	STRICT=1 run bats --tap "$NVC_TESTS/gpu/gpu.bats"
	[ "$status" = 1 ]
	[[ $output == *'no NVIDIA driver is loaded here'* ]]
}
