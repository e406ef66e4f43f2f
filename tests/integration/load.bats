# SPDX-License-Identifier: Apache-2.0
# nvcoreos-load on a host that does not exist: what it decides, the nodes it makes, its lock. Modules themselves are
# loaded only by kernels that have some.

load helpers

setup() {
	need_build nvcoreos-load && need_root mknod flock setpriv gcc xz jq
	dir=$(mktemp -d "${BATS_TEST_TMPDIR}/XXXXXX")
	fakehost_make "$dir" 2 535.261.03 511
	mkdir -p "$dir/store" "$dir/cuda"
	fakehost_conf "$dir" "$dir/store" "$dir/cuda" load-modules=yes load-timeout=2 >"$dir/conf"
}

teardown() {
	cleanup_umount "$dir"
}

nvload() {
	run --separate-stderr env -i "$NVCOREOS_BUILD/nvcoreos-load" --config "$dir/conf"
}

node() {
	stat -c '%F %Hr:%Lr %a' "$dir/dev/$1"
}

bats_require_minimum_version 1.5.0

@test "all loaded and all nodes there: nothing is done" {
	nvload
	[ "$status" = 0 ]
	[ "$output" = 'driver 535.261.03: loaded already; all device nodes are there' ]
	[ -z "$stderr" ]
}

