#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Hostile inputs 74 to 83: a host that is full, short of everything, wrongly installed, or strange. E: refused, nothing changed;
# S: served.

load helpers
load gpu
load box

setup_file() {
	need_root cc findmnt prlimit || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook || return "$SKIPPED"
	box_setup
	cc -O1 -D_GNU_SOURCE -Wall -Wextra -o "$BOX/bin/deny" "$NVC_LIB/deny.c" -lseccomp
	cp -a "$BOX/template" "$BOX/without-probe" && rm "$BOX/without-probe/probe"
	cp -a "$BOX/store" "$BOX/store.good"
}

teardown_file() {
	box_teardown
}

setup() {
	skip_file
	box_root
	TREE=$(cd "$BOX/store" && echo "535.261.03/$(readlink current | cut -d/ -f2)")
	VIEW=$BOX/store/$TREE/views/compute+utility
}

teardown() {
	cleanup_umount "$BOX/rootfs"
}

# small OPTIONS: the root on a tmpfs of its own, all of the template but the probe.
small() {
	cleanup_umount "$R"
	mount -t tmpfs -o "mode=755,$1" tmpfs "$R"
	cp -a "$BOX/without-probe/." "$R/"
}

@test "74 E: no space, no inodes, at each step; what was made is taken back" {
	local blocks inodes used n
	rm -rf "${R:?}" && mkdir "$R"
	small size=10m
	blocks=$(($(stat -f -c '%b - %f' "$R"))) inodes=$(($(stat -f -c '%c - %d' "$R")))
	# What a mount stands on, and files that had been whole before, may stay.
	for ((n = 0; n < 10; n += $(box_size 3 1))); do
		small "size=$(((blocks + n) * 4))k"
		box_case "$n pages free" 'E35|S' -E '^[+] \./usr/local/(cuda|nvidia) 040755 0:0$'
		small "nr_inodes=$((inodes + n + 1))"
		box_case "$n inodes free" 'E35|S' -E '^[+] \./usr/local/(cuda|nvidia) 040755 0:0$'
		[ "$n" -gt 1 ] || [[ $BOX_STATUS = 1 && $BOX_ERR == *'No space left'* ]]
	done
	[ "$BOX_STATUS" = 0 ]
	small size=10m,nr_inodes=1000
	box_case 'room enough' S
	# A second start over files of the first: they stay whole whatever happens.
	box_case first S
	used=$(($(stat -f -c '%b - %f' "$R")))
	sha256sum "$R/etc/ld.so.cache" >"$BOX/sum"
	mount -o "remount,size=$((used * 4))k" "$R"
	box_case 'full, with the files of an earlier start' 'E35|S'
	sha256sum -c "$BOX/sum"
	box_done "$(box_size 11 20)"
}

