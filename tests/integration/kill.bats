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

@test "two hooks on one container, and on two that share a root" {
	kill_sweep 37 second
	kill_sweep 37 beside
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

@test "nvcoreos-load does not outlive the hook" {
	mkdir -p "$BATS_TEST_TMPDIR/libexec" "$BATS_TEST_TMPDIR/bundle"
	# It is given no environment, and a mount namespace is all that it needs to be found in.
	printf '#!/bin/sh\necho $$ >%s\nexec sleep 300\n' "$BATS_TEST_TMPDIR/pid" >"$BATS_TEST_TMPDIR/libexec/nvcoreos-load"
	chmod 755 "$BATS_TEST_TMPDIR/libexec/nvcoreos-load"
	sed -e "s|^libexec-dir=.*|libexec-dir=$BATS_TEST_TMPDIR/libexec|" -e 's|^load-modules=.*|load-modules=yes|' \
		-e "s|^dev-root=.*|dev-root=$BATS_TEST_TMPDIR|" "$KILL/conf" >"$BATS_TEST_TMPDIR/conf"
	cp "$KILL/config.json" "$BATS_TEST_TMPDIR/bundle"
	for signal in KILL TERM; do
		rm -f "$BATS_TEST_TMPDIR/pid"
		printf '{"ociVersion":"1.0.2","id":"x","status":"creating","pid":%d,"bundle":"%s"}' $$ "$BATS_TEST_TMPDIR/bundle" |
			"$NVCOREOS_BUILD/nvcoreos-hook" --config "$BATS_TEST_TMPDIR/conf" prestart 2>"$BATS_TEST_TMPDIR/said" 3>&- &
		hook=$!
		for ((i = 0; i < 100; i++)); do
			[ ! -s "$BATS_TEST_TMPDIR/pid" ] || break
			sleep 0.1
		done
		load=$(cat "$BATS_TEST_TMPDIR/pid")
		kill -0 "$load"
		kill -s "$signal" "$hook"
		wait "$hook" || :
		cleanup_gone "$load" 10
	done
	grep -q '^nvcoreos-hook: E08: ' "$BATS_TEST_TMPDIR/said"
}
