#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Podman, runc and crun of Debian's newer releases, for root and without rights: each way of asking, under both runtimes, the same
# answer. Their versions stand in the output.

load helpers
load gpu
load seen
load engines
load matrix-podman

setup_file() {
	# newuidmap's package is what allots the user's ids.
	need_root podman newuidmap runc busybox jq cc unshare || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	have_root bookworm || return "$SKIPPED"
	export ROOT
	matrix_setup
}

teardown_file() {
	matrix_clean
}

setup() {
	skip_file
	# shellcheck source=tests/lib/tree.sh
	. "$NVC_LIB/tree.sh"
}

teardown() {
	[ -n "${BATS_TEST_SKIPPED-}" ] || engines_unchanged
}

# machine RELEASE: sets MACHINE and TREE to that release's, or skips with what the archive says.
machine() {
	local tree
	MACHINE=$BASE/${1:0:1} TREE=
	[ ! -s "$MACHINE/tree" ] || TREE=$(cat "$MACHINE/tree")
	[ -z "$TREE" ] || return 0
	tree=$("$NVC_LIB/roots.sh" --with "$1" podman runc crun uidmap 2>"$BASE/why") ||
		skip_or_fail "no $1 here: $(tail -n 1 "$BASE/why")"
	machine_make "${1:0:1}" "$tree"
	echo "$tree" >"$MACHINE/tree"
	machine_run none root runc sh -c 'podman --version; runc --version | head -n 1; crun --version | head -n 1' >&3
}

# both WAY WHO: under runc and crun.
both() {
	cell "$1" "$2" runc
	cell "$1" "$2" crun
}

@test "podman trixie, root: --runtime, as configure podman names it" {
	machine trixie
	both runtime root
}

@test "podman trixie, root: hooks.d, the link in Podman's own directory" {
	machine trixie
	both hooks root
}

@test "podman trixie, root: CDI, and --gpus" {
	machine trixie
	both cdi root
	all_gpus root runc
}

@test "podman trixie, rootless: --runtime, as configure podman names it" {
	machine trixie
	both runtime "$USER_NAME"
}

@test "podman trixie, rootless: hooks.d, the link in Podman's own directory" {
	machine trixie
	both hooks "$USER_NAME"
}

@test "podman trixie, rootless: CDI, and --gpus" {
	machine trixie
	both cdi "$USER_NAME"
	all_gpus "$USER_NAME" crun
}

@test "podman forky, root: --runtime, as configure podman names it" {
	machine forky
	both runtime root
}

@test "podman forky, root: hooks.d, the link in Podman's own directory" {
	machine forky
	both hooks root
}

@test "podman forky, root: CDI, and --gpus" {
	machine forky
	both cdi root
	all_gpus root runc
}

@test "podman forky, rootless: --runtime, as configure podman names it" {
	machine forky
	both runtime "$USER_NAME"
}

@test "podman forky, rootless: hooks.d, the link in Podman's own directory" {
	machine forky
	both hooks "$USER_NAME"
}

@test "podman forky, rootless: CDI, and --gpus" {
	machine forky
	both cdi "$USER_NAME"
	all_gpus "$USER_NAME" crun
}
