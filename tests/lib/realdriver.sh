#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# realdriver.sh SUITE                    prints a cached directory with NVIDIA's real userland unpacked
# realdriver.sh --archives SUITE OUTDIR  the same as flat libraries-<driver>.tar.bz2 and tools-<driver>.tar.bz2
# realdriver.sh --version SUITE          prints <driver>
# realdriver.sh --remove SUITE           takes both away, so that the next call has what the archive has by then
# --full before these: with all libraries that Debian has of the driver, graphics too; else those that compute, and their tools.
# Exit 3: cannot be had here.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/aptlists.sh
. "$here/aptlists.sh"
# shellcheck source=tests/lib/cleanup.sh
. "$here/cleanup.sh"

needed='libcuda1 libnvidia-ml1 nvidia-smi'
wanted='libnvidia-ptxjitcompiler1 libnvidia-cfg1 libnvidia-encode1 libnvcuvid1 nvidia-opencl-icd libnvidia-allocator1
	libnvidia-opticalflow1 nvidia-vdpau-driver nvidia-persistenced nvidia-cuda-mps'
full='libcudadebugger1 libnvidia-nvvm4 libnvidia-pkcs11-openssl3 libglx-nvidia0 libegl-nvidia0 libgles-nvidia1 libgles-nvidia2
	libnvidia-eglcore libnvidia-glcore libnvidia-glvkspirv libnvidia-rtcore libnvoptix1 libnvidia-fbc1 libnvidia-ngx1
	libnvidia-egl-gbm1 libnvidia-api1 libnvidia-gpucomp nvidia-vulkan-icd nvidia-vulkan-common nvidia-egl-icd nvidia-egl-common'
suffix=

die() {
	local rc=$1
	shift
	printf 'realdriver.sh: %s\n' "$*" >&2
	exit "$rc"
}

packages() {
	local names name
	# shellcheck disable=SC2086 # lists of names
	names=$(aptlists_names "$1" $needed $wanted)
	for name in $needed; do
		grep -qx "$name" <<<"$names" || die 3 "'$1' has no package $name"
	done
	printf '%s\n' "$names"
}

build_tree() {
	local names deb
	aptlists_update "$1" main contrib non-free || exit
	names=$(packages "$1") || exit
	# shellcheck disable=SC2086 # a list of names
	aptlists_download "$1" "$2.debs" $names || die 1 'download failed'
	for deb in "$2.debs"/*.deb; do
		dpkg-deb -x "$deb" "$2" || die 1 "cannot unpack $deb"
	done
	rm -rf "$2/usr/share/doc" "$2/usr/share/man" "$2/usr/share/bug" "$2/usr/share/lintian"
	[ -n "$(driver_of "$2")" ] || die 1 'no libcuda.so.<driver> in the packages'
}

driver_of() {
	find "$1" -type f -name 'libcuda.so.*.*' -printf '%f\n' | sed -n '1s/^libcuda\.so\.//p'
}

libraries() {
	find . -type f -name 'lib*.so.*' -printf '%P\n' | sort
}

tools() {
	find . -type f -perm -100 \( -path './usr/bin/*' -o -path './usr/sbin/*' -o -path './usr/lib/nvidia/*' \) -printf '%P\n' |
		sort
}

# Flat, without directories and links: what the older builders published.
flat() {
	tar --transform 's,^.*/,,' --owner=0 --group=0 --numeric-owner -c -T - | bzip2 -c >"$1"
}

build_archives() {
	local tree driver
	tree=$(cached "$1" tree) || exit
	driver=$(driver_of "$tree")
	cd "$tree" || exit 1
	tools | flat "$2/tools-$driver.tar.bz2" && libraries | flat "$2/libraries-$driver.tar.bz2"
}

# path_of SUITE tree|archives
path_of() {
	[ "$2" = tree ] && echo "$drivers/$1$suffix" || echo "$drivers/$1$suffix.$2"
}

# Built beside and renamed under a lock: a caller sees a whole one or none.
cached() {
	local new path
	path=$(path_of "$1" "$2")
	[ -d "$path" ] || (
		exec 9>"$drivers/.lock-$1$suffix-$2"
		flock 9 || exit 1
		[ -d "$path" ] && exit 0
		rm -rf "$path".new.*
		new=$(mktemp -d "$path.new.XXXXXX") && chmod 755 "$new" || exit 1
		trap 'rm -rf "$new" "$new.debs"' EXIT
		trap 'exit 1' INT TERM
		("build_$2" "$1" "$new") && mv -T "$new" "$path"
	) || exit
	printf '%s\n' "$path"
}

remove() {
	local what
	for what in tree archives; do
		(
			exec 9>"$drivers/.lock-$1$suffix-$what"
			flock 9 && rm -rf "$(path_of "$1" $what)"
		) || return
	done
}

drivers=$(aptlists_cache)/drivers
mkdir -p "$drivers" || exit 1
if [ "${1-}" = --full ]; then
	wanted="$wanted $full"
	suffix=-full
	shift
fi
case ${1-} in
--archives)
	from=$(cached "${2:?suite}" archives) || exit
	mkdir -p "${3:?directory}" && cp "$from"/*.tar.bz2 "$3/"
	;;
--version)
	tree=$(cached "${2:?suite}" tree) || exit
	driver_of "$tree"
	;;
--remove) remove "${2:?suite}" ;;
'' | -*) die 2 'usage: realdriver.sh [--full] SUITE | --archives SUITE OUTDIR | --version SUITE | --remove SUITE' ;;
*) cached "$1" tree ;;
esac
