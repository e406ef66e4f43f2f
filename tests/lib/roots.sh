#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# roots.sh RELEASE|--with RELEASE PACKAGE...|--busybox|--remove NAME
# Prints the path of a cached root: bullseye (glibc 2.31), bookworm (2.36),
# trixie (2.41), or one static busybox without any loader; --with has these
# packages besides, as new as the archive has them. Callers must not write into
# it (put an overlay over it). Exit 3: cannot be had here.
set -u
include=
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/aptlists.sh
. "$here/aptlists.sh"
# shellcheck source=tests/lib/cleanup.sh
. "$here/cleanup.sh"

die() {
	local rc=$1
	shift
	printf 'roots.sh: %s\n' "$*" >&2
	exit "$rc"
}

# A service start inside a root would reach for the machine's own init.
finish_debian() {
	printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d" && chmod 755 "$1/usr/sbin/policy-rc.d" &&
		rm -f "$1/etc/resolv.conf" "$1/etc/hostname" &&
		[ -x "$1/usr/bin/apt-get" ] && [ -x "$1/sbin/ldconfig" ]
}

mmdebstrap_root() {
	mmdebstrap --quiet --mode=root --variant=apt --keyring="$4" \
		--aptopt='Acquire::Retries "3"' --aptopt='Acquire::Check-Valid-Until "false"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		${include:+--include="$include"} "$1" "$2" "deb [signed-by=$4] $3 $1 main"
}

debootstrap_root() {
	debootstrap --variant=minbase ${include:+--include="$include"} --keyring="$4" "$1" "$2" "$3" && rm -rf "$2/var/cache/apt/archives" "$2/var/lib/apt/lists"
}

# mmdebstrap hands a descriptor to a shell by number, and dash knows only those below 10: what a caller (bats) has open goes.
close_fds() {
	local fd
	for fd in /proc/"$BASHPID"/fd/*; do
		fd=${fd##*/}
		# Bash keeps the script itself open high up.
		if [ "$fd" -gt 2 ] && [ "$fd" -lt 200 ]; then
			eval "exec $fd>&-"
		fi
	done
}

# build_debian NAME DIR: of the release that the name begins with.
build_debian() {
	local mirror keyring tool attempt suite=${1%%-*}
	[ "$(id -u)" = 0 ] || die 3 'making a root needs root'
	mirror=$(aptlists_mirror) || exit
	keyring=$(aptlists_keyring) || exit
	aptlists_has "$suite" || exit
	for tool in mmdebstrap debootstrap; do
		command -v $tool >/dev/null && break
	done
	command -v "$tool" >/dev/null || die 3 'neither mmdebstrap nor debootstrap is installed'
	# A mirror may be busy for a moment; what it said the last time is what counts.
	for attempt in 1 2 3; do
		"${tool}_root" "$suite" "$2" "$mirror" "$keyring" >"$2.log" 2>&1 && break
		cleanup_umount "$2"
		find "$2" -mindepth 1 -xdev -delete
		sleep $((attempt * 5))
		[ "$attempt" -lt 3 ] || attempt=failed
	done
	if [ "$attempt" = failed ]; then
		tail -n 15 "$2.log" >&2
		# An archived release keeps its index on some mirrors after its packages are gone.
		grep -q ' 404 ' "$2.log" && die 3 "the mirror no longer has the packages of '$suite'"
		die 1 "$tool $suite failed"
	fi
	finish_debian "$2"
}

is_static() {
	[ -x "$1" ] && ! readelf -lW "$1" | grep -q INTERP
}

static_busybox() {
	local found
	found=$(command -v busybox)
	if [ -n "$found" ] && is_static "$found"; then
		cp "$found" "$1"
		return
	fi
	aptlists_update bookworm main && aptlists_download bookworm "$1.deb.d" busybox-static &&
		dpkg-deb -x "$1.deb.d"/*.deb "$1.deb.d/x" || return
	for found in "$1.deb.d/x/bin/busybox" "$1.deb.d/x/usr/bin/busybox"; do
		[ -f "$found" ] && cp "$found" "$1"
	done
	rm -rf "$1.deb.d"
	is_static "$1"
}

build_busybox() {
	local applet
	mkdir -p "$2/bin" "$2/dev" "$2/proc" "$2/sys" "$2/etc" "$2/root" "$2/run" "$2/tmp" "$2/usr" "$2/var" &&
		chmod 755 "$2" && chmod 1777 "$2/tmp" && static_busybox "$2/bin/busybox" || exit
	"$2/bin/busybox" --list | while read -r applet; do
		[ "$applet" = busybox ] || ln -s busybox "$2/bin/$applet"
	done
	echo 'root:x:0:0:root:/root:/bin/sh' >"$2/etc/passwd"
	echo 'root:x:0:' >"$2/etc/group"
}

drop_unfinished() {
	local left
	for left in "$1".new.*; do
		[ -e "$left" ] || continue
		cleanup_umount "$left" && cleanup_remove "$left"
	done
}

# Built beside and renamed under a lock: a caller sees a whole root or none.
cached() {
	local new root=$roots/$1
	[ -d "$root" ] || (
		exec 9>"$roots/.lock-$1"
		flock 9 || exit 1
		[ -d "$root" ] && exit 0
		drop_unfinished "$root"
		new=$(mktemp -d "$root.new.XXXXXX") && chmod 755 "$new" || exit 1
		trap 'cleanup_umount "$new"; cleanup_remove "$new" "$new.log"' EXIT
		trap 'exit 1' INT TERM
		(close_fds && "build_$2" "$1" "$new") && mv -T "$new" "$root"
	) || exit
	printf '%s\n' "$root"
}

# Named after the versions, so that a newer one in the archive makes a new root; those of before go after a day.
with() {
	local suite=$1 versions name
	shift
	aptlists_update "$suite" main || exit
	versions=$(aptlists_query "$suite" show --no-all-versions "$@" | sed -n 's/^Package: \(.*\)/\1/p; s/^Version: \(.*\)/\1/p') || exit
	[ "$(wc -l <<<"$versions")" = $((2 * $#)) ] || die 3 "'$suite' has not all of: $*"
	name=$suite-$(cksum <<<"$versions" | cut -d' ' -f1)
	include=$(IFS=, && echo "$*")
	find "$roots" -mindepth 1 -maxdepth 1 -name "$suite-*" -not -name "$name*" -mtime +0 -printf '%f\n' | while read -r old; do
		remove "$old" || :
	done
	cached "$name" debian
}

remove() {
	(
		exec 9>"$roots/.lock-$1"
		flock 9 && cleanup_umount "$roots/$1" && cleanup_remove "$roots/$1"
	)
}

roots=$(aptlists_cache)/roots
mkdir -p "$roots" || exit 1
case ${1-} in
--busybox) cached busybox busybox ;;
--with)
	case ${2-} in
	'' | *[!a-z]*) die 2 'usage: roots.sh --with RELEASE PACKAGE...' ;;
	esac
	shift
	with "$@"
	;;
--remove) remove "${2:?name}" ;;
'' | -* | *[!a-z]*) die 2 'usage: roots.sh RELEASE | --with RELEASE PACKAGE... | --busybox | --remove NAME' ;;
*) cached "$1" debian ;;
esac
