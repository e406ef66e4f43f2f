# SPDX-License-Identifier: Apache-2.0
# Installed trees that somebody changed, that are completed later, or that a container takes at the moment in which they go.

bats_require_minimum_version 1.5.0
load helpers
load gpu

setup_file() {
	need_build nvcoreos || return "$SKIPPED"
	need_root gcc jq strace || return "$SKIPPED"
	export ARCHIVES=$BATS_FILE_TMPDIR/archives
	"$NVC_TESTS/fixtures/sample-driver/build.sh" "$ARCHIVES" 535.98 12.4.1 >/dev/null &&
		"$NVC_TESTS/fixtures/sample-driver/build.sh" "$ARCHIVES" 550.10 >/dev/null
}

setup() {
	skip_file
	HOST=$BATS_TEST_TMPDIR/host
	mkdir -p "$HOST/etc" "$HOST/proc" "$BATS_TEST_TMPDIR/mnt"
	printf 'ID=flatcar\nVERSION_ID=3975.2.0\n' >"$HOST/etc/os-release"
	LIBRARIES=$ARCHIVES/libraries-550.10.tar.gz TOOLS=$ARCHIVES/tools-550.10.tar.gz
	TREE=$HOST/opt/nvidia/550.10/3975.2.0
}

teardown() {
	[ -z "${KEEPER:-}" ] || kill "$KEEPER" 2>/dev/null || :
	[ -z "${HOST:-}" ] || umount "$HOST/proc" 2>/dev/null || :
}

nvc() {
	"$NVCOREOS_BUILD/nvcoreos" --root "$HOST" "$@"
}

# modules OS: an archive of modules for it.
modules() {
	mkdir -p "$BATS_TEST_TMPDIR/modules"
	echo module >"$BATS_TEST_TMPDIR/modules/nvidia.ko"
	tar -C "$BATS_TEST_TMPDIR/modules" -czf "$BATS_TEST_TMPDIR/modules-$1-550.10.tar.gz" nvidia.ko
	echo "$BATS_TEST_TMPDIR/modules-$1-550.10.tar.gz"
}

# mounted COMMAND...: the tree's mount in another namespace, at a moment of its own choice.
keep_mounted() {
	unshare -m --propagation private sh -c 'mount --bind "$1" "$2" && exec sleep 100' sh "$1" "$BATS_TEST_TMPDIR/mnt" 3>&- &
	KEEPER=$!
	until grep -q "$BATS_TEST_TMPDIR/mnt" "/proc/$KEEPER/mountinfo"; do sleep 0.02; done
}

@test "files with another mode, owner or with capabilities are made anew by the same install, and never handed on" {
	library=$TREE/lib64/libcuda.so.550.10
	for damage in "chmod 6755 $TREE/bin/nvidia-smi" "chmod 666 $library" "chown 1000 $library" "setcap cap_net_raw+ep $TREE/bin/nvidia-smi"; do
		command -v "${damage%% *}" >/dev/null || continue
		rm -rf "$HOST/opt"
		nvc --quiet install "$LIBRARIES" "$TOOLS"
		$damage
		run -1 nvc verify
		# To another OS version neither with the archive nor without it.
		run nvc install "$(modules 4000.1.0)"
		[ "$status" = 1 ] || run -0 nvc verify 550.10/4000.1.0
		run -0 nvc install "$(modules 4000.1.0)" "$LIBRARIES" "$TOOLS"
		run -0 nvc verify 550.10/4000.1.0
		echo "# $damage"
		run -0 nvc install "$LIBRARIES" "$TOOLS"
		[[ $output == 'installed: 550.10/3975.2.0'* ]]
		run -0 nvc verify
	done
}

