#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# lint.sh: all of the checks here, the format of the C files, and shellcheck; exit 0 when none complains.
# shellcheck disable=SC2317 # the functions are called by their names
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
failed=0

step() {
	local name=$1
	shift
	if "$@"; then
		printf 'lint: %-12s ok\n' "$name"
	else
		printf 'lint: %-12s FAILED\n' "$name"
		failed=1
	fi
}

# have NAME: a check whose tool is missing fails only where STRICT=1 wants all of them.
have() {
	command -v "$1" >/dev/null && return 0
	printf 'lint: %s is not installed: left out\n' "$1"
	[ "${STRICT:-0}" != 1 ] || failed=1
	return 1
}

sources() {
	find lib hook cli tests \( -name '*.[ch]' -o -name '*.cc' \) -print0
}

format() {
	sources | xargs -0 clang-format --dry-run -Werror
}

licence() {
	local file rc=0
	while read -r file; do
		head -n 2 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || {
			echo "$file: no SPDX line"
			rc=1
		}
	done < <(find lib hook cli tests contrib \( -name '*.[ch]' -o -name '*.cc' -o -name '*.sh' -o -name '*.bash' -o -name '*.bats' -o -name '*.proto' \) -type f)
	return "$rc"
}

shell_scripts() {
	find tests contrib -name '*.sh' -o -name '*.bash' -o -path 'contrib/demo/look' -o -path 'contrib/lint/hdr-check'
}

shell() {
	local rc=0 bats
	shell_scripts | xargs shellcheck -x || rc=1
	mapfile -t bats < <(find tests -name '*.bats')
	[ ${#bats[@]} = 0 ] || shellcheck -x -s bash -e SC2016,SC2030,SC2031 "${bats[@]}" || rc=1
	return "$rc"
}

step layers "$here/layers.sh"
step sizes "$here/fnsize.sh"
step names "$here/names.sh"
step headers "$here/hdr-check"
step licence licence
! have clang-format || step format format
! have shellcheck || step shellcheck shell
exit $failed
