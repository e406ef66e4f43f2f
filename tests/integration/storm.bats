#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Paths in a container's root while others exchange their components with symlinks that lead out. A sample; the storm itself
# is storm.slow.bats.

load helpers
load gpu
load kill

setup_file() {
	need_root jq cc || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook || return "$SKIPPED"
	kill_setup && kill_build storm
}

teardown_file() {
	kill_teardown
}

setup() {
	skip_file
}

@test "no lookup leads out; a program without a resolver is led out" {
	kill_storm naive 200000
	kill_storm lookups 10000
}

@test "no hook is led out" {
	kill_storm --pause 100 hooks 64
}
