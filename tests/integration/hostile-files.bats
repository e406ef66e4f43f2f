#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Hostile inputs 40, 43, 45 and 58 to 64: what a start writes in a root, on roots of every kind, and what it leaves.
# (37 to 39, 41, 42, 44 stand in kill.bats.) S: served, only what is ours was added; E: refused, the root as it was.

load helpers
load gpu
load box

setup_file() {
	need_root cc findmnt || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook || return "$SKIPPED"
	box_setup
	cc -O1 -D_GNU_SOURCE -Wall -Wextra -I"$NVC_TESTS/../lib" -o "$BOX/bin/ldcache-tool" "$NVC_LIB/ldcache-tool.c" "$NVCOREOS_BUILD/libnvcoreos.a" 2>/dev/null || :
	# A cache as ldconfig writes it, to be damaged.
	mkdir -p "$BOX/ldroot"/{etc,usr/lib,lib}
	cc -shared -nostdlib -o "$BOX/ldroot/usr/lib/libmine.so.1" -Wl,-soname,libmine.so.1 -xc /dev/null
	ldconfig -r "$BOX/ldroot" 2>/dev/null
	cp "$BOX/ldroot/etc/ld.so.cache" "$BOX/good.cache"
	ldconfig -c old -r "$BOX/ldroot" 2>/dev/null && cp "$BOX/ldroot/etc/ld.so.cache" "$BOX/old.cache"
	ldconfig -c compat -r "$BOX/ldroot" 2>/dev/null && cp "$BOX/ldroot/etc/ld.so.cache" "$BOX/compat.cache"
	[ -s "$BOX/good.cache" ]
}

teardown_file() {
	box_teardown
}

setup() {
	skip_file
	box_root
}

# cache: what the host's ldconfig reads in the root's cache.
cache() {
	ldconfig -C "$R/etc/ld.so.cache" -p
}

