#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# bench.sh [OPTION OF bench.py...]: makes a scene, measures, takes the scene away; figures in $BENCH_OUT (build/bench.json).
# BURSTS=N bursts (20). BENCH_DRIVER=sample takes the sample driver in place of the archive's real one (600 MB). The scene lies below
# BENCH_TMP (/var/tmp): not on a tmpfs, if that can be helped, for layers of containers lie on disks.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/cleanup.sh
. "$here/../lib/cleanup.sh"
out=${BENCH_OUT:-$here/../../build/bench.json}
running='' group=''

die() {
	printf 'bench: %s\n' "$*" >&2
	exit 2
}

# What bench.py has started it ends itself, where it can.
finish() {
	local pids
	trap '' HUP INT TERM
	if [ -n "$running" ]; then
		kill -KILL -- "-$running" 2>/dev/null || :
		mapfile -t pids < <(find /sys/fs/cgroup -path "*/nvcbench-$running-*/cgroup.procs" -exec cat {} + 2>/dev/null | sort -u)
		[ ${#pids[@]} = 0 ] || kill -KILL "${pids[@]}" 2>/dev/null || :
		cleanup_cgroup "nvcbench-$running-*" || :
	fi
	"$here/scene.sh" remove "$scene"
}

# apart CMD...: out of the terminal's reach, so that a signal does not meet what it has started, and is answered at once.
apart() {
	setsid "$@" &
	running=$!
	wait "$running"
}

# The making of a scene ends where it stands, with all that belongs to it; bench.py ends after the start that it is at.
stop() {
	trap '' HUP INT TERM
	[ -z "$running" ] || kill -TERM -- "$group$running" 2>/dev/null || :
	wait
	exit 1
}

[ "$(id -u)" = 0 ] || die 'needs root'
[[ ${BURSTS:-20} =~ ^[1-9][0-9]*$ ]] || die "BURSTS=$BURSTS: a number, one at least"
"$here/bench.py" --check "$here" "$out" "$@"

scene=$(mktemp -d "${BENCH_TMP:-/var/tmp}/nvcoreos-bench.XXXXXX")
trap finish EXIT
trap stop HUP INT TERM
group=-
apart "$here/scene.sh" make "$scene"
group=''
# crun takes no hybrid of cgroups; the machine keeps its own.
# shellcheck disable=SC2016 # for that shell
apart unshare -m --propagation private sh -c '! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified
	exec "$@"' sh python3 -B "$here/bench.py" "$scene" "$out" "$@"
echo "figures: $(realpath --relative-to=. "$out")"
