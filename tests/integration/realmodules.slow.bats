#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# NVIDIA's real kernel modules, proprietary and open, as Debian's packages have them and nothing changed, on Debian's stable kernel and on
# its backport: a virtual machine each, with two GPUs whose registers name an A100 and do nothing. Each boots once; guest.sh is what it
# runs, and each test here looks at what one of its steps wrote, on both.

bats_require_minimum_version 1.5.0
load helpers
load vm

# The suites of the kernels, of the driver that is built for both, and of a newer one whose programs and libraries alone are used.
suites='bookworm bookworm-backports'
driver_suite=bookworm
newer_suite=trixie

why_not() {
	local name
	[ "$(id -u)" = 0 ] || echo 'needs root'
	for name in runc jq cc strip zstd modinfo modprobe readelf; do
		command -v "$name" >/dev/null || echo "not installed: $name"
	done
	for name in nvcoreos nvcoreos-hook nvcoreos-runtime nvcoreos-load; do
		[ -x "$NVCOREOS_BUILD/$name" ] || echo "not built: $NVCOREOS_BUILD/$name"
	done
	vm_needs 2>&1 || :
}

# What is cached: for each suite, links WORK/SUITE.kernel and WORK/SUITE.modules; then the rest. The programs and libraries must be of
# the modules' version, which may have come into the archive after them.
fetch() {
	local suite kernel modules
	for suite in $suites; do
		kernel=$(vm_kernel_of "$suite" amd64) && modules=$(realmodules "$kernel" $driver_suite) || return
		ln -s "$kernel" "$WORK/$suite.kernel" && ln -s "$modules" "$WORK/$suite.modules" || return
		DRIVER=$(modinfo -F version "$modules/proprietary/nvidia.ko")
	done
	[ "$("$NVC_LIB/realdriver.sh" --version $driver_suite)" = "$DRIVER" ] || "$NVC_LIB/realdriver.sh" --remove $driver_suite || return
	[ "$("$NVC_LIB/realdriver.sh" --version $driver_suite)" = "$DRIVER" ] && NEWER=$("$NVC_LIB/realdriver.sh" --version $newer_suite) &&
		BUSYBOX=$("$NVC_LIB/roots.sh" --busybox) && DEBIAN=$("$NVC_LIB/roots.sh" bookworm)
}

# Older bats know no skip here: setup does it.
setup_file() {
	# shellcheck source=tests/lib/vm.sh
	. "$NVC_LIB/vm.sh"
	# shellcheck source=tests/lib/realmodules.sh
	. "$NVC_LIB/realmodules.sh"
	export WORK=$BATS_FILE_TMPDIR DRIVER NEWER BUSYBOX DEBIAN WHY_NOT
	local suite flavour rc=0
	WHY_NOT=$(why_not)
	[ -z "$WHY_NOT" ] || return 0
	fetch || rc=$?
	[ $rc != 3 ] || WHY_NOT='the kernels, the drivers or the roots cannot be had here'
	[ $rc != 3 ] || return 0
	[ $rc = 0 ]
	make_archives "$WORK/archives" $driver_suite "$DRIVER" && make_archives "$WORK/newer" $newer_suite "$NEWER" &&
		make_rootfs "$WORK/rootfs" || return
	for suite in $suites; do
		for flavour in proprietary open; do
			modules_archive "$WORK/$suite.archives" "$suite" $flavour "$(os_of "$suite")" || return
		done
		make_guest "$WORK/guest" "$suite" && vm_pack "$WORK/guest" "$NVC_TESTS/fixtures/realmodules/guest.sh" "$WORK/image" &&
			vm_boot "$WORK/$suite.kernel" "$WORK/image" "$WORK/$suite.console" 300 2048 'memmap=32M$0x30000000' || return
		rm -rf "$WORK/guest" "$WORK/image"
	done
}

setup() {
	[ -z "$WHY_NOT" ] || skip_or_fail "$WHY_NOT"
}

