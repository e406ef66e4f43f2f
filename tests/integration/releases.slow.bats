#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The loader's files on three generations of glibc, with the sample driver, and NVIDIA's real userland found by its own nvidia-smi.

load helpers
load gpu

setup_file() {
	need_root runc jq cc || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	export HOST=$BATS_FILE_TMPDIR
	gpu_host "$HOST" 535.261.03
	probe_build "$HOST/probes"
	gpu_archives "$HOST/old" 470.1.1
	mkdir "$HOST/stale" && tar -C "$HOST/stale" -xf "$HOST/old/archives/libraries-470.1.1.tar.gz"
}

teardown_file() {
	[ -z "${HOST:-}" ] || gpu_clean "$HOST"
}

setup() {
	skip_file
	B=$BATS_TEST_TMPDIR/b
}

teardown() {
	[ -z "${B:-}" ] || bundle_clean "$B"
}

# stale_copy PLACE: a libcuda baked into the image.
stale_copy() {
	mkdir -p "$B/rootfs/$1"
	cp "$HOST/stale/libcuda.so.470.1.1" "$B/rootfs/$1/"
	ln -sf libcuda.so.470.1.1 "$B/rootfs/$1/libcuda.so.1"
	chroot "$B/rootfs" ldconfig
}

# the_driver_wins RELEASE PLACE
the_driver_wins() {
	have_root "$1" || return
	bundle_make "$B" "$ROOT"
	probe_install "$HOST/probes" "$B/rootfs"
	[ "$2" = none ] || stale_copy "$2"
	"$NVC_LIB/mkdeb.sh" "$B/rootfs/tmp/x.deb"
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=all
	gpu_sh "$B" '/probe-dl libcuda.so.1; ldconfig; /probe-dl libcuda.so.1
		apt-get install -y /tmp/x.deb >/tmp/log 2>&1 || cat /tmp/log; /probe-dl libcuda.so.1; nvidia-smi >/dev/null 2>&1; echo $?'
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$status" = 0 ]
	[ "${#lines[@]}" = 4 ]
	for i in 0 1 2; do
		[[ ${lines[$i]} == */usr/local/nvidia/lib64/* ]]
	done
	[ "${lines[3]}" = 9 ]
}

real_nvidia_smi() {
	have_driver "$1" || return
	have_root "$2" || return
	bundle_make "$B" "$ROOT"
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=all
	gpu_sh "$B" 'unset LD_LIBRARY_PATH; nvidia-smi; echo $?'
	run gpu_run "$3" "$B"
	echo "$output"
	[ "${lines[-1]}" = 9 ]
	# The program alone, in a container that nvcoreos leaves alone, does not find its library.
	cp "$DRIVER_ROOT/usr/lib/nvidia/current/nvidia-smi" "$B/rootfs/tmp/nvidia-smi"
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=void
	gpu_sh "$B" '/tmp/nvidia-smi; echo $?'
	rm -f "$B/rootfs/etc/ld.so.cache" "$B/rootfs/etc/ld.so.conf.d/00-nvcoreos.conf"
	run gpu_run "$3" "$B"
	echo "$output"
	[ "${lines[-1]}" = 12 ]
}

# each_place RELEASE: no stale copy, and one in each place where an image may have one.
each_place() {
	local place
	for place in none usr/local/lib usr/lib/x86_64-linux-gnu usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v2; do
		echo "--- $1, $place"
		the_driver_wins "$1" "$place"
		bundle_clean "$B"
	done
}

@test "glibc 2.31 (bullseye): the driver wins over stale copies, after ldconfig and apt-get too" {
	each_place bullseye
}

@test "glibc 2.36 (bookworm): the driver wins over stale copies, after ldconfig and apt-get too" {
	each_place bookworm
}

@test "glibc 2.41 (trixie): the driver wins over stale copies, after ldconfig and apt-get too" {
	each_place trixie
}

# real_host DIR SUITE: a host with that real driver as its loaded version.
real_host() {
	have_driver "$2" || return
	mkdir -p "$1"
	fakehost_make "$1/host" 1 "$DRIVER"
	fakehost_conf "$1/host" "$1/store" "$1/cuda-store" >"$1/conf"
}

@test "the real driver, imported: nvidia-smi exits 9 with nvcoreos and 12 without, in three releases" {
	for suite in bookworm trixie; do
		real=$BATS_TEST_TMPDIR/real-$suite
		real_host "$real" "$suite"
		gpu_nvcoreos "$real" import "$DRIVER_ROOT"
		for release in bullseye bookworm trixie; do
			echo "--- driver $DRIVER in $release"
			real_nvidia_smi "$suite" "$release" "$real"
			bundle_clean "$B"
		done
		fakehost_clean "$real/host"
	done
}

@test "the real driver, from flat archives: nvidia-smi exits 9" {
	real=$BATS_TEST_TMPDIR/real
	real_host "$real" bookworm
	"$NVC_LIB/realdriver.sh" --archives bookworm "$real/archives"
	gpu_nvcoreos "$real" install "$real/archives/libraries-$DRIVER.tar.bz2" "$real/archives/tools-$DRIVER.tar.bz2"
	real_nvidia_smi bookworm bookworm "$real"
	fakehost_clean "$real/host"
}