@test "40 S: no process is left, and no descriptor of the engine's is held" {
	box_case 'a plain start' S
	mkfifo "$BOX/held"
	# A reader at the other end sees the end as soon as the hook has ended: nobody holds what it inherited.
	box_case 'inherited descriptors' S -x "exec 5<>$BOX/held 6>$BOX/held 7<$BOX/held; ( exec 5<&- 6<&-; timeout 5 cat <&7 >$BOX/eof; echo \$? >$BOX/eof ) & reader=\$!
		exec 5<&-; ${BOX_HOOK#exec }; r=\$?; exec 6<&-; wait \$reader; exit \$r"
	[ "$(cat "$BOX/eof")" = 0 ]
	rm "$BOX/held"
	box_case 'refused' E14 -e NVIDIA_VISIBLE_DEVICES=9
	box_done 3
}

@test "43 S: started again on its root: the same names, the same bytes" {
	box_case first S
	(cd "$R" && "$BOX/bin/snap" .) >"$BOX/first"
	for ((i = 0; i < $(box_size 3 10); i++)); do
		box_case "again $i" S
		(cd "$R" && "$BOX/bin/snap" -c "$BOX/first" .)
	done
	box_case 'with another GPU' S -e NVIDIA_VISIBLE_DEVICES=1
	box_case 'without CUDA' S -e NVIDIA_VISIBLE_DEVICES=1 -e NVCOREOS_CUDA=none
	box_case 'and with it' S
	(cd "$R" && "$BOX/bin/snap" -c "$BOX/first" .)
	[ ! -s "$BOX/root.diff" ] || grep -q nvcoreos "$BOX/root.diff"
	box_done "$(box_size 7 14)"
}

@test "45 E: what may not be done is named: another's process, a namespace that may not be entered" {
	for cap in sys_admin sys_ptrace sys_chroot; do
		box_case "without $cap" E07 -x "exec setpriv --bounding-set -$cap ${BOX_HOOK#exec }"
		[[ $BOX_ERR == *"cap_$cap"* ]]
	done
	# What a security module answers: the open of the namespace is refused.
	box_case 'the namespace is refused' 'E30|E07' -x "exec unshare -U -r --keep-caps ${BOX_HOOK#exec }"
	box_done 4
}

@test "58 S or E: roots that are read-only" {
	local dirs=/usr/local/nvidia
	box_case 'no place for it' E -a ro
	[[ $BOX_ERR == *E3[1-5]*/usr/local/nvidia* ]]
	mkdir -p "$R$dirs"
	box_case 'with its place: files are left out' S -a ro -- /probe flags /usr/local/nvidia
	[[ $BOX_OUTPUT == ro,* ]]
	mkdir -p "$R/usr/local/cuda"
	box_case 'with both places' S -a ro -e NVIDIA_VISIBLE_DEVICES=all -e NVCOREOS_CUDA=12.4
	grep -q /usr/local/cuda "$BOX/out/new"
	box_case 'and the image'"'"'s own /dev' E -a ro -D
	for node in nvidia0 nvidia1 nvidiactl nvidia-uvm nvidia-uvm-tools; do : >"$R/dev/$node"; done
	box_case 'with places for nodes too' S -a ro -D
	[ "$(grep -c '/rootfs/dev/nvidia' "$BOX/out/new")" = 5 ]
	box_case 'a user namespace' 'S|E' -a ro -u 0:65536
	box_done 6
}

@test "59 S: no /etc, distroless, scratch, busybox, musl, NixOS, Bottlerocket-like" {
	rm -rf "${R:?}/etc"
	box_case 'no /etc' S
	[ -s "$R/etc/ld.so.cache" ]
	box_root
	find "$R" -mindepth 1 -maxdepth 1 ! -name probe -exec rm -rf {} +
	box_case 'scratch: one file' S -A '^\+ \./(proc|dev) 040755' -- /probe open /dev/nvidia0
	[ "$BOX_OUTPUT" = ENXIO ] && [ ! -e "$R/etc" ]
	rm -rf "${R:?}"/*
	box_case 'nothing at all' S
	rm -rf "${R:?}"/*
	box_case 'nothing at all, not even mounts' S -P -D
	box_root
	rm -rf "${R:?}/lib64" "${R:?}/sbin" "${R:?}/etc/ld.so.conf" "${R:?}/etc/ld.so.conf.d" && mkdir "$R/busybox"
	box_case 'busybox, static' S
	[ ! -e "$R/etc/ld.so.cache" ]
	echo musl >"$R/lib/ld-musl-x86_64.so.1"
	box_case musl S
	[ ! -e "$R/etc/ld.so.cache" ] && [ ! -e "$R/etc/ld.so.conf.d" ]
	box_root
	mkdir -p "$R/nix/store/x-glibc/lib" && mv "$R/lib64/ld-linux-x86-64.so.2" "$R/nix/store/x-glibc/lib/" && rm -rf "${R:?}/etc/ld.so.conf" "${R:?}/etc/ld.so.conf.d" "${R:?}/sbin" "${R:?}/lib64"
	box_case 'NixOS: no loader at its place' S
	[ ! -e "$R/etc/ld.so.cache" ]
	box_root
	rm -rf "${R:?}/lib" "${R:?}/lib64" "${R:?}/sbin" && mkdir -p "$R/usr/lib64" "$R/x86_64-bottlerocket-linux-gnu/sys-root" && echo l >"$R/usr/lib64/ld-linux-x86-64.so.2" && ln -s usr/lib64 "$R/lib64" && ln -s usr/lib "$R/lib"
	box_case 'usr-merged, Bottlerocket-like' S
	[ -s "$R/etc/ld.so.cache" ]
	box_done 8
}

@test "60 S: ld.so.conf absent, without include, including itself, a FIFO; nothing of the image is waited for" {
	rm "$R/etc/ld.so.conf"
	box_case absent S -t 5
	box_root
	echo /opt/lib >"$R/etc/ld.so.conf"
	box_case 'no include' S -t 5
	[ "$(cat "$R/etc/ld.so.conf")" = /opt/lib ]
	echo 'include /etc/ld.so.conf' >"$R/etc/ld.so.conf"
	box_case 'includes itself' S -t 5
	for file in ld.so.conf ld.so.conf.d/a.conf ld.so.conf.d/00-nvcoreos.conf ld.so.conf.d/zz-nvcoreos-cuda.conf ld.so.cache ld.so.preload ld.so.nohwcap; do
		box_root
		rm -f "$R/etc/$file" && mkfifo "$R/etc/$file"
		box_case "$file is a FIFO" S -t 5
		[ -p "$R/etc/$file" ] || [[ $file == *nvcoreos* || $file == ld.so.cache ]]
	done
	box_done 10
}

@test "61 S: files of our names: ours stay, others are replaced" {
	box_case first S
	stat -c %i "$R/etc/ld.so.conf.d/00-nvcoreos.conf" "$R/etc/ld.so.cache" >"$BOX/inodes"
	cp "$R/etc/ld.so.conf.d/00-nvcoreos.conf" "$BOX/ours"
	box_case 'same bytes' S
	cmp "$R/etc/ld.so.conf.d/00-nvcoreos.conf" "$BOX/ours"
	for content in '' '/evil/lib' "$(head -c 100000 /dev/zero | tr '\0' x)"; do
		printf '%s' "$content" >"$R/etc/ld.so.conf.d/00-nvcoreos.conf"
		box_case "foreign, ${#content} bytes" S
		cmp "$R/etc/ld.so.conf.d/00-nvcoreos.conf" "$BOX/ours"
	done
	for target in /etc/passwd "$BOX/canary/file" 00-nvcoreos.conf /proc/self/mem; do
		ln -sfn "$target" "$R/etc/ld.so.conf.d/00-nvcoreos.conf"
		box_case "a link to $target" S
		cmp "$R/etc/ld.so.conf.d/00-nvcoreos.conf" "$BOX/ours" && [ ! -L "$R/etc/ld.so.conf.d/00-nvcoreos.conf" ]
	done
	ln "$R/etc/passwd" "$R/hard" && ln -f "$R/etc/passwd" "$R/etc/ld.so.conf.d/00-nvcoreos.conf"
	box_case 'a hard link to a file of the image' S
	cmp "$R/etc/passwd" "$R/hard" && [ "$(cat "$R/hard")" = root:x:0:0:root:/:/bin/sh ]
	box_done 10
}

# bytes OFFSET HEX: writes into the root's cache.
bytes() {
	local at=$1 hex=$2
	while [ -n "$hex" ]; do
		printf '%b' "\\x${hex:0:2}"
		hex=${hex:2}
	done | dd of="$R/etc/ld.so.cache" bs=1 seek="$at" conv=notrunc status=none
}

@test "62 S: caches that are none: dropped or kept entry by entry, never believed" {
	local n size what
	box_case absent S
	cp "$R/etc/ld.so.cache" "$BOX/fresh.cache"
	cp "$BOX/good.cache" "$R/etc/ld.so.cache"
	box_case good S
	cache | grep -q libmine.so.1 && cache | grep -q /usr/local/nvidia/lib64/libcuda.so.1
	size=$(stat -c %s "$BOX/good.cache")
	for ((n = 0; n < size; n++)); do
		box_turn 61 || continue
		head -c "$n" "$BOX/good.cache" >"$R/etc/ld.so.cache"
		box_case "cut at $n" S
		cache | grep -q /usr/local/nvidia/lib64/libcuda.so.1
	done
	for what in random zeros text elf; do
		case $what in
		random) head -c 8192 /dev/urandom ;;
		zeros) head -c 8192 /dev/zero ;;
		text) head -c 8192 /dev/zero | tr '\0' A ;;
		elf) cat "$BOX/ldroot/usr/lib/libmine.so.1" ;;
		esac >"$R/etc/ld.so.cache"
		box_case "$what" S
		cmp "$R/etc/ld.so.cache" "$BOX/fresh.cache"
	done
	for what in 'nlibs=2^31-1 20 ffffff7f' 'nlibs=2^32-1 20 ffffffff' 'len=2^32-1 24 ffffffff' 'flags=big-endian 28 03000000' 'extension-offset 32 ffffffff' 'extension-offset-inside 32 14000000' \
		'entry-flags 48 ffffffff' 'key 52 ffffffff' 'key-negative 52 00000080' 'value 56 ffffffff' 'value-unterminated 56 ff7f0000' 'hwcap 64 ffffffffffffffff' 'magic 0 00' 'version 17 39'; do
		box_turn 3 || continue
		read -r what at hex <<<"$what"
		cp "$BOX/good.cache" "$R/etc/ld.so.cache"
		bytes "$at" "$hex"
		box_case "$what" S
		cache | grep -q /usr/local/nvidia/lib64/libcuda.so.1
	done
	for what in old compat; do
		[ -s "$BOX/$what.cache" ] || continue
		cp "$BOX/$what.cache" "$R/etc/ld.so.cache"
		box_case "format $what" S
		cache | grep -q libmine.so.1 && cache | grep -q /usr/local/nvidia/lib64/libcuda.so.1
	done
	truncate -s 2G "$R/etc/ld.so.cache"
	box_case '2 GiB, sparse' S -t 5
	rm "$R/etc/ld.so.cache" && ln -s "$BOX/good.cache" "$R/etc/ld.so.cache"
	box_case 'a link to the host' S
	cache | grep -q libmine.so.1 && return 1
	rm "$R/etc/ld.so.cache" && mkdir "$R/etc/ld.so.cache"
	box_case 'a directory: left out' S
	[ -d "$R/etc/ld.so.cache" ]
	box_done "$(box_size 15 200)"
}

@test "64 S: images of another machine: served with what there is for them, and no cache where the loader is another's" {
	rm -rf "${R:?}/lib64" "${R:?}/sbin"
	for loader in lib/ld-linux-aarch64.so.1 lib/ld-linux-armhf.so.3 lib64/ld64.so.2 lib/ld-linux-riscv64-lp64d.so.1 lib/ld-linux.so.2 lib/ld-musl-aarch64.so.1; do
		mkdir -p "$R/${loader%/*}" && echo loader >"$R/$loader"
		box_case "$loader" S
		rm "$R/$loader" && rm -f "$R/etc/ld.so.cache"
	done
	box_done 6
}