@test "no NVIDIA PCI device: exit 3 and one line" {
	rm -r "$dir"/sys/bus/pci/devices/* "$dir/proc/driver/nvidia"
	nvload
	[ "$status" = 3 ]
	[ -z "$output" ]
	[ "$stderr" = "nvcoreos-load: E20: no NVIDIA GPU on this host: $dir/sys: No such device: there is nothing to load" ]
	# What the boot's unit runs next has no more to say.
	run -0 "$NVCOREOS_BUILD/nvcoreos" --config "$dir/conf" --quiet gpus --refresh
	[ -z "$output" ]
	run -3 "$NVCOREOS_BUILD/nvcoreos" --config "$dir/conf" gpus --refresh
	# Who looks at a host is told nothing of containers' requests.
	run -3 --separate-stderr "$NVCOREOS_BUILD/nvcoreos" --config "$dir/conf" status
	[ "$stderr" = "nvcoreos: E20: no NVIDIA GPU on this host: $dir/sys: No such device: nothing is to be done here" ]
}

@test "all GPUs kept for virtual machines: exit 3 with the reason, from the loader, the tool and a plan" {
	local nvcoreos=("$NVCOREOS_BUILD/nvcoreos" --config "$dir/conf") d held
	rm -r "$dir/proc/driver/nvidia"
	for d in "$dir"/sys/bus/pci/devices/*; do
		ln -sfn ../../../bus/pci/drivers/vfio-pci "$d/driver"
	done
	held="E20: no NVIDIA GPU on this host: GPU $(find "$dir/sys/bus/pci/devices" -type l -printf '%f\n' | sort | head -n 1)"
	held+=' is held by vfio-pci for virtual machines (and 1 more): '
	nvload
	[ "$status" = 3 ]
	[ "$stderr" = "nvcoreos-load: ${held}there is nothing to load" ]
	run -3 --separate-stderr "${nvcoreos[@]}" load
	[ "$stderr" = "nvcoreos: ${held}there is nothing to load" ]
	run -3 --separate-stderr "${nvcoreos[@]}" gpus
	[ "$stderr" = "nvcoreos: ${held}nothing is to be done here" ]
	run -3 --separate-stderr "${nvcoreos[@]}" status
	[ "$stderr" = "nvcoreos: ${held}nothing is to be done here" ]
	run --separate-stderr "${nvcoreos[@]}" plan --env NVIDIA_VISIBLE_DEVICES=all
	[[ "$stderr" = "nvcoreos: $held"* ]]
	# One that another driver holds is no such host.
	ln -sfn ../../../bus/pci/drivers/nouveau "$d/driver"
	run -1 "${nvcoreos[@]}" status
}

@test "missing nodes are made with number and mode, and linked by number" {
	find "$dir/dev" -mindepth 1 -delete
	nvload
	[ "$status" = 0 ]
	[ "$output" = 'driver 535.261.03: loaded already; made 8 device nodes' ]
	[ "$(node nvidiactl)" = 'character special file 195:255 666' ]
	[ "$(node nvidia0)" = 'character special file 195:0 666' ]
	[ "$(node nvidia1)" = 'character special file 195:1 666' ]
	[ "$(node nvidia-modeset)" = 'character special file 195:254 666' ]
	[ "$(node nvidia-uvm)" = 'character special file 511:0 666' ]
	[ "$(node nvidia-uvm-tools)" = 'character special file 511:1 666' ]
	[ "$(node nvidia-caps/nvidia-cap1)" = 'character special file 510:1 400' ]
	[ "$(node nvidia-caps/nvidia-cap2)" = 'character special file 510:2 444' ]
	[ "$(readlink "$dir/dev/char/195:0")" = ../nvidia0 ]
	[ "$(readlink "$dir/dev/char/510:1")" = ../nvidia-caps/nvidia-cap1 ]
	[ "$dir/dev/char/511:1" -ef "$dir/dev/nvidia-uvm-tools" ]
	[ -z "$(find "$dir/dev" -name '.nvcoreos*')" ]
}

@test "--nodes: the nodes alone, and nothing is ever loaded" {
	find "$dir/dev" -mindepth 1 -delete
	run -0 env -i "$NVCOREOS_BUILD/nvcoreos-load" --config "$dir/conf" --nodes
	[ "$output" = 'driver 535.261.03: loaded already; made 8 device nodes' ]
	# Without nvidia-uvm, then without any module: load would try.
	find "$dir/dev" -mindepth 1 -delete
	sed -i '/nvidia-uvm/d' "$dir/proc/devices"
	run -0 env -i "$NVCOREOS_BUILD/nvcoreos-load" --config "$dir/conf" --nodes
	[ "$output" = 'driver 535.261.03: loaded already; made 6 device nodes' ]
	rm "$dir/proc/driver/nvidia/version"
	run -0 env -i "$NVCOREOS_BUILD/nvcoreos-load" --config "$dir/conf" --nodes
	[ -z "$output" ]
	run -1 env -i "$NVCOREOS_BUILD/nvcoreos-load" --config "$dir/conf"
	run -2 env -i "$NVCOREOS_BUILD/nvcoreos-load" --config "$dir/conf" --nodes --unload
}

@test "wrong nodes are replaced" {
	rm "$dir/dev/nvidia0" "$dir/dev/nvidia1" "$dir/dev/nvidia-uvm"
	mknod -m 600 "$dir/dev/nvidia0" c 1 3
	ln -s /dev/null "$dir/dev/nvidia1"
	echo text >"$dir/dev/nvidia-uvm"
	nvload
	[ "$status" = 0 ]
	[ "$output" = 'driver 535.261.03: loaded already; made 3 device nodes' ]
	[ "$(node nvidia0)" = 'character special file 195:0 666' ]
	[ "$(node nvidia1)" = 'character special file 195:1 666' ]
	[ "$(node nvidia-uvm)" = 'character special file 511:0 666' ]
	[ -c /dev/null ]
}

@test "owner and mode of nodes that are there: status names them, load sets them" {
	local nvcoreos=("$NVCOREOS_BUILD/nvcoreos" --config "$dir/conf") inode
	inode=$(stat -c %i "$dir/dev/nvidia0")
	chmod 000 "$dir/dev/nvidia0" && chown 5:6 "$dir/dev/nvidia0"
	chmod 666 "$dir/dev/nvidia-caps/nvidia-cap1"
	run -1 "${nvcoreos[@]}" status
	[[ "$output" == *"problem       /dev/nvidia0 has mode 000 and owner 5:6, and the driver says 666 and 0:0"$'\n'* ]]
	[[ "$output" == *"problem       /dev/nvidia-caps/nvidia-cap1 has mode 666 and owner 0:0, and the driver says 400 and 0:0"$'\n'* ]]
	nvload
	[ "$status" = 0 ]
	[ "$output" = 'driver 535.261.03: loaded already; set owner and mode of 2 device nodes' ]
	# The same node: what a container has of it is that very one.
	[ "$(stat -c '%a %u:%g %i' "$dir/dev/nvidia0")" = "666 0:0 $inode" ]
	[ "$(node nvidia-caps/nvidia-cap1)" = 'character special file 510:1 400' ]
	nvload
	[ "$output" = 'driver 535.261.03: loaded already; all device nodes are there' ]
	run "${nvcoreos[@]}" status
	[[ "$output" != *'/dev/'* ]]
	# Another mode, as after an unload and a load with other parameters; capabilities have their own, and are root's.
	sed -i 's/^DeviceFileMode: .*/DeviceFileMode: 432/; s/^DeviceFileGID: .*/DeviceFileGID: 44/' "$dir/proc/driver/nvidia/params"
	rm "$dir/dev/nvidia1"
	nvload
	[ "$output" = 'driver 535.261.03: loaded already; made 1 device node, set owner and mode of 5' ]
	[ "$(stat -c '%a %g' "$dir"/dev/nvidia{0,1,ctl,-modeset,-uvm,-uvm-tools} | sort -u)" = '660 44' ]
	[ "$(stat -c '%a %g' "$dir"/dev/nvidia-caps/nvidia-cap{1,2} | tr '\n' ' ')" = '400 0 444 0 ' ]
}

