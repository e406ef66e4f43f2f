#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The store's disk: too small, read-only, broken; and what stands in the store already and is damaged. One line each time, and the
# old state.

bats_require_minimum_version 1.5.0
load helpers

setup_file() {
	need_build nvcoreos || return "$SKIPPED"
	need_root gcc zstd mkfs.ext4 jq || return "$SKIPPED"
	"$NVC_TESTS/fixtures/sample-driver/build.sh" "$BATS_FILE_TMPDIR/archives" 535.98 >/dev/null || return
	"$NVC_TESTS/fixtures/sample-driver/build.sh" "$BATS_FILE_TMPDIR/archives" 550.10 >/dev/null || return
	# The same driver, and 30 MB that do not shrink.
	mkdir "$BATS_FILE_TMPDIR/in"
	tar -C "$BATS_FILE_TMPDIR/in" -xf "$BATS_FILE_TMPDIR/archives/libraries-550.10.tar.gz"
	head -c 30M /dev/urandom >"$BATS_FILE_TMPDIR/in/gsp_ga10x.bin"
	mkdir "$BATS_FILE_TMPDIR/big" "$BATS_FILE_TMPDIR/runs"
	tar -C "$BATS_FILE_TMPDIR/in" -c . | zstd -q >"$BATS_FILE_TMPDIR/big/libraries-550.10.tar.zst"
	# 60 MB of zeros: bzip2 has no record of them.
	head -c 60M /dev/zero >"$BATS_FILE_TMPDIR/in/gsp_ga10x.bin"
	tar -C "$BATS_FILE_TMPDIR/in" -cjf "$BATS_FILE_TMPDIR/runs/libraries-550.10.tar.bz2" .
}

setup() {
	skip_file
	HOST=$BATS_TEST_TMPDIR/host
	mkdir -p "$HOST/etc" "$HOST/proc" "$HOST/opt"
	printf 'ID=flatcar\nVERSION_ID=3975.2.0\n' >"$HOST/etc/os-release"
	BIG=$BATS_FILE_TMPDIR/big/libraries-550.10.tar.zst
	RUNS=$BATS_FILE_TMPDIR/runs/libraries-550.10.tar.bz2
	SMALL=$BATS_FILE_TMPDIR/archives/libraries-550.10.tar.gz
}

teardown() {
	[ -z "${KEEPER:-}" ] || kill "$KEEPER" 2>/dev/null || :
	[ -z "${HOST:-}" ] || umount "$HOST/proc" 2>/dev/null || :
	[ -z "${HOST:-}" ] || umount "$HOST/opt" 2>/dev/null || :
	[ -z "${HOST:-}" ] || umount "$HOST/under" 2>/dev/null || :
}

nvc() {
	"$NVCOREOS_BUILD/nvcoreos" --root "$HOST" "$@"
}

# on_disk TYPE OPTIONS: /opt of the host is that, with a driver in it.
on_disk() {
	mount -t "$1" -o "$2" "${3:-tmpfs}" "$HOST/opt"
	nvc install --use "$BATS_FILE_TMPDIR/archives/libraries-535.98.tar.gz" >/dev/null
	before=$(picture)
}

picture() {
	find "$HOST/opt" -path "$HOST/opt/lost+found" -prune -o -printf '%P %y %m %s %l\n' | grep -v '^opt d\|^nvidia d' | LC_ALL=C sort
}

# refused WHAT CMD...: one line of E52 with WHAT in it, and all is as it was.
refused() {
	local what=$1
	shift
	run -1 nvc "$@"
	echo "$output"
	[ "${#lines[@]}" = 1 ]
	[[ $output == *"E52: "*"$what"* ]]
	diff <(echo "$before") <(picture)
	[ "$(readlink "$HOST/opt/nvidia/current")" = 535.98/3975.2.0 ]
	run -0 nvc verify
}

@test "too small: what is needed and what is free is said before anything is written" {
	on_disk tmpfs size=20m
	refused 'MiB needed, ' install "$BIG"
	[[ $output != *'No space left on device: No space'* ]]
	run -1 strace -f -e trace=openat,mkdirat -o "$BATS_TEST_TMPDIR/trace" "$NVCOREOS_BUILD/nvcoreos" --root "$HOST" install "$BIG"
	run ! grep -q 'staging' "$BATS_TEST_TMPDIR/trace"
	# Room is made, and it goes on.
	mount -o remount,size=60m "$HOST/opt"
	run -0 nvc install "$BIG"
	run -0 nvc verify 550.10
}

@test "full at every file: ENOSPC of a real file system" {
	for inodes in $(seq 60 7 200); do
		on_disk tmpfs "nr_inodes=$inodes" || {
			umount "$HOST/opt"
			continue
		}
		run nvc install "$SMALL"
		echo "$inodes: $output"
		if [ "$status" = 0 ]; then
			run -0 nvc verify
		else
			[ "${#lines[@]}" = 1 ]
			[[ $output == *'E52: '*'No space left on device'* ]]
			diff <(echo "$before") <(picture)
			count=$((${count:-0} + 1))
		fi
		umount "$HOST/opt"
	done
	echo "# refused $count times"
	[ "$count" -ge 3 ]
}

@test "full while it is written, on ext4: what bzip2 does not tell" {
	truncate -s 40M "$BATS_TEST_TMPDIR/ext4"
	mkfs.ext4 -q "$BATS_TEST_TMPDIR/ext4"
	on_disk ext4 loop "$BATS_TEST_TMPDIR/ext4"
	refused 'No space left on device' install "$RUNS"
	run -0 nvc install "$SMALL"
	run -0 nvc verify
}

