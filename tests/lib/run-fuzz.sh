#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run-fuzz.sh time SECONDS [TARGET...]: fuzzes each target that long, and keeps what it learns in build/fuzz/corpus.
# run-fuzz.sh check: a fixed number of runs from a fixed seed, so that a slow machine finds no less and fails no sooner.
# run-fuzz.sh replay: without libFuzzer, each target over its corpus, once.
# Two targets at a time (JOBS). Prints executions, edges covered and inputs kept of each, and a total; a find stands in
# build/fuzz/find, its story in build/fuzz/log. With TALLY=FILE passed, failed and skipped are added to FILE as one line.
set -u
cd "$(dirname "$0")/../.." || exit 1
mode=${1:-}
fuzz=build/fuzz
corpus=tests/fuzz/corpus
check_runs=4000

# one MODE SECONDS TARGET: its log ends with "exit N".
one() {
	log=$fuzz/log/$3
	case $1 in
	replay) "$fuzz/replay/$3" >"$log" 2>&1 ;;
	*)
		dict=tests/fuzz/$3.dict
		set -- "$@" -print_final_stats=1 -timeout=20 -rss_limit_mb=1024 -artifact_prefix="$fuzz/find/$3-"
		[ ! -e "$dict" ] || set -- "$@" -dict="$dict"
		if [ "$1" = check ]; then
			set -- "$@" -seed=1 -runs=$check_runs "$work/$3"
		else
			set -- "$@" -max_total_time="$2" "$fuzz/corpus/$3"
		fi
		mkdir -p "$work/$3" "$fuzz/corpus/$3"
		target=$3
		shift 3
		TMPDIR=$work "$fuzz/bin/$target" "$@" "$corpus/$target" >"$log" 2>&1
		;;
	esac
	echo "exit $?" >>"$log"
}

if [ "$mode" = one ]; then
	shift
	one "$@"
	exit 0
fi

case $mode in
time) program=$fuzz/fuzzer bin=$fuzz/bin seconds=${2:?seconds} && shift 2 ;;
check) program=$fuzz/fuzzer bin=$fuzz/bin seconds=0 && shift ;;
replay) program=build/sanitize/replay bin=$fuzz/replay seconds=0 && shift ;;
*)
	echo 'usage: run-fuzz.sh time SECONDS [TARGET...] | check | replay' >&2
	exit 2
	;;
esac
work=$(mktemp -d) || exit 1
export work
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
# shellcheck disable=SC2046 # one name a word
[ $# -gt 0 ] || set -- $("$program")
mkdir -p $bin $fuzz/log $fuzz/find
for target; do
	ln -sfn "../../../$program" "$bin/$target"
done
printf '%s\n' "$@" | xargs -P "${JOBS:-2}" -n 1 tests/lib/run-fuzz.sh one "$mode" "$seconds"

passed=0 failed=0 skipped=0 total=0
for target; do
	log=$fuzz/log/$target
	status=$(sed -n 's/^exit //p' "$log")
	if [ "$mode" = replay ]; then
		runs=$(grep -c '^# ' "$log") coverage=
	else
		runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
		coverage=$(sed -n 's/.* cov: \([0-9]*\) .* corp: \([0-9]*\).*/, \1 edges, \2 inputs/p' "$log" | tail -n 1)
	fi
	total=$((total + ${runs:-0}))
	if [ "$status" = 0 ] && [ "${runs:-0}" -gt 0 ]; then
		passed=$((passed + 1))
		[ "$mode" != time ] || echo "fuzz: $target: $runs executions$coverage"
	else
		failed=$((failed + 1))
		echo "--- fuzz: $target (exit $status)"
		grep -v -e '^#[0-9]' -e '^INFO' -e '^stat::' "$log" | tail -n 60
	fi
done
if [ "$mode" = replay ]; then
	skipped=1
	echo 'fuzz: without libFuzzer (clang) the corpora are only replayed # SKIP'
fi
[ -n "${TALLY:-}" ] && echo "$passed $failed $skipped" >>"$TALLY"
echo "fuzz: $passed passed, $failed failed, $skipped skipped; $total executions of $# targets"
if [ "${STRICT:-}" = 1 ] && [ "$skipped" -gt 0 ]; then exit 1; fi
[ "$failed" -eq 0 ]
