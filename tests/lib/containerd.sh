# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced, after cleanup.sh. A private containerd on a private host: /etc is the machine's, but for each directory that DIR/etc/own has, /opt
# is DIR/opt, /run is empty. It keeps its files in DIR, and goes by its own /etc/containerd/config.toml.

containerd_say() {
	printf 'containerd.sh: %s\n' "$*" >&2
}

# containerd_cgroup DIR: the name of the cgroup that its containers are in.
containerd_cgroup() {
	printf 'nvcoreos-containerd-%s\n' "$(printf '%s' "$1" | cksum | cut -d' ' -f1)"
}

# containerd_host DIR [PROGRAMS]: makes the host, for the containerd of the package that is unpacked there (the machine's without). What
# is below DIR/etc/own and DIR/opt is there at the next start.
containerd_host() {
	# The path of a unix socket has 107 bytes.
	[ ${#1} -le 80 ] || {
		containerd_say "path too long for a socket: $1"
		return 1
	}
	# No overlay has its upper layer on another one, which /tmp may be inside a container; and in memory nothing waits for a disk.
	mkdir -p "$1/etc" "$1/opt" "$1/root" "$1/state" "$1/logs" && mount -t tmpfs -o mode=755 tmpfs "$1/etc" &&
		mount -t tmpfs -o mode=755 tmpfs "$1/root" && mkdir "$1/etc/up" "$1/etc/work" "$1/etc/own" || return
	printf '%s\n' "${2:+$2/usr/bin:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" >"$1/path"
}

# Enters the host that is $0, and becomes a program. Pods get the file of names that the host has.
# shellcheck disable=SC2016 # for the inner shell
containerd_enter='mount -t overlay -o "lowerdir=/etc,upperdir=$0/etc/up,workdir=$0/etc/work" overlay /etc || exit 125
	for dir in "$0"/etc/own/*; do
		mkdir -p "/etc/${dir##*/}" && mount --bind "$dir" "/etc/${dir##*/}" || exit 125
	done
	mount --bind "$0/opt" /opt && mount -t tmpfs -o mode=755 tmpfs /run || exit 125
	[ -e /etc/resolv.conf ] || { rm -f /etc/resolv.conf && : >/etc/resolv.conf; }
	exec "$@"'

# containerd_host_run DIR CMD...: runs a program on that host, while no containerd runs there.
containerd_host_run() {
	PATH=$(cat "$1/path") unshare -m --propagation private sh -c "$containerd_enter" "$@" </dev/null 3>&- 9>&-
}

# containerd_start DIR: starts the daemon there and waits until it answers.
containerd_start() {
	local tries=300
	# bats waits for whoever holds its fd 3.
	PATH=$(cat "$1/path") setsid unshare -m --propagation private sh -c "$containerd_enter" "$1" \
		containerd --root "$1/root" --state "$1/state" --address "$1/s" >>"$1/log" 2>&1 </dev/null 3>&- 9>&- &
	echo $! >"$1/pid"
	until [ -S "$1/s" ] && containerd_ctr "$1" version >/dev/null 2>&1; do
		tries=$((tries - 1))
		if [ $tries = 0 ] || ! kill -0 "$(cat "$1/pid")" 2>/dev/null; then
			containerd_say 'did not come up; the end of its log:'
			tail -n 20 "$1/log" >&2
			return 1
		fi
		sleep 0.1
	done
}

# containerd_in DIR CMD...: runs a program where that containerd runs, with its PATH.
containerd_in() {
	local dir=$1
	shift
	PATH=$(cat "$dir/path") nsenter -m -t "$(cat "$dir/pid")" "$@" </dev/null 3>&-
}

# containerd_ctr DIR ARG...: its own ctr, where Kubernetes' images and containers are.
containerd_ctr() {
	local dir=$1
	shift
	containerd_in "$dir" ctr -a "$dir/s" -n k8s.io "$@"
}

# containerd_processes DIR: it, its shims and clients, which name its socket.
containerd_processes() {
	local proc
	# shellcheck disable=SC2013 # names of files
	for proc in $(grep -laF "$1/s" /proc/[0-9]*/cmdline 2>/dev/null); do
		proc=${proc%/cmdline}
		case $(readlink "$proc/exe" 2>/dev/null) in
		*/containerd | */containerd-shim* | */ctr) ;;
		*) continue ;;
		esac
		! tr '\0' '\n' 2>/dev/null <"$proc/cmdline" | grep -qxF "$1/s" || echo "${proc#/proc/}"
	done
}

# containerd_stop DIR: ends it, its shims and their containers. Safe to call twice, and after a failed start. DIR stays.
containerd_stop() {
	local pid rc=0 name
	[ -s "$1/pid" ] || return 0
	name=$(containerd_cgroup "$1")
	# The daemon first: it would wonder about its shims.
	for pid in $(cat "$1/pid") $(containerd_processes "$1"); do
		cleanup_end "$pid" 5 || rc=1
	done
	for pid in $(find /sys/fs/cgroup -path "*/$name/*" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u); do
		cleanup_end "$pid" 1 || rc=1
	done
	cleanup_cgroup "$name" || rc=1
	rm -f "$1/pid" "$1/s"
	return $rc
}
