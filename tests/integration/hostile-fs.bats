#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Hostile inputs 65 to 73: roots on every file system that is here, namespaces, mount flags, propagation, very many mounts, hosts
# that are containers themselves. S: served, only what is ours was added; E: refused, the root as it was.

load helpers
load gpu
load box

setup_file() {
	need_root cc findmnt setpriv || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook || return "$SKIPPED"
	box_setup
	mkdir -p "$BOX"/{upper,work,images}
}

teardown_file() {
	box_teardown
}

setup() {
	skip_file
	box_root
}

teardown() {
	[ -z "${FUSE:-}" ] || kill -CONT "$FUSE" 2>/dev/null || :
	cleanup_umount "$BOX/rootfs"
	[ -z "${FUSE:-}" ] || cleanup_end "$FUSE"
}

# have_fs TYPE COMMAND: the kernel knows it, and the command is here.
have_fs() {
	grep -qw "$1" /proc/filesystems || skip_or_fail "no $1 here"
	command -v "$2" >/dev/null || skip_or_fail "not installed: $2"
}

# overlay OPTIONS [LOWER]: the root as an engine's overlay.
overlay() {
	cleanup_umount "$R"
	rm -rf "$BOX/upper" "$BOX/work" && mkdir "$BOX/upper" "$BOX/work"
	mount -t overlay overlay -o "lowerdir=${2:-$BOX/template},upperdir=$BOX/upper,workdir=$BOX/work${1:+,$1}" "$R"
}

@test "65 S: overlay of every kind" {
	local options
	for options in '' index=on index=off metacopy=on redirect_dir=on redirect_dir=nofollow volatile xino=on nfs_export=on,index=on userxattr metacopy=on,redirect_dir=on,index=on; do
		overlay "$options" 2>/dev/null || continue
		box_case "overlay $options" S -- /probe stat /etc/ld.so.cache
		[ "$BOX_OUTPUT" = 'f 644 0:0' ]
		[ "${HOSTILE_ALL:-0}" != 1 ] || box_case "overlay $options, again" S
	done
	[ "${BOX_RAN:-0}" -ge 5 ]
	# What lower layers hold is hidden: by whiteouts, by an opaque directory; or only they hold it.
	local low=$BOX/low
	rm -rf "$low" && cp -a "$BOX/template" "$low-1" && mkdir -p "$low-1/usr/local/nvidia" "$low/usr/local" "$low/etc" "$low/etc/ld.so.conf.d"
	echo x >"$low-1/usr/local/nvidia/x" && mknod "$low/usr/local/nvidia" c 0 0 && mknod "$low/etc/ld.so.conf" c 0 0
	setfattr -n trusted.overlay.opaque -v y "$low/etc/ld.so.conf.d" 2>/dev/null || :
	overlay '' "$low:$low-1"
	box_case 'whiteouts' S
	overlay '' "$low-1"
	mknod "$R/whiteout" c 0 0 2>/dev/null || :
	rm -rf "${R:?}/usr/local/nvidia" "${R:?}/etc/ld.so.conf.d"
	box_case 'removed in the upper layer' S
	cleanup_umount "$R"
	mount -t overlay overlay -o "lowerdir=$low:$low-1" "$R"
	box_case 'lower layers alone, read-only' E
	mkdir -p "$BOX/more/usr/local/nvidia" "$BOX/more/usr/local/cuda"
	cleanup_umount "$R"
	mount -t overlay overlay -o "lowerdir=$BOX/more:$low-1" "$R"
	box_case 'and with the place' S
	box_done 9
}

@test "65 S, 66 E: fuse-overlayfs; one that hangs ends the start in time" {
	have_fs fuse fuse-overlayfs
	[ -c /dev/fuse ] || skip_or_fail 'no /dev/fuse'
	fuse-overlayfs -f -o "lowerdir=$BOX/template,upperdir=$BOX/upper,workdir=$BOX/work" "$R" 3>&- &
	FUSE=$!
	for _ in {1..50}; do mountpoint -q "$R" && break || sleep 0.1; done
	box_case served S -- /probe stat /etc/ld.so.cache
	[ "$BOX_OUTPUT" = 'f 644 0:0' ]
	box_case again S
	# The deadline is thirty seconds and more.
	[ "${HOSTILE_ALL:-0}" = 1 ] || return 0
	start=$EPOCHREALTIME
	box_start -t 45 -x "kill -STOP $FUSE; ${BOX_HOOK#exec }; r=\$?; kill -CONT $FUSE; exit \$r"
	echo "hung: status $BOX_STATUS after $(((${EPOCHREALTIME/./} - ${start/./}) / 1000)) ms: $BOX_ERR"
	[ "$BOX_STATUS" = 137 ] || [[ $BOX_STATUS = 142 || $BOX_STATUS = 1 ]]
	[ $(((${EPOCHREALTIME/./} - ${start/./}) / 1000000)) -lt 40 ]
	box_o1_host && box_o2_mounts && box_o4_sources && box_o7_left
	echo 'E 66: hangs' >>"$BOX/cases"
	box_done 2
}

