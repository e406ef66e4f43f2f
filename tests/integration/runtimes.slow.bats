#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# runc and crun as Debian's newer releases have them: the hook alone in each stage and the shim, on cgroup v1 and v2, with and
# without a user namespace. Their versions stand in the output.

load helpers
load gpu
load seen
load stages

setup_file() {
	need_root runc jq cc unshare busybox || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	have_root bookworm || return "$SKIPPED"
	export ROOT
	stages_setup
}

teardown_file() {
	stages_clean
}

setup() {
	skip_file
	# shellcheck source=tests/lib/tree.sh
	. "$NVC_LIB/tree.sh"
	B=$BASE/b$BATS_TEST_NUMBER
}

teardown() {
	[ -z "${B:-}" ] || bundle_clean "$B"
}

# have_tree RELEASE: sets TREE, or skips with what the archive says.
have_tree() {
	local why
	TREE=$("$NVC_LIB/roots.sh" --with "$1" runc crun 2>"$BASE/why") || {
		why=$(tail -n 1 "$BASE/why")
		skip_or_fail "no $1 here: $why"
	}
}

# every RELEASE RUNTIME FIRST_UID: each stage and the shim, in both views.
every() {
	have_tree "$1"
	tree_run "$TREE" "$BASE" hybrid "$2" --version | head -1
	for CGROUP_VIEW in legacy v2; do
		export CGROUP_VIEW
		each_stage "$2" "$3"
		bundle_clean "$B"
		the_shim "$2" "$3"
		bundle_clean "$B"
	done
}

@test "runc of trixie" {
	every trixie runc 0
}

@test "runc of trixie, user namespace" {
	every trixie runc 100000
}

@test "crun of trixie" {
	every trixie crun 0
}

@test "crun of trixie, user namespace" {
	every trixie crun 100000
}

@test "runc of forky" {
	every forky runc 0
}

@test "runc of forky, user namespace" {
	every forky runc 100000
}

@test "crun of forky" {
	every forky crun 0
}

@test "crun of forky, user namespace" {
	every forky crun 100000
}
