#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The installed Podman, for root and without rights: each way of asking once, the same answer. (The rest of the table: matrix-podman.slow,
# podman.slow, userns.slow, cdi.slow.)

load helpers
load gpu
load seen
load engines
load matrix-podman

setup_file() {
	need_root podman newuidmap runc crun busybox jq cc || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	have_root bookworm || return "$SKIPPED"
	export ROOT
	matrix_setup
	podman --version >&3
	machine_make i
}

teardown_file() {
	podman_root_end
	matrix_clean
}

setup() {
	skip_file
}

teardown() {
	[ -n "${BATS_TEST_SKIPPED-}" ] || engines_unchanged
}

@test "podman as installed, root: --runtime, as configure podman names it" {
	cell runtime root runc
}

@test "podman as installed, root: hooks.d, the link in Podman's own directory" {
	cell hooks root crun
}

@test "podman as installed, root: CDI, and --gpus" {
	cell cdi root runc
	all_gpus root runc
}

@test "podman as installed, rootless: --runtime, as configure podman names it" {
	cell runtime "$USER_NAME" crun
}

@test "podman as installed, rootless: hooks.d, the link in Podman's own directory" {
	cell hooks "$USER_NAME" runc
}

@test "podman as installed, rootless: CDI, and --gpus, runc and crun" {
	cell cdi "$USER_NAME" runc
	cell cdi "$USER_NAME" crun
	all_gpus "$USER_NAME" runc
}