@test "a toolkit with texts among its programs is whole; a program that does not run any more is not" {
	mkdir "$BATS_TEST_TMPDIR/cuda"
	tar -C "$BATS_TEST_TMPDIR/cuda" -xzf "$ARCHIVES/cuda-12.4.1.tar.gz"
	top=$(cd "$BATS_TEST_TMPDIR/cuda" && find . -type d -name bin -printf '%h\n' -quit)
	echo 'TOP = ..' >"$BATS_TEST_TMPDIR/cuda/$top/bin/nvcc.profile"
	mkdir -p "$BATS_TEST_TMPDIR/cuda/$top/nvvm/bin"
	printf '#!/bin/sh\n' >"$BATS_TEST_TMPDIR/cuda/$top/nvvm/bin/cicc"
	chmod 755 "$BATS_TEST_TMPDIR/cuda/$top/nvvm/bin/cicc"
	tar -C "$BATS_TEST_TMPDIR/cuda" --owner=0 --group=0 -czf "$BATS_TEST_TMPDIR/cuda-12.4.1.tar.gz" .
	nvc --quiet install "$BATS_TEST_TMPDIR/cuda-12.4.1.tar.gz"
	run -0 nvc verify
	run -0 nvc install "$BATS_TEST_TMPDIR/cuda-12.4.1.tar.gz"
	[[ $output == 'already installed: '* ]]
	chmod 644 "$HOST/opt/cuda/12.4.1/nvvm/bin/cicc"
	run -1 nvc verify
	[[ $output == *'nvvm/bin/cicc: has mode 0644'* ]]
}

@test "archives of one driver one after the other: each completes the tree, and nothing of it is lost" {
	nvc --quiet install "$LIBRARIES"
	inode=$(stat -c %i "$TREE/lib64/libcuda.so.550.10")
	run -0 nvc install "$TOOLS"
	[[ $output == 'installed: 550.10/3975.2.0'* ]]
	[ -x "$TREE/bin/nvidia-smi" ]
	run -0 nvc install "$(modules 3975.2.0)"
	[ -e "$TREE/modules/nvidia.ko" ]
	[ -x "$TREE/bin/nvidia-smi" ]
	# The libraries are the same files.
	[ "$(stat -c %i "$TREE/lib64/libcuda.so.550.10")" = "$inode" ]
	[ "$(readlink "$HOST/opt/nvidia/current")" = 550.10/3975.2.0 ]
	# This one is no module, which is another matter.
	run nvc verify
	[[ $output == *'550.10/3975.2.0: whole ('* ]]
	[ "$(jq -r '.source | length' "$TREE/manifest.json")" = 3 ]
	[ "$(jq -r '.modules | length' "$TREE/manifest.json")" = 1 ]
	# Any of them once more has nothing to do.
	for archive in "$LIBRARIES" "$TOOLS" "$BATS_TEST_TMPDIR/modules-3975.2.0-550.10.tar.gz"; do
		run -0 nvc install "$archive"
		[[ $output == 'already installed: '* ]]
	done
	[ -z "$(find "$HOST/opt/nvidia" -maxdepth 1 -name '.staging*')" ]
}

@test "a tree is not completed while a container has it mounted" {
	nvc --quiet install "$LIBRARIES"
	keep_mounted "$TREE"
	mount --bind /proc "$HOST/proc"
	run -1 nvc install "$TOOLS"
	[[ $output == *"E54: "*"$TREE: it is mounted for process $KEEPER"* ]]
	[ ! -e "$TREE/bin/nvidia-smi" ]
	run -0 nvc verify
}

@test "a tree that lost one of its two descriptions is damaged: it is listed, found by verify, not used, and can go" {
	nvc --quiet install "$LIBRARIES"
	nvc --quiet install "$ARCHIVES/libraries-535.98.tar.gz"
	for file in start.json manifest.json; do
		rm "$HOST/opt/nvidia/535.98/3975.2.0/$file"
		run -1 nvc verify
		[[ $output == *"535.98/3975.2.0: $file: "*'No such file or directory'* ]]
		run -0 nvc list
		[[ $output == *535.98*damaged* ]]
		run -1 nvc use 535.98
		[[ $output == *'E24: '*"$file"* ]]
		[ "$(readlink "$HOST/opt/nvidia/current")" = 550.10/3975.2.0 ]
		nvc --quiet remove --yes 535.98
		[ ! -e "$HOST/opt/nvidia/535.98" ]
		nvc --quiet install "$ARCHIVES/libraries-535.98.tar.gz"
	done
}

# slowly CALL ARG...: nvcoreos, which waits two seconds right before the first call of that kind that moves a tree.
slowly() {
	local call=$1
	shift
	strace -f -o /dev/null -e "trace=$call" -e "inject=$call:delay_enter=2000000:when=1" "$NVCOREOS_BUILD/nvcoreos" --root "$HOST" "$@"
}

