#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The hook killed, disturbed, refused by the kernel, called twice and many times at once: a sample of its system calls.
# All of them are done by kill.slow.bats.

load helpers
load gpu
load kill

setup_file() {
	need_root jq cc || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook || return "$SKIPPED"
	kill_setup && kill_build sweep
}

teardown_file() {
	kill_teardown
}

setup() {
	skip_file
}

@test "SIGKILL: the host is as it was, nothing is left, the next run is right" {
	kill_sweep 7 signal 9
}

@test "SIGTERM, SIGHUP: one line; SIGPIPE: nothing" {
	kill_sweep 31 signal 15
	kill_sweep 61 signal 1
	kill_sweep 61 signal 13
}

@test "a system call that fails: an error or the whole result, never less" {
	kill_sweep 23 errno EIO,EACCES
	kill_sweep 67 errno EINTR,EAGAIN,ENOSPC,ENOMEM,EROFS,EMFILE,EDQUOT,ESTALE
}

@test "short reads and writes make no difference" {
	kill_sweep 1 short
}

@test "the container's init ends: the hook ends too" {
	kill_sweep 17 init
}

@test "two hooks on one container: one after the other" {
	kill_sweep 37 second
}

@test "driver or toolkit changed meanwhile: all is of one" {
	kill_sweep 23 flip "$KILL_DRIVER"
	kill_sweep 47 flip "$KILL_TOOLKIT"
}

@test "fifty starts on one root: no growth" {
	kill_sweep 1 again 50
}

@test "64 starts at once" {
	kill_sweep 1 parallel 64
}