@test "owner and mode are load's alone: what runs for missing nodes sets none, nor does anybody where the driver tells none" {
	local way
	for way in --nodes --missing; do
		chmod 660 "$dir/dev/nvidiactl"
		rm "$dir/dev/nvidia1"
		run -0 env -i "$NVCOREOS_BUILD/nvcoreos-load" --config "$dir/conf" $way
		[ "$output" = 'driver 535.261.03: loaded already; made 1 device node' ]
		[ "$(node nvidiactl)" = 'character special file 195:255 660' ]
	done
	rm "$dir/proc/driver/nvidia/params"
	nvload
	[ "$output" = 'driver 535.261.03: loaded already; all device nodes are there' ]
	[ "$(node nvidiactl)" = 'character special file 195:255 660' ]
}

@test "owner and mode: no link is followed" {
	mv "$dir/dev/nvidia0" "$dir/dev/victim"
	chmod 600 "$dir/dev/victim"
	ln -s victim "$dir/dev/nvidia0"
	nvload
	[ "$output" = 'driver 535.261.03: loaded already; made 1 device node' ]
	[ "$(node victim)" = 'character special file 195:0 600' ]
	[ "$(node nvidia0)" = 'character special file 195:0 666' ]
}

@test "owner and mode come from the module's parameters" {
	sed -i 's/^DeviceFileMode: .*/DeviceFileMode: 432/; s/^DeviceFileGID: .*/DeviceFileGID: 44/' "$dir/proc/driver/nvidia/params"
	rm "$dir/dev/nvidia1"
	nvload
	[ "$status" = 0 ]
	[ "$(stat -c '%a %g' "$dir/dev/nvidia1")" = '660 44' ]
}

@test "a mode that is none: the nodes are root's alone" {
	sed -i 's/^DeviceFileMode: .*/DeviceFileMode: 33206/' "$dir/proc/driver/nvidia/params"
	rm "$dir/dev/nvidia1"
	nvload
	[ "$status" = 0 ]
	[ "$(node nvidia1)" = 'character special file 195:1 600' ]
	grep -q 'DeviceFileMode of the driver is no mode' "$dir/nvcoreos.log"
}

@test "a directory in a node's place is an error that names it" {
	rm "$dir/dev/nvidia1" && mkdir "$dir/dev/nvidia1"
	nvload
	[ "$status" = 1 ]
	[[ "$stderr" = 'nvcoreos-load: E25: device node is missing or wrong: dev-root/nvidia1: Is a directory: '* ]]
}