@test "remove and prune: a container that took the tree in the last moment keeps it" {
	nvc --quiet install "$LIBRARIES"
	mount --bind /proc "$HOST/proc"
	for verb in 'remove --yes 535.98' 'prune --keep 0'; do
		nvc --quiet install "$ARCHIVES/libraries-535.98.tar.gz"
		old=$HOST/opt/nvidia/535.98/3975.2.0
		# shellcheck disable=SC2086 # words
		slowly renameat $verb >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
		job=$!
		sleep 1
		keep_mounted "$old/views/compute"
		rc=0
		wait $job || rc=$?
		echo "$verb: $rc: $(cat "$BATS_TEST_TMPDIR/said")"
		[ $rc = 1 ]
		grep -q "E54: .*it is mounted for process $KEEPER" "$BATS_TEST_TMPDIR/said"
		[ -e "/proc/$KEEPER/root$BATS_TEST_TMPDIR/mnt/lib64/libcuda.so.535.98" ]
		[ -e "$old/start.json" ]
		run -0 nvc verify
		kill "$KEEPER"
		wait "$KEEPER" || :
		KEEPER=
	done
}

# The container's tree is read through its mount.
is_read() {
	grep -q . "/proc/$KEEPER/root$BATS_TEST_TMPDIR/mnt/$1"
}

end_keeper() {
	kill "$KEEPER"
	wait "$KEEPER" || :
	KEEPER=
}

@test "a tree that a container took in the last moment and that cannot be moved back is nobody's to delete until it ends" {
	said=$BATS_TEST_TMPDIR/said
	echo "log-file=$BATS_TEST_TMPDIR/log" >"$BATS_TEST_TMPDIR/conf"
	mount --bind /proc "$HOST/proc"
	for verb in 'remove --yes 535.98' 'prune --keep 0' "install $TOOLS"; do
		nvc --quiet install "$LIBRARIES"
		nvc --quiet install "$ARCHIVES/libraries-535.98.tar.gz"
		old=$HOST/opt/nvidia/535.98/3975.2.0 library=lib64/libcuda.so.535.98 first=renameat failed=renameat2:error=EIO
		[[ $verb != install* ]] || old=$TREE library=lib64/libcuda.so.550.10 first=syncfs failed=renameat2:error=EIO:when=2
		# shellcheck disable=SC2086 # words
		strace -f -o /dev/null -e "trace=$first,renameat2" -e "inject=$first:delay_enter=2000000:when=1" -e "inject=$failed" \
			"$NVCOREOS_BUILD/nvcoreos" --root "$HOST" --config "$BATS_TEST_TMPDIR/conf" $verb >"$said" 2>&1 3>&- &
		job=$!
		sleep 1
		keep_mounted "$old"
		rc=0
		wait $job || rc=$?
		echo "$verb: $rc: $(cat "$said")"
		[ $rc = 1 ]
		grep -q "E54: in use: $old: it is mounted for process $KEEPER: .* could not be moved back (Input/output error), stays as \." "$said"
		grep -q "warning: $old cannot be moved back, and stays as $HOST/opt/nvidia/\..* while it is in use: Input/output error" "$BATS_TEST_TMPDIR/log"
		is_read "$library"
		# Whatever changes the store now leaves it alone; when it is free, it goes.
		nvc --quiet use 550.10
		is_read "$library"
		run -0 nvc verify
		end_keeper
		nvc --quiet use 550.10
		[ -z "$(find "$HOST/opt/nvidia" -maxdepth 1 -name '.[sr]*')" ]
		[[ $verb = install* ]] || [ ! -e "$old" ]
		[[ $verb != install* ]] || [ -x "$TREE/bin/nvidia-smi" ]
	done
}

@test "remove waits for hooks that are at work" {
	nvc --quiet install "$LIBRARIES"
	nvc --quiet install "$ARCHIVES/libraries-535.98.tar.gz"
	mkdir "$HOST/proc/4711"
	echo nvcoreos-hook >"$HOST/proc/4711/comm"
	(sleep 1 && rm -r "$HOST/proc/4711") 3>&- &
	start=$EPOCHREALTIME
	nvc --quiet remove --yes 535.98
	[ $(((${EPOCHREALTIME/./} - ${start/./}) / 1000)) -ge 900 ]
	[ ! -e "$HOST/opt/nvidia/535.98" ]
}