@test "75 E or S: few descriptors, no file size, little memory, few processes, little time" {
	local n hook=${BOX_HOOK#exec }
	for n in 3 4 5 6 7 8 10 12 14 16 20 24 32 64; do
		box_turn 3 || continue
		box_case "RLIMIT_NOFILE=$n" 'E|S' -x "exec prlimit --nofile=$n:$n $hook" -E '^[+] \./usr/local/(cuda|nvidia) 040755 0:0$'
	done
	box_case 'RLIMIT_NOFILE=32 serves' S -x "exec prlimit --nofile=32:32 $hook"
	for n in 0 1 100 407; do
		box_root
		box_case "RLIMIT_FSIZE=$n" E -x "ulimit -f unlimited; exec prlimit --fsize=$n:$n $hook 2>&1 >/dev/null | cat >&2; exit 1" -E '^[+] \./usr/(local/(cuda|nvidia) 040755 0:0$|bin/nvidia-smi)'
	done
	for n in 1 2 4 8 16 32; do
		box_turn 3 || continue
		box_case "RLIMIT_STACK=$((n * 64))k" 'E|S' -x "exec prlimit --stack=$((n * 65536)) $hook"
	done
	box_case 'no process more' S -x "exec prlimit --nproc=1:1 $hook"
	box_case 'one second of time' S -x "exec prlimit --cpu=1:1 $hook"
	box_case 'no core, no locked memory, no queues' S -x "exec prlimit --core=0 --memlock=0 --msgqueue=0 --nice=0 --rtprio=0 --locks=0 $hook"
	box_case 'no queued signals, so no deadline' E06 -x "exec prlimit --sigpending=0 $hook"
	box_done "$(box_size 14 29)"
}

@test "75 E: memory runs out at every point: one line" {
	local n refused=0 served=0 hook=${BOX_HOOK#exec }
	# A large config.json, so that what is needed is well over what a process needs to be started at all.
	box_plain_config NVIDIA_VISIBLE_DEVICES=all
	jq -c '.process.env += [range(60000) | "VARIABLE\(.)=x"]' <"$BOX/bundle/config.json" >"$BOX/large.json"
	mv "$BOX/large.json" "$BOX/bundle/config.json"
	for ((n = 3; n < 64 && served < 3; n++)); do
		box_turn 3 || continue
		box_root
		box_case "address space of $n MiB" 'E|S' -k -x "exec prlimit --as=$((n << 20)) $hook" -E '^[+] \./usr/(local/(cuda|nvidia) 040755 0:0$|bin/nvidia-smi)'
		case $BOX_STATUS in 0) served=$((served + 1)) ;; *) refused=$((refused + 1)) ;; esac
	done
	echo "$refused refused, $served served"
	[ $served -gt 0 ] && [ $refused -gt 0 ]
	box_done 4
}

# store TITLE EXPECT [OPTION...]: a start with the store as it is now; then the store is put right again.
store() {
	box_case "$@"
	rm -rf "$BOX/store" && cp -a "$BOX/store.good" "$BOX/store"
	box_root
}

@test "76 E, 77 S: a store that is absent, incomplete, damaged or writable by others" {
	mv "$BOX/store" "$BOX/gone" && mkdir "$BOX/store"
	store 'empty store' E23
	rm -rf "$BOX/gone"
	sed "s|^driver-store=.*|driver-store=$BOX/canary/file|" "$BOX/conf" >"$BOX/file.conf"
	box_case 'a file in its place' 'E23|E52' -x "exec $NVCOREOS_BUILD/nvcoreos-hook --config $BOX/file.conf prestart"
	# A module is loaded, and its tree is found by its name: `current` decides nothing.
	for target in /nowhere "$BOX/canary" ../canary 535.261.03 current 999.1/x; do
		rm -rf "$BOX/store" && cp -a "$BOX/store.good" "$BOX/store"
		ln -sfn "$target" "$BOX/store/current"
		store "current -> $target" S
	done
	rm "$BOX/store/current" && mkdir "$BOX/store/current"
	store 'current is a directory' S
	rm "$BOX/store/$TREE/start.json" 2>/dev/null || rm "$BOX/store/$TREE/"*.json
	store 'no manifest' 'E23|E24'
	for f in "$BOX/store/$TREE/"*; do
		[ -f "$f" ] || continue
		box_turn 2 || [[ $f == */start* ]] || continue
		case ${f##*/} in
		start*) want='E23|E24' ;;
		*) want='E24|S' ;;
		esac
		: >"$f"
		store "${f##*/} is empty" "$want"
		echo '{' >"$f"
		store "${f##*/} is cut" "$want"
		head -c 100000 /dev/urandom >"$f"
		store "${f##*/} is noise" "$want"
		rm "$f" && mkfifo "$f"
		store "${f##*/} is a FIFO" "$want" -t 5
		rm "$f" && ln -s "$BOX/canary/file" "$f"
		store "${f##*/} is a link" "$want"
	done
	rm -rf "$VIEW"
	store 'no view' E24
	rm -rf "$VIEW" && ln -s "$BOX/canary" "$VIEW"
	store 'a view that is a link' E24
	rm -rf "$VIEW" && echo x >"$VIEW"
	store 'a view that is a file' E24
	chmod 4755 "$VIEW"/bin/* && chmod 2755 "$VIEW"/lib64/*
	store 'setuid files: the mount is nosuid' S
	ln -sfn "$BOX/canary/file" "$VIEW/lib64/libcuda.so.1"
	store 'a driver file that links to the host: within the container it leads nowhere' S
	for mode in 777 775 757 1777; do
		chmod "$mode" "$BOX/store"
		store "the store has mode $mode" E52
	done
	chown 1000 "$BOX/store"
	store 'the store belongs to a user' E52
	chmod 777 "$BOX/cuda-store"
	box_case 'so does that of CUDA' E52
	chmod 755 "$BOX/cuda-store"
	box_done "$(box_size 24 31)"
}

@test "78 E: the loaded module is of a version that is not installed" {
	local version
	for version in 535.261.04 570.1 0 '' ../../canary '535.261.03/../x' "$(head -c 300 /dev/zero | tr '\0' 9)" '%n'; do
		cp "$BOX/host/proc/driver/nvidia/version" "$BOX/version"
		sed "s|535.261.03|${version:-}|" "$BOX/version" >"$BOX/host/proc/driver/nvidia/version"
		box_case "version $(printf '%.20s' "$version")" 'E23|E26|E21'
		cat "$BOX/version" >"$BOX/host/proc/driver/nvidia/version"
	done
	for what in empty noise; do
		case $what in empty) : ;; noise) head -c 5000 /dev/urandom ;; esac >"$BOX/host/proc/driver/nvidia/version"
		box_case "version is $what" 'E23|E26|E21'
		cat "$BOX/version" >"$BOX/host/proc/driver/nvidia/version"
	done
	box_done 10
}

# node PATH COMMAND...: with a node of the host so.
node() {
	local path=$BOX/host/dev/$1
	shift
	mv "$path" "$path.kept"
	"$@"
	box_case "${path##*/}: $(printf '%.40s ' "$@")" E25
	rm -rf "$path" && mv "$path.kept" "$path"
}

