#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Hostile inputs 46 to 57: what an image can put in the place of each path that a start uses, and of each directory above it.
# Every target with every kind of thing; check runs a sample, HOSTILE_ALL=1 all. S: served, inside the root, only what is
# ours was added; E: refused, the root byte for byte as it was. Nothing outside the root changes, ever.

load helpers
load gpu
load box

setup_file() {
	need_root cc findmnt perl || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook || return "$SKIPPED"
	box_setup
	perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0) && bind(S, sockaddr_un(shift)) or die' "$BOX/socket"
}

teardown_file() {
	box_teardown
}

setup() {
	skip_file
	box_root
}

# Directories that are mounted on, and those above; a node's place where /dev is the image's; what is written or linked, and the
# directories of that; what a start never looks at.
MOUNTED='/usr/local/nvidia /usr/local/cuda'
ABOVE='/usr /usr/local'
NODES='/dev/nvidia0 /dev/nvidiactl /dev/nvidia-uvm'
WRITTEN='/usr/bin /usr/bin/nvidia-smi /etc /etc/ld.so.conf /etc/ld.so.conf.d /etc/ld.so.conf.d/00-nvcoreos.conf /etc/ld.so.conf.d/zz-nvcoreos-cuda.conf /etc/ld.so.cache'
UNUSED='/usr/local/nvidia/lib64 /lib/firmware/nvidia /run/nvcoreos /proc/driver/nvidia/params /usr/local/cuda/compat'

# put KIND PATH: in the root, in the place of whatever stands there. What it puts there otherwise is made below /opt.
put() {
	local kind=$1 p=$R$2 i
	rm -rf "$p"
	mkdir -p "${p%/*}" "$R/opt"
	case $kind in
	absent) ;;
	dir) mkdir "$p" && echo x >"$p/mine" ;;
	file) echo mine >"$p" ;;
	empty) : >"$p" ;;
	in-root) mkdir "$R/opt/x" && ln -s /opt/x "$p" ;;
	in-root-relative) mkdir "$R/opt/x" && ln -s "$(realpath -m --relative-to="${2%/*}/" /opt/x)" "$p" ;;
	in-root-file) echo mine >"$R/opt/f" && ln -s /opt/f "$p" ;;
	host-dir) ln -s "$BOX/canary/dir" "$p" ;;
	host-file) ln -s "$BOX/canary/file" "$p" ;;
	host-new) ln -s "$BOX/canary/new" "$p" ;;
	dots-dir) ln -s "../../../../../../../../../../..$BOX/canary/dir" "$p" ;;
	dots-file) ln -s "../../../../../../../../../../..$BOX/canary/file" "$p" ;;
	root) ln -s / "$p" ;;
	dots-root) ln -s ../../../../../.. "$p" ;;
	chain) ln -s /opt/l1 "$p" && for i in {1..39}; do ln -s "l$((i + 1))" "$R/opt/l$i"; done && ln -s "$BOX/canary/dir" "$R/opt/l40" ;;
	loop) ln -s "${2##*/}" "$p" ;;
	loop2) ln -s /opt/l1 "$p" && ln -s l2 "$R/opt/l1" && ln -s l1 "$R/opt/l2" ;;
	long) ln -s "$(printf '/opt/.%.0s' {1..680})" "$p" ;;
	long2) ln -s "/opt/l$(printf '/.%.0s' {1..2000})" "$p" && ln -s "$(printf '/opt/.%.0s' {1..600})" "$R/opt/l" ;;
	name255) ln -s "/$(printf 'n%.0s' {1..255})" "$p" ;;
	name256) ln -s "/$(printf 'n%.0s' {1..256})" "$p" ;;
	proc-self-root) ln -s "/proc/self/root$BOX/canary/dir" "$p" ;;
	proc-1-root) ln -s "/proc/1/root$BOX/canary/dir" "$p" ;;
	proc-1-itself) ln -s /proc/1/root "$p" ;;
	proc-fd) ln -s /proc/self/fd/3 "$p" ;;
	proc-cwd) ln -s "/proc/self/cwd$BOX/canary/dir" "$p" ;;
	proc-exe) ln -s /proc/self/exe "$p" ;;
	proc-task) ln -s /proc/thread-self/root "$p" ;;
	dev-fd) ln -s /dev/fd/3 "$p" ;;
	dangling) ln -s /opt/nothing "$p" ;;
	empty-link-target) ln -s . "$p" ;;
	fifo) mkfifo "$p" ;;
	socket) cp -a "$BOX/socket" "$p" ;;
	char) mknod "$p" c 1 3 ;;
	other-gpu) mknod "$p" c 195 7 ;;
	block) mknod "$p" b 7 0 ;;
	esac
}

