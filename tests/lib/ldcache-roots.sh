#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ldcache-roots.sh [RELEASE...]
# Our loader's cache against the ldconfig and the loader of real roots (default: bullseye bookworm trixie): what we
# rewrite is listed alike, what we merge wins. Needs root, a C compiler and the library of the build
# (NVCOREOS_BUILD, default: build). Prints TAP; exit 0, 1 where something failed, 3 where no root can be had.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=${NVCOREOS_BUILD:-$top/build}
ours=/usr/local/nvidia/lib64
count=0 failed=0 roots=0

# Each root runs in a mount namespace of its own, which takes all mounts with it.
if [ "${1-}" != --inside ]; then
	[ "$(id -u)" = 0 ] || { echo '1..0 # SKIP needs root'; exit 3; }
	[ -r "$build/libnvcoreos.a" ] || { echo "1..0 # SKIP no $build/libnvcoreos.a"; exit 3; }
	work=$(mktemp -d) || exit 1
	trap 'rm -rf "$work"' EXIT
	cc -std=gnu11 -O2 -D_GNU_SOURCE -I"$top/lib" -o "$work/ldcache-tool" "$here/ldcache-tool.c" "$build/libnvcoreos.a" || exit 1
	(
		cd "$work" || exit 1
		echo 'int drv(void) { return 1; }' >drv.c
		echo 'extern int drv(void), own(void); int user(void) { return drv() + own(); }' >user.c
		echo 'int own(void) { return 1; }' >own.c
		# Without libc, so that one build serves every root.
		cc -shared -fPIC -nostdlib -Wl,-soname,libdrv.so.1 -o libdrv.so.1 drv.c &&
			cc -shared -fPIC -nostdlib -Wl,-soname,libown.so.1 -o libown.so.1 own.c &&
			cc -shared -fPIC -nostdlib -o user.so user.c libdrv.so.1 libown.so.1
	) || exit 1
	echo 0 >"$work/count"
	[ $# -gt 0 ] || set -- bullseye bookworm trixie
	for release; do
		root=$("$here/roots.sh" "$release") || { echo "# no root $release"; continue; }
		roots=$((roots + 1))
		unshare -m --propagation private "$0" --inside "$release" "$root" "$work" || failed=1
	done
	[ "$roots" -gt 0 ] || { echo '1..0 # SKIP no root here'; exit 3; }
	echo "1..$(cat "$work/count")"
	exit "$failed"
fi

release=$2 root=$3 work=$4
tool=$work/ldcache-tool count=$(cat "$work/count")

ok() {
	local result=$1
	shift
	count=$((count + 1))
	if [ "$result" = 0 ]; then
		echo "ok $count - $release: $*"
	else
		echo "not ok $count - $release: $*"
		failed=1
	fi
}

# fresh: an empty layer over the root, with the driver in it and, in a directory of its own, the image's libown.
fresh() {
	umount "$work/m" 2>/dev/null
	umount "$work/layer" 2>/dev/null
	mkdir -p "$work/m" "$work/layer" && mount -t tmpfs tmpfs "$work/layer" && mkdir "$work/layer/up" "$work/layer/work" &&
		mount -t overlay -o "lowerdir=$root,upperdir=$work/layer/up,workdir=$work/layer/work" overlay "$work/m" || exit 1
	m=$work/m
	mkdir -p "$m$ours" "$m/opt/own" &&
		cp "$work/libdrv.so.1" "$m$ours/" && cp "$work/libown.so.1" "$m/opt/own/" && cp "$work/user.so" "$m/" &&
		echo /opt/own >"$m/etc/ld.so.conf.d/own.conf" || exit 1
}

# stale DIR...: copies of the driver's library in the image.
stale() {
	local dir
	for dir; do
		mkdir -p "$m$dir" && cp "$work/libdrv.so.1" "$m$dir/" || exit 1
	done
}

ldconfig_() {
	chroot "$m" /sbin/ldconfig "$@"
}

list() {
	ldconfig_ -C "$1" -p
}

# rewritten [SED]: our rewriting of the cache is listed as ldconfig's own is, order and generator too, but for what SED cuts.
rewritten() {
	"$tool" "$m/etc/ld.so.cache" "$m/etc/ld.so.new" >/dev/null &&
		diff -a <(list /etc/ld.so.cache | LC_ALL=C sed "s/ld.so.cache//; ${1-}") <(list /etc/ld.so.new | sed "s/ld.so.new//; ${1-}")
}

merge() {
	"$tool" "$m/etc/ld.so.cache" "$m/etc/ld.so.new" first libdrv.so.1 $ours/libdrv.so.1 own /usr/local/nvidia >"$work/found" &&
		mv "$m/etc/ld.so.new" "$m/etc/ld.so.cache"
}

# resolved NAME: the path that the root's own loader takes for it.
resolved() {
	chroot "$m" /lib64/ld-linux-x86-64.so.2 --list /user.so | sed -n "s/.*$1 => \([^ ]*\).*/\1/p"
}

# wins WHAT: the driver is found by way of the cache, and so is the image's own library.
wins() {
	local drv own
	merge
	ok $? "$1: merged ($(cat "$work/found"))"
	drv=$(resolved libdrv.so.1) own=$(resolved libown.so.1)
	[ "$drv" = $ours/libdrv.so.1 ]
	ok $? "$1: the loader takes the driver (${drv:-nothing})"
	if [ "${2-}" != without-own ]; then
		[ "$own" = /opt/own/libown.so.1 ]
		ok $? "$1: the image's own library is still found (${own:-nothing})"
	fi
	cp "$m/etc/ld.so.cache" "$work/once" && merge && cmp -s "$m/etc/ld.so.cache" "$work/once"
	ok $? "$1: a second merge gives the same bytes"
}

all_stale='/usr/local/lib /usr/lib/x86_64-linux-gnu /usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v2 /usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3 /opt/own/glibc-hwcaps/x86-64-v2'

fresh
ldconfig_ && rewritten
ok $? 'plain cache, rewritten, is listed alike'
wins plain

fresh
# shellcheck disable=SC2086 # a list of words
stale $all_stale
ldconfig_ && rewritten
ok $? 'cache with hwcaps, rewritten, is listed alike'
[ "$(resolved libdrv.so.1)" != $ours/libdrv.so.1 ]
ok $? 'before the merge a stale copy is taken'
wins hwcaps

fresh
# shellcheck disable=SC2086 # a list of words
stale $all_stale
# ldconfig -p of 2.36 and 2.41 misprints the hwcaps of its own compat caches; the loader reads them right.
ldconfig_ -c compat && rewritten 's/, hwcap: "[^"]*"//'
ok $? 'compat cache, rewritten, is listed alike'
wins compat

fresh
stale /usr/local/lib
ldconfig_ -c old && ldconfig_ -C /etc/ld.so.wanted -c new &&
	"$tool" "$m/etc/ld.so.cache" "$m/etc/ld.so.new" >"$work/found" && grep -q '^old ' "$work/found" &&
	diff <(list /etc/ld.so.wanted | sed '1d; /^Cache/d; s/, OS ABI: [^)]*//') <(list /etc/ld.so.new | sed 1d)
ok $? 'old-format cache, converted, lists what a new one does'
wins old

for kind in empty random short; do
	fresh
	# With no cache left of the image's only the default directories are searched.
	cp "$work/libown.so.1" "$m/usr/lib/x86_64-linux-gnu/"
	ldconfig_
	case $kind in
	empty) : >"$m/etc/ld.so.cache" ;;
	random) head -c 5000 /dev/urandom >"$m/etc/ld.so.cache" ;;
	short) truncate -s -1 "$m/etc/ld.so.cache" ;;
	esac
	wins "$kind" without-own
	ldconfig_ -p >/dev/null
	ok $? "$kind: ldconfig reads ours"
done
umount "$work/m" "$work/layer"
echo "$count" >"$work/count"
exit "$failed"
