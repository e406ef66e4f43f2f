# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Runs of the hook that something happens to, at each of its system calls: what kill*.bats and storm*.bats share.
# To be loaded after helpers and gpu.

# kill_setup: KILL/{conf,config.json,host,store,cuda-store,canary,root}: a host with two drivers and two toolkits, and a small root.
kill_setup() {
	KILL=$(mktemp -d "${TMPDIR:-/tmp}/nvcoreos-kill.XXXXXX") || return
	export KILL
	mkdir -p "$KILL"/{bin,canary/dir,run} && echo canary >"$KILL/canary/file" && echo canary >"$KILL/canary/dir/file"
	gpu_host "$KILL" 535.261.03 device-cgroup=none || return
	sed -i "s|^log-file=.*|log-file=$KILL/run/log|" "$KILL/conf"
	gpu_archives "$KILL" 535.183.01 12.2.2
	gpu_nvcoreos "$KILL" install "$KILL"/archives/{libraries,tools}-535.183.01.tar.gz
	gpu_nvcoreos "$KILL" install "$KILL/archives/cuda-12.2.2.tar.gz"
	rm -r "$KILL/archives"
	kill_others
	kill_root "$KILL/root"
	kill_config NVIDIA_VISIBLE_DEVICES=all
}

# kill_build NAME...: programs of tests/lib.
kill_build() {
	local name
	for name; do
		cc -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -I"$NVC_TESTS/../lib" -o "$KILL/bin/$name" "$NVC_LIB/$name.c" \
			"$NVCOREOS_BUILD/libnvcoreos.a" || return
	done
}

# What flip exchanges: the loaded driver's facts and both stores' links, each beside what it would be with the other one.
kill_others() {
	fakehost_version 535.183.01 >"$KILL/host/proc/driver/nvidia/version.other"
	echo 535.183.01 >"$KILL/host/sys/module/nvidia/version.other"
	ln -s "$(readlink "$KILL/store/current" | sed 's/535.261.03/535.183.01/')" "$KILL/store/current.other"
	ln -s 12.2.2 "$KILL/cuda-store/current.other"
}
# shellcheck disable=SC2034 # for the tests
KILL_DRIVER=host/proc/driver/nvidia/version,host/sys/module/nvidia/version,store/current
# shellcheck disable=SC2034
KILL_TOOLKIT=cuda-store/current

# kill_root DIR: what decides for the hook in a root of glibc's kind, with a real cache.
kill_root() {
	mkdir -p "$1"/{dev,etc/ld.so.conf.d,lib64,proc,sbin,tmp,usr/bin,usr/lib,usr/local/bin,usr/share}
	echo loader >"$1/lib64/ld-linux-x86-64.so.2"
	echo ldconfig >"$1/sbin/ldconfig"
	echo 'include /etc/ld.so.conf.d/*.conf' >"$1/etc/ld.so.conf"
	echo /usr/local/lib >"$1/etc/ld.so.conf.d/libc.conf"
	cp /etc/ld.so.cache "$1/etc/ld.so.cache"
}

# kill_config KEY=VALUE...: config.json of a container with these variables.
kill_config() {
	jq -n '{ociVersion: "1.0.2", process: {args: ["/x"], cwd: "/", env: $ARGS.positional}, root: {path: "root"},
		mounts: [{destination: "/proc", type: "proc", source: "proc"}, {destination: "/dev", type: "tmpfs", source: "tmpfs"}],
		linux: {namespaces: [{type: "mount"}, {type: "pid"}]}}' --args -- "$@" >"$KILL/config.json"
}

# kill_sweep STEP MODE [ARG]: one sweep, from a call among the first STEP that is another one each time; its counts are shown.
kill_sweep() {
	local step=$1 out rc=0
	shift
	out=$("$KILL/bin/sweep" --dir "$KILL" --hook "$NVCOREOS_BUILD/nvcoreos-hook" --lower "${KILL_LOWER:-$KILL/root}" \
		--users "${KILL_USERS:-0}" --step "$step" --first $((RANDOM % step + 1)) "$@" 2>&1) || rc=$?
	printf '%s\n' "$out"
	printf '%s\n' "$out" | grep -v FAILED | grep '^# [a-z0-9]' | sed "s/^# /# (each ${step}th) /; s/(each 1th) //" >&3
	return "$rc"
}

# kill_storm OPTION... MODE N: one storm; its counts are shown.
kill_storm() {
	local out rc=0
	out=$("$KILL/bin/storm" --dir "$KILL" --hook "$NVCOREOS_BUILD/nvcoreos-hook" --lower "$KILL/root" "$@" 2>&1) || rc=$?
	printf '%s\n' "$out"
	printf '%s\n' "$out" | grep -v FAILED | grep '^# [a-z0-9]' >&3
	return "$rc"
}

kill_teardown() {
	[ -n "${KILL:-}" ] && [ -d "$KILL" ] || return 0
	gpu_clean "$KILL" && cleanup_umount "$KILL" && cleanup_remove "$KILL"
}
