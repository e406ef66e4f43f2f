# SPDX-License-Identifier: Apache-2.0
# The verbs that switch and take away trees, on archives made up here.

bats_require_minimum_version 1.5.0
load helpers
load gpu

setup_file() {
	need_build nvcoreos || return "$SKIPPED"
	need_root gcc || return "$SKIPPED"
	local driver
	for driver in 535.98 550.10 560.1; do
		"$NVC_TESTS/fixtures/sample-driver/build.sh" "$BATS_FILE_TMPDIR/archives" "$driver" >/dev/null || return
	done
}

setup() {
	skip_file
	HOST=$BATS_TEST_TMPDIR/host
	mkdir -p "$HOST/etc" "$HOST/proc"
	printf 'ID=flatcar\nVERSION_ID=3975.2.0\n' >"$HOST/etc/os-release"
	local driver
	for driver in 535.98 550.10 560.1; do
		nvc install --use "$BATS_FILE_TMPDIR/archives/libraries-$driver".tar.gz >/dev/null
	done
	STORE=$HOST/opt/nvidia
}

teardown() {
	[ -z "${LOOP:-}" ] || losetup -d "$LOOP"
	[ -z "${USER_PID:-}" ] || kill -- "-$USER_PID" 2>/dev/null || :
	[ -z "${HOST:-}" ] || umount "$HOST/proc" 2>/dev/null || :
	[ -z "${B:-}" ] || bundle_clean "$B"
}

nvc() {
	"$NVCOREOS_BUILD/nvcoreos" --root "$HOST" "$@"
}

@test "rollback swaps selected and previous, and current follows" {
	[ "$(readlink "$STORE/current")" = 560.1/3975.2.0 ]
	nvc rollback
	[ "$(readlink "$STORE/current")" = 550.10/3975.2.0 ]
	[ "$(jq -r '.selected + " " + .previous' "$STORE/state.json")" = '550.10 560.1' ]
	nvc rollback
	[ "$(readlink "$STORE/current")" = 560.1/3975.2.0 ]
}

@test "rollback without a previous driver: one sentence, nothing changes" {
	rm "$STORE/state.json"
	run nvc rollback
	[ "$status" -eq 1 ]
	[ "$output" = "nvcoreos: E53: no such tree: no driver was selected before this one: select one with 'nvcoreos use TREE'" ]
	[ "${#lines[@]}" -eq 1 ]
	[ ! -e "$STORE/state.json" ]
}

@test "rollback to a damaged tree is refused" {
	: >"$STORE/550.10/3975.2.0/start.json"
	run nvc rollback
	[ "$status" -eq 1 ]
	[ "$(readlink "$STORE/current")" = 560.1/3975.2.0 ]
	[ "$(jq -r .selected "$STORE/state.json")" = 560.1 ]
}

@test "remove takes a tree away, and refuses one that is needed" {
	nvc remove 535.98
	[ ! -e "$STORE/535.98" ]
	run nvc remove --yes 560.1
	[ "$status" -eq 1 ]
	[ "$output" = 'nvcoreos: E54: in use: 560.1/3975.2.0: it is current: remove it when that is over' ]
	run nvc remove 550.10
	[ "$status" -eq 1 ]
	[ -e "$STORE/550.10/3975.2.0/start.json" ]
	[ -z "$(find "$STORE" -maxdepth 1 -name '.removed-*')" ]
}

@test "prune: --dry-run takes nothing, --keep and keep-trees count what is needed" {
	run nvc prune --keep 2 --dry-run
	[ "$status" -eq 0 ]
	[[ "$output" = *'would go: 535.98/3975.2.0'* ]]
	[ -e "$STORE/535.98" ]
	nvc prune --keep 3
	[ -e "$STORE/535.98" ]
	[ "$(nvc prune --keep 0 --json | jq -r '.removed[].tree')" = 535.98/3975.2.0 ]
	[ ! -e "$STORE/535.98" ]
	[ -e "$STORE/550.10" ]
	[ -e "$STORE/560.1" ]
}

