#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `make bench` measures what it says: one round of it, its sums, and that a failure is none of its figures.
bats_require_minimum_version 1.5.0

load helpers
load bench

@test "every group gives its figures, and nothing is left behind" {
	export BURSTS=1 BENCH_DRIVER=sample BENCH_OUT=$BATS_TEST_TMPDIR/figures.json BENCH_TMP=$BATS_TEST_TMPDIR
	run -0 "$NVC_TESTS/bench/bench.sh" --rounds 1
	echo "$output"
	run -0 jq -r '[.rows[].group] | unique | join(" ")' "$BENCH_OUT"
	[ "$output" = 'bursts create driver gpus images processes run shim tool' ]
	# Each plain runc is what it is compared with.
	# Compared as numbers: jq 1.7 prints 0.0 as it is written.
	run -0 jq -e '[.rows[] | select(.variant == "runc") | .added_ms] | unique == [0]' "$BENCH_OUT"
	# The kernel counts a program of a few pages as none.
	run -0 jq -e '[.rows[] | select(.group == "processes") | .cpu_ms > 0 and (.calls > 10 and .peak_kib > 0 or (.what | test("floor: |nothing$")))] | all' "$BENCH_OUT"
	# The floor does what a start does, or is left out.
	run -0 jq -e '[.rows[] | select(.group == "processes" and (.what | contains("floor")))] | length == 4' "$BENCH_OUT"
	[ "$(find "$BATS_TEST_TMPDIR" -maxdepth 1 -name 'nvcoreos-bench.*' | wc -l)" = 0 ]
	[ "$(find /sys/fs/cgroup -name 'nvcbench-*' | wc -l)" = 0 ]
}

@test "a start that fails is no figure" {
	cat >"$BATS_TEST_TMPDIR/one.py" <<-'EOF'
		import sys
		sys.path.insert(0, sys.argv[1])
		import containers
		containers.timed(["/bin/false"], sys.argv[2])
	EOF
	run ! python3 -B "$BATS_TEST_TMPDIR/one.py" "$NVC_TESTS/bench" "$BATS_TEST_TMPDIR/log"
	echo "$output"
	[[ $output == *'bench: /bin/false: status 256'* ]]
}

@test "what is stopped says so, and leaves nothing" {
	cat >"$BATS_TEST_TMPDIR/stopped.py" <<-'EOF'
		import sys
		sys.path.insert(0, sys.argv[1])
		from containers import Containers, Stop, Variant
		own = Containers(sys.argv[2], "runc")
		plain = Variant("", ["runc"], "create")
		try:
		    # As in front of a runtime that does nothing, where no one else takes it away.
		    own.prepare(plain, sys.argv[3])
		    held = open(own.directory + "/spec/config.json", encoding="utf-8")
		    Stop.asked = True
		    own.left_behind(plain, sys.argv[3], "runc")
		finally:
		    own.end()
		    assert own.directory not in open("/proc/self/mountinfo", encoding="utf-8").read()
	EOF
	mkdir "$BATS_TEST_TMPDIR/image"
	# What it leaves all the same goes with its namespace.
	run -1 unshare -m --propagation private python3 -B "$BATS_TEST_TMPDIR/stopped.py" "$NVC_TESTS/bench" "$BATS_TEST_TMPDIR/containers" "$BATS_TEST_TMPDIR/image"
	echo "$output"
	[ "$output" = 'bench: stopped, no figures' ]
	[ "$(find "$BATS_TEST_TMPDIR" -maxdepth 1 -name 'containers*' | wc -l)" = 0 ]
}

@test "the median's interval is the binomial one" {
	run -0 python3 -B - "$NVC_TESTS/bench" <<-'EOF'
		import sys
		sys.path.insert(0, sys.argv[1])
		import stats
		# The ranks of the tables of the sign test.
		assert [stats.rank_of_bound(n) for n in (5, 6, 10, 20, 40, 100)] == [0, 1, 2, 6, 14, 40]
		assert stats.median_interval(range(1, 41)) == (20.5, 14, 27)
		assert stats.percentile(range(1, 101), 0.99) == 99 and stats.percentile([7], 0.99) == 7
	EOF
}

@test "what is asked wrongly is told in one line, before a scene is made" {
	export BENCH_OUT=$BATS_TEST_TMPDIR/figures.json BENCH_TMP=$BATS_TEST_TMPDIR/none
	for args in '--rounds 0' '--rounds x' '--groups create,foo' --bogus; do
		# shellcheck disable=SC2086 # words
		run -2 "$NVC_TESTS/bench/bench.sh" $args
		echo "$output"
		[ ${#lines[@]} = 1 ] && [[ $output == "bench: "*"${args##*[ ,]}"* ]]
	done
	BURSTS=0 run -2 "$NVC_TESTS/bench/bench.sh"
	[ "$output" = 'bench: BURSTS=0: a number, one at least' ]
	BENCH_OUT=$BENCH_TMP/figures.json run -2 "$NVC_TESTS/bench/bench.sh"
	[[ $output == *"$BENCH_TMP/figures.json: cannot be written"* ]]
}
