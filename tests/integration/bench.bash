# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the tests of `make bench` need.

setup_file() {
	need_root runc crun jq cc python3 unshare || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	have_root bookworm || return "$SKIPPED"
}

setup() {
	skip_file
}
