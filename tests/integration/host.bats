#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The host itself sees the driver: nvcoreos host enable and disable, on a Debian root in place of the host.

bats_require_minimum_version 1.5.0
load helpers
load roots

setup_file() {
	need_build nvcoreos || return "$SKIPPED"
	need_root gcc jq depmod || return "$SKIPPED"
	have_root bookworm || return "$SKIPPED"
	export ROOT
	local driver
	for driver in 535.98 550.10; do
		"$NVC_TESTS/fixtures/sample-driver/build.sh" "$BATS_FILE_TMPDIR/archives" "$driver" >/dev/null || return
	done
}

setup() {
	skip_file
	HOST=$BATS_TEST_TMPDIR/host
	cp -a "$ROOT" "$HOST"
	mkdir -p "$HOST/opt" "$HOST/run" "$HOST/proc"
	printf 'ID=flatcar\nVERSION_ID=3975.2.0\n' >"$HOST/etc/os-release"
	for driver in 550.10 535.98; do
		nvc install --use "$BATS_FILE_TMPDIR/archives/libraries-$driver".tar.gz "$BATS_FILE_TMPDIR/archives/tools-$driver".tar.gz >/dev/null
	done
	STORE=$HOST/opt/nvidia
	chroot "$HOST" /sbin/ldconfig
}

teardown() {
	[ -z "${HOST:-}" ] || umount -R "$HOST/usr" 2>/dev/null || :
	[ -z "${HOST:-}" ] || umount -l "$HOST/usr" 2>/dev/null || :
}

nvc() {
	"$NVCOREOS_BUILD/nvcoreos" --root "$HOST" "$@"
}