@test "read-only" {
	on_disk tmpfs size=100m
	mount -o remount,ro "$HOST/opt"
	for verb in "install $SMALL" 'use 535.98' rollback 'remove --yes 535.98' prune; do
		# shellcheck disable=SC2086 # words
		run -1 nvc $verb
		echo "$verb: $output"
		[ "${#lines[@]}" = 1 ]
		[[ $output == *'E52: '*'Read-only file system'* ]]
	done
	diff <(echo "$before") <(picture)
	mount -o remount,rw "$HOST/opt"
	run -0 nvc install "$SMALL"
}

@test "a disk that answers with errors" {
	# Its blocks have no room of their own: writing them fails long after the file system has taken them.
	mkdir "$HOST/under"
	mount -t tmpfs -o size=12m tmpfs "$HOST/under"
	truncate -s 200M "$HOST/under/ext4"
	mkfs.ext4 -q -O ^has_journal "$HOST/under/ext4"
	on_disk ext4 loop "$HOST/under/ext4"
	sync -f "$HOST/opt"
	run -1 nvc install "$BIG"
	echo "$output"
	[ "${#lines[@]}" = 1 ]
	[[ $output == *'E52: '*'Input/output error'* || $output == *'E52: '*'Read-only file system'* ]]
	[ ! -e "$HOST/opt/nvidia/550.10/3975.2.0" ]
	[ "$(readlink "$HOST/opt/nvidia/current")" = 535.98/3975.2.0 ]
}

@test "an installed tree with a damaged file is made anew; one that is mounted is not" {
	nvc install "$SMALL"
	library=$HOST/opt/nvidia/550.10/3975.2.0/lib64/libcuda.so.550.10
	run -0 nvc install "$SMALL"
	[[ $output == 'already installed: '* ]]
	printf x | dd of="$library" bs=1 seek=100 conv=notrunc status=none
	mkdir "$BATS_TEST_TMPDIR/mnt"
	unshare -m --propagation private sh -c 'mount --bind "$1" "$2" && exec sleep 100' sh \
		"$HOST/opt/nvidia/550.10/3975.2.0" "$BATS_TEST_TMPDIR/mnt" 3>&- &
	KEEPER=$!
	until grep -q "$BATS_TEST_TMPDIR/mnt" "/proc/$KEEPER/mountinfo"; do sleep 0.05; done
	mount --bind /proc "$HOST/proc"
	run -1 nvc install "$SMALL"
	echo "$output"
	[[ $output == *"E54: "*"it is mounted for process $KEEPER"* ]]
	kill "$KEEPER"
	wait "$KEEPER" || :
	KEEPER=
	run -0 nvc install "$SMALL"
	echo "$output"
	[[ $output == 'installed: 550.10/3975.2.0'* ]]
	run -0 nvc verify
}

@test "what is damaged is not handed on to the tree of another OS version" {
	nvc install "$SMALL"
	printf x | dd of="$HOST/opt/nvidia/550.10/3975.2.0/lib64/libcuda.so.550.10" bs=1 seek=100 conv=notrunc status=none
	mkdir "$BATS_TEST_TMPDIR/modules"
	echo module >"$BATS_TEST_TMPDIR/modules/nvidia.ko"
	tar -C "$BATS_TEST_TMPDIR/modules" -czf "$BATS_TEST_TMPDIR/modules-4000.1.0-550.10.tar.gz" .
	run -1 nvc install "$BATS_TEST_TMPDIR/modules-4000.1.0-550.10.tar.gz"
	echo "$output"
	[[ $output == *'E24: '*'/opt/nvidia/550.10/3975.2.0: lib64/libcuda.so.550.10'*libraries-550.10* ]]
	[ ! -e "$HOST/opt/nvidia/550.10/4000.1.0" ]
	run -0 nvc install "$BATS_TEST_TMPDIR/modules-4000.1.0-550.10.tar.gz" "$SMALL"
	run -0 nvc verify 550.10/4000.1.0
	run -1 nvc verify 550.10/3975.2.0
}

@test "one more OS version of a driver costs its modules" {
	nvc install "$BIG"
	head -c 1M /dev/urandom >"$BATS_TEST_TMPDIR/nvidia.ko"
	tar -C "$BATS_TEST_TMPDIR" -czf "$BATS_TEST_TMPDIR/modules-4000.1.0-550.10.tar.gz" nvidia.ko
	one=$(du -sk "$HOST/opt/nvidia" | cut -f1)
	nvc install "$BATS_TEST_TMPDIR/modules-4000.1.0-550.10.tar.gz"
	two=$(du -sk "$HOST/opt/nvidia" | cut -f1)
	nvc install "$BATS_TEST_TMPDIR/modules-4000.1.0-550.10.tar.gz" "$BIG"
	again=$(du -sk "$HOST/opt/nvidia" | cut -f1)
	echo "# $one KiB, with one more OS version $two KiB, with the same archives again $again KiB"
	[ "$one" -gt 30000 ]
	# The module, and the tree's own directories and two files.
	[ $((two - one)) -ge 1024 ]
	[ $((two - one)) -lt 1400 ]
	[ "$again" = "$two" ]
}

@test "progress: a bar on a terminal, nothing where it is quick or quiet" {
	run -0 script -qec "$NVCOREOS_BUILD/nvcoreos --root $HOST install $BIG" /dev/null
	[[ $output == *$'\r['*'%  '*' MiB/s  '*' left'* ]]
	rm -rf "$HOST/opt/nvidia"
	run -0 script -qec "$NVCOREOS_BUILD/nvcoreos --root $HOST --quiet install $BIG" /dev/null
	[[ $output != *'MiB/s'* ]]
	rm -rf "$HOST/opt/nvidia"
	run -0 nvc install "$BIG"
	[[ $output != *'MiB/s'* ]]
}
