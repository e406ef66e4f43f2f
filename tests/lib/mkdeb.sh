#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# mkdeb.sh OUT.deb [SONAME]
# Builds a package whose installation, without network, makes dpkg run
# ldconfig (libc-bin's trigger), as nearly every apt-get install does.
set -eu
out=${1:?usage: mkdeb.sh OUT.deb [SONAME]}
soname=${2:-libnvcoreostest.so.1}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
arch=$(dpkg --print-architecture)
libdir=$tmp/p/usr/lib/$(cc -print-multiarch 2>/dev/null || echo "$(uname -m)-linux-gnu")

mkdir -p "$libdir" "$tmp/p/DEBIAN"
chmod 755 "$tmp/p"
echo 'int nvcoreos_test_symbol(void) { return 42; }' >"$tmp/x.c"
# No libc at all: the newest symbol version that it needs is none.
cc -shared -fPIC -nostdlib -fno-stack-protector -Wl,-soname,"$soname" -Wl,--build-id=none -o "$libdir/$soname" "$tmp/x.c"
chmod 644 "$libdir/$soname"
cat >"$tmp/p/DEBIAN/control" <<EOF
Package: nvcoreos-test-lib
Version: 1.0
Architecture: $arch
Maintainer: nvcoreos tests <root@localhost>
Description: ships one shared library and triggers ldconfig
EOF
echo 'activate-noawait ldconfig' >"$tmp/p/DEBIAN/triggers"
# Ubuntu's dpkg-deb would choose zstd, which bullseye's dpkg cannot read.
dpkg-deb --root-owner-group -Zxz -b "$tmp/p" "$out" >/dev/null
