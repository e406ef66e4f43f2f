#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The resolver and whole hooks in a rename storm. STORM=N: so many lookups, and hooks in proportion; a million by itself.

load helpers
load gpu
load kill

setup_file() {
	need_root jq cc || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook || return "$SKIPPED"
	kill_setup && kill_build storm
	export STORM=${STORM:-1000000}
}

teardown_file() {
	kill_teardown
}

setup() {
	skip_file
}

@test "a program without a resolver is led out" {
	kill_storm naive 1000000
}

@test "the resolver: no escape, and no more than one lookup in ten thousand gives up" {
	kill_storm lookups $((STORM * 3 / 4))
	kill_storm --renamers 16 lookups $((STORM / 4))
}

@test "hooks: no escape" {
	kill_storm --pause 1000 hooks $((STORM / 2000))
	kill_storm --pause 100 hooks $((STORM / 2000))
	kill_storm --renamers 16 --pause 300 hooks $((STORM / 1000))
}