@test "the next writer clears away what a killed one left" {
	mv "$STORE/535.98/3975.2.0" "$STORE/.removed-535.98-3975.2.0"
	ln -sfn 550.10/3975.2.0 "$STORE/current"
	nvc use 560
	[ -z "$(find "$STORE" -maxdepth 1 -name '.removed-*')" ]
	[ "$(readlink "$STORE/current")" = 560.1/3975.2.0 ]
}

@test "a tree that a running container has mounted stays, and goes when it has ended" {
	need_root runc || skip
	need_cgroups || skip
	have_root bookworm
	B=$BATS_TEST_TMPDIR/b
	run_host=$BATS_TEST_TMPDIR/run
	mkdir "$run_host"
	gpu_host "$run_host" 535.261.03
	gpu_archives "$run_host" 550.163.01 12.9.1
	gpu_nvcoreos "$run_host" install "$run_host/archives/cuda-12.9.1.tar.gz"
	bundle_make "$B" "$ROOT"
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=all NVCOREOS_CUDA=12.4.1
	gpu_sh "$B" 'sleep 60'
	gpu_start "$run_host" "$B"
	pid=$(cat "$B/pid")
	ln -s "/proc/$pid" "$run_host/host/proc/$pid"
	gpu_nvcoreos "$run_host" use cuda/12.9.1
	run -1 gpu_nvcoreos "$run_host" remove --yes cuda/12.4.1
	echo "$output"
	[[ $output == *"E54: in use: cuda/12.4.1: it is mounted for process $pid"* ]]
	run -0 gpu_nvcoreos "$run_host" prune --keep 0
	[[ $output == *"kept: cuda/12.4.1: it is mounted for process $pid"* ]]
	bundle_clean "$B"
	rm "$run_host/host/proc/$pid"
	run -0 gpu_nvcoreos "$run_host" prune --keep 0
	[[ $output == *'removed: cuda/12.4.1 '* ]]
	gpu_clean "$run_host"
}

@test "with a state that cannot be read nothing is removed, and use mends a damaged one" {
	echo '{' >"$STORE/state.json"
	run -1 nvc prune --keep 0
	[[ $output == *"E52: "*"state.json: what is selected is not known"* ]]
	run -1 nvc remove --yes 535.98
	[ -d "$STORE/535.98" ]
	run -0 nvc use 550.10
	run -0 nvc remove --yes 535.98
}

@test "prune keeps what the other OS slot and the next OS version need" {
	for os in 3900.0.0 3941.1.0 4000.0.0; do
		printf 'ID=flatcar\nVERSION_ID=%s\n' $os >"$HOST/etc/os-release"
		nvc install "$BATS_FILE_TMPDIR/archives/libraries-560.1.tar.gz"
	done
	printf 'ID=flatcar\nVERSION_ID=3975.2.0\n' >"$HOST/etc/os-release"
	run -0 nvc prune --keep 0
	echo "$output"
	[ "$(cd "$STORE/560.1" && echo *)" = '3941.1.0 3975.2.0 4000.0.0' ]
	[[ $output == *'kept: 560.1/3941.1.0: it is selected, and this host may boot its OS version'* ]]
}

# module_archive OS DRIVER: an archive of modules that nobody loads.
module_archive() {
	mkdir -p "$BATS_TEST_TMPDIR/modules"
	echo "of $1" >"$BATS_TEST_TMPDIR/modules/nvidia.ko"
	tar -C "$BATS_TEST_TMPDIR/modules" -czf "$BATS_TEST_TMPDIR/modules-$1-$2.tar.gz" nvidia.ko
	printf '%s\n' "$BATS_TEST_TMPDIR/modules-$1-$2.tar.gz"
}

# five_versions: trees of the selected driver for the running OS version, three older ones and a newer one.
five_versions() {
	for os in 3900.1.0 3900.2.0 3950.1.0 4000.0.0; do
		nvc install "$(module_archive $os 560.1)" >/dev/null
	done
}

