#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Hook and shim with either C library: static both, and with glibc too they pass what asks most of a C library.

bats_require_minimum_version 1.5.0
load helpers

setup_file() {
	need_root runc jq cc make musl-gcc readelf || return "$SKIPPED"
	need_build nvcoreos nvcoreos-load nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	export GLIBC=$BATS_FILE_TMPDIR/build
	# With the objects that are there, it is two links.
	mkdir "$GLIBC" && cp -a "$NVCOREOS_BUILD"/{obj,flags,libnvcoreos.a,nvcoreos,nvcoreos-load} "$GLIBC/" &&
		make -C "$NVC_TESTS/.." --no-print-directory -s BUILD="$GLIBC" HOOK_LIBC=glibc "$GLIBC"/nvcoreos-{hook,runtime}
}

setup() {
	skip_file
}

# of_glibc PROGRAM: whether it knows that library's tunables.
of_glibc() {
	grep -q 'glibc\.malloc\.' "$1"
}

@test "no loader is asked for, and the library is the one that was chosen" {
	for name in nvcoreos-hook nvcoreos-runtime; do
		of_glibc "$GLIBC/$name"
		run ! of_glibc "$NVCOREOS_BUILD/$name"
		for build in "$GLIBC" "$NVCOREOS_BUILD"; do
			run -0 readelf -lW "$build/$name"
			[[ $output != *INTERP* && $output == *GNU_RELRO* ]]
			run -0 readelf -dW "$build/$name"
			[[ $output == *BIND_NOW* && $output == *'Flags:'*PIE* && $output != *NEEDED* ]]
		done
	done
}

# sealed HOOK: whether none of what ELF calls RELRO can be written while it waits for its input.
sealed() {
	local pid from size base at rest perms maps
	# It waits for two seconds, and no longer.
	[ -p "$BATS_TEST_TMPDIR/nothing" ] || mkfifo "$BATS_TEST_TMPDIR/nothing"
	"$1" prestart <>"$BATS_TEST_TMPDIR/nothing" &
	pid=$!
	base=''
	until [ -n "$base" ]; do
		base=$(sed -n "\,$1\$,{s/-.*//p;q}" "/proc/$pid/maps")
	done
	sleep 0.5
	maps=$(cat "/proc/$pid/maps")
	kill "$pid"
	read -r from size < <(readelf -lW "$1" | awk '$1 == "GNU_RELRO" { print $3, $6 }')
	at=$(((16#$base + from) & -4096)) size=$((((16#$base + from + size) & -4096) - at))
	rest=$size
	while read -r range perms _; do
		if ((16#${range%-*} <= at && at < 16#${range#*-})) && [[ $perms == r--* ]]; then
			rest=$((at + rest - 16#${range#*-})) at=$((16#${range#*-}))
		fi
	done <<<"$maps"
	[ "$size" -gt 0 ] && [ "$rest" -le 0 ]
}

@test "what only a start writes is sealed" {
	sealed "$GLIBC/nvcoreos-hook"
	sealed "$NVCOREOS_BUILD/nvcoreos-hook"
}

@test "with glibc: every kind of root, the calls of privileges, NVIDIA's CDI hooks, values of images" {
	for suite in roots privileges cdihook hostile-values; do
		# Nothing of this bats is to reach that one, nor is its own first directory on PATH.
		run env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="$HOME" STRICT="${STRICT:-0}" \
			NVCOREOS_BUILD="$GLIBC" "$NVC_LIB/run-bats.sh" "$NVC_TESTS/integration/$suite.bats"
		[ "$status" = 0 ] || ! grep -A 8 -e '^not ok' -e '^integration' <<<"$output"
	done
}

@test "a C library that make does not know is refused" {
	run -2 make -C "$NVC_TESTS/.." --no-print-directory -n HOOK_LIBC=dietlibc all
	[[ $output == *'HOOK_LIBC=dietlibc: musl or glibc'* ]]
}
