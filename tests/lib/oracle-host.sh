#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# oracle-host.sh RECORD WRITABLE CMD...: runs a runtime on a host that it cannot hurt: to be called in a mount namespace of its own,
# where all of the root file system but WRITABLE becomes read-only. RECORD/prelude is run before; what the runtime and its hooks
# did to the host's mounts is in RECORD/host.before and RECORD/host.after.
record=$1 writable=$2
shift 2

# What is mounted below it goes aside meanwhile: as a copy it would be there twice, and runtimes take the wrong one for theirs.
keep_writable() {
	mount -t tmpfs tmpfs /mnt && n=0 || return
	points=$(awk -v top="$writable/" 'index($5, top) == 1 { print $5 }' /proc/self/mountinfo)
	for point in $points; do
		n=$((n + 1))
		mkdir "/mnt/$n" && mount --move "$point" "/mnt/$n" || return
	done
	mount --bind "$writable" "$writable" && n=0 || return
	for point in $points; do
		n=$((n + 1))
		mount --move "/mnt/$n" "$point" || return
	done
	umount /mnt
}

keep_writable && mount -o remount,bind,ro / || exit 125
# shellcheck source=/dev/null
[ ! -e "$record/prelude" ] || . "$record/prelude" || exit 125
cat /proc/self/mountinfo >"$record/host.before"
rc=0
"$@" || rc=$?
cat /proc/self/mountinfo >"$record/host.after"
exit $rc
