#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# SIGKILL and errors at the system calls of install, use, rollback, remove and prune: the store is as before or as after, never between
# in a tree, success is never false, and one rerun repairs. STORE_STEP=1 tries each call, STORE_FIRST=7 begins at another one.

bats_require_minimum_version 1.5.0
load helpers
load gpu
load store-kill

setup_file() {
	need_build nvcoreos || return "$SKIPPED"
	need_root gcc jq || return "$SKIPPED"
	sweep_setup
}

setup() {
	skip_file
	LIBRARIES=$SWEEP/archives/libraries-560.1.tar.gz
	# It completes a tree that is there.
	TOOLS=$SWEEP/archives/tools-570.1.tar.gz
}

# each OPTIONS STEP STEP: all writing verbs, at each STEPth of their calls; the second is for those that make many.
each() {
	sweep "${STORE_STEP:-$2}" "$1" use 550.10
	sweep "${STORE_STEP:-$2}" "$1" remove --yes cuda/12.9.1
	sweep "${STORE_STEP:-$3}" "$1" prune --keep 0
	sweep "${STORE_STEP:-$3}" "$1" install --use "$LIBRARIES"
	sweep "${STORE_STEP:-$3}" "$1" install "$TOOLS"
}

@test "killed at a system call" {
	each '' 23 193
}

@test "killed behind a system call" {
	each --after 31 251
}

@test "a system call answers EIO, ENOSPC, EINTR or EMFILE" {
	local errno
	for errno in 5 28 4 24; do
		each "--errno $errno" 37 311
	done
}