@test "Flatcar's other USR partition: what it holds stays, whatever is newer" {
	need_root mkfs.ext4
	five_versions
	types=ext4
	# Newer releases have btrfs there.
	command -v mkfs.btrfs >/dev/null && types='ext4 btrfs'
	mkdir -p "$HOST/dev/disk/by-partlabel" "$BATS_TEST_TMPDIR/usr/lib"
	printf 'ID=flatcar\nVERSION_ID=3900.1.0\n' >"$BATS_TEST_TMPDIR/usr/lib/os-release"
	for type in $types; do
		truncate -s 120M "$BATS_TEST_TMPDIR/$type"
		case $type in
		ext4) mkfs.ext4 -q -d "$BATS_TEST_TMPDIR/usr" "$BATS_TEST_TMPDIR/$type" ;;
		btrfs) mkfs.btrfs -q --rootdir "$BATS_TEST_TMPDIR/usr" "$BATS_TEST_TMPDIR/$type" >/dev/null 2>&1 ;;
		esac
		LOOP=$(losetup --find --show --read-only "$BATS_TEST_TMPDIR/$type")
		ln -sfn "$LOOP" "$HOST/dev/disk/by-partlabel/USR-B"
		run -1 nvc remove --yes 560.1/3900.1.0
		echo "$output"
		[[ $output == *'E54: '*'it is selected, and this host may boot its OS version'* ]]
		run -1 nvc remove --yes 560.1/4000.0.0
		run -0 nvc prune --keep 1 --dry-run
		echo "$output"
		[[ $output == *560.1/3950.1.0* && $output == *560.1/3900.2.0* ]]
		run ! grep -q "$LOOP" /proc/self/mountinfo
		losetup -d "$LOOP"
		LOOP=
	done
	# One that was never written, as on a new machine: the newest of the older trees stays, in case.
	truncate -s 1M "$BATS_TEST_TMPDIR/empty"
	LOOP=$(losetup --find --show --read-only "$BATS_TEST_TMPDIR/empty")
	ln -sfn "$LOOP" "$HOST/dev/disk/by-partlabel/USR-B"
	run -1 nvc remove --yes 560.1/3950.1.0
	run -0 nvc remove --yes 560.1/3900.2.0
	losetup -d "$LOOP"
	LOOP=
	# One with a file system and no OS in it: nothing goes.
	rm "$BATS_TEST_TMPDIR/ext4"
	truncate -s 20M "$BATS_TEST_TMPDIR/ext4"
	mkfs.ext4 -q "$BATS_TEST_TMPDIR/ext4"
	LOOP=$(losetup --find --show --read-only "$BATS_TEST_TMPDIR/ext4")
	ln -sfn "$LOOP" "$HOST/dev/disk/by-partlabel/USR-B"
	run -1 nvc remove --yes 560.1/3900.1.0
	[[ $output == *'E26: '*'by-partlabel/USR-B: the other OS version cannot be read'* ]]
	[ -d "$STORE/560.1/3900.1.0" ]
}

# dirty IMAGE FEATURES SCRIPT: an ext4 file system as it is while it is mounted, after a script in it.
dirty() {
	truncate -s 20M "$1.clean"
	mkfs.ext4 -qF -O "$2" "$1.clean"
	mkdir -p "$BATS_TEST_TMPDIR/at"
	unshare -m sh -ec 'mount -o loop "$1.clean" "$2" && cd "$2" && mkdir lib && printf "ID=flatcar\nVERSION_ID=3900.1.0\n" >lib/os-release
		sync && sync -f . && eval "$3" && sync -f . && cp "$1.clean" "$1"' sh "$1" "$BATS_TEST_TMPDIR/at" "$3"
}