@test "MIG instances get their nodes" {
	fakehost_mig "$dir" 0 1 0
	rm "$dir"/dev/nvidia-caps/*
	nvload
	[ "$status" = 0 ]
	[ "$output" = 'driver 535.261.03: loaded already; made 4 device nodes' ]
}

@test "MIG instances that came later: status names their nodes" {
	fakehost_mig "$dir" 0 1 0
	local node nvcoreos=("$NVCOREOS_BUILD/nvcoreos" --config "$dir/conf")
	node=nvidia-caps/$(find "$dir/dev/nvidia-caps" -type c -printf '%f\n' | sort -V | tail -n 1)
	run "${nvcoreos[@]}" status
	[[ "$output" == *" $node"* && "$output" != *"/dev/$node is missing"* ]]
	rm "$dir/dev/$node"
	run -1 "${nvcoreos[@]}" status
	[[ "$output" == *"problem       /dev/$node is missing or wrong"* ]]
}

@test "status looks at every node that load makes" {
	local node nvcoreos=("$NVCOREOS_BUILD/nvcoreos" --config "$dir/conf")
	echo 'imex-channels=5' >>"$dir/conf"
	sed -i 's/^Block devices:/238 nvidia-caps-imex-channels\n&/' "$dir/proc/devices"
	nvload
	run "${nvcoreos[@]}" status
	[[ "$output" != *'problem       /dev/'* ]]
	while read -r node; do
		mv "$dir/dev/$node" "$dir/node"
		run -1 "${nvcoreos[@]}" status
		[[ "$output" == *"problem       /dev/$node is missing or wrong"* ]]
		mv "$dir/node" "$dir/dev/$node"
	done < <(cd "$dir/dev" && find . -type c -printf '%P\n')
	# As load, status follows no link.
	mv "$dir/dev/nvidia-caps" "$dir/elsewhere" && ln -s "$dir/elsewhere" "$dir/dev/nvidia-caps"
	run -1 "${nvcoreos[@]}" status
	[[ "$output" == *'problem       /dev/nvidia-caps/nvidia-cap1 is missing or wrong'* ]]
	nvload
	[ "$status" = 1 ]
	[[ "$stderr" = 'nvcoreos-load: E25: '*'dev-root/nvidia-caps/nvidia-cap'* ]]
}

@test "capabilities that the driver names, with the mode that it gives them" {
	fakehost_cap_file "$dir/proc/driver/nvidia/capabilities/fabric-imex-mgmt" 4323 256
	fakehost_cap_file "$dir/proc/driver/nvidia-nvlink/capabilities/fabric-mgmt" 3 292
	echo 'nothing that is understood' >"$dir/proc/driver/nvidia/capabilities/later"
	nvload
	[ "$status" = 0 ]
	[ "$output" = 'driver 535.261.03: loaded already; made 2 device nodes' ]
	[ "$(node nvidia-caps/nvidia-cap4323)" = 'character special file 510:4323 400' ]
	[ "$(node nvidia-caps/nvidia-cap3)" = 'character special file 510:3 444' ]
	fakehost_cap_file "$dir/proc/driver/nvidia/capabilities/fabric-imex-mgmt" 4323 511
	rm "$dir/dev/nvidia-caps/nvidia-cap4323"
	nvload
	[ "$(node nvidia-caps/nvidia-cap4323)" = 'character special file 510:4323 777' ]
}

@test "NVSwitches, where there are some" {
	sed -i 's/^Block devices:/237 nvidia-nvswitch\n236 nvidia-nvlink\n&/' "$dir/proc/devices"
	nvload
	[ "$output" = 'driver 535.261.03: loaded already; all device nodes are there' ]
	mkdir -p "$dir/proc/driver/nvidia-nvswitch/devices/0000:86:00.0" "$dir/proc/driver/nvidia-nvswitch/devices/0000:87:00.0"
	echo 'DeviceFileMode: 432' >"$dir/proc/driver/nvidia-nvswitch/permissions"
	nvload
	[ "$status" = 0 ]
	[ "$output" = 'driver 535.261.03: loaded already; made 4 device nodes' ]
	[ "$(node nvidia-nvswitchctl)" = 'character special file 237:255 660' ]
	[ "$(node nvidia-nvswitch0)" = 'character special file 237:0 660' ]
	[ "$(node nvidia-nvswitch1)" = 'character special file 237:1 660' ]
	[ "$(node nvidia-nvlink)" = 'character special file 236:0 666' ]
	[ "$(readlink "$dir/dev/char/237:255")" = ../nvidia-nvswitchctl ]
}

@test "IMEX channels that nvcoreos.conf names, and no others" {
	sed -i 's/^Block devices:/238 nvidia-caps-imex-channels\n&/' "$dir/proc/devices"
	nvload
	[ ! -e "$dir/dev/nvidia-caps-imex-channels" ]
	echo 'imex-channels=0 2047' >>"$dir/conf"
	nvload
	[ "$output" = 'driver 535.261.03: loaded already; made 2 device nodes' ]
	[ "$(node nvidia-caps-imex-channels/channel0)" = 'character special file 238:0 666' ]
	[ "$(node nvidia-caps-imex-channels/channel2047)" = 'character special file 238:2047 666' ]
	[ "$(readlink "$dir/dev/char/238:0")" = ../nvidia-caps-imex-channels/channel0 ]
}

@test "no GPU that the driver has taken: its control nodes all the same" {
	rm -r "$dir"/proc/driver/nvidia/gpus/* "$dir"/dev/nvidia*
	nvload
	[ "$status" = 0 ]
	[ "$(ls "$dir/dev")" = "$(printf '%s\n' char nvidia-caps nvidia-modeset nvidia-uvm nvidia-uvm-tools nvidiactl)" ]
}

@test "modules are missing and nobody has them: E23 names OS version and places" {
	rm "$dir/proc/driver/nvidia/version"
	[ ! -e "/lib/modules/$(uname -r)" ] || skip 'this kernel has modules: nothing is tried on it'
	nvload
	[ "$status" = 1 ]
	[[ "$stderr" = "nvcoreos-load: E23: no installed driver fits: no NVIDIA modules for "*" in $dir/store, nor in /lib/modules/$(uname -r): "* ]]
}

# module FILE VERSION
module() {
	printf '.data\n.quad printk\n.section .modinfo,"a"\n.asciz "version=%s"\n' "$2" | gcc -c -x assembler -o "$1" -
}

# other_module FILE DIR: this one in the place of the one in a tree's directory of modules, and the manifest says so.
other_module() {
	cp "$1" "$2/"
	jq --arg path "modules/${1##*/}" --arg sum "$(sha256sum <"$1" | cut -d' ' -f1)" \
		'(.files[] | select(.path == $path)).sha256 = $sum' "$2/../manifest.json" >"$BATS_TEST_TMPDIR/manifest"
	cp "$BATS_TEST_TMPDIR/manifest" "$2/../manifest.json"
}