# image TYPE MKFS...: the root on a file system of that type in a file.
image() {
	local type=$1 file=$BATS_TEST_TMPDIR/$1
	shift
	truncate -s 320M "$file"
	"$@" "$file" >/dev/null 2>&1 && mount -o loop "$file" "$R" && cp -a "$BOX/template/." "$R/"
}

@test "65 S: ext4, xfs, btrfs, tmpfs, ramfs" {
	local type
	for type in ext4 xfs btrfs; do
		command -v "mkfs.$type" >/dev/null && grep -qw "$type" /proc/filesystems || continue
		box_root
		case $type in ext4) image ext4 mkfs.ext4 -qF ;; *) image "$type" "mkfs.$type" -f ;; esac
		box_case "$type" S -- /probe open /dev/nvidia0
		[ "$BOX_OUTPUT" = ENXIO ]
		box_case "$type, a /dev of the image's own" S -D
		[ $type = btrfs ] || chattr +i "$R/usr/local"
		[ $type = btrfs ] || box_case "$type, immutable, places there" S
		[ $type = btrfs ] || chattr -i "$R/usr/local"
		cleanup_umount "$R"
	done
	for type in tmpfs ramfs; do
		mount -t "$type" -o mode=755 x "$R" && cp -a "$BOX/template/." "$R/"
		box_case "$type" S
		cleanup_umount "$R"
	done
	box_done 5
}

@test "65 S or E: images that are read-only by nature: erofs, squashfs" {
	local type with
	for type in erofs squashfs; do
		grep -qw "$type" /proc/filesystems || continue
		for with in '' with; do
			box_root
			[ -z "$with" ] || mkdir -p "$R/usr/local/nvidia" "$R/usr/local/cuda"
			rm -f "$BOX/images/$type"
			case $type in
			erofs) mkfs.erofs "$BOX/images/$type" "$R" >/dev/null 2>&1 ;;
			squashfs) mksquashfs "$R" "$BOX/images/$type" -quiet >/dev/null 2>&1 ;;
			esac || continue
			mount -o loop,ro "$BOX/images/$type" "$R"
			if [ -n "$with" ]; then box_case "$type with places" S; else box_case "$type without" E; fi
			cleanup_umount "$R"
		done
	done
	[ "${BOX_RAN:-0}" -gt 0 ] || skip_or_fail 'neither erofs nor squashfs can be made here'
	box_done 2
}

@test "67 S or E: user namespaces: root mapped, shifted, alone, not mapped; files of the container's root" {
	local first
	for first in 0 1 1000 100000 2147483648 4294900000; do
		box_root
		chown -hR "$first:$first" "$R"
		box_case "from $first on" S -u "$first:65536" -- /probe stat /etc/ld.so.cache
		[ "$BOX_OUTPUT" = 'f 644 0:0' ]
	done
	box_root
	chown -hR 100000:100000 "$R"
	box_case 'one id alone' S -u 100000:1
	box_root
	box_case 'a root whose files are the host'"'"'s root'"'"'s' S -u 100000:65536
	box_root
	mkdir -p "$R/usr/local/nvidia" "$R/usr/local/cuda"
	box_case 'with its places' S -u 100000:65536
	box_root
	chown -hR 100000:100000 "$R" && chown 0:0 "$R/usr/local" "$R/etc"
	box_case 'directories that are not the container'"'"'s' S -u 100000:65536
	box_root
	chown -hR 100000:100000 "$R"
	box_plain_config NVIDIA_VISIBLE_DEVICES=all
	for maps in '[]' 'null' '[{"containerID":1,"hostID":100001,"size":10}]' '[{"containerID":0,"hostID":0,"size":4294967295}]'; do
		jq -c '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = $m | .linux.gidMappings = $m' --argjson m "$maps" <"$BOX/bundle/config.json" >"$BOX/lie.json"
		cp "$BOX/lie.json" "$BOX/bundle/config.json"
		box_root
		chown -hR 100000:100000 "$R"
		box_case "config.json says $maps, the kernel another thing" 'S|E' -k -u 100000:65536
	done
	box_done 14
}

@test "67 S: a mount of the host below the root, which a user namespace locks there" {
	box_root
	mkdir "$R/opt"
	chown -hR 100000:100000 "$R"
	box_case 'locked' S -u 100000:65536 -S "mount --bind $R $R && mount -t tmpfs x $R/opt" -- /probe open /dev/nvidia0
	[ "$BOX_OUTPUT" = ENXIO ]
	box_done 1
}

