#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# hook-recorder.sh RECORD HOOK ARG...: an OCI hook that runs another one and writes down what it did, in RECORD: rc, stderr; mounts,
# fds (of the container's init) and root (its files), each .before and .after; trace where RECORD/want-trace is there.
# RECORD/only-hook: guarded.hook-before and -after too, see oracles.bash. RECORD/environment: variables for the hook, with a trace.
# RECORD/want-slow: it takes its time over each mount, for whoever wants to see it at work.
# devices: its rules on cgroup v1. RECORD/want-fds: SIGCHLD, SIGTERM and SIGHUP are ignored, and the hook inherits descriptors 3 to 40 of host directories; want-closed: and none of these of the three.
record=$1
shift
# shellcheck source=tests/integration/oracles.bash
. "$(dirname "$0")/../integration/oracles.bash"

# root_files: the container's own files, as the host sees them: no mounts of the container among them.
root_files() {
	find "$(cat "$record/rootfs")" -xdev -printf '%P %y %m %U:%G %s %T@ %i %l\n' | sort
}

record() {
	cat "/proc/$pid/mountinfo" >"$record/mounts.$1"
	find "/proc/$pid/fd" -mindepth 1 -printf '%f %l\n' 2>/dev/null | sort >"$record/fds.$1"
	root_files >"$record/root.$1"
	cat /proc/self/mountinfo >"$record/host.hook-$1"
	devices=$(sed -n 's,^[0-9]*:devices:,/sys/fs/cgroup/devices,p' "/proc/$pid/cgroup")
	[ ! -e "$devices/devices.list" ] || cat "$devices/devices.list" >"$record/devices.$1"
	[ ! -e "$record/only-hook" ] || oracle_guard "$record" "hook-$1"
}

run=(timeout -s KILL 10 "$@")
if [ -e "$record/want-trace" ]; then
	variables=()
	[ ! -e "$record/environment" ] || mapfile -t variables < <(sed 's/^/-E/' "$record/environment")
	run=(timeout -s KILL 20 strace -f -y -s 4096 -o "$record/trace" "${variables[@]}" "$@")
fi
if [ -e "$record/want-slow" ]; then
	run=(timeout -s KILL 20 strace -f -o /dev/null -e trace=move_mount -e inject=move_mount:delay_enter=20000 "$@")
fi
cat >"$record/state"
pid=$(sed -n 's/.*"pid": *\([0-9][0-9]*\).*/\1/p' "$record/state")
record before
rc=0
if [ -e "$record/want-fds" ]; then
	trap '' CHLD TERM HUP
	for ((i = 3; i <= 40; i++)); do
		eval "exec $i</etc"
	done
fi
case $(cat "$record/want-closed" 2>/dev/null) in
'') "${run[@]}" <"$record/state" 2>"$record/stderr" || rc=$? ;;
2) "${run[@]}" <"$record/state" 2>&- || rc=$? ;;
1) "${run[@]}" <"$record/state" >&- 2>"$record/stderr" || rc=$? ;;
0) "${run[@]}" <&- 2>"$record/stderr" || rc=$? ;;
esac
for ((i = 3; i <= 40; i++)); do
	eval "exec $i<&-"
done
echo "$rc" >"$record/rc"
record after
[ ! -e "$record/stderr" ] || cat "$record/stderr" >&2
exit $rc