@test "a tree's modules are looked at, and what is none, damaged or unknown is named in one sentence" {
	local os firmware modules=$BATS_TEST_TMPDIR/modules
	# shellcheck source=/dev/null
	os=$(. /etc/os-release && echo "$ID-$VERSION_ID-$(uname -r)")
	"$NVC_TESTS/fixtures/sample-driver/build.sh" "$BATS_TEST_TMPDIR/archives" 535.261.03 >/dev/null
	mkdir "$modules"
	echo 'no module' >"$modules/nvidia.ko"
	module "$modules/nvidia-drm.ko" 535.261.03
	xz -k "$modules/nvidia-drm.ko"
	tar -C "$modules" -czf "$BATS_TEST_TMPDIR/archives/modules-$os-535.261.03.tar.gz" nvidia.ko nvidia-drm.ko.xz
	"$NVCOREOS_BUILD/nvcoreos" --config "$dir/conf" --quiet install --use "$BATS_TEST_TMPDIR"/archives/*.tar.gz
	# What is packed libkmod alone reads here, and it ends the process where the names of the sections stand beyond all of them.
	printf '\377' | dd of="$modules/nvidia-drm.ko" bs=1 seek=62 conv=notrunc status=none
	xz "$modules/nvidia-drm.ko" -c >"$BATS_TEST_TMPDIR/nvidia-drm.ko.xz"
	modules=$(echo "$dir/store/535.261.03"/*/modules)
	other_module "$BATS_TEST_TMPDIR/nvidia-drm.ko.xz" "$modules"
	rm "$dir/proc/driver/nvidia/version"
	one_line() {
		nvload
		[ "$status" = 1 ]
		# shellcheck disable=SC2154 # bats sets it
		[ "${#stderr_lines[@]}" = 1 ]
		# shellcheck disable=SC2053 # a pattern
		[[ "$stderr" == "nvcoreos-load: E22: loading the NVIDIA kernel modules failed: "$1 ]]
	}
	# The firmware's path follows the tree, unless an administrator has set one, be its name like the store's.
	firmware=$dir/sys/module/firmware_class/parameters/path
	mkdir -p "${firmware%/*}" "${modules%/*}/firmware"
	echo "$dir/store-of-mine" >"$firmware"
	one_line 'nvidia.ko: no module, or damaged*: install the modules again'
	[ "$(cat "$firmware")" = "$dir/store-of-mine" ]
	grep -q "firmware path stays $dir/store-of-mine" "$dir/nvcoreos.log"
	echo "$dir/store/1/firmware" >"$firmware"
	one_line 'nvidia.ko: no module, or damaged*: install the modules again'
	[ "$(head -c "$(echo -n "${modules%/*}/firmware" | wc -c)" "$firmware")" = "${modules%/*}/firmware" ]
	echo more >>"$modules/nvidia.ko"
	echo 'module-flavour=open' >>"$dir/conf"
	nvload
	[ "$status" = 1 ]
	[ "$stderr" = "nvcoreos-load: E23: no installed driver fits: ${modules%/*} has proprietary modules only, and module-flavour is open: \
set module-flavour=auto, or install the modules of that flavour" ]
	sed -i '$d' "$dir/conf"
	one_line "$modules/nvidia.ko: damaged: its content is not what the tree's manifest says: install the modules again"
	# What takes longer than load-timeout ends there, by its own clock: this one takes minutes to read.
	truncate -s 100G "$modules/nvidia.ko"
	one_line "not done within 2 s: see 'dmesg'"
	truncate -s 0 "$modules/nvidia.ko"
	mv "$modules/nvidia.ko" "$modules/nvidia-uvm.ko"
	one_line "$modules/nvidia-uvm.ko: the tree's manifest has no such file: *"
	mv "$modules/nvidia-uvm.ko" "$modules/nvidia.ko.gz"
	one_line "$modules/nvidia.ko.gz: no form of a module that can be read: take it away, or make it a .ko, .ko.xz or .ko.zst"
	rm "$modules/nvidia.ko.gz"
	one_line 'nvidia-drm.ko.xz: no module, or damaged: install the modules again'
}