@test "68 S: an idmapped root" {
	local i
	for i in 1 2; do
		box_start -i 100000:65536 -u 100000:65536 -- /probe stat /etc/ld.so.cache
		[ "$BOX_STATUS" = 0 ] && [ "$BOX_OUTPUT" = 'f 644 0:0' ]
		# On the disk they belong to the user that is mapped.
		[ "$(stat -c %u:%g "$R/etc/ld.so.cache" "$R/usr/local/nvidia" "$R/etc/ld.so.conf.d/00-nvcoreos.conf" | sort -u)" = 0:0 ]
		box_o1_host && box_o2_mounts && box_o4_sources && box_o5_result && box_o7_left
		echo "S 68: $i" >>"$BOX/cases"
	done
}

@test "69 S or E: nosuid, nodev, noexec, nosymfollow roots" {
	local a
	for a in nosuid noexec nodev nosuid,nodev,noexec; do
		box_root
		box_case "$a" S -a "$a"
		# The device is a mount of its own, and not nodev.
		box_case "$a, a /dev of the image's own" S -a "$a" -D
	done
	for a in nosymfollow nosuid,nodev,nosymfollow; do
		box_root
		box_case "$a" S -a "$a"
		rm -rf "${R:?}/usr/local" && mkdir "$R/opt" && ln -s /opt "$R/usr/local"
		box_case "$a and a link on the way" E -a "$a"
	done
	box_root
	box_case 'a /dev that is nodev' 'S|E' -D -v '=tmpfs:/dev:nodev' -- /probe open /dev/nvidia0
	box_done 13
}

@test "70 S: slave, shared and unbindable roots, shared volumes: no mount is seen on the host" {
	local p
	for p in private slave shared; do
		box_root
		box_case "$p" S -p "$p"
		[ "${HOSTILE_ALL:-0}" != 1 ] || box_case "$p, again" S -p "$p"
		box_case "$p, volumes with shared mounts" S -p "$p" -v "$BOX/volumes:/data:rshared" -v "$BOX/canary:/canary:rshared"
		box_root
		mkdir -p "$BOX/volumes/d"
		ln -s /data/d "$R/usr/local/nvidia"
		box_case "$p, a link into a shared volume" E32 -p "$p" -v "$BOX/volumes:/data:rshared"
		box_root
		rm -rf "${R:?}/usr/local" && ln -s /data "$R/usr/local"
		mkdir -p "$BOX/volumes/nvidia" "$BOX/volumes/cuda"
		box_case "$p, a link above into a shared volume" 'E33' -p "$p" -v "$BOX/volumes:/data:rshared"
	done
	box_root
	# Of the root itself nothing is cloned.
	box_case 'unbindable' S -p unbindable
	box_done 13
}

@test "71 S: very many mounts, in bounded time" {
	local n
	n=$(box_size 11 16)
	start=$EPOCHREALTIME
	box_start -t 20 -C "cd $R/run && mount -t tmpfs tmpfs . && cd . && cd $R/run && i=0; while [ \$i -lt $n ]; do mkdir m\$i && mount --rbind . m\$i; i=\$((i + 1)); done"
	echo "$((1 << n)) mounts: status $BOX_STATUS $BOX_ERR, $(((${EPOCHREALTIME/./} - ${start/./}) / 1000)) ms in all"
	[ "$BOX_STATUS" = 0 ]
	[ "$(wc -l <"$BOX/out/new")" = 7 ]
	box_o1_host && box_o2_mounts && box_o4_sources && box_o6_root S && box_o7_left
	echo 'S 71: many mounts' >>"$BOX/cases"
}

@test "72 E: a Landlock domain around the hook forbids every mount: refused, the root as it was" {
	cc -O1 -D_GNU_SOURCE -Wall -Wextra -o "$BOX/bin/deny" "$NVC_LIB/deny.c" -lseccomp
	"$BOX/bin/deny" -l 1 acct -- /bin/true || skip_or_fail 'no Landlock here'
	box_case 'Landlock' 'E34|E30|E07' -x "exec $BOX/bin/deny -l 1 acct -- ${BOX_HOOK#exec }"
	echo "$BOX_ERR"
	box_done 1
}

# shellcheck disable=SC2034 # for box_start
@test "73 S: hosts that are containers: namespaces in namespaces, by root and by a user's root" {
	BOX_WRAP=(unshare -m -p -f --mount-proc)
	box_case 'mount and pid namespace' S -- /probe open /dev/nvidia0
	[ "$BOX_OUTPUT" = ENXIO ]
	BOX_WRAP=(unshare -m -p -f --mount-proc unshare -m -p -f --mount-proc --propagation private)
	box_case 'two of them' S
	BOX_WRAP=(unshare -m -p -f -u -i -n --mount-proc)
	box_case 'and all others' S
	box_case 'within a container of a user namespace' S -u 0:65536
	BOX_WRAP=(unshare -U -r -m -p -f --mount-proc)
	box_case 'by the root of a user namespace' S
	box_done 5
}
