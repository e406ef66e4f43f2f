#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `make bench` is stopped while it measures, and leaves nothing behind.
bats_require_minimum_version 1.5.0

load helpers
load bench

@test "a signal ends it after the start that it is at, a killed one leaves nothing either" {
	export BENCH_DRIVER=sample BENCH_OUT=$BATS_TEST_TMPDIR/figures.json BENCH_TMP=$BATS_TEST_TMPDIR
	for signal in TERM KILL; do
		"$NVC_TESTS/bench/bench.sh" --groups bursts >"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
		shell=$!
		for _ in {1..1200}; do
			! grep -q 'at once' "$BATS_TEST_TMPDIR/log" || break
			sleep 0.1
		done
		# KILL is for bench.py alone: its shell takes away what it can then not.
		pid=$shell
		[ $signal != KILL ] || pid=$(pgrep -P "$shell")
		kill -$signal "$pid"
		status=0
		wait "$shell" || status=$?
		cat "$BATS_TEST_TMPDIR/log"
		[ $status != 0 ] && [ ! -e "$BENCH_OUT" ]
		[ $signal = KILL ] || grep -qx 'bench: stopped, no figures' "$BATS_TEST_TMPDIR/log"
		[ "$(find "$BATS_TEST_TMPDIR" -maxdepth 1 -name 'nvcoreos-bench.*' | wc -l)" = 0 ]
		[ "$(find /sys/fs/cgroup -name 'nvcbench-*' | wc -l)" = 0 ]
	done
}