@test "of a kernel that tells nothing, modules of another driver are not loaded all the same" {
	local os modules=$BATS_TEST_TMPDIR/modules tree
	[ ! -e "/lib/modules/$(uname -r)" ] || skip 'this kernel has modules: nothing is tried on it'
	# shellcheck source=/dev/null
	os=$(. /etc/os-release && echo "$ID-$VERSION_ID-$(uname -r)")
	"$NVC_TESTS/fixtures/sample-driver/build.sh" "$BATS_TEST_TMPDIR/archives" 535.261.03 >/dev/null
	mkdir "$modules"
	module "$modules/nvidia.ko" 535.261.03
	module "$modules/nvidia-uvm.ko" 535.261.03
	tar -C "$modules" -czf "$BATS_TEST_TMPDIR/archives/modules-$os-535.261.03.tar.gz" nvidia.ko nvidia-uvm.ko
	"$NVCOREOS_BUILD/nvcoreos" --config "$dir/conf" --quiet install --use "$BATS_TEST_TMPDIR"/archives/*.tar.gz
	rm "$dir/proc/driver/nvidia/version"
	# The kernel takes none of these, whatever they say.
	nvload
	[ "$status" = 1 ]
	echo "$stderr"
	[[ "$stderr" == 'nvcoreos-load: E22: '*': nvidia: '* ]]
	grep -q 'the modules are loaded unproven: E26: .* tell no symbol' "$dir/nvcoreos.log"
	: >"$dir/nvcoreos.log"
	tree=$(echo "$dir/store/535.261.03"/*)
	module "$BATS_TEST_TMPDIR/nvidia-uvm.ko" 550.163.01
	other_module "$BATS_TEST_TMPDIR/nvidia-uvm.ko" "$tree/modules"
	nvload
	[ "$status" = 1 ]
	[ "$stderr" = "nvcoreos-load: E22: loading the NVIDIA kernel modules failed: nvidia_uvm: is of driver 550.163.01, not 535.261.03: \
install the modules of this OS version; 'nvcoreos verify' names all" ]
	run ! grep unproven "$dir/nvcoreos.log"
}

@test "the second of two loaders waits, and gives up at load-timeout" {
	local busy
	rm "$dir/dev/nvidia1"
	flock "$dir/run/load.lock" sleep 1 3>&- &
	sleep 0.3
	nvload
	[ "$status" = 0 ]
	[ -c "$dir/dev/nvidia1" ]
	wait
	flock "$dir/run/load.lock" sleep 6 3>&- &
	sleep 0.3
	nvload
	[ "$status" = 1 ]
	busy="E54: in use: another nvcoreos-load has been at work for 2 s ($dir/run/load.lock): try again later"
	[ "$stderr" = "nvcoreos-load: $busy" ]
	# Who runs it waits for its answer.
	run -1 --separate-stderr "$NVCOREOS_BUILD/nvcoreos" --config "$dir/conf" load
	[ "$stderr" = "nvcoreos: $busy" ]
	wait
}

@test "who is not root is told so" {
	local say="E07: not permitted: $dir/run/load.lock: Permission denied: run as root" verb
	touch "$dir/run/load.lock" && chmod 600 "$dir/run/load.lock"
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR" "$dir"
	as_nobody() {
		setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	}
	# The build may lie where others cannot go.
	mkdir "$dir/bin" && cp "$NVCOREOS_BUILD/nvcoreos" "$NVCOREOS_BUILD/nvcoreos-load" "$dir/bin/"
	sed -i "s,^libexec-dir=.*,libexec-dir=$dir/bin," "$dir/conf"
	for verb in load unload; do
		run -1 --separate-stderr as_nobody "$dir/bin/nvcoreos" --config "$dir/conf" "$verb"
		[ "$stderr" = "nvcoreos: $say" ]
	done
}

@test "unloading: who stands on the modules is named before any goes" {
	local nvcoreos=("$NVCOREOS_BUILD/nvcoreos" --config "$dir/conf") sys=$dir/sys/module
	run -0 "${nvcoreos[@]}" unload
	mkdir -p "$sys/nvidia/holders" "$sys/nvidia_uvm/holders"
	touch "$sys"/nvidia/holders/{gdrdrv,nvidia_fs,nvidia_uvm}
	echo 3 >"$sys/nvidia/refcnt"
	run -1 --separate-stderr "${nvcoreos[@]}" unload
	[[ "$stderr" =~ ^'nvcoreos: E54: in use: nvidia is used by the modules '(gdrdrv, nvidia_fs|nvidia_fs, gdrdrv)': unload these first'$ ]]
	rm "$sys"/nvidia/holders/{gdrdrv,nvidia_fs}
	# One of what nvidia counts is nvidia_uvm's, what is counted beyond that is somebody's.
	run -1 --separate-stderr "${nvcoreos[@]}" unload
	[ "$stderr" = "nvcoreos: E54: in use: nvidia is used: end what uses the GPUs, the console among it, or reboot" ]
	echo 1 >"$sys/nvidia/refcnt"
	run -0 "${nvcoreos[@]}" unload
	echo 1 >"$sys/nvidia_uvm/refcnt"
	run -1 --separate-stderr "${nvcoreos[@]}" unload
	[ "$stderr" = "nvcoreos: E54: in use: nvidia_uvm is used: end what uses the GPUs, the console among it, or reboot" ]
	# And what fails otherwise is not called loading.
	printf '#!/bin/sh\necho boom\nexit 1\n' >"$dir/nvcoreos-load" && chmod +x "$dir/nvcoreos-load"
	sed -i "s,^libexec-dir=.*,libexec-dir=$dir," "$dir/conf"
	run -1 --separate-stderr "${nvcoreos[@]}" unload
	[ "$stderr" = "nvcoreos: E57: unloading the NVIDIA kernel modules failed: boom: see 'dmesg', or reboot" ]
}

@test "unloading: nodes whose majors are anybody's now go, and nothing else" {
	sed -i 's/^Block devices:/237 nvidia-nvswitch\n236 nvidia-nvlink\n238 nvidia-caps-imex-channels\n&/' "$dir/proc/devices"
	mkdir -p "$dir/proc/driver/nvidia-nvswitch/devices/0000:86:00.0"
	echo 'imex-channels=0 7' >>"$dir/conf"
	nvload
	[ -c "$dir/dev/nvidia-nvswitch0" ] && [ -c "$dir/dev/nvidia-caps-imex-channels/channel7" ]
	[ -c "$dir/dev/nvidia-nvlink" ] && [ -c "$dir/dev/nvidia-caps/nvidia-cap2" ]
	# Another's number, another's name, another's link.
	mknod "$dir/dev/nvidia-caps/nvidia-cap9" c 510 8
	mknod "$dir/dev/mine" c 511 0
	ln -sfn ../mine "$dir/dev/char/511:0"
	run -0 env -i "$NVCOREOS_BUILD/nvcoreos-load" --config "$dir/conf" --unload
	[ "$(cd "$dir/dev" && find . -type c -o -type l | sort | tr '\n' ' ')" = "./char/195:0 ./char/195:1 ./char/195:254 ./char/195:255 \
./char/511:0 ./mine ./nvidia-caps/nvidia-cap9 ./nvidia-modeset ./nvidia0 ./nvidia1 ./nvidiactl " ]
	[ ! -e "$dir/dev/nvidia-caps-imex-channels" ]
}

# libkmod as it would answer if uvm went and nvidia did not.
half_unload() {
	cat >"$dir/half.c" <<-'EOF'
		#include <errno.h>
		#include <stdlib.h>
		#include <string.h>
		const char *kmod_module_get_name(const void *m);
		int kmod_module_get_initstate(const void *m)
		{
			return strcmp(kmod_module_get_name(m), "nvidia") && strcmp(kmod_module_get_name(m), "nvidia_uvm") ? -ENOENT : 1; /* live */
		}
		int kmod_module_remove_module(void *m, unsigned flags)
		{
			(void)flags;
			return strcmp(kmod_module_get_name(m), "nvidia_uvm") ? -EBUSY : system(getenv("GONE"));
		}
	EOF
	cc -shared -fPIC -o "$dir/half.so" "$dir/half.c"
	run -1 --separate-stderr env -i LD_PRELOAD="$dir/half.so" GONE="$1" "$NVCOREOS_BUILD/nvcoreos-load" --config "$dir/conf" --unload
}

