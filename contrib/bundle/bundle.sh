#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# bundle.sh DIR PREFIX LOADER VERSION: for `make bundle`. DIR/root holds what `make install` puts on a host, DIR the two programs that
# are linked for the bundle. Adds every library that they need, the C library's own among them, and their licences, and packs
# DIR/nvcoreos-VERSION-<machine>.tar.gz (gzip, because every host can unpack it).
set -eu
set -o pipefail

dir=$1 prefix=$2 loader=$3 version=$4
root=$dir/root$prefix
archive=$dir/nvcoreos-$version-$(uname -m).tar.gz

# libraries PROGRAM...: the files that the loader takes for them.
libraries() {
	ldd "$@" | sed -n 's/^\t[^ ]* => \(\/[^ ]*\) (0x[0-9a-f]*)$/\1/p' | grep -v '/ld-[^/]*$' | sort -u
}

# A library of the host's driver (NVML) asks for parts of the C library by name: they must not come from another one.
c_library() {
	local name
	for name in libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1 libresolv.so.2; do
		[ ! -e "$(dirname "$1")/$name" ] || printf '%s\n' "$(dirname "$1")/$name"
	done
}

# licence FILE: the copyright file of the package that a library is from.
licence() {
	local package real
	real=$(realpath "$1")
	package=$(dpkg -S "$real" "${real#/usr}" "/usr$real" 2>/dev/null | sed -n '1s/:.*//p') || :
	[ -n "$package" ] && [ -e "/usr/share/doc/$package/copyright" ] || return 0
	install -D -m 0644 "/usr/share/doc/$package/copyright" "$root/share/nvcoreos/licences/$package"
}

install -m 0755 "$dir/nvcoreos" "$root/bin/nvcoreos"
install -m 0755 "$dir/nvcoreos-load" "$root/libexec/nvcoreos/nvcoreos-load"
find "$root/bin" "$root/libexec/nvcoreos" -type f -exec strip --strip-unneeded {} +
mkdir -p "$root/lib"
install -m 0755 "$loader" "$root/lib/$(basename "$loader")"
licence "$loader"
c=$(libraries "$dir/nvcoreos" | grep '/libc\.so\.')
{ libraries "$dir/nvcoreos" "$dir/nvcoreos-load" && c_library "$c"; } | sort -u | while read -r file; do
	install -m 0644 "$file" "$root/lib/$(basename "$file")"
	licence "$file"
done
# Hook and shim, which are static, may have this one in them.
if grep -q '^musl' "$dir/../hook-libc"; then
	licence "$(sed -n 's,.*"\(/.*\)/musl-gcc\.specs".*,\1/libc.a,p' "$(command -v musl-gcc)")"
fi
# It has no library: the tool is compiled with it.
licence "$(echo '#include <toml++/toml.h>' | "${CXX:-c++}" -std=c++17 -E -M -x c++ - | tr ' ' '\n' | grep '/toml++/toml\.h$')"
# Only what is ours: a host's /etc is its operator's, and its /usr may be read-only.
install -m 0644 "$dir/root${SYSCONFDIR:-/etc}/nvcoreos/nvcoreos.conf" "$root/share/nvcoreos/nvcoreos.conf"
find "$dir/root" -mindepth 1 -maxdepth 1 ! -path "$dir/root/$(cut -d/ -f2 <<<"$prefix")" -exec rm -rf {} +
tar -c --sort=name --owner=0 --group=0 --numeric-owner --mtime="@${SOURCE_DATE_EPOCH:-0}" -C "$dir/root" . | gzip -9n >"$archive.part"
mv "$archive.part" "$archive"
printf '%s\n' "$archive"