@test "Flatcar's other USR partition: looking into it writes nothing, however it was left" {
	need_root mkfs.ext4 dumpe2fs
	five_versions
	mkdir -p "$HOST/dev/disk/by-partlabel"
	# Where the list of orphans is a file, nobody knows while it is mounted whether there are some.
	dirty "$BATS_TEST_TMPDIR/journal" ^orphan_file 'echo x >lib/x'
	dumpe2fs -h "$BATS_TEST_TMPDIR/journal" 2>/dev/null | grep -q needs_recovery
	dirty "$BATS_TEST_TMPDIR/orphan" ^orphan_file 'exec 5>x; echo x >&5; rm x'
	dumpe2fs -h "$BATS_TEST_TMPDIR/orphan" 2>/dev/null | grep -q 'First orphan inode'
	dirty "$BATS_TEST_TMPDIR/orphans" orphan_file 'exec 5>x; echo x >&5; rm x'
	dumpe2fs -h "$BATS_TEST_TMPDIR/orphans" 2>/dev/null | grep -q orphan_present
	for image in journal orphan orphans; do
		before=$(sha256sum "$BATS_TEST_TMPDIR/$image")
		LOOP=$(losetup --find --show "$BATS_TEST_TMPDIR/$image")
		ln -sfn "$LOOP" "$HOST/dev/disk/by-partlabel/USR-B"
		run nvc prune --keep 1 --dry-run
		echo "$output"
		if [ $image = journal ]; then
			[ "$status" = 0 ]
		else
			[ "$status" = 1 ]
			[[ $output == *'the other OS version cannot be read: Structure needs cleaning'* ]]
		fi
		run -1 nvc remove --yes 560.1/3900.1.0
		blockdev --flushbufs "$LOOP"
		losetup -d "$LOOP"
		LOOP=
		[ "$(sha256sum "$BATS_TEST_TMPDIR/$image")" = "$before" ]
	done
}

@test "ostree deployments: what they hold stays" {
	printf 'ID=fedora\nOSTREE_VERSION=3975.2.0\n' >"$HOST/etc/os-release"
	five_versions
	for os in 3975.2.0 3900.2.0; do
		mkdir -p "$HOST/sysroot/ostree/deploy/fedora-coreos/deploy/$os.0/usr/lib"
		printf 'ID=fedora\nOSTREE_VERSION=%s\n' $os >"$HOST/sysroot/ostree/deploy/fedora-coreos/deploy/$os.0/usr/lib/os-release"
		: >"$HOST/sysroot/ostree/deploy/fedora-coreos/deploy/$os.0.origin"
	done
	ln -s sysroot/ostree "$HOST/ostree"
	run -1 nvc remove --yes 560.1/3900.2.0
	[[ $output == *'E54: '*'it is selected, and this host may boot its OS version'* ]]
	run -0 nvc remove --yes 560.1/3950.1.0
	run -0 nvc remove --yes 560.1/3900.1.0
	[ -d "$STORE/560.1/3900.2.0" ]
}

@test "a symlink in the place of a driver or of the store: one sentence, and nothing is made behind it" {
	mv "$STORE/535.98" "$BATS_TEST_TMPDIR/elsewhere"
	ln -s "$BATS_TEST_TMPDIR/elsewhere" "$STORE/535.98"
	before=$(find "$BATS_TEST_TMPDIR/elsewhere" | sort)
	for os in 3975.2.0 4000.0.0; do
		printf 'ID=flatcar\nVERSION_ID=%s\n' $os >"$HOST/etc/os-release"
		run -1 nvc install --use "$BATS_FILE_TMPDIR/archives/libraries-535.98.tar.gz"
		echo "$output"
		[[ $output == *"E52: store cannot be used: $STORE/535.98: it is a symlink: move what it leads to into its place, or mount it there" ]]
		[[ $output != *installed:* ]]
	done
	rm "$STORE/535.98"
	mkdir "$STORE/535.98"
	ln -s "$BATS_TEST_TMPDIR/elsewhere/3975.2.0" "$STORE/535.98/4000.0.0"
	run -1 nvc install --use "$BATS_FILE_TMPDIR/archives/libraries-535.98.tar.gz"
	[[ $output == *"$STORE/535.98/4000.0.0: it is a symlink: "* ]]
	[ "$(find "$BATS_TEST_TMPDIR/elsewhere" | sort)" = "$before" ]
	[ -z "$(find "$STORE" -maxdepth 1 -name '.staging-*')" ]
	mv "$STORE" "$BATS_TEST_TMPDIR/store"
	ln -s "$BATS_TEST_TMPDIR/store" "$STORE"
	printf 'ID=flatcar\nVERSION_ID=3975.2.0\n' >"$HOST/etc/os-release"
	for arguments in list 'use 560.1' 'remove --yes 550.10' "install $BATS_FILE_TMPDIR/archives/libraries-550.10.tar.gz"; do
		# shellcheck disable=SC2086 # words
		run -1 nvc $arguments
		echo "$output"
		[[ $output == *"E52: store cannot be used: $STORE: it is a symlink: name the directory itself in driver-store or cuda-store" ]]
		[ "${#lines[@]}" = 1 ]
	done
}

