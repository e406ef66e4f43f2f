#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The file that says what a driver's files are, and what makes tables of it.

bats_require_minimum_version 1.5.0
load helpers

setup() {
	FILES=$NVC_TESTS/../config/driver-files.conf
	AWK=$NVC_TESTS/../config/driver-files.awk
	WORK=$BATS_TEST_TMPDIR/driver-files.conf
}

@test "every line of it stands in the tables" {
	run -0 awk -f "$AWK" "$FILES"
	[ "$(grep -c '^	{' <<<"$output")" = "$(grep -c '^[a-z]' "$FILES")" ]
	[ "$(grep -c '^#ifdef DRIVER_FILES_' <<<"$output")" = 7 ]
}

@test "a line that is not understood is named, and ends it" {
	for line in 'library libx' 'library libx nonsense' 'library libx compute nonsense' 'library lib"x compute' 'program x' 'xserver x' 'xserver x y' \
		'share x graphics share/x' 'alias libx.so.1' 'cuda 535' 'cuda x 12.2' 'nonsense'; do
		cp "$FILES" "$WORK"
		echo "$line" >>"$WORK"
		run -1 awk -f "$AWK" "$WORK"
		echo "$line: $output"
		[[ $output == *"driver-files.conf:$(wc -l <"$WORK"): "*": $line"* ]]
	done
}

@test "a file without one kind of lines is refused" {
	for kind in library xserver program share alias cuda; do
		grep -v "^$kind " "$FILES" >"$WORK"
		run -1 awk -f "$AWK" "$WORK"
		[[ $output == *'driver-files.conf: no line of '* ]]
	done
}
