#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# names.sh: what x.c or group_x.c exports begins with x_, with group_ or with a struct of x.h, so that a name tells its file.
set -u
cd "$(dirname "$0")/../.." || exit 1
failed=0

# Names that a file exports beside: the entry points that the layout gives it.
also() {
	case $1 in
	cli/cmd_*.c) echo 'verb' ;;
	cli/main.c | hook/hook.c | hook/filters.c | hook/runtime.c | cli/load/*.c | cli/image/image_main.c | cli/systemd/generator_main.c) echo 'main' ;;
	*) echo '-' ;;
	esac
}

# In this style a definition begins in the first column and its body behind a { there.
exported() {
	# shellcheck disable=SC2016 # awk's
	awk '/^[A-Za-z_].*\(/ && !/;[ \t]*$/ { line = $0 }
		/^\{/ {
			if (line != "" && line !~ /^static /) { sub(/\(.*/, "", line); sub(/.*[ *]/, "", line); print line }
			line = ""
		}' "$1"
}

# As an alternation; nothing where there is no header.
structs() {
	[ ! -e "$1" ] || sed -n 's/^struct \([a-z0-9_]*\) {.*/|\1/p' "$1" | tr -d '\n'
}

check() {
	local file=$1 name base group prefixes
	base=$(basename "$file" .c)
	group=${base%%_*}
	prefixes="$base|$group|$(also "$file")$(structs "${file%.c}.h")"
	while read -r name; do
		[[ $name =~ ^($prefixes)(_|$) ]] || {
			echo "$file: exports $name, which begins with neither of $prefixes"
			failed=1
		}
	done < <(exported "$file")
}

for file in lib/*/*.c hook/*.c cli/*.c cli/*/*.c; do
	[ ! -e "$file" ] || check "$file"
done
exit $failed
