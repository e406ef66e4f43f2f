#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# realtoolkit.sh SUITE: prints the path of a cached cuda-<version>.tar.zst, the minimal set of that Debian suite's CUDA toolkit.
# Exit 3: cannot be had here.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/aptlists.sh
. "$here/aptlists.sh"

die() {
	local rc=$1
	shift
	printf 'realtoolkit.sh: %s\n' "$*" >&2
	exit "$rc"
}

# The toolkit's package, and the libraries of the same source package that its compiler and most programs open.
names() {
	aptlists_query "$1" show nvidia-cuda-toolkit >/dev/null 2>&1 || die 3 "'$1' has no package nvidia-cuda-toolkit"
	echo nvidia-cuda-toolkit
	aptlists_query "$1" pkgnames | grep -E '^lib(cudart|nvvm|nvrtc|nvrtc-builtins|nvtoolsext)[0-9.]+$'
}

make_archive() {
	local packages
	mkdir -p "$2" || return
	packages=$(names "$1") || return
	# shellcheck disable=SC2086 # a list of names
	aptlists_download "$1" "$2/debs" $packages || return
	ZSTD_LEVEL=3 "$here/../../contrib/build/cuda.sh" --set minimal --output "$2" "$2"/debs/*.deb >/dev/null || return
	rm -rf "$2/debs"
}

suite=${1:?usage: realtoolkit.sh SUITE}
cache=$(aptlists_cache)/toolkits
dest=$cache/$suite
mkdir -p "$cache" || die 1 "$cache cannot be made"
exec 9>"$cache/.lock-$suite" || die 1 'no lock'
flock 9 || die 1 'no lock'
if ! compgen -G "$dest/cuda-*.tar.zst" >/dev/null; then
	aptlists_update "$suite" main contrib non-free || exit
	rm -rf "$dest.new"
	make_archive "$suite" "$dest.new" || {
		rc=$?
		rm -rf "$dest.new"
		exit $((rc == 3 ? 3 : 1))
	}
	rm -rf "$dest"
	mv "$dest.new" "$dest" || die 1 "$dest cannot be made"
fi
compgen -G "$dest/cuda-*.tar.zst"
