#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The harness of the hostile suites (box.bash): a start goes well in it, and each oracle sees what it is there for.

load helpers
load gpu
load box

setup_file() {
	need_root cc findmnt || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook || return "$SKIPPED"
	box_setup
}

teardown_file() {
	box_teardown
}

setup() {
	skip_file
	box_root
}

# sees PATTERN EXPECT OPTION...: that this start is found wrong, and why.
sees() {
	local pattern=$1 expect=$2
	shift 2
	run box_case wrong "$expect" "$@"
	echo "$output"
	[[ ${lines[0]} == FAILED* && $output == *$pattern* ]]
}

@test "a start without a runtime: mounts, files, and a look from inside" {
	box_case plain S -- /probe flags /usr/local/nvidia
	[[ $BOX_OUTPUT == ro,nosuid,nodev* ]]
	box_case node S -- /probe open /dev/nvidia0
	[ "$BOX_OUTPUT" = ENXIO ]
	grep -q 'etc/ld.so.conf.d/00-nvcoreos.conf' "$BOX/root.before"
	box_done 2
}

@test "user namespace, slave and shared roots, volumes, no /proc, no /dev" {
	box_case slave S -p slave
	mkdir "$BOX/volumes/a"
	box_case volume S -v "$BOX/volumes/a:/data:ro,rshared" -- /probe flags /data
	[[ $BOX_OUTPUT == ro* ]]
	box_case bare S -P -D
	box_root
	chown -hR 100000:100000 "$BOX/rootfs"
	box_case users S -u 100000:65536 -- /probe stat /etc/ld.so.cache
	[ "$BOX_OUTPUT" = 'f 644 0:0' ]
	box_done 4
}

@test "refused, and not asked" {
	box_case unknown E14 -e NVIDIA_VISIBLE_DEVICES=7
	box_case void N -e NVIDIA_VISIBLE_DEVICES=void
	box_done 2
}

@test "what is wrong is seen: the host, its mounts, sources, result, root, processes, time" {
	sees O1: S -x "${BOX_HOOK#exec } && echo x >>$BOX/canary/file"
	sees O1: S -x "touch $BOX/volumes/new; $BOX_HOOK"
	sees O1: E -x "chmod 600 $BOX/canary/file; echo nvcoreos-hook: E33: x >&2; exit 1"
	echo canary >"$BOX/canary/file"
	sees O2: S -x "mount -t tmpfs tmpfs $BOX/canary/dir"
	sees O2: S -p shared -x "nsenter -m -t \$BOX_PID mount -t tmpfs tmpfs $BOX/rootfs/run"
	sees O4: S -x "nsenter -m -t \$BOX_PID mount --bind $BOX/canary $BOX/rootfs/run"
	sees O4: S -x "nsenter -m -t \$BOX_PID mount -t tmpfs tmpfs /opt"
	sees O4: S -x "nsenter -m -t \$BOX_PID umount $BOX/rootfs/dev"
	sees O5: S -x 'exit 3'
	sees O5: E -x 'echo; echo nvcoreos-hook: E33: x >&2; exit 1'
	sees O5: E -x 'exit 1'
	sees O6: S -x "touch $BOX/rootfs/usr/local/x; ${BOX_HOOK#exec }"
	sees O6: S -x "chmod 700 $BOX/rootfs/etc; ${BOX_HOOK#exec }"
	sees O6: E -x "echo x >>$BOX/rootfs/etc/passwd; echo nvcoreos-hook: E33: x >&2; exit 1"
	sees O6: E -x "mkdir $BOX/rootfs/usr/local/more; echo nvcoreos-hook: E33: x >&2; exit 1"
	sees O7: N -x 'sleep 100 & exit 0'
	sees O6: N -x "touch $BOX/rootfs/etc/x"
	sees 'N: mounts' N -x "nsenter -m -t \$BOX_PID umount $BOX/rootfs/dev"
	sees timeout S -t 1 -x 'sleep 100'
	sees 'wanted N' N -x "${BOX_HOOK#exec }"
	sees "wanted E" E -x "${BOX_HOOK#exec }"
}
