#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# On a machine with a real NVIDIA driver and GPU: the driver is imported into a private store, and containers use the GPU for real.

load ../integration/helpers

setup_file() {
	need_root runc jq || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	[ -e /proc/driver/nvidia/version ] || skip_or_fail 'no NVIDIA driver is loaded here' || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	export W=$BATS_FILE_TMPDIR
	cat >"$W/conf" <<-EOF
		driver-store=$W/store
		cuda-store=$W/cuda-store
		run-dir=$W/run
		hook-path=$NVCOREOS_BUILD/nvcoreos-hook
		libexec-dir=$NVCOREOS_BUILD
		load-modules=no
		log-file=$W/log
	EOF
	"$NVCOREOS_BUILD/nvcoreos" --config "$W/conf" import
}

# The container's root is this machine's own, read from below an overlay, without its driver.
setup() {
	skip_file
	B=$BATS_TEST_TMPDIR/b
	mkdir -p "$B"
	bundle_make "$B" /
	rm -rf "$B/rootfs/usr/local/nvidia"
}

teardown() {
	[ -z "${B:-}" ] || bundle_clean "$B"
}

run_gpu() {
	bundle_run "$B" "$NVCOREOS_BUILD/nvcoreos-runtime" --nvcoreos-config "$W/conf"
}

@test "import and list know the loaded driver" {
	version=$(awk 'NR == 1 { for (i = 1; i <= NF; i++) if ($i ~ /^[0-9]+\.[0-9.]+$/) { print $i; exit } }' /proc/driver/nvidia/version)
	"$NVCOREOS_BUILD/nvcoreos" --config "$W/conf" list | grep -F "$version"
	"$NVCOREOS_BUILD/nvcoreos" --config "$W/conf" gpus
}

@test "nvidia-smi in a container lists the GPU" {
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=all
	bundle_args "$B" /usr/local/nvidia/bin/nvidia-smi -L
	run run_gpu
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *'GPU 0:'* ]]
}

@test "without a request there is no GPU" {
	bundle_args "$B" /bin/sh -c 'ls /dev | grep -c nvidia'
	run run_gpu
	[ "$output" = 0 ]
}
