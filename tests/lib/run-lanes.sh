#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-lanes.sh FILE...: as run-bats.sh, but JOBS files at once (as many as there are processors), begun in the order given; each file's
# output is shown whole when it has ended. For files that do not count on having the machine to themselves.
set -u
here=$(dirname "$0")
jobs=${JOBS:-$(nproc)}

# Each has mounts of its own: tests that watch the host's would see those of others.
alone() {
	if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
		unshare -m --propagation private "$@"
	else
		"$@"
	fi
}

# one FILE LOGS: shown under a lock, so that no two outputs mix.
one() {
	local log=$2/${1##*/} rc=0
	alone "$here/with-cgroups.sh" "$here/run-bats.sh" "$1" >"$log" 2>&1 || rc=1
	exec 9>"$2/.lock"
	flock 9
	# The sums come once, at the end.
	grep -v '^integration: ' "$log"
	return $rc
}

if [ "${1-}" = --one ]; then
	one "$2" "$3"
	exit
fi
logs=$(mktemp -d) || exit 1
trap 'rm -rf "$logs"' EXIT
rc=0
printf '%s\0' "$@" | xargs -0 -I '{}' -P "$jobs" "$0" --one '{}' "$logs" || rc=1
cat "$logs"/*.bats | awk '/^integration: / { passed += $2; failed += $4; skipped += $6 }
	END { printf "integration: %d passed, %d failed, %d skipped\n", passed, failed, skipped }'
exit $rc
