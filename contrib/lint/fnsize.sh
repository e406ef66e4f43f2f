#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# fnsize.sh: functions over 100 lines and files over 800 fail; functions over 60 and files over 500 are named.
set -u
cd "$(dirname "$0")/../.." || exit 1

# In this style a function begins behind a { in the first column and ends with such a }.
# shellcheck disable=SC2016 # awk's
find lib hook cli -name '*.[ch]' -o -name '*.cc' | sort | xargs awk '
	FNR == 1 { if (NR > 1) file_end(); lines = 0; start = 0; last = "" }
	{ name = FILENAME; lines = FNR }
	/^[A-Za-z_].*\(/ && !/;[ \t]*$/ { last = $0; sub(/\(.*/, "", last); sub(/.*[ *]/, "", last) }
	/^\{/ { start = FNR; fn = last }
	/^}[ \t]*$/ && start {
		n = FNR - start - 1
		if (n > 100) { print FILENAME ": " fn "() has " n " lines, more than 100"; failed = 1 }
		else if (n > 60) print FILENAME ": note: " fn "() has " n " lines, more than 60"
		start = 0
	}
	function file_end() {
		if (lines > 800) { print name ": " lines " lines, more than 800"; failed = 1 }
		else if (lines > 500) print name ": note: " lines " lines, more than 500"
	}
	END { file_end(); exit failed }'
