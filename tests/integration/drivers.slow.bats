#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# NVIDIA's real userland of two branches, packed as archives: installed, verified, switched, rolled back; and while a module of the
# first is loaded, new containers get the first's libraries whatever is selected.

bats_require_minimum_version 1.5.0
load helpers
load gpu

setup_file() {
	need_root runc jq cc || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	export HOST=$BATS_FILE_TMPDIR FIRST SECOND
	have_driver bookworm || return "$SKIPPED"
	FIRST=$DRIVER
	have_driver trixie || return "$SKIPPED"
	SECOND=$DRIVER
	fakehost_make "$HOST/host" 1 "$FIRST"
	fakehost_conf "$HOST/host" "$HOST/store" "$HOST/cuda-store" >"$HOST/conf"
	probe_build "$HOST/probes"
	"$NVC_LIB/realdriver.sh" --archives bookworm "$HOST/archives"
	"$NVC_LIB/realdriver.sh" --archives trixie "$HOST/archives"
	gpu_nvcoreos "$HOST" install --use "$HOST/archives/libraries-$FIRST.tar.bz2" "$HOST/archives/tools-$FIRST.tar.bz2"
	gpu_nvcoreos "$HOST" install "$HOST/archives/libraries-$SECOND.tar.bz2" "$HOST/archives/tools-$SECOND.tar.bz2"
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

# current: the driver that the link names.
current() {
	dirname "$(readlink "$HOST/store/current")"
}

# seen: the file that a program in a new container gets for libcuda, without its directory.
seen() {
	bundle_clean "$B"
	bundle_make "$B" "$ROOT"
	probe_install "$HOST/probes" "$B/rootfs"
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=all
	gpu_sh "$B" 'readlink -f $(/probe-dl libcuda.so.1)'
	gpu_run "$HOST" "$B"
}

@test "two real drivers: installed, verified, switched and rolled back" {
	[ "$(current)" = "$FIRST" ]
	run -0 gpu_nvcoreos "$HOST" verify
	gpu_nvcoreos "$HOST" use "$SECOND"
	[ "$(current)" = "$SECOND" ]
	gpu_nvcoreos "$HOST" rollback
	[ "$(current)" = "$FIRST" ]
	run -0 gpu_nvcoreos "$HOST" verify
	# One byte of one of them: that tree is named, and the other is still whole.
	library=$HOST/store/$SECOND/$(ls "$HOST/store/$SECOND")/lib64/libcuda.so.$SECOND
	printf x | dd of="$library" bs=1 seek=4096 conv=notrunc status=none
	run -1 gpu_nvcoreos "$HOST" verify
	echo "$output"
	[[ $output == *"libcuda.so.$SECOND"* ]]
	[[ $output != *"libcuda.so.$FIRST"* ]]
	run -0 gpu_nvcoreos "$HOST" verify "$FIRST"
}

@test "the loaded module decides what containers get, whatever is selected" {
	have_root bookworm
	run seen
	[ "${output##*/}" = "libcuda.so.$FIRST" ]
	run -0 gpu_nvcoreos "$HOST" use "$SECOND"
	[[ $output == *"driver $FIRST is loaded"* ]]
	[ "$(current)" = "$SECOND" ]
	run seen
	echo "$output"
	[ "${output##*/}" = "libcuda.so.$FIRST" ]
	# As after a reboot.
	fakehost_version "$SECOND" >"$HOST/host/proc/driver/nvidia/version"
	run seen
	[ "${output##*/}" = "libcuda.so.$SECOND" ]
}

@test "a .run file, as makeself packs it, and the directory it unpacks to: never executed, the same tree as from archives" {
	command -v makeself >/dev/null || skip_or_fail "no makeself here"
	name=NVIDIA-Linux-x86_64-$FIRST
	work=$BATS_TEST_TMPDIR
	mkdir -p "$work/in/$name/kernel" "$work/a/nvidia" "$work/b/nvidia" "$work/c/nvidia"
	for archive in "$HOST"/archives/*-"$FIRST".tar.bz2; do
		tar -C "$work/in/$name" -xf "$archive"
	done
	echo 'int x;' >"$work/in/$name/kernel/nv.c"
	printf '#!/bin/sh\ntouch %s\n' "$work/executed" >"$work/in/$name/nvidia-installer"
	chmod +x "$work/in/$name/nvidia-installer"
	# makeself knows no version: the file's name says it.
	makeself --xz --target "$name" "$work/in/$name" "$work/$name.run" "NVIDIA driver $FIRST" ./nvidia-installer >/dev/null
	for kind in a b c; do
		printf 'driver-store=%s/nvidia\ncuda-store=%s/cuda\n' "$work/$kind" "$work/$kind" >"$work/$kind/conf"
	done
	run -0 gpu_nvcoreos "$work/a" install "$work/$name.run"
	run -0 gpu_nvcoreos "$work/b" install "$work/in/$name"
	run -0 gpu_nvcoreos "$work/c" install "$HOST"/archives/*-"$FIRST".tar.bz2
	[ ! -e "$work/executed" ]
	for kind in a b; do
		run -0 gpu_nvcoreos "$work/$kind" verify
		run -0 diff -r --exclude=manifest.json "$work/$kind/nvidia" "$work/c/nvidia"
	done
	# One bit of it.
	printf x | dd of="$work/$name.run" bs=1 seek=200000 conv=notrunc status=none
	run -1 gpu_nvcoreos "$work/a" install "$work/$name.run"
	[[ $output == *'E50: archive refused: '*'checksum in its header'* ]]
}

# best_of COUNT CMD...: the shortest of so many runs, in milliseconds.
best_of() {
	local n=$1 best=999999 start ms
	shift
	for _ in $(seq "$n"); do
		start=${EPOCHREALTIME/./}
		"$@" >/dev/null
		ms=$(((${EPOCHREALTIME/./} - start) / 1000))
		[ $ms -ge $best ] || best=$ms
	done
	echo "$best"
}

plainly() {
	rm -rf "$work/plain"
	mkdir "$work/plain"
	for archive in "$work"/z/*; do
		tar -C "$work/plain" -xf "$archive"
	done
	sha256sum "$work"/z/*
	sync -f "$work/plain"
}

by_install() {
	rm -rf "$work/nvidia"
	gpu_nvcoreos "$work" install "$work"/z/*
}

@test "installing takes at most 1.3 times as long as tar x, sha256sum and sync -f of the same archives" {
	work=$BATS_TEST_TMPDIR
	mkdir "$work/z"
	printf 'driver-store=%s/nvidia\ncuda-store=%s/cuda\n' "$work" "$work" >"$work/conf"
	for archive in "$HOST"/archives/*-"$SECOND".tar.bz2; do
		name=$(basename "$archive" .bz2)
		bzip2 -dc "$archive" | zstd -q -c >"$work/z/$name.zst"
	done
	by_install >/dev/null
	for round in 1 2 3; do
		plain=$(best_of 5 plainly)
		ours=$(best_of 5 by_install)
		echo "# round $round: plainly $plain ms, install $ours ms"
		[ $((ours * 10)) -gt $((plain * 13)) ] || return 0
	done
	return 1
}