@test "79 E: nodes of the host that are absent, of another device, links, files" {
	local n path
	for n in nvidia0 nvidiactl nvidia-uvm; do
		[ "$n" = nvidia0 ] || [ "${HOSTILE_ALL:-0}" = 1 ] || continue
		path=$BOX/host/dev/$n
		node "$n" true
		node "$n" mknod "$path" c 1 3
		node "$n" mknod "$path" c 195 77
		node "$n" mknod "$path" b 195 0
		node "$n" ln -s nvidia1 "$path"
		node "$n" ln -s /dev/null "$path"
		node "$n" ln -s "$path" "$path"
		node "$n" touch "$path"
		node "$n" mkdir "$path"
		node "$n" mkfifo "$path"
	done
	box_case 'put right' S
	box_done "$(box_size 11 31)"
}

@test "80 S: files of 1970 and of 2100, a machine that has run for a hundred years" {
	find "$R" "$BOX/store" -exec touch -h -d @0 {} +
	box_case 1970 S
	box_root
	find "$R" "$BOX/store" -exec touch -h -d 2100-01-01 {} +
	box_case 2100 S
	box_case 'monotonic clock' S -x "exec unshare -T --monotonic 3153600000 --boottime 3153600000 ${BOX_HOOK#exec }"
	box_done 3
}