# make_archives DIR SUITE DRIVER: the real programs, and of the libraries those that they open. Every byte is unpacked by an emulated
# processor: few are best, and what unpacks fastest.
make_archives() {
	local tree
	tree=$("$NVC_LIB/realdriver.sh" "$2") && mkdir -p "$1" &&
		find "$tree" -type f \( -name 'libcuda.so.*' -o -name 'libnvidia-ml.so.*' -o -name 'libnvidia-cfg.so.*' \) |
		pack "$1/libraries-$3.tar.zst" &&
		find "$tree" -type f -name nvidia-smi | pack "$1/tools-$3.tar.zst"
}

# pack ARCHIVE: of the files on stdin, flat.
pack() {
	tar --transform 's,^.*/,,' --owner=0 --group=0 -P -I 'zstd -1 -q' -c -f "$1" -T -
}

# modules_archive DIR SUITE FLAVOUR OS: the modules for SUITE's kernel, called as if they were for OS.
modules_archive() {
	local name=modules-$4-$DRIVER
	[ "$3" = proprietary ] || name=$name-$3
	mkdir -p "$1" && find "$WORK/$2.modules/$3/" -name '*.ko' ! -name nvidia-peermem.ko | pack "$1/$name.tar.zst"
}

# The container's root. It has an nvidia-smi of its own where no PATH leads to, and a newer one with its library.
make_rootfs() {
	local own newer
	own=$("$NVC_LIB/realdriver.sh" $driver_suite) && newer=$("$NVC_LIB/realdriver.sh" $newer_suite) && mkdir "$1" &&
		tar -C "$DEBIAN" --exclude='./var/*' --exclude='./usr/share/*' -c . | tar -C "$1" -x && mkdir "$1/opt/own" "$1/opt/newer" &&
		cp "$(find "$own" -type f -name nvidia-smi)" "$1/opt/own/" && cp "$(find "$newer" -type f -name nvidia-smi)" "$1/opt/newer/" &&
		cp "$(find "$newer" -type f -name 'libnvidia-ml.so.*')" "$1/opt/newer/libnvidia-ml.so.1"
}

# other SUITE: the other one.
other() {
	tr ' ' '\n' <<<"$suites" | grep -vx "$1"
}

# symvers SUITE: what its kernel exports.
symvers() {
	printf '%s/headers/usr/src/linux-headers-%s/Module.symvers\n' "$WORK/$1.kernel" "$(cat "$WORK/$1.kernel/release")"
}

# os_of SUITE: the OS version of its guest.
os_of() {
	printf 'debian-12-%s\n' "$(cat "$WORK/$1.kernel/release")"
}

