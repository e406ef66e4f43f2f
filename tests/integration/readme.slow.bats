#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The README's two commands on fresh Debian machines, from a clone of what is committed.

load helpers

setup_file() {
	need_root git unshare busybox || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
}

setup() {
	skip_file
	# shellcheck source=tests/lib/freshroot.sh
	. "$NVC_LIB/freshroot.sh"
	F=$BATS_TEST_TMPDIR/fresh
}

teardown() {
	cleanup_umount "$F" || :
	cleanup_remove "$F"
}

# readme_command WORD: the line of the README that ends with that make target.
readme_command() {
	sed -n "s/^    \\(apt-get update .*make $1\\)\$/\\1/p" "$NVC_TESTS/../README.md"
}

fresh() {
	local command
	command=$(readme_command "$2")
	[ -n "$command" ] || return 1
	freshroot_make "$F" "$1" "$NVC_TESTS/.."
	freshroot_run "$F" "$command" >"$BATS_TEST_TMPDIR/log" 2>&1 || {
		grep -A 25 '^not ok' "$BATS_TEST_TMPDIR/log" | head -n 200
		tail -n 40 "$BATS_TEST_TMPDIR/log"
		return 1
	}
	tail -n 5 "$BATS_TEST_TMPDIR/log"
}

@test "make demo on a fresh Debian 12" {
	fresh bookworm demo
}

@test "make demo on a fresh Debian 13" {
	fresh trixie demo
}

# On Debian 12 too on demand: CHECK_ON=bookworm.
@test "make check on a fresh Debian 13" {
	fresh "${CHECK_ON:-trixie}" check
	grep -q '^fuzz: [0-9]* passed, 0 failed, 0 skipped' "$BATS_TEST_TMPDIR/log"
	grep -q '^integration: [0-9]* passed, 0 failed, 0 skipped' "$BATS_TEST_TMPDIR/log"
}
