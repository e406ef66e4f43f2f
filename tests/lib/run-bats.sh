#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs bats files one after the other and shows each test as it ends; ends with the counts.
# With TALLY=FILE the three numbers are added to FILE as one line.
passed=0 failed=0 skipped=0
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
for file in "$@"; do
	echo "--- ${file##*/}"
	start=$(date +%s)
	bats --tap "$file" 2>&1 </dev/null | tee "$out"
	p=$(grep -c '^ok ' "$out") n=$(grep -c '^not ok ' "$out") s=$(grep -c '^ok .*# skip' "$out")
	planned=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$out")
	# A file that stopped in the middle, or tested nothing, has failed.
	if [ "$((p + n))" -ne "${planned:-0}" ] || [ "$((p + n))" -eq 0 ]; then n=$((n + 1)); fi
	passed=$((passed + p - s)) failed=$((failed + n)) skipped=$((skipped + s))
	echo "--- ${file##*/}: $(($(date +%s) - start)) s"
done
[ -n "${TALLY:-}" ] && echo "$passed $failed $skipped" >>"$TALLY"
echo "integration: $passed passed, $failed failed, $skipped skipped"
if [ "${STRICT:-}" = 1 ] && [ "$skipped" -gt 0 ]; then exit 1; fi
[ "$failed" -eq 0 ]
