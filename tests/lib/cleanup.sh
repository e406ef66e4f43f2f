# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced. What every test needs to leave nothing behind. Under bats `set -e` holds,
# and a teardown that stops at its first failure would leave the rest.

# cleanup_mounts DIR: the mount points at or below DIR, the last one first.
cleanup_mounts() {
	awk -v d="$1" '$5 == d || index($5, d "/") == 1 { print $5 }' /proc/self/mountinfo | tac
}

# cleanup_umount DIR: unmounts all of them; fails if one stays.
cleanup_umount() {
	local point
	cleanup_mounts "$1" | while read -r point; do
		point=$(printf '%b' "$(printf '%s' "$point" | sed 's/\\\([0-7]\)/\\0\1/g')")
		umount "$point" 2>/dev/null || umount -l "$point" || :
	done
	[ -z "$(cleanup_mounts "$1")" ]
}

# cleanup_remove PATH...: deletes, but never through a mount that is still there.
cleanup_remove() {
	local path
	for path; do
		if [ -n "$(cleanup_mounts "$path")" ]; then
			printf 'not removed, something is mounted there: %s\n' "$path" >&2
			return 1
		fi
		rm -rf --one-file-system "$path" || return 1
	done
}

# cleanup_gone PID [SECONDS]: waits until the process has ended.
cleanup_gone() {
	local tries=$((${2:-15} * 10))
	while [ $tries -gt 0 ]; do
		# A zombie that some other parent has yet to reap has ended too.
		case $(sed -n 's/^State:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null) in
		'' | [ZX]*) return 0 ;;
		esac
		sleep 0.1
		tries=$((tries - 1))
	done
	return 1
}

# cleanup_end PID [SECONDS]: asks the process to end, then makes it.
cleanup_end() {
	kill "$1" 2>/dev/null || return 0
	cleanup_gone "$1" "${2:-15}" && return 0
	kill -KILL "$1" 2>/dev/null || :
	cleanup_gone "$1" 5
}

# cgroup_usable: 0 if containers can get cgroups here; else 3 and says why not on stderr.
cgroup_usable() {
	local points point
	points=$(awk '$5 ~ "^/sys/fs/cgroup" && / - cgroup2? / { print $5 }' /proc/self/mountinfo)
	if [ -z "$points" ]; then
		echo 'no cgroup is mounted below /sys/fs/cgroup' >&2
		return 3
	fi
	# systemd-nspawn shows all hierarchies and lets one be written.
	for point in $points; do
		[ -w "$point" ] || {
			echo "cgroups are read-only here: $point" >&2
			return 3
		}
	done
}

# cleanup_cgroup NAME: removes the cgroups of that name, with what is below, in every hierarchy.
cleanup_cgroup() {
	local left _
	for _ in 1 2 3 4 5; do
		find /sys/fs/cgroup -depth -type d \( -name "$1" -o -path "*/$1/*" \) -exec rmdir {} + 2>/dev/null || :
		left=$(find /sys/fs/cgroup -type d -name "$1" 2>/dev/null | wc -l)
		[ "$left" = 0 ] && return 0
		sleep 0.2
	done
	printf 'cgroup not removed: %s\n' "$1" >&2
	return 1
}