@test "81 S: stdout and stderr closed, full, or a device that takes nothing" {
	local hook=${BOX_HOOK#exec }
	box_case 'both closed' S -x "exec >&- 2>&-; exec $hook"
	box_case 'all closed' E10 -x "exec <&-; $hook"
	mkfifo "$BOX/pipe"
	for env in NVIDIA_VISIBLE_DEVICES=0 NVIDIA_VISIBLE_DEVICES=9; do
		box_start -t 10 -e "$env" -x "exec 8<>$BOX/pipe 9>$BOX/pipe; dd if=/dev/zero bs=65536 count=1 of=$BOX/pipe conv=notrunc status=none; $hook >&9 2>&9; echo \$? >$BOX/rc; exit 0"
		[ "$BOX_STATUS" = 0 ]
		case $env in *=0) [ "$(cat "$BOX/rc")" = 0 ] ;; *) [ "$(cat "$BOX/rc")" = 1 ] ;; esac
		box_start -t 10 -e "$env" -x "$hook >/dev/full 2>/dev/full; echo \$? >$BOX/rc; exit 0"
		case $env in *=0) [ "$(cat "$BOX/rc")" = 0 ] ;; *) [ "$(cat "$BOX/rc")" = 1 ] ;; esac
		box_start -t 10 -e "$env" -x "$hook >&- 2>&-; echo \$? >$BOX/rc; exit 0"
		case $env in *=0) [ "$(cat "$BOX/rc")" = 0 ] ;; *) [ "$(cat "$BOX/rc")" = 1 ] ;; esac
		for _ in 1 2 3; do echo "S 81: $env" >>"$BOX/cases"; done
	done
	rm "$BOX/pipe"
	# The log is not what a start depends on.
	rm -f "$BOX/log/nvcoreos.log" && mkfifo "$BOX/log/nvcoreos.log"
	box_case 'the log is a FIFO that nobody reads' S -t 5
	rm "$BOX/log/nvcoreos.log" && ln -s /dev/full "$BOX/log/nvcoreos.log"
	box_case 'the log takes nothing' S
	rm "$BOX/log/nvcoreos.log" && mkdir "$BOX/log/nvcoreos.log"
	box_case 'the log is a directory' S
	rmdir "$BOX/log/nvcoreos.log"
	box_done 5
}

@test "82 E: system calls that an old kernel or an outer filter does not allow: the call is named" {
	local call errno hook=${BOX_HOOK#exec }
	for call in openat2 open_tree move_mount mount_setattr close_range pidfd_open setns statx prctl seccomp capset renameat mkdirat; do
		for errno in 38 1; do
			box_turn 2 || continue
			box_root
			box_case "$call answers $errno" E -x "exec $BOX/bin/deny $errno $call -- $hook" -E '^[+] \./usr/(local/(cuda|nvidia) 040755 0:0$|bin/nvidia-smi)'
			case $call in openat2 | open_tree | move_mount | mount_setattr | close_range | pidfd_open)
				[[ $BOX_ERR == *E06*"$call"* || $BOX_ERR == *"$call"*'not permitted'* ]] || { echo "FAILED $call $errno: $BOX_ERR" && BOX_FAILED=$((${BOX_FAILED:-0} + 1)); }
				;;
			esac
		done
	done
	for call in clock_gettime getrandom sendto fsync fchmod; do
		box_root
		box_case "$call answers 38" 'S|E' -x "exec $BOX/bin/deny 38 $call -- $hook"
	done
	box_done "$(box_size 18 31)"
}

@test "83 S or E: umask 0777, a working directory that is gone, no argv, signals ignored or blocked" {
	local hook=${BOX_HOOK#exec }
	box_case 'umask 0777' S -x "umask 0777; exec $hook"
	box_root
	box_case 'umask 0' S -x "umask 0; exec $hook"
	mkdir "$BOX/gone"
	box_case 'no directory' S -x "cd $BOX/gone && rmdir $BOX/gone && exec $hook"
	box_case 'argc 0' E02 -x "exec $BOX/bin/deny -n 1 acct -- $NVCOREOS_BUILD/nvcoreos-hook"
	box_case 'signals ignored' S -x "trap '' HUP INT QUIT PIPE TERM CHLD USR1 USR2 ALRM; exec $hook"
	box_case 'nice, and another session' S -x "exec setsid -w nice -n 19 $hook"
	box_case 'a cwd in the image' S -x "cd $R && LD_PRELOAD=./x.so LD_LIBRARY_PATH=. PATH=. exec $hook"
	box_done 7
}
