#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs TAP programs one after the other; shows what failed; ends with "N passed, N failed, N skipped".
# With TALLY=FILE the three numbers are added to FILE as one line.
passed=0 failed=0 skipped=0
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
for program in "$@"; do
	if "$program" >"$out" 2>&1; then status=0; else status=$?; fi
	p=$(grep -c '^ok ' "$out") n=$(grep -c '^not ok ' "$out") s=$(grep -c '^ok .*# SKIP' "$out")
	# A program that died in the middle, or tested nothing, has failed.
	if [ "$status" -ne 0 ] && [ "$n" -eq 0 ] || [ "$((p + n))" -eq 0 ]; then n=$((n + 1)); fi
	if [ "$n" -gt 0 ]; then
		echo "--- ${program##*/} (exit $status)"
		grep -v '^ok ' "$out"
	fi
	if [ "$s" -gt 0 ]; then grep '# SKIP' "$out"; fi
	passed=$((passed + p - s)) failed=$((failed + n)) skipped=$((skipped + s))
done
[ -n "${TALLY:-}" ] && echo "$passed $failed $skipped" >>"$TALLY"
echo "unit: $passed passed, $failed failed, $skipped skipped"
if [ "${STRICT:-}" = 1 ] && [ "$skipped" -gt 0 ]; then exit 1; fi
[ "$failed" -eq 0 ]
