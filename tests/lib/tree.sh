# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced, after cleanup.sh. Programs of another Debian release on this machine's kernel: a root of roots.sh, entered by pivot_root (runc
# wants / to be a mount). The root is not written: /tmp and /run are its own.

# tree_run ROOT SHARED VIEW CMD...: runs CMD in it, in that view of the cgroups (hybrid, legacy, v2); SHARED is a directory below /tmp
# that it sees at the same path, with its mounts.
tree_run() {
	# shellcheck disable=SC2016 # for the inner shell
	unshare -m --propagation private bash -c '
		set -e
		root=$1 shared=$2 view=$3
		shift 3
		mount --bind "$root" "$root"
		for d in proc sys dev; do mount --rbind "/$d" "$root/$d"; done
		case $view in
		legacy) ! mountpoint -q "$root/sys/fs/cgroup/unified" || umount "$root/sys/fs/cgroup/unified" ;;
		v2) umount -R "$root/sys/fs/cgroup" && mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup" ;;
		esac
		mount -t tmpfs tmpfs "$root/run"
		mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
		mkdir -p "$root$shared"
		mount --rbind "$shared" "$root$shared"
		cd "$root"
		pivot_root . mnt
		cd /
		# The smallest of roots have no umount of their own.
		/mnt/bin/busybox umount -l /mnt
		exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LC_ALL=C.UTF-8 "$@"
	' bash "$@" </dev/null 3>&-
}