KINDS='absent dir file empty in-root in-root-relative in-root-file host-dir host-file host-new dots-dir dots-file root dots-root chain loop loop2 long long2
	name255 name256 proc-self-root proc-1-root proc-1-itself proc-fd proc-cwd proc-exe proc-task dev-fd dangling empty-link-target fifo socket char other-gpu block'

# may TARGET KIND: sets REPLY to what must come of it.
may() {
	REPLY=S
	# Whatever an image has at /usr/local/cuda is its own CUDA, unless a version is asked for.
	case $1 in /usr/local/nvidia) case $2 in absent | dir) ;; *) REPLY=E32 ;; esac ;; esac
	case " $ABOVE " in *" $1 "*) case $2 in absent | dir | in-root | in-root-relative | root | dots-root) ;; empty-link-target) REPLY='S|E32' ;; *) REPLY=E32 ;; esac ;; esac
	case " $NODES " in *" $1 "*) case $2 in absent | empty) ;; *) REPLY=E32 ;; esac ;; esac
}

# What links of the image within it lead to is the image's own choice; it stays inside.
ELSEWHERE='^\+ \./(opt/x/|local|nvidia|cuda|bin/|ld\.so\.|(etc/)?00-nvcoreos|(etc/)?zz-nvcoreos|usr/nvidia|usr/cuda|usr/local/ld\.so|nvidia-smi|[a-z.0-9-]*conf)'

# cross N TARGET... -- KIND... -- OPTION...: every N-th of the product.
cross() {
	local every=$1 targets=() kinds=() target kind
	shift
	while [ "$1" != -- ]; do targets+=("$1") && shift; done
	shift
	while [ "$1" != -- ]; do kinds+=("$1") && shift; done
	shift
	for target in "${targets[@]}"; do
		for kind in "${kinds[@]}"; do
			box_turn "$every" || continue
			box_root
			put "$kind" "$target"
			may "$target" "$kind"
			box_case "$target is $kind" "$REPLY" -A "$ELSEWHERE" "$@"
		done
	done
}

@test "46 S to 53 E: what is mounted on, and the directories above it" {
	# shellcheck disable=SC2086
	cross 16 $MOUNTED $ABOVE -- $KINDS --
	for kind in $KINDS; do
		box_turn 6 || continue
		box_root
		put "$kind" /usr/local/cuda
		case $kind in absent | dir) want=S ;; *) want=E32 ;; esac
		box_case "/usr/local/cuda is $kind, and a version is asked for" "$want" -e NVIDIA_VISIBLE_DEVICES=0 -e NVCOREOS_CUDA=12.4
	done
	box_done "$(box_size 12 170)"
}

@test "46 S to 53 E: nodes in a /dev of the image's own, and /dev itself" {
	# shellcheck disable=SC2086
	cross 16 $NODES -- $KINDS -- -D
	for kind in $KINDS; do
		box_turn 6 || continue
		box_root
		put "$kind" /dev
		case $kind in absent | dir | in-root | in-root-relative | root | dots-root | empty-link-target) want='S|E32' ;; *) want=E32 ;; esac
		box_case "/dev is $kind" "$want" -A '^\+ \./(opt/x/)?nvidia' -D
		[ "$BOX_STATUS" != 0 ] || ! grep -q canary "$BOX/out/new"
	done
	box_root
	mknod -m 666 "$R/dev/nvidia0" c 195 0
	box_case '/dev/nvidia0 is the very device' S -D
	rm -f "$R/dev/nvidia1"
	ln "$R/dev/nvidia0" "$R/dev/nvidia1"
	box_case '/dev/nvidia1 is a link to another GPU' E32 -D
	box_done "$(box_size 10 140)"
}