# make_guest GUEST SUITE
make_guest() {
	local guest=$1 suite=$2 real=$1/real os standins
	os=$(os_of "$suite")
	standins=$(vm_modules "$(readlink "$WORK/$suite.kernel")" "$NVC_TESTS/fixtures/modules") && cp -a "$BUSYBOX" "$guest" && mkdir "$real" &&
		cp "$standins/standin-gpu.ko" "$real/" && vm_install "$guest" && vm_program "$guest" "$(command -v modprobe)" /usr/sbin/modprobe &&
		vm_program "$guest" "$WORK/rootfs/opt/own/nvidia-smi" /opt/own/nvidia-smi &&
		vm_own "$guest" "$WORK/$suite.kernel" && printf 'ID=debian\nVERSION_ID="12"\n' >"$guest/etc/os-release" && vm_bundle "$real" || return
	echo "$os" >"$real/os" && echo "$DRIVER" >"$real/driver" && echo "$NEWER" >"$real/newer" &&
		cp -a "$WORK/rootfs" "$WORK/archives" "$real/" && cp -a "$WORK/newer" "$real/newer-archives" &&
		cp "$WORK/$suite.archives"/* "$real/archives/" && modules_archive "$real/wrong" "$(other "$suite")" open "$os"
}

# on SUITE: what follows is of its machine.
on() {
	suite=$1
	CONSOLE=$WORK/$1.console
	OS=$(os_of "$1")
	TREE=/opt/nvidia/$DRIVER/$OS
	echo "# on the kernel of $1"
}

# number NAME: its major in hexadecimal, as /proc/devices tells it.
number() {
	printf '%x\n' "$(said devices | awk -v name="$1" '$2 == name { print $1 }')"
}

# checksums FLAVOUR PLACE: of the cached files, as if they lay in PLACE.
checksums() {
	(cd "$WORK/$suite.modules/$1" && sha256sum nvidia-drm.ko nvidia-modeset.ko nvidia-uvm.ko nvidia.ko) | sed "s,  ,&$2/,"
}

# build_ids FLAVOUR: of the cached files, as the guest says it of the loaded ones: after the note's head.
build_ids() {
	local name
	for name in nvidia nvidia-uvm nvidia-modeset nvidia-drm; do
		printf '%s 040000001400000003000000474e5500%s\n' "${name//-/_}" \
			"$(readelf -n "$WORK/$suite.modules/$1/$name.ko" | sed -n 's/.*Build ID: //p')"
	done
}

# exactly_nodes STEP: all nodes of the driver with two GPUs: numbers, modes, owner.
exactly_nodes() {
	is "$1" 0 "/dev/nvidia-caps/nvidia-cap0 $(number nvidia-caps):0 400 0:0" "/dev/nvidia-caps/nvidia-cap1 $(number nvidia-caps):1 400 0:0" "/dev/nvidia-caps/nvidia-cap2 $(number nvidia-caps):2 444 0:0" \
		'/dev/nvidia-modeset c3:fe 666 0:0' "/dev/nvidia-uvm $(number nvidia-uvm):0 666 0:0" \
		"/dev/nvidia-uvm-tools $(number nvidia-uvm):1 666 0:0" \
		'/dev/nvidia0 c3:0 666 0:0' '/dev/nvidia1 c3:1 666 0:0' '/dev/nvidiactl c3:ff 666 0:0'
}

@test "the modules are Debian's: each for its kernel, with NVIDIA's version and licence" {
	for suite in $suites; do
		for flavour in proprietary open; do
			nvidia=$WORK/$suite.modules/$flavour/nvidia.ko
			[ "$(modinfo -F version "$nvidia")" = "$DRIVER" ]
			[[ $(modinfo -F vermagic "$nvidia") == "$(cat "$WORK/$suite.kernel/release") "* ]]
		done
		[ "$(modinfo -F license "$WORK/$suite.modules/proprietary/nvidia.ko")" = NVIDIA ]
		[ "$(modinfo -F license "$WORK/$suite.modules/open/nvidia.ko")" = 'Dual MIT/GPL' ]
	done
}

@test "verify by Module.symvers: they fit their own kernel, every symbol in its version, and not the other one" {
	printf 'driver-store=%s/nvidia\ncuda-store=%s/cuda\n' "$WORK/store" "$WORK/store" >"$WORK/conf"
	for suite in $suites; do
		"$NVCOREOS_BUILD/nvcoreos" --config "$WORK/conf" --quiet install "$WORK/archives"/* "$WORK/$suite.archives"/*
	done
	for suite in $suites; do
		tree=$DRIVER/$(os_of "$suite")
		run -0 "$NVCOREOS_BUILD/nvcoreos" --config "$WORK/conf" verify --json --kernel "$(symvers "$suite")" "$tree"
		[ "$(jq '.trees[0].modules | .fit and .unknown == 0 and .symbols > 1000 and .versions == .symbols' <<<"$output")" = true ]
		run -1 "$NVCOREOS_BUILD/nvcoreos" --config "$WORK/conf" verify --kernel "$(symvers "$(other "$suite")")" "$tree"
		[[ $output == *'nvidia: needs another version of module_layout than this kernel has'* ]]
		[[ $output == *'nvidia_drm: needs '* ]]
	done
}

@test "no GPU: nothing is tried and that is said; the module itself says ENODEV" {
	for suite in $suites; do
		on "$suite"
		is no-gpu-load 3 'nvcoreos: E20: no NVIDIA GPU on this host: *: there is nothing to load'
		is no-gpu 1 'nvcoreos-runtime: E20: no NVIDIA GPU on this host: all was asked for: *'
		is no-gpu-traces 1
		is no-gpu-insmod 19 "insmod: can't insert '$TREE/modules/nvidia.ko': No such device"
		step no-gpu-dmesg
		[[ $output == *'NVRM: No NVIDIA GPU found.'* ]]
	done
}

@test "GPUs that another driver holds: one line, E22 names it and the first GPU; nothing stays" {
	for suite in $suites; do
		on "$suite"
		is held-pci 0 '0001:3b:00.0 0x030200 pci-stub' '0001:3b:01.0 0x030200 pci-stub'
		is held 1 'nvcoreos-runtime: E22: *: nvidia: GPU 0001:3b:00.0 is held by pci-stub (and 1 more): unbind it, or blacklist *'
		is held-traces 1
		step held-dmesg
		[[ $output == *'NVRM: The NVIDIA probe routine was not called for 2 device(s).'* ]]
	done
}

@test "modules of the other kernel: E22 names a symbol, verify names them, and the kernel never sees them" {
	for suite in $suites; do
		on "$suite"
		step wrong-install
		[ "$status" = 0 ]
		step wrong-verify
		[ "$status" = 1 ]
		[[ $output == *"$DRIVER/$OS: nvidia: needs another version of module_layout than this kernel has (CRC 0x"*', not 0x'* ]]
		[[ $output == *"$DRIVER/$OS: nvidia_uvm: needs "*', which nothing exports'* ]]
		[[ $output == *"E58: modules do not fit the kernel: $DRIVER/$OS: install the modules of this OS version" ]]
		is wrong 1 'nvcoreos-runtime: E22: *: nvidia: needs * (and * more): install the modules of this OS version; *'
		is wrong-traces 1
		step wrong-dmesg
		[[ $output != *nvidia* ]]
	done
}

@test "verify on the machine itself, before anything is loaded: they fit" {
	for suite in $suites; do
		on "$suite"
		is verify 0 "$DRIVER/$OS: whole (*" "$DRIVER/$OS: its modules fit the kernel (* symbols, * of them with versions)"
	done
}

@test "nvidia-smi in a container: the first start loads the real modules, and it finds the driver" {
	for suite in $suites; do
		on "$suite"
		is free-pci 0 '0001:3b:00.0 0x030200 ' '0001:3b:01.0 0x030200 '
		# nvidia-smi; as a user without any rights; the image's own. The rights are docker's, not all.
		is smi 0 'No devices were found' 6 'No devices found.' 0 6 $'CapBnd:\t00000000a80425fb'
		is bound 0 '0001:3b:00.0 0x030200 nvidia' '0001:3b:01.0 0x030200 nvidia'
		step smi-dmesg
		[[ $output == *"NVRM: loading NVIDIA UNIX x86_64 Kernel Module  $DRIVER "* ]]
		[[ $output == *'nvidia-uvm: Loaded the UVM driver'*"Kernel Mode Setting Driver"*"$DRIVER"*'[drm] Initialized nvidia-drm '* ]]
	done
}

@test "the same container without nvcoreos: no library, no node" {
	for suite in $suites; do
		on "$suite"
		step plain
		[[ ${lines[0]} == "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system."* ]]
		[ "$(tail -n 2 <<<"$output" | tr '\n' ' ')" = '12 0 ' ]
	done
}

@test "what is loaded is what was built: file by file, and by the build ids of the running modules" {
	for suite in $suites; do
		on "$suite"
		step files
		[ "$output" = "$(checksums proprietary modules && checksums open modules-open)" ]
		step build-ids
		[ "$output" = "$(build_ids proprietary)" ]
		step open-build-ids
		[ "$output" = "$(build_ids open)" ]
	done
}

@test "what they need of the kernel's own modules came with them" {
	for suite in $suites; do
		on "$suite"
		step own
		[ "$(cut -d' ' -f1 <<<"$output" | sort | tr '\n' ' ')" = 'drm drm_kms_helper video wmi ' ]
		[[ $output == *'drm '*' nvidia_drm,drm_kms_helper,nvidia,'* ]]
	done
}

@test "/proc/driver/nvidia is read: driver, flavour, GPUs and their addresses" {
	for suite in $suites; do
		on "$suite"
		is version 0 "NVRM version: NVIDIA UNIX x86_64 Kernel Module  $DRIVER *" 'GCC version:*'
		is proc-gpus 0 0001:3b:00.0 0001:3b:01.0
		is gpus 0 'INDEX *' '0 * 0001:3b:00.0 *NVIDIA A100-*' '1 * 0001:3b:01.0 *NVIDIA A100-*'
		step information
		[[ $output == *$'Bus Location: \t 0001:3b:01.0'*$'Device Minor: \t 1'* ]]
		step status
		[ "$status" = 0 ]
		[[ $output == *"driver        $DRIVER (proprietary modules)"*"tree          $TREE"* ]]
		[[ $output == *'modules       nvidia_drm (0) nvidia_modeset (1) nvidia_uvm (0) nvidia (2)'*'GPUs          2'* ]]
		[[ $output != *problem* ]]
		is again 0 "driver $DRIVER: loaded already; all device nodes are there"
	done
}

@test "gpus --refresh: the real NVML answers, and has no GPU that works; those of /proc stay" {
	for suite in $suites; do
		on "$suite"
		is refresh 0 'INDEX *' '0 * 0001:3b:00.0 *' '1 * 0001:3b:01.0 *'
		is refresh-json 0 "{\"format\":1,\"driver\":\"$DRIVER\",\"gpus\":[]}"
	done
}

@test "device nodes: the numbers of /proc/devices, mode and owner; in a container one GPU's alone" {
	for suite in $suites; do
		on "$suite"
		exactly_nodes nodes
		is one 0 'nvidia-uvm nvidia-uvm-tools nvidia1 nvidiactl ' 0001:3b:01.0 'No devices were found' 6
	done
}

@test "unload: not while a process has a node open; then all four go" {
	for suite in $suites; do
		on "$suite"
		is busy 1 'nvcoreos: E54: in use: GPUs are in use by sleep (*): *'
		is unload 0 'unloaded nvidia_drm, nvidia_modeset, nvidia_uvm, nvidia'
		is unload-left 1 0
		is unload-again 0 'nothing is loaded'
	done
}

@test "a newer userland is selected: containers get that of the loaded driver, and the newer one does not work with it" {
	for suite in $suites; do
		on "$suite"
		step newer-use
		[ "$status" = 0 ]
		[[ $output == *"driver $DRIVER is loaded: this takes effect after a reboot"* ]]
		step newer-status
		[[ $output == *"problem       driver $DRIVER is loaded, and $NEWER is selected"* ]]
		is newer 0 'No devices were found' 6 /usr/local/nvidia/lib64/libnvidia-ml.so.1 "/usr/local/nvidia/lib64/libnvidia-ml.so.$DRIVER" \
			'Failed to initialize NVML: Driver/library version mismatch' 'NVML library version: *' 18
		step newer-dmesg
		[[ $output == *"NVRM: API mismatch: the client has the version $NEWER"* ]]
	done
}

@test "module-flavour=open: the open modules in the same boot, and nvidia-smi all the same" {
	for suite in $suites; do
		on "$suite"
		is open 0 'No devices were found' 6
		is open-version 0 "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  $DRIVER *" 'GCC version:*'
		step open-status
		[ "$status" = 0 ]
		[[ $output == *"driver        $DRIVER (open modules)"* ]]
		exactly_nodes open-nodes
		is open-unload 0 'unloaded nvidia_drm, nvidia_modeset, nvidia_uvm, nvidia'
	done
}

@test "a chip that the proprietary modules do not know: E22; module-flavour=auto tries the open ones" {
	for suite in $suites; do
		on "$suite"
		is unknown 1 'nvcoreos-runtime: E22: *: nvidia: it found no GPU that it supports, *'
		is unknown-traces 1
		step unknown-dmesg
		[[ $output == *"The $DRIVER NVIDIA driver will ignore"*'NVRM: No NVIDIA GPU found.'* ]]
		is fallback 0 "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  $DRIVER *"
		is fallback-unload 0 'unloaded nvidia_drm, nvidia_modeset, nvidia_uvm, nvidia'
	done
}

@test "nothing went wrong in the kernel" {
	for suite in $suites; do
		on "$suite"
		run -0 grep -c 'dmesg= 0$' "$CONSOLE"
		[ "$output" = 8 ]
		run -1 grep -E 'dmesg\| .*(BUG:|WARNING:|general protection|Unknown symbol|disagrees about)' "$CONSOLE"
	done
}
