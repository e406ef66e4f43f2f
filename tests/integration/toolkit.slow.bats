#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A real CUDA toolkit, packed by contrib/build/cuda.sh from Debian's packages and installed: its compiler runs in a container, and its
# runtime library is found there; an image with a toolkit of its own is left alone.

load helpers
load gpu

setup_file() {
	need_root runc jq cc zstd dpkg-deb || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	export HOST=$BATS_FILE_TMPDIR
	gpu_host "$HOST" 535.261.03
	probe_build "$HOST/probes"
	run "$NVC_LIB/realtoolkit.sh" bookworm
	[ "$status" != 3 ] || skip_or_fail "$output" || return "$SKIPPED"
	[ "$status" = 0 ] || {
		echo "$output"
		return 1
	}
	export ARCHIVE=${lines[-1]} VERSION
	VERSION=$(basename "$ARCHIVE" .tar.zst)
	VERSION=${VERSION#cuda-}
	gpu_nvcoreos "$HOST" install --use "$ARCHIVE"
}

teardown_file() {
	[ -z "${HOST:-}" ] || gpu_clean "$HOST"
}

setup() {
	skip_file
	B=$BATS_TEST_TMPDIR/b
	have_root bookworm
	bundle_make "$B" "$ROOT"
	probe_install "$HOST/probes" "$B/rootfs"
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=all
}

teardown() {
	[ -z "${B:-}" ] || bundle_clean "$B"
}

@test "nvcc of a real toolkit runs, and a program finds libcudart" {
	soname=$(cd "$HOST/cuda-store/current/lib64" && echo libcudart.so.*.0)
	gpu_sh "$B" "unset LD_LIBRARY_PATH; /usr/local/cuda/bin/nvcc --version; /probe-dl $soname"
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *"Cuda compilation tools, release ${VERSION%.*},"* ]]
	[[ ${lines[-1]} == /usr/local/cuda/lib64/libcudart.so.* ]]
}

@test "an image that brings its own toolkit keeps it" {
	mkdir -p "$B/rootfs/usr/local/cuda/bin" "$B/rootfs/usr/local/cuda/lib64"
	printf '#!/bin/sh\necho own\n' >"$B/rootfs/usr/local/cuda/bin/nvcc"
	chmod +x "$B/rootfs/usr/local/cuda/bin/nvcc"
	: >"$B/rootfs/usr/local/cuda/lib64/libcudart.so.12"
	gpu_sh "$B" '/usr/local/cuda/bin/nvcc --version; grep -c " /usr/local/cuda " /proc/self/mountinfo'
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "${lines[0]}" = own ]
	[ "${lines[1]}" = 0 ]
}