@test "46 S to 53 S: what is written and linked: replaced, or left as it is and left out" {
	# shellcheck disable=SC2086
	cross 24 $WRITTEN -- $KINDS --
	box_done "$(box_size 11 280)"
}

@test "46 S to 53 S: places that no start uses stay as they are" {
	# shellcheck disable=SC2086
	cross 24 $UNUSED -- $KINDS -- -P -A '^\+ \./usr/local/cuda'
	box_done "$(box_size 7 170)"
}

@test "48 S: parents by links within the root; what is served is seen at its place" {
	for way in absolute relative deep; do
		box_root
		mkdir -p "$R/opt/local/nvidia" "$R/opt/etc"
		mv "$R"/etc/* "$R/opt/etc/" && rmdir "$R/etc"
		rm -rf "${R:?}/usr/local"
		case $way in
		absolute) ln -s /opt/etc "$R/etc" && ln -s /opt/local "$R/usr/local" ;;
		relative) ln -s opt/etc "$R/etc" && ln -s ../opt/local "$R/usr/local" ;;
		deep) ln -s opt/a "$R/etc" && ln -s ../var/../opt/./etc "$R/opt/a" && ln -s ../../../../opt/local "$R/usr/local" ;;
		esac
		box_case "$way" S -A '^[+-] \./opt/(etc/ld\.so|local/cuda)' -- /probe flags /usr/local/nvidia
		[[ $BOX_OUTPUT == ro,nosuid,nodev* ]]
		[ -s "$R/opt/etc/ld.so.cache" ] && [ -s "$R/opt/etc/ld.so.conf.d/00-nvcoreos.conf" ]
	done
	box_done 3
}

# What lies on kernel file systems is no place for anything; a volume is somebody's, and nothing is written there.
@test "54 E or S: mounts on the targets and above them" {
	local t fs
	mkdir -p "$BOX/volumes"/{empty,local/nvidia,etc/ld.so.conf.d,bin,shared}
	echo x >"$BOX/volumes/file"
	for t in $MOUNTED; do
		for fs in proc sysfs cgroup2 mqueue devpts bpf debugfs tracefs securityfs; do
			box_turn 5 || continue
			box_root
			# A volume at /usr/local/cuda stays the user's, whatever it is.
			if [ "$t" = /usr/local/cuda ]; then want='S|E'; else want=E32; fi
			box_case "$t on $fs" "$want" -v "=$fs:$t"
		done
	done
	for fs in proc sysfs cgroup2 mqueue tracefs; do
		box_turn 3 || continue
		box_root
		box_case "/usr/local on $fs" E -v "=$fs:/usr/local"
		box_case "/dev on $fs" E -D -v "=$fs:/dev"
		box_case "/etc on $fs" S -v "=$fs:/etc"
		box_case "/usr/bin on $fs" S -v "=$fs:/usr/bin"
		box_root
		ln -s /sys "$R/usr/local/nvidia"
		box_case "/usr/local/nvidia leads to $fs" E32 -v "=$fs:/sys"
	done
	box_root
	box_case 'a volume at /usr/local/nvidia, nothing written' S -v "$BOX/volumes/empty:/usr/local/nvidia"
	box_case 'a tmpfs at /usr/local/nvidia' S -v '=tmpfs:/usr/local/nvidia'
	box_case 'a read-only volume there' S -v "$BOX/volumes/empty:/usr/local/nvidia:ro"
	box_case 'a volume at /usr/local/cuda stays' S -v "$BOX/volumes/empty:/usr/local/cuda"
	grep -q /usr/local/cuda "$BOX/out/new" && false
	box_root
	: >"$R/usr/local/nvidia"
	box_case 'a file there' E32 -v "$BOX/volumes/file:/usr/local/nvidia"
	box_root
	box_case 'a volume over /usr/local' E33 -v "$BOX/volumes/empty:/usr/local"
	box_case 'a volume over /usr' E33 -v "$BOX/volumes/empty:/usr"
	box_case 'a volume over /usr/local with the place' 'S|E33' -v "$BOX/volumes/local:/usr/local" -e NVCOREOS_CUDA=none -e NVIDIA_VISIBLE_DEVICES=all
	for t in /etc /etc/ld.so.conf.d /usr/bin; do
		box_root
		box_case "a volume over $t" S -v "$BOX/volumes/empty:$t"
	done
	for t in /etc/ld.so.cache /etc/ld.so.conf.d/00-nvcoreos.conf /etc/ld.so.conf /usr/bin/nvidia-smi; do
		box_root
		box_case "a file of a volume at $t" S -v "$BOX/volumes/file:$t"
		box_case "a read-only file of a volume at $t" S -v "$BOX/volumes/file:$t:ro"
		box_case "/dev/null at $t" S -v "/dev/null:$t"
	done
	box_root
	box_case 'a volume over /dev' E33 -D -v "$BOX/volumes/empty:/dev"
	box_case 'a tmpfs over the tmpfs' 'S|E33' -v '=tmpfs:/dev'
	box_case 'a volume over /dev/dri' E33 -e NVIDIA_VISIBLE_DEVICES=all -e NVIDIA_DRIVER_CAPABILITIES=graphics -v "$BOX/volumes/empty:/dev/dri"
	box_case 'a file at a node' 'E32|E33' -v "$BOX/volumes/file:/dev/nvidia0"
	box_case 'another device at a node' 'E32|E33' -v '/dev/null:/dev/nvidia0'
	box_case 'the device at its node' S -v "$BOX/host/dev/nvidia0:/dev/nvidia0"
	box_case 'a shared volume is the place' E33 -p slave -v "$BOX/volumes/empty:/usr/local/nvidia:rshared"
	box_done "$(box_size 35 61)"
}

# flag FLAG PATH TITLE EXPECT: with an inode flag that even root must respect.
flag() {
	chattr "+$1" "$R$2"
	box_case "$3" "$4"
	chattr "-$1" "$R$2"
}

@test "55 S or E: immutable, append-only, mode 000, other owners, sticky, setgid, ACL: no mode of the image is changed" {
	local path mode
	mkdir -p "$R/usr/local/nvidia" "$R/usr/local/cuda"
	if chattr +i "$R/tmp" 2>/dev/null; then
		chattr -i "$R/tmp"
		flag i /usr/local 'places in an immutable directory' S
		flag i /usr/local/nvidia 'an immutable place' S
		flag i /etc 'an immutable /etc' 'E35|S'
		# What was written beside, to be renamed, cannot be removed from such a directory any more, by anybody.
		chattr +a "$R/etc/ld.so.conf.d"
		box_start
		chattr -a "$R/etc/ld.so.conf.d"
		box_o1_host && box_o2_mounts && box_o4_sources && box_o5_result && box_o7_left
		box_root
		flag i /usr/local 'no place in an immutable directory' E35
		flag a /usr/local 'no place in an append-only directory' S
		: >"$R/etc/ld.so.cache"
		flag i /etc/ld.so.cache 'an immutable cache' 'E35|S'
		flag a /etc/ld.so.cache 'an append-only cache' 'E35|S'
		flag i /usr 'an immutable /usr' 'E35|S'
	fi
	for path in /usr/local /usr/local/nvidia /usr/bin /etc /etc/ld.so.conf.d /etc/ld.so.cache / /lib64/ld-linux-x86-64.so.2; do
		for mode in 000 111 555 700 1777 2755 6777 7000; do
			box_turn 13 || continue
			box_root
			mkdir -p "$R/usr/local/nvidia" && echo x >"$R/etc/ld.so.cache"
			chmod "$mode" "$R$path"
			box_case "$path has mode $mode" S -A '^\+ [^ ]+ 042755 '
			chown 65534:65534 "$R$path" && chmod "$mode" "$R$path"
			box_case "$path has mode $mode and another owner" S -A '^\+ [^ ]+ [0-7]+ 0:65534( |$)'
		done
	done
	box_root
	chgrp 12345 "$R/usr/local" "$R/etc/ld.so.conf.d" "$R/usr/bin" && chmod g+s "$R/usr/local" "$R/etc/ld.so.conf.d" "$R/usr/bin"
	box_case 'setgid parents give their group' S -A '^\+ \./(usr/local/(cuda|nvidia) 042755|etc/ld.so.conf.d/[a-z0-9-]*.conf 100644|usr/bin/nvidia-smi 120777) 0:12345'
	box_root
	! command -v setfacl >/dev/null || setfacl -m d:u:65534:rwx,u:0:--- "$R/usr/local" "$R/etc"
	box_case 'ACL' 'S|E' -A '^\+ '
	box_done "$(box_size 15 130)"
}

@test "56 S: names that look alike are other names" {
	local dir name
	for dir in /usr/local /etc /etc/ld.so.conf.d /usr/bin /dev; do
		# shellcheck disable=SC1003
		for name in NVIDIA Nvidia 'nvidia ' ' nvidia' nvidia. .nvidia nvidia.. $'nvidia\n' $'\nnvidia' 'nvidia\' nvıdia n̈vidia $'nvidia\xff' $'nvidia\x01' '...' '-nvidia' \
			LD.SO.CACHE 'ld.so.cache ' ld.so.cache~ .ld.so.cache 00-nvcoreos.conf~ 00-NVCOREOS.conf '00-nvcoreos.conf ' $'00-nvcoreos.conf\n' nvidia-smi. 'nvidia-smi ' "$(printf 'n%.0s' {1..255})"; do
			mkdir -p "$R$dir"
			echo "$name" >"$R$dir/$name"
		done
	done
	box_case 'beside what is ours' S -D
	box_case 'and again' S -D
	box_root
	for name in 'cuda-' 'cuda-..' cuda-12.4 $'cuda-12\n4' 'cuda-%n' "cuda-$(printf '9%.0s' {1..250})" 'cuda-*' 'cuda-12.4 '; do
		mkdir "$R/usr/local/$name"
	done
	box_case 'what could be toolkits' S
	mkdir -p "$R/usr/local/cuda/compat"
	for name in libcuda.so.1 libcuda.so.. libcuda.so.999.%n libcuda.so.999999999999999999999.1 'libcuda.so.550.1 ' $'libcuda.so.550.1\n' libcuda.so.550.-1 "libcuda.so.$(printf '9%.0s' {1..200}).1" libcuda.so.550.54.14x; do
		echo x >"$R/usr/local/cuda/compat/$name"
	done
	box_case 'what could be libraries' S
	box_done 4
}

@test "57 S: a million entries, 8 EiB, a tree 4,096 deep: in bounded time" {
	local n
	n=$(box_size 20000 1000000)
	(cd "$R/usr/local" && seq -f 'cuda-%.0f' "$n" | xargs touch)
	start=$EPOCHREALTIME
	box_start -t 10
	[ "$BOX_STATUS" = 0 ]
	box_o1_host && box_o2_mounts && box_o4_sources && box_o5_result && box_o7_left
	echo "$n entries: $(((${EPOCHREALTIME/./} - ${start/./}) / 1000)) ms"
	box_root
	mkdir -p "$R/usr/local/cuda/compat" && (cd "$R/usr/local/cuda/compat" && seq -f 'libcuda.so.%.0f.1' "$n" | xargs touch)
	(cd "$R/etc/ld.so.conf.d" && seq -f '%.0f.conf' "$((n / 10))" | xargs touch)
	box_start -t 10
	[ "$BOX_STATUS" = 0 ]
	box_o1_host && box_o2_mounts && box_o4_sources && box_o5_result && box_o7_left
	for file in etc/ld.so.cache etc/ld.so.conf etc/ld.so.conf.d/00-nvcoreos.conf lib64/ld-linux-x86-64.so.2 usr/bin/nvidia-smi; do
		box_root
		truncate -s 8E "$R/$file" || truncate -s 1P "$R/$file" || truncate -s 1T "$R/$file"
		box_case "$file is sparse and huge" S -t 10
	done
	box_root
	(cd "$R/usr/local" && perl -e 'for (1 .. 4096) { mkdir "cuda" and chdir "cuda" or die }')
	box_start -t 10
	[ "$BOX_STATUS" = 0 ]
	box_o1_host && box_o2_mounts && box_o4_sources && box_o5_result && box_o7_left
	rm -rf "$R"
	box_done 5
}
