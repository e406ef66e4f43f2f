# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced, after cleanup.sh. A fresh Debian machine without a machine: a copy of a cached root, entered by pivot_root (runc wants / to be a mount).

# freshroot_make DIR RELEASE CHECKOUT: DIR/root with a clone of CHECKOUT's HEAD in /src.
freshroot_make() {
	local dir=$1 from
	from=$("$NVC_LIB/roots.sh" "$2") || return
	mkdir -p "$dir" && cp -a --reflink=auto "$from" "$dir/root" || return
	git clone -q --no-hardlinks "$3" "$dir/root/src" || return
	# Name resolution and proxies of this machine; everything else is the root's own.
	cp -L /etc/resolv.conf /etc/hosts "$dir/root/etc/" || return
	grep -hs '^Acquire' /etc/apt/apt.conf /etc/apt/apt.conf.d/* >"$dir/root/etc/apt/apt.conf.d/90machine" || :
	rm -rf "$dir/root/var/lib/apt/lists"
	mkdir -p "$dir/root/var/lib/apt/lists/partial" "$dir/root/root/.cache/nvcoreos"
}

# freshroot_run DIR COMMAND: runs a shell command in it, in /src, with nothing of this shell's environment.
freshroot_run() {
	# shellcheck disable=SC2016 # for the inner shell
	unshare -m --propagation private bash -c '
		set -e
		root=$1/root
		mount --bind "$root" "$root"
		for d in proc sys dev; do mount --rbind "/$d" "$root/$d"; done
		mount -t tmpfs tmpfs "$root/run"
		mount --bind "$3" "$root/root/.cache/nvcoreos"
		cd "$root"
		pivot_root . mnt
		cd /
		# The smallest of roots have no umount of their own.
		/mnt/bin/busybox umount -l /mnt
		cd /src
		exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive sh -c "$2"
	' bash "$1" "$2" "${NVCOREOS_CACHE:-$HOME/.cache/nvcoreos}" </dev/null 3>&-
}
