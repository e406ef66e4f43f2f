#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The bundle (`make bundle`) on hosts that have none of its libraries: one without any loader, and one with an older C library.

bats_require_minimum_version 1.5.0
load helpers
load gpu

setup_file() {
	need_root make tar strip || return "$SKIPPED"
	need_build nvcoreos || return "$SKIPPED"
	export HOST=$BATS_FILE_TMPDIR
	make -s -C "$NVC_TESTS/.." BUILD="$NVCOREOS_BUILD" bundle >"$HOST/made" || {
		cat "$HOST/made"
		return 1
	}
	export ARCHIVE
	ARCHIVE=$(cd "$NVC_TESTS/.." && realpath "$(tail -n 1 "$HOST/made")")
	gpu_archives "$HOST" 535.261.03 12.4.1
}

setup() {
	skip_file
	B=$BATS_TEST_TMPDIR/b
}

teardown() {
	[ -z "${B:-}" ] || bundle_clean "$B"
}

# host_of ROOT: a host with that root, on which the bundle is unpacked and nothing else.
host_of() {
	bundle_make "$B" "$1"
	tar -C "$B/rootfs" -xzf "$ARCHIVE"
	cp -r "$HOST/archives" "$B/rootfs/tmp/"
	[ -e "$B/rootfs/dev/null" ] || mknod -m 666 "$B/rootfs/dev/null" c 1 3
}

# works: the tool installs, and every program starts.
works() {
	local tool=/opt/nvcoreos/bin/nvcoreos program
	for program in bin/nvcoreos bin/nvcoreos-hook bin/nvidia-cdi-hook bin/nvcoreos-runtime libexec/nvcoreos/nvcoreos-load; do
		run chroot "$B/rootfs" "/opt/nvcoreos/$program" --help
		echo "$program: $output"
		[ "$status" = 0 ] || [ "$program" = bin/nvcoreos-runtime ]
		[ "$status" -lt 126 ]
	done
	run -0 chroot "$B/rootfs" "$tool" install --use "/tmp/archives/libraries-535.261.03.tar.gz" "/tmp/archives/tools-535.261.03.tar.gz" "/tmp/archives/cuda-12.4.1.tar.gz"
	run -0 chroot "$B/rootfs" "$tool" list
	[[ $output == *535.261.03*current* ]]
	[ -e "$B/rootfs/opt/nvidia/current/lib64/libcuda.so.1" ]
}

@test "on a host without any loader or library" {
	busybox=$("$NVC_LIB/roots.sh" --busybox)
	host_of "$busybox"
	[ -z "$(find "$B/rootfs" -name 'ld-*.so*' ! -path '*/opt/nvcoreos/*')" ]
	printf 'ID=flatcar\nVERSION_ID=3975.2.0\n' >"$B/rootfs/etc/os-release"
	works
}

@test "on a host with an older C library, whose own files stay out of it" {
	have_root bullseye
	host_of "$ROOT"
	works
	# Every library that the tool has open is the bundle's.
	run chroot "$B/rootfs" /opt/nvcoreos/lib/ld-linux-x86-64.so.2 --list /opt/nvcoreos/bin/nvcoreos
	echo "$output"
	[ "$status" = 0 ]
	[ -z "$(sed -n 's,.*=> /opt/nvcoreos/.*,,; /=> \//p' <<<"$output")" ]
}

@test "it holds nothing outside its own directory, and the licences of what it carries" {
	run -0 tar -tzf "$ARCHIVE"
	listing=$output
	run ! grep -vE '^\./(opt/(nvcoreos/.*)?)?$' <<<"$listing"
	for library in libarchive13 libnettle8 libc6 musl-dev; do
		grep -q "share/nvcoreos/licences/$library" <<<"$listing"
	done
}
