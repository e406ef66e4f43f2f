#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# analyze.sh: gcc's -fanalyzer, clang-tidy and cppcheck over all that is not a test; exit 0 when none of them has found anything.
# CPPFLAGS are the Makefile's. Each tool tells how long it took; one that is missing fails only where STRICT=1 wants all.
# shellcheck disable=SC2317,SC2154 # the functions are called by their names; eval sets the flags
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
failed=0
said=$(mktemp) || exit 1
trap 'rm -f "$said"' EXIT
eval "flags=(${CPPFLAGS:?the Makefile sets them} -Ihook -Icli)"
mapfile -t files < <(find lib hook cli -name '*.c' | sort)

# each COMMAND...: runs it for every file, in the place of {}.
each() {
	printf '%s\0' "${files[@]}" | xargs -0 -P "$(nproc)" -I '{}' "$@"
}

# Without optimization: gcc 12 takes for uninitialized what a cleanup function frees once it is inlined.
# gcc 14's warnings on fds do not know that dup2 to 0, 1 and 2 is no leak, nor that a call with -EBADF just fails.
gcc_analyzer() {
	each "${ANALYZE_CC:-gcc}" "${flags[@]}" -std=gnu11 -O0 -fanalyzer -Werror \
		-Wno-analyzer-fd-leak -Wno-analyzer-fd-use-without-check -c -o /dev/null '{}'
}

# One file each: clang-tidy 14 forgets what va_start did when it is given several.
clang_tidy() {
	each "${CLANG_TIDY:-clang-tidy}" --quiet '{}' -- "${flags[@]}" -std=gnu11
}

cpp_check() {
	"${CPPCHECK:-cppcheck}" --enable=warning,performance,portability --std=c11 --language=c -j "$(nproc)" --quiet \
		--inline-suppr --error-exitcode=1 "${flags[@]}" -i cli/toml.cc lib hook cli &&
		"${CPPCHECK:-cppcheck}" --enable=warning,performance,portability --std=c++17 --language=c++ --quiet \
			--error-exitcode=1 "${flags[@]}" cli/toml.cc
}

# step NAME PROGRAM FUNCTION
step() {
	local start=$SECONDS verdict=ok
	command -v "$2" >/dev/null || {
		printf 'analyze: %s is not installed: left out\n' "$2"
		[ "${STRICT:-0}" != 1 ] || failed=1
		return
	}
	"$3" >"$said" 2>&1 || verdict=FAILED
	if [ $verdict = FAILED ]; then
		failed=1
		grep -v '^[0-9]* warnings\? generated\.$' "$said"
	fi
	printf 'analyze: %-14s %s (%d files, %d s)\n' "$1" $verdict ${#files[@]} $((SECONDS - start))
}

step 'gcc -fanalyzer' "${ANALYZE_CC:-gcc}" gcc_analyzer
step cppcheck "${CPPCHECK:-cppcheck}" cpp_check
step clang-tidy "${CLANG_TIDY:-clang-tidy}" clang_tidy
exit $failed