@test "a store that others may write to is written by no verb" {
	for store in "$STORE" "$HOST/opt/cuda"; do
		mkdir -p "$store"
		chmod 777 "$store"
		before=$(find "$HOST/opt" -printf '%p %m %T@ %l\n')
		for arguments in 'use 550.10' rollback 'remove --yes 535.98' 'prune --keep 1' 'host enable' \
			"install $BATS_FILE_TMPDIR/archives/libraries-550.10.tar.gz"; do
			# shellcheck disable=SC2086 # words
			run -1 nvc $arguments
			echo "$output"
			[[ $output == *"E52: store cannot be used: $store: others than root may write there: run 'chmod go-w $store', and "* ]]
			[ "${#lines[@]}" = 1 ]
		done
		[ "$(find "$HOST/opt" -printf '%p %m %T@ %l\n')" = "$before" ]
		chmod 755 "$store"
	done
	# Of a driver, too, or a tree, which alone can be made anew.
	for store in "$STORE/550.10" "$STORE/550.10/3975.2.0"; do
		chmod 777 "$store"
		install=
		[ "$store" != "$STORE/550.10" ] || install="install $BATS_FILE_TMPDIR/archives/libraries-550.10.tar.gz"
		for arguments in 'use 560.1' rollback "$install"; do
			[ -n "$arguments" ] || continue
			# shellcheck disable=SC2086 # words
			run -1 nvc $arguments
			echo "$output"
			[[ $output == *"E52: store cannot be used: $store: others than root may write there: run 'chmod go-w $store', and "* ]]
			[ "${#lines[@]}" = 1 ]
		done
		[ "$store" != "$STORE/550.10" ] || chmod 755 "$store"
	done
	nvc install "$BATS_FILE_TMPDIR/archives/libraries-550.10.tar.gz"
	nvc use 550.10
}

@test "list: kernel and shared size" {
	nvc install "$(module_archive 4000.0.0 560.1)"
	[ "$(nvc list --json | jq '[.drivers[] | select(.driver == "560.1") | .shared > 0] | all')" = true ]
	[ "$(nvc list --json | jq '[.drivers[] | select(.driver == "535.98") | .shared] | add')" = 0 ]
	run -0 nvc list
	[[ ${lines[0]} == TREE*'OS VERSION'*KERNEL*MODULES*CUDA*SIZE*SHARED*STATE ]]
}

@test "remove asks on a terminal, and goes ahead without one" {
	remove="$NVCOREOS_BUILD/nvcoreos --root $HOST remove 535.98"
	for answer in n '' no; do
		run -0 script -qec "$remove" /dev/null <<<"$answer"
		[[ $output == *'remove 535.98/3975.2.0? [y/N] '*'nothing was removed'* ]]
		[ -d "$STORE/535.98/3975.2.0" ]
	done
	run -0 script -qec "$remove" /dev/null <<<y
	[ ! -e "$STORE/535.98" ]
	nvc install "$BATS_FILE_TMPDIR/archives/libraries-535.98.tar.gz"
	run -0 nvc remove 535.98 </dev/null
	[ ! -e "$STORE/535.98" ]
}

# in_use SCRIPT: while a shell script runs in a mount namespace of its own (it says "ready", and then sleeps), the tree is not removed.
in_use() {
	local ready=$BATS_TEST_TMPDIR/ready
	rm -f "$ready"
	env TREE="$STORE/550.10/3975.2.0" STORE="$STORE" AT="$BATS_TEST_TMPDIR/at" READY="$ready" \
		setsid unshare -m --propagation private sh -c "$1" 3>&- &
	USER_PID=$!
	for _ in $(seq 100); do
		[ ! -e "$ready" ] || break
		sleep 0.05
	done
	[ -e "$ready" ]
	run nvc remove --yes 550.10
	echo "$1: $output"
	kill -- "-$USER_PID"
	wait "$USER_PID" || :
	while pgrep -g "$USER_PID" >/dev/null; do sleep 0.05; done
	USER_PID=
	[ "$status" = 1 ]
	[[ $output == *'E54: in use: 550.10/3975.2.0: it is mounted for process '* ]]
	[ -e "$STORE/550.10/3975.2.0/lib64/libcuda.so.550.10" ]
}

