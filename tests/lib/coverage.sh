#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# coverage.sh BUILD: runs the unit tests of a build that was made with COVERAGE=1, and prints how many branches and lines of the
# files that everything else trusts they reach. Fails where one is not reached that contrib/lint/uncovered does not name.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${1:?usage: coverage.sh BUILD}
missing=contrib/lint/uncovered
failed=0 all=0 reached=0 excused=0

# The resolver, the mounts, the loader's files, the request.
files=(
	lib/base/path.c
	lib/apply/{apply,container,inside,mnt,procfs}.c
	lib/apply/{ldcache,ldcache_merge,ldso}.c
	lib/oci/{json,request,request_devices,scan,spec,state}.c
)

# What gcov knows of FILE: for each line its number, times run, branches, and branches not taken.
lines() {
	"${GCOV:-gcov}" --branch-probabilities --json-format --stdout "$build/obj/${1%.c}.gcda" 2>/dev/null |
		jq -r --arg file "$1" '.files[] | select(.file == $file) | .lines[] |
			"\(.line_number) \(.count) \(.branches | length) \([.branches[] | select(.count == 0)] | length)"'
}

text() {
	sed -n "$2s/^[[:space:]]*//p" "$1"
}

# How many branches of a line of FILE need not be reached, by its text.
allowed() {
	awk -F '\t' -v file="$1" -v text="$2" '$1 == file && $3 == text { n += $2 } END { print n + 0 }' "$missing"
}

check_file() {
	local file=$1 branches=0 left=0 run=0 lines=0 number count n none may
	while read -r number count n none; do
		lines=$((lines + 1)) branches=$((branches + n)) left=$((left + none))
		[ "$count" = 0 ] || run=$((run + 1))
		[ "$count" = 0 ] || [ "$none" != 0 ] || continue
		may=$(allowed "$file" "$(text "$file" "$number")")
		excused=$((excused + may))
		if [ "$count" = 0 ] && [ "$may" = 0 ]; then
			echo "coverage: $file:$number: never run: $(text "$file" "$number")"
			failed=1
		elif [ "$none" -gt "$may" ]; then
			echo "coverage: $file:$number: $none of $n branches not taken: $(text "$file" "$number")"
			failed=1
		fi
	done < <(lines "$file")
	if [ "$lines" = 0 ]; then
		echo "coverage: $file: nothing is known of it"
		failed=1
	fi
	all=$((all + branches)) reached=$((reached + branches - left))
	printf 'coverage: %s: %d of %d branches, %d of %d lines\n' "$file" $((branches - left)) "$branches" "$run" "$lines"
}

find "$build" -name '*.gcda' -delete
tests/lib/run-units.sh "$build"/unit/test_* || failed=1
for file in "${files[@]}"; do
	check_file "$file"
done
grep -v '^\(#\|$\)' "$missing" | sed 's/^/coverage: not reached: /'
# A line that changed, or that is reached by now, is no excuse any more.
named=$(awk -F '\t' '!/^(#|$)/ { n += $2 } END { print n + 0 }' "$missing")
if [ "$named" -ne "$excused" ]; then
	echo "coverage: $missing names $named branches, but $excused are found"
	failed=1
fi
echo "coverage: ${#files[@]} files: $reached of $all branches"
exit $failed