@test "unloading fails halfway: nodes of the modules that went go, those of the others stay" {
	local all uvm
	nvload
	all=$(cd "$dir/dev" && find . -type c -o -type l | sort)
	uvm=$(grep uvm "$dir/proc/devices")
	half_unload "sed -i /uvm/d '$dir/proc/devices'"
	[[ "$stderr" == 'nvcoreos-load: E54: in use: nvidia is used'*'; nvidia_uvm went before it, and '* ]]
	[ "$(cd "$dir/dev" && find . -type c -o -type l | sort)" = "$(grep -v uvm <<<"$all" | grep -v 511:)" ]
	# What cannot be read tells nothing: nothing goes.
	sed -i "s/^Block devices:/$uvm\n&/" "$dir/proc/devices"
	nvload
	[ "$(cd "$dir/dev" && find . -type c -o -type l | sort)" = "$all" ]
	half_unload "rm '$dir/proc/devices' && mkdir '$dir/proc/devices'"
	[ "$(cd "$dir/dev" && find . -type c -o -type l | sort)" = "$all" ]
}

@test "run-dir is made, and usage is exit 2" {
	rm -r "$dir/run"
	nvload
	[ "$status" = 0 ]
	[ -f "$dir/run/load.lock" ]
	run "$NVCOREOS_BUILD/nvcoreos-load" --nonsense
	[ "$status" = 2 ]
	run "$NVCOREOS_BUILD/nvcoreos-load" word
	[ "$status" = 2 ]
}

