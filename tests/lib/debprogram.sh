#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# debprogram.sh SUITE PACKAGE: prints the directory where that package of that Debian suite lies unpacked, with nothing of it installed;
# for programs that need no library of their own release. Exit 3: cannot be had here.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/aptlists.sh
. "$here/aptlists.sh"

die() {
	local rc=$1
	shift
	printf 'debprogram.sh: %s\n' "$*" >&2
	exit "$rc"
}

# unpack SUITE PACKAGE DIR
unpack() {
	rm -rf "$3" && mkdir -p "$3/debs" || return
	aptlists_download "$1" "$3/debs" "$2" && dpkg-deb -x "$3"/debs/*.deb "$3/root" || return
	rm -rf "$3/debs"
}

suite=${1:?usage: debprogram.sh SUITE PACKAGE} package=${2:?usage: debprogram.sh SUITE PACKAGE}
cache=$(aptlists_cache)/programs
mkdir -p "$cache" || die 1 "$cache cannot be made"
exec 9>"$cache/.lock-$suite-$package" || die 1 'no lock'
flock 9 || die 1 'no lock'
aptlists_update "$suite" main || exit
version=$(aptlists_query "$suite" show --no-all-versions "$package" 2>/dev/null | sed -n '1,/^$/s/^Version: //p')
[ -n "$version" ] || die 3 "'$suite' has no package $package"
dest=$cache/$suite-$package-${version//[!A-Za-z0-9.+~-]/_}
if [ ! -d "$dest" ]; then
	unpack "$suite" "$package" "$dest.new" || {
		rm -rf "$dest.new"
		die 1 "$package of '$suite' cannot be fetched"
	}
	find "$cache" -maxdepth 1 -name "$suite-$package-[0-9]*" ! -name '*.new' -exec rm -rf {} +
	mv "$dest.new" "$dest" || die 1 "$dest cannot be made"
fi
printf '%s\n' "$dest/root"