# Every file outside of /opt and /run, and what is in it.
picture() {
	(cd "$HOST" && find . -path ./opt -prune -o -path ./run -prune -o -printf '%p %y %m %U %l\n' | LC_ALL=C sort &&
		find etc -type f ! -name ld.so.cache -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
	ldconfig -r "$HOST" -p | grep ' => '
}

# seen: the directory that the host's loader finds libcuda in.
seen() {
	chroot "$HOST" /sbin/ldconfig -p | sed -n 's/.*libcuda.so.1 .*=> //p'
}

@test "ldconf: the loader finds it, the file never grows, disable leaves the host as it was" {
	before=$(picture)
	nvc host enable
	[ "$(seen)" = /opt/nvidia/current/lib64/libcuda.so.1 ]
	file=$HOST/etc/ld.so.conf.d/00-nvcoreos.conf
	sum=$(sha256sum "$file")
	for _ in 1 2 3; do
		nvc host enable --method ldconf
	done
	[ "$(sha256sum "$file")" = "$sum" ]
	[ "$(grep -c current "$file")" = 2 ]
	run -0 chroot "$HOST" sh -c '. /etc/profile.d/nvcoreos.sh; . /etc/profile.d/nvcoreos.sh; echo $PATH; command -v nvidia-smi'
	[[ ${lines[0]} == *:/opt/nvidia/current/bin && ${lines[0]} != */current/bin*/current/bin* ]]
	[ "${lines[1]}" = /opt/nvidia/current/bin/nvidia-smi ]
	# Another driver: the same files, and its libraries.
	nvc use 550.10
	[ "$(sha256sum "$file")" = "$sum" ]
	[ "$(readlink -f "$HOST$(seen)")" = "$HOST/opt/nvidia/550.10/3975.2.0/lib64/libcuda.so.550.10" ]
	nvc host disable
	diff <(echo "$before") <(picture)
	nvc host disable
	diff <(echo "$before") <(picture)
}

@test "ldconf: directories that were not there go too; a file of somebody else's stays" {
	rm -rf "$HOST/etc/profile.d"
	before=$(picture)
	nvc host enable
	nvc host disable
	diff <(echo "$before") <(picture)
	nvc host enable
	touch "$HOST/etc/profile.d/mine.sh"
	nvc host disable
	[ -e "$HOST/etc/profile.d/mine.sh" ]
	[ ! -e "$HOST/etc/profile.d/nvcoreos.sh" ]
}

@test "ldconf: a file with a line of the user's stays, and a link too" {
	file=$HOST/etc/profile.d/nvcoreos.sh
	for change in "echo export MINE=1 >>$file" "sed -i 2d $file" "mv $file $HOST/etc/mine; ln -s ../mine $file" "rm $file; mkdir $file"; do
		nvc host enable
		eval "$change"
		changed=$(ls -l "$HOST/etc/profile.d"; cat "$file" || :)
		# Switching goes on meanwhile, and leaves it too.
		run -0 nvc use 550.10
		[ "$(ls -l "$HOST/etc/profile.d"; cat "$file" || :)" = "$changed" ]
		run -1 nvc host enable
		[[ $output == *'E26: '*"/etc/profile.d/nvcoreos.sh: "* ]]
		run -0 nvc host disable
		echo "$output"
		[[ $output == *'/etc/profile.d/nvcoreos.sh stays: it was changed'* ]]
		[ "$(ls -l "$HOST/etc/profile.d"; cat "$file" || :)" = "$changed" ]
		[ ! -e "$HOST/etc/ld.so.conf.d/00-nvcoreos.conf" ]
		rm -rf "$file" "$HOST/etc/mine"
	done
}

@test "ldconf: disable knows its files whatever the store was called, and the shell takes any name" {
	before=$(picture)
	store="/opt/it's a; touch \$HOME \"store"
	conf=$BATS_TEST_TMPDIR/conf
	echo "driver-store=\"/opt/it's a; touch \\\$HOME \\\"store\"" >"$conf"
	nvc --config "$conf" host enable
	run -0 chroot "$HOST" sh -c '. /etc/profile.d/nvcoreos.sh; . /etc/profile.d/nvcoreos.sh; echo $PATH'
	echo "$output"
	[[ $output == *":$store/current/bin" && $output != *"$store"*"$store"* ]]
	rm -rf "${HOST:?}$store"
	nvc host disable
	diff <(echo "$before") <(picture)
}

@test "ldconf: a loader's cache that was not there goes again" {
	rm "$HOST/etc/ld.so.cache"
	nvc host enable
	nvc host enable
	[ "$(seen)" = /opt/nvidia/current/lib64/libcuda.so.1 ]
	nvc host disable
	[ ! -e "$HOST/etc/ld.so.cache" ]
}

@test "ldconf: a loader that does not read ld.so.conf.d: one sentence, nothing is made" {
	mkdir -p "$HOST/usr/lib/etc"
	echo /usr/local/lib >"$HOST/usr/lib/etc/ld.so.conf"
	ln -sf ../usr/lib/etc/ld.so.conf "$HOST/etc/ld.so.conf"
	before=$(picture)
	run -1 nvc host enable
	echo "$output"
	[[ $output == *"E26: "*"/etc/ld.so.conf: does not read /etc/ld.so.conf.d/00-nvcoreos.conf: add to it the line 'include "*"or use --method overlay" ]]
	[ "${#lines[@]}" = 1 ]
	diff <(echo "$before") <(picture)
	rm "$HOST/usr/lib/etc/ld.so.conf"
	run -1 nvc host enable
	echo "$output"
	[[ $output == *"E26: "*"/etc/ld.so.conf: No such file or directory: make it with the line 'include "*"or use --method overlay" ]]
	# Not every pattern is ours.
	echo 'include ld.so.conf.d/lib*.conf' >"$HOST/usr/lib/etc/ld.so.conf"
	run -1 nvc host enable
	[[ $output == *'does not read /etc/ld.so.conf.d/00-nvcoreos.conf'* ]]
	# It may be a link, if it says the right thing.
	echo 'include ld.so.conf.d/*.conf' >"$HOST/usr/lib/etc/ld.so.conf"
	nvc host enable
	[ "$(seen)" = /opt/nvidia/current/lib64/libcuda.so.1 ]
	nvc host disable
}

@test "overlay: not over a /usr that can be written" {
	before=$(picture)
	run -1 nvc host enable --method overlay
	echo "$output"
	[[ $output == *'E26: '*'can be written: packages are installed there: use --method ldconf' ]]
	diff <(echo "$before") <(picture)
	nvc host disable
	diff <(echo "$before") <(picture)
}

# read_only: /usr is a read-only mount of its own.
read_only() {
	mount --bind "$HOST/usr" "$HOST/usr"
	mount -o remount,bind,ro "$HOST/usr"
}

@test "overlay: libraries, programs and modules appear, a switch follows, disable leaves the host as it was" {
	release=$(uname -r)
	mkdir -p "$HOST/usr/lib/modules/$release/kernel" "$BATS_TEST_TMPDIR/modules"
	echo module >"$BATS_TEST_TMPDIR/modules/nvidia.ko"
	for driver in 535.98 550.10; do
		tar -C "$BATS_TEST_TMPDIR/modules" -czf "$BATS_TEST_TMPDIR/modules-3975.2.0-$driver.tar.gz" nvidia.ko
		nvc remove --yes $driver >/dev/null || :
	done
	rm -rf "$STORE"
	for driver in 550.10 535.98; do
		nvc install --use "$BATS_FILE_TMPDIR/archives"/{libraries,tools}-$driver.tar.gz "$BATS_TEST_TMPDIR/modules-3975.2.0-$driver.tar.gz" >/dev/null
	done
	read_only
	before=$(picture)
	mounts=$(cut -d' ' -f5 /proc/self/mountinfo | grep -F "$HOST" | LC_ALL=C sort)
	nvc host enable --method overlay
	lib=$HOST/usr/lib/x86_64-linux-gnu
	[ -e "$lib/libcuda.so.535.98" ]
	[ -e "$lib/libc.so.6" ]
	[ -x "$HOST/usr/bin/nvidia-smi" ]
	[ -x "$HOST/usr/bin/env" ]
	[ "$(readlink "$HOST/usr/lib/modules/$release/extra/nvcoreos/nvidia.ko")" = "$STORE/535.98/3975.2.0/modules/nvidia.ko" ]
	[ -e "$HOST/usr/lib/modules/$release/modules.dep" ]
	run ! touch "$lib/x"
	# A tree below an overlay is in use.
	mount --bind /proc "$HOST/proc"
	nvc use 550.10 >/dev/null
	[ -e "$lib/libcuda.so.550.10" ]
	[ ! -e "$lib/libcuda.so.535.98" ]
	nvc use 535.98
	run -1 nvc remove --yes 535.98
	[[ $output == *'E54: '*'it is mounted for process '* ]]
	umount "$HOST/proc"
	# As after a reboot: the mounts are gone, what is recorded is not; and twice is once.
	umount -l "$lib" "$HOST/usr/bin" "$HOST/usr/lib/modules/$release"
	nvc host enable --method overlay
	nvc host enable --method overlay
	[ "$(grep -c ' - overlay nvcoreos ' /proc/self/mountinfo)" = 3 ]
	[ -e "$lib/libcuda.so.535.98" ]
	nvc host disable
	diff <(echo "$mounts") <(cut -d' ' -f5 /proc/self/mountinfo | grep -F "$HOST" | LC_ALL=C sort)
	diff <(echo "$before") <(picture)
	[ ! -e "$HOST/run/nvcoreos/host-modules" ]
}

# with_depmod SCRIPT ARG...: nvcoreos, where that is what /sbin/depmod does; the mounts are those of this process and gone with it.
with_depmod() {
	printf '#!/bin/sh\n%s\n' "$1" >"$BATS_TEST_TMPDIR/depmod"
	chmod 755 "$BATS_TEST_TMPDIR/depmod"
	shift
	unshare -m sh -c 'mount --bind "$1" /sbin/depmod && shift && "$@"; rc=$?; grep " - overlay nvcoreos " /proc/self/mountinfo; exit $rc' - \
		"$BATS_TEST_TMPDIR/depmod" "$NVCOREOS_BUILD/nvcoreos" --root "$HOST" "$@"
}

@test "overlay: a depmod that fails is said, and nothing is left" {
	release=$(uname -r)
	mkdir -p "$HOST/usr/lib/modules/$release"
	mkdir "$STORE/535.98/3975.2.0/modules"
	read_only
	before=$(picture)
	run -1 with_depmod 'echo "no space left" >&2; exit 1' host enable --method overlay
	echo "$output"
	[ "${#lines[@]}" = 1 ]
	[[ $output == *'E26: '*'/sbin/depmod: no space left'* ]]
	[ ! -e "$HOST/etc/nvcoreos/host.json" ]
	[ ! -e "$HOST/run/nvcoreos/host-modules" ]
	diff <(echo "$before") <(picture)
	run -0 with_depmod 'exit 0' host enable --method overlay
	[[ $output == *' - overlay nvcoreos '* ]]
	nvc host disable
	diff <(echo "$before") <(picture)
}

@test "one method after the other, and disable after a run that was killed" {
	before=$(picture)
	nvc host enable
	read_only
	nvc host enable --method overlay
	[ ! -e "$HOST/etc/ld.so.conf.d/00-nvcoreos.conf" ]
	[ "$(jq -r .method "$HOST/etc/nvcoreos/host.json")" = overlay ]
	nvc host enable --method ldconf
	run ! grep -q ' - overlay nvcoreos ' /proc/self/mountinfo
	nvc host disable
	for call in renameat mount; do
		for when in 1 2 3; do
			strace -f -o /dev/null -e inject=$call:signal=KILL:when=$when "$NVCOREOS_BUILD/nvcoreos" --root "$HOST" host enable --method overlay || :
			nvc host disable
		done
	done
	umount -R "$HOST/usr"
	for when in 1 2 3; do
		strace -f -o /dev/null -e inject=renameat:signal=KILL:when=$when "$NVCOREOS_BUILD/nvcoreos" --root "$HOST" host enable || :
		nvc host disable
	done
	diff <(echo "$before") <(picture)
}

@test "what somebody else has made or changed is never taken, and what works is not given up for what does not" {
	mkdir -p "$HOST/etc/profile.d"
	echo 'export MINE=1' >"$HOST/etc/profile.d/nvcoreos.sh"
	before=$(picture)
	run -1 nvc host enable
	[[ $output == *'E26: '*'/etc/profile.d/nvcoreos.sh: not made by nvcoreos'* ]]
	diff <(echo "$before") <(picture)
	rm "$HOST/etc/profile.d/nvcoreos.sh"
	before=$(picture)
	nvc host enable
	# /usr can be written: not possible, and the other method stays.
	run -1 nvc host enable --method overlay
	[ "$(seen)" = /opt/nvidia/current/lib64/libcuda.so.1 ]
	[ "$(jq -r .method "$HOST/etc/nvcoreos/host.json")" = ldconf ]
	echo 'export MINE=1' >"$HOST/etc/profile.d/nvcoreos.sh"
	run -0 nvc host disable
	[[ $output == *'/etc/profile.d/nvcoreos.sh stays: it was changed'* ]]
	[ -e "$HOST/etc/profile.d/nvcoreos.sh" ]
	rm "$HOST/etc/profile.d/nvcoreos.sh"
	diff <(echo "$before") <(picture)
	# A cache that cannot be written: enabling leaves nothing, disabling is done with all the same.
	nvc host enable
	mv "$HOST/etc/ld.so.cache" "$BATS_TEST_TMPDIR/cache"
	mkdir "$HOST/etc/ld.so.cache"
	run -0 nvc host disable
	[[ $output == *"the loader's cache is as it was"* ]]
	run -1 nvc host enable
	[ ! -e "$HOST/etc/nvcoreos/host.json" ]
	rmdir "$HOST/etc/ld.so.cache"
	mv "$BATS_TEST_TMPDIR/cache" "$HOST/etc/ld.so.cache"
	chroot "$HOST" /sbin/ldconfig
	diff <(echo "$before") <(picture)
}

@test "overlay: something mounted over it, the root under another name: never a false success" {
	read_only
	lib=$HOST/usr/lib/x86_64-linux-gnu
	nvc host enable --method overlay
	mount -t tmpfs tmpfs "$lib"
	run -1 nvc host disable
	echo "$output"
	[[ $output == *'E54: '*'something else is mounted over what nvcoreos has mounted there'* ]]
	[ "$(jq -r .method "$HOST/etc/nvcoreos/host.json")" = overlay ]
	umount "$lib"
	[ -e "$lib/libcuda.so.535.98" ]
	[ "$(jq -r '.overlays[0]' "$HOST/etc/nvcoreos/host.json")" = /usr/lib/x86_64-linux-gnu ]
	nvc host disable
	run ! grep -q ' - overlay nvcoreos ' /proc/self/mountinfo
	# One of the directories can be written: nothing is covered.
	mount -t tmpfs tmpfs "$HOST/usr/bin"
	run -1 nvc host enable --method overlay
	run ! grep -q ' - overlay nvcoreos ' /proc/self/mountinfo
	[ ! -e "$HOST/etc/nvcoreos/host.json" ]
	umount "$HOST/usr/bin"
}

@test "what is not understood" {
	for arguments in '' enable\ disable now 'enable --method x' 'enable --mehtod ldconf'; do
		# shellcheck disable=SC2086 # words
		run -2 nvc host $arguments
	done
	mkdir -p "$HOST/etc/nvcoreos"
	echo '{' >"$HOST/etc/nvcoreos/host.json"
	run -1 nvc host disable
	[[ $output == *'E26: '*'/etc/nvcoreos/host.json: not understood'* ]]
	# The store's part is done all the same.
	for arguments in 'use 550.10' "install --use $BATS_FILE_TMPDIR/archives/libraries-535.98.tar.gz"; do
		# shellcheck disable=SC2086 # words
		run -0 nvc $arguments
		echo "$output"
		[[ $output == *'what the host itself sees is as it was: E26: '*'/etc/nvcoreos/host.json: not understood'* ]]
	done
	[ "$(readlink "$STORE/current")" = 535.98/3975.2.0 ]
}
