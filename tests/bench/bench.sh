#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# bench.sh [OPTION OF bench.py...]: makes a scene, measures, takes the scene away; figures in $BENCH_OUT (build/bench.json).
# BURSTS=N bursts (20). BENCH_DRIVER=sample takes the sample driver in place of the archive's real one (600 MB).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${BENCH_OUT:-$here/../../build/bench.json}
# Not below a tmpfs, if that can be helped: layers of containers lie on disks.
scene=$(mktemp -d "${BENCH_TMP:-/var/tmp}/nvcoreos-bench.XXXXXX")

finish() {
	"$here/scene.sh" remove "$scene"
	find /sys/fs/cgroup -depth -type d -name 'nvcbench-*' -exec rmdir {} + 2>/dev/null || :
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

"$here/scene.sh" make "$scene"
# crun takes no hybrid of cgroups; the machine keeps its own.
# shellcheck disable=SC2016 # for that shell
unshare -m --propagation private sh -c '! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified
	exec "$@"' sh python3 -B "$here/bench.py" "$scene" "$out" "$@"
echo "figures: $(realpath --relative-to=. "$out")"