@test "another root: nothing is asked of this host's kernel, and no program of that root's configuration runs" {
	local words
	mkdir -p "$dir/other/etc/nvcoreos"
	printf '#!/bin/sh\ntouch %s/ran\n' "$dir" >"$dir/nvcoreos-load" && chmod +x "$dir/nvcoreos-load"
	echo "libexec-dir=$dir" >"$dir/other/etc/nvcoreos/nvcoreos.conf"
	for words in load unload 'use --now 535.261.03' 'gpus --refresh'; do
		# shellcheck disable=SC2086 # words
		run -2 --separate-stderr "$NVCOREOS_BUILD/nvcoreos" --root "$dir/other" $words
		[[ $stderr == "nvcoreos: E02: wrong usage: "*" with --root $dir/other: "*' the running host'* ]]
	done
	[ ! -e "$dir/ran" ] && [ ! -e "$dir/other/run" ]
}

@test "--json: load, unload and status print JSON, without a GPU too" {
	local nvcoreos=("$NVCOREOS_BUILD/nvcoreos" --config "$dir/conf" --json)
	run -0 --separate-stderr "${nvcoreos[@]}" load
	[ "$(jq -c . <<<"$output")" = '{"driver":"535.261.03","said":["driver 535.261.03: loaded already; all device nodes are there"]}' ]
	run -0 --separate-stderr "${nvcoreos[@]}" unload
	[ "$(jq -c .said <<<"$output")" = '["nothing is loaded"]' ]
	rm -r "$dir/sys/bus/pci/devices" "$dir/proc/driver/nvidia"
	run -3 --separate-stderr "${nvcoreos[@]}" status
	[ "$(jq -c '[.gpus, .driver, .problems]' <<<"$output")" = '[0,null,["no NVIDIA GPU on the PCI bus"]]' ]
	[[ $stderr == 'nvcoreos: E20: '* ]]
}