@test "a tree is in use by whoever has it mounted, whatever root he has, and below any overlay" {
	nvc use 535.98 >/dev/null
	nvc use 560.1 >/dev/null
	mkdir -p "$BATS_TEST_TMPDIR/at" "$BATS_TEST_TMPDIR/jail/bin"
	cp "$(command -v busybox || command -v sleep)" "$BATS_TEST_TMPDIR/jail/bin/sleep"
	mount --bind /proc "$HOST/proc"
	in_use 'mount --bind "$TREE" "$AT" && touch "$READY" && exec sleep 60'
	# The first process of the namespace sees nothing of it.
	in_use 'mount --bind "$TREE" "$AT"; J=$(dirname "$READY")/jail; mount --bind "$J" "$J"; (touch "$READY"; exec sleep 60) & chroot "$J" /bin/sleep 60; wait'
	in_use 'mount -t overlay -o "lowerdir=$TREE/lib64:$TREE/views" overlay "$AT" && touch "$READY" && exec sleep 60'
	ln -s 550.10/3975.2.0 "$STORE/link"
	in_use 'mount -t overlay -o "lowerdir=$STORE/link/lib64:$STORE/link/views" overlay "$AT" && touch "$READY" && exec sleep 60'
	in_use 'cd "$TREE" && mount -t overlay -o lowerdir=lib64:views overlay "$AT" && touch "$READY" && exec sleep 60'
	rm "$STORE/link"
	run -0 nvc remove --yes 550.10
}

@test "a process that sees no mount at all keeps nobody from removing" {
	need_root busybox
	nvc use 535.98 >/dev/null
	nvc use 560.1 >/dev/null
	mkdir -p "$BATS_TEST_TMPDIR/jail/bin"
	cp "$(command -v busybox)" "$BATS_TEST_TMPDIR/jail/bin/sleep"
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/jail"
	mount --bind /proc "$HOST/proc"
	setsid unshare -m --propagation private chroot "$BATS_TEST_TMPDIR/jail" /bin/sleep 60 3>&- &
	USER_PID=$!
	until [ -e "/proc/$USER_PID/root/bin/sleep" ] && [ ! -s "/proc/$USER_PID/mountinfo" ]; do sleep 0.05; done
	run -0 nvc remove --yes 550.10
}

@test "what is for another machine is not made current by itself" {
	rm -rf "$STORE"
	cp "$BATS_FILE_TMPDIR/archives/libraries-560.1.tar.gz" "$BATS_TEST_TMPDIR/libraries-560.1-arm64.tar.gz"
	mkdir "$BATS_TEST_TMPDIR/arm"
	tar -C "$BATS_TEST_TMPDIR/arm" -xf "$BATS_TEST_TMPDIR/libraries-560.1-arm64.tar.gz"
	# e_machine: EM_AARCH64 in place of EM_X86_64.
	find "$BATS_TEST_TMPDIR/arm" -type f -exec sh -c 'head -c 5 "$1" | grep -q ELF..* && printf "\267" | dd of="$1" bs=1 seek=18 conv=notrunc status=none' sh {} \;
	tar -C "$BATS_TEST_TMPDIR/arm" -czf "$BATS_TEST_TMPDIR/libraries-560.1-arm64.tar.gz" .
	[ "$(uname -m)" = x86_64 ] || skip 'for x86_64'
	run -0 nvc install "$BATS_TEST_TMPDIR/libraries-560.1-arm64.tar.gz"
	echo "$output"
	[[ $output == *'to select it: nvcoreos use 560.1/'* ]]
	[ ! -e "$STORE/current" ]
}
