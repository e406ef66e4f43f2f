#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# with-cgroups.sh CMD...: runs a command. Where the cgroups are mounted read-only (in a systemd-nspawn container), it gets them
# writable in a mount namespace of its own, so that containers can run in it.
# shellcheck source=tests/lib/cleanup.sh
. "$(dirname "$0")/cleanup.sh"
if [ "$(id -u)" != 0 ] || cgroup_usable 2>/dev/null || ! unshare -m true 2>/dev/null; then
	exec "$@"
fi
# shellcheck disable=SC2016 # for the inner shell
exec unshare -m --propagation private sh -c '
	awk "\$5 ~ /^\/sys\/fs\/cgroup/ { print \$5 }" /proc/self/mountinfo | while read -r point; do
		mount -o remount,bind,rw "$point" 2>/dev/null
	done
	exec "$@"
' sh "$@"
