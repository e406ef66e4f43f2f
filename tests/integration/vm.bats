#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A kernel of its own, in a virtual machine: modules are loaded by a container's start, from the store and from the kernel's own
# directory, and a driver answers at the nodes. The modules are stand-ins, all else is real. It boots once; guest.sh is what it runs,
# and each test here looks at what one of its steps wrote.

load helpers
load vm

# Each reason why nothing can be tested here, a line.
why_not() {
	local name
	[ "$(id -u)" = 0 ] || echo 'needs root'
	for name in runc jq cc strip xz modinfo; do
		command -v "$name" >/dev/null || echo "not installed: $name"
	done
	for name in nvcoreos nvcoreos-hook nvcoreos-runtime nvcoreos-load; do
		[ -x "$NVCOREOS_BUILD/$name" ] || echo "not built: $NVCOREOS_BUILD/$name"
	done
	vm_needs 2>&1 || :
}

# Older bats know no skip here: setup does it.
setup_file() {
	# shellcheck source=tests/lib/vm.sh
	. "$NVC_LIB/vm.sh"
	export CONSOLE=$BATS_FILE_TMPDIR/console DRIVER OS WHY_NOT KERNEL_RELEASE
	local rc=0
	WHY_NOT=$(why_not)
	[ -z "$WHY_NOT" ] || return 0
	KERNEL=$(vm_kernel) && ROOT=$("$NVC_LIB/roots.sh" --busybox) || rc=$?
	[ $rc != 3 ] || WHY_NOT='no kernel or no busybox for a virtual machine can be had here'
	[ $rc != 3 ] || return 0
	[ $rc = 0 ]
	make_guest "$BATS_FILE_TMPDIR/guest" &&
		vm_pack "$BATS_FILE_TMPDIR/guest" "$NVC_TESTS/fixtures/modules/guest.sh" "$BATS_FILE_TMPDIR/image" &&
		vm_boot "$KERNEL" "$BATS_FILE_TMPDIR/image" "$CONSOLE" 600 '' nvidia.NVreg_ModifyDeviceFiles=1
}

setup() {
	[ -z "$WHY_NOT" ] || skip_or_fail "$WHY_NOT"
}

# More drivers: 999.1, which loads, 999.2, which is no driver, 999.3, which fits and does not start, and 999.4, which hangs in the kernel.
make_others() {
	local tmp=$BATS_FILE_TMPDIR/others src=$NVC_TESTS/fixtures/modules names='nvidia.ko nvidia-uvm.ko nvidia-modeset.ko' other fails hangs driver
	other=$(vm_modules "$KERNEL" "$src" 'KCFLAGS=-DSTANDIN_OTHER') && fails=$(vm_modules "$KERNEL" "$src" 'KCFLAGS=-DSTANDIN_FAILS') &&
		hangs=$(vm_modules "$KERNEL" "$src" 'KCFLAGS=-DSTANDIN_HANGS') || return
	mkdir -p "$tmp" "$standin/other"
	for driver in 999.1 999.2 999.3 999.4; do
		"$NVC_TESTS/fixtures/sample-driver/build.sh" "$standin/other" $driver >/dev/null || return
	done
	echo 'no module' | tee "$tmp/nvidia.ko" >"$tmp/nvidia-uvm.ko"
	# shellcheck disable=SC2086 # a list of names
	tar -C "$other" -czf "$standin/other/modules-$OS-999.1.tar.gz" $names &&
		tar -C "$fails" -czf "$standin/other/modules-$OS-999.3.tar.gz" $names &&
		tar -C "$hangs" -czf "$standin/other/modules-$OS-999.4.tar.gz" $names &&
		tar -C "$tmp" -czf "$standin/other/modules-$OS-999.2.tar.gz" nvidia.ko nvidia-uvm.ko
}

# modules_archive SET DIR FILE...: the archive of modules in DIR, as guest.sh finds it.
modules_archive() {
	local set=$1 dir=$2
	shift 2
	mkdir -p "$standin/modules/$set"
	tar -C "$dir" -czf "$standin/modules/$set/modules-$OS-$DRIVER.tar.gz" -- "$@"
}

make_modules() {
	local src=$NVC_TESTS/fixtures/modules tmp=$BATS_FILE_TMPDIR/modules names='nvidia.ko nvidia-uvm.ko nvidia-modeset.ko' good missing
	good=$(vm_modules "$KERNEL" "$src") && missing=$(vm_modules "$KERNEL" "$src" 'KCFLAGS=-DSTANDIN_MISSING KBUILD_MODPOST_WARN=1') || return
	DRIVER=$(modinfo -F version "$good/nvidia.ko")
	KERNEL_RELEASE=$KERNEL/release
	OS=debian-12-$(cat "$KERNEL_RELEASE")
	printf 'ID=debian\nVERSION_ID="12"\n' >"$guest/etc/os-release"
	echo "$DRIVER" >"$standin/driver"
	echo "$OS" >"$standin/os"
	cp "$good/standin-gpu.ko" "$good/ib_core.ko" "$standin/"
	mkdir -p "$tmp/own" "$tmp/vermagic" && cp "$good"/nvidia*.ko "$tmp/own/" && cp "$good"/nvidia*.ko "$tmp/vermagic/"
	vm_index "$standin/indexed" "$KERNEL" "$tmp/own" || return
	# As long as the right word, so that nothing else changes.
	sed -i 's/ mod_unload modversions/ mod_upload modversions/' "$tmp/vermagic/nvidia.ko"
	cp -R "$tmp/own" "$tmp/optional" && sed -i 's/ mod_unload modversions/ mod_upload modversions/' "$tmp/optional/nvidia-modeset.ko"
	xz --check=crc32 "$tmp/own"/*.ko
	# shellcheck disable=SC2086 # a list of names
	modules_archive good "$good" $names && modules_archive peermem "$good" $names nvidia-peermem.ko && modules_archive missing "$missing" $names &&
		modules_archive vermagic "$tmp/vermagic" $names && modules_archive optional "$tmp/optional" $names &&
		modules_archive packed "$tmp/own" nvidia.ko.xz nvidia-uvm.ko.xz nvidia-modeset.ko.xz
}

make_guest() {
	local guest=$1 standin=$1/standin
	cp -a "$ROOT" "$guest" && mkdir -p "$standin/archives" && cp -a "$ROOT" "$standin/rootfs" &&
		probe_build "$standin/rootfs" && rm "$standin/rootfs/probe-dl" && vm_install "$guest" && make_modules && vm_bundle "$standin" &&
		make_others && "$NVC_TESTS/fixtures/sample-driver/build.sh" "$standin/archives" "$DRIVER" >/dev/null
}

no_traces() {
	step "$1"
	[[ $output != *nvidia* && $output != */proc/* && $output != */dev/* ]]
}

@test "no GPU on the bus: E20" {
	is no-gpu 1 'nvcoreos-runtime: E20: no NVIDIA GPU on this host: all was asked for: *'
}

@test "two GPUs on the bus" {
	is pci 0 '0001:3b:00.0 0x030200' '0001:3b:01.0 0x030200'
}

@test "a container that asks for nothing: nothing is loaded, nothing is touched" {
	is plain 0 0
	is plain-config 0
	is plain-traces 1
}

@test "load-modules=no: E21, no container, nothing is loaded" {
	is load-no 1 "nvcoreos-runtime: E21: NVIDIA kernel modules are not loaded: nvidia: run 'nvcoreos load'"
	is load-no-traces 1
}

@test "modules nowhere: E23 names both places" {
	is no-tree 1 "nvcoreos-runtime: E23: no installed driver fits: no NVIDIA modules for $OS in /opt/nvidia, nor in /lib/modules/${OS#debian-12-}: *"
}

@test "built for another kernel: one line, E22, no container, nothing stays" {
	is vermagic-install 0 "installed: $DRIVER/$OS" "/opt/vermagic/current -> $DRIVER/$OS"
	is vermagic 1 'nvcoreos-runtime: E22: loading the NVIDIA kernel modules failed: nvidia: built for another kernel, or damaged (Exec format error): *'
	is vermagic-traces 1 /run/nvcoreos
	is vermagic-again 1 'nvcoreos-runtime: E22: *'
}

@test "a symbol is missing: one line, E22 names the module; the next start says it again" {
	is missing-install 0 "installed: $DRIVER/$OS" "/opt/missing/current -> $DRIVER/$OS"
	is missing 1 'nvcoreos-runtime: E22: loading the NVIDIA kernel modules failed: nvidia_uvm: needs standin_fops_that_nobody_exports, which nothing exports: *'
	is missing-again 1 "$output"
	is missing-traces 1 /run/nvcoreos
}

@test "verify foretells it: by the running kernel's own list of symbols" {
	is missing-verify 1 "$DRIVER/$OS: whole (*" "$DRIVER/$OS: nvidia_uvm: needs standin_fops_that_nobody_exports, which nothing exports" \
		'nvcoreos: E58: modules do not fit the kernel: *: *'
	is good-verify 0 "$DRIVER/$OS: whole (*" "$DRIVER/$OS: its modules fit the kernel (* symbols, *)"
}

@test "a module that is not needed does not load: the container starts, and the log has the warning" {
	is optional-install 0 "installed: $DRIVER/$OS" "/opt/optional/current -> $DRIVER/$OS"
	is optional 0 'stand-in 195:255'
	step optional-log
	[[ $output == *' nvcoreos-load['*'] warning: E22: loading the NVIDIA kernel modules failed: nvidia-modeset: built for another kernel, or damaged ('*'): '* ]]
	[[ $output != *'] error: '* ]]
}

@test "installing loads nothing" {
	is install 0 "installed: $DRIVER/$OS" "/opt/nvidia/current -> $DRIVER/$OS"
	no_traces install-traces
}

@test "all: modules are loaded, exactly the nodes, the driver answers, every other device EPERM" {
	is all 0 'nvidia-uvm c *:0 OK' 'nvidia-uvm-tools c *:1 OK' 'nvidia0 c 195:0 OK' 'nvidia1 c 195:1 OK' 'nvidiactl c 195:255 OK' \
		'stand-in 195:255' OK EPERM OK EPERM OK EPERM 0001:3b:00.0 0001:3b:01.0
}

@test "status: what is there, what is missing, and what does not fit together" {
	step status-before
	[ "$status" = 1 ]
	[[ $output == *'driver        not loaded'*'problem       no driver is loaded'*"E21: "*"run 'nvcoreos load'" ]]
	step status
	[ "$status" = 0 ]
	[[ $output == *"driver        $DRIVER (proprietary modules)"* ]]
	[[ $output == *"tree          /opt/nvidia/$DRIVER/$OS"* ]]
	[[ $output == *'modules       nvidia_modeset (0) nvidia_uvm (0) nvidia (2)'* ]]
	[[ $output == *'GPUs          2'*'nodes         nvidiactl nvidia0 nvidia1 nvidia-uvm nvidia-uvm-tools'*'persistenced  not running'* ]]
	[[ $output != *problem* ]]
	step status-json
	[ "$(jq -r '.driver + " " + (.gpus | tostring) + " " + (.problems | length | tostring)' <<<"$output")" = "$DRIVER 2 0" ]
	step now-skew
	[ "$status" = 1 ]
	[[ $output == *"problem       driver $DRIVER is loaded, and 999.1 is selected"* ]]
}

@test "on the host: all modules, their nodes, ModifyDeviceFiles off, no mount stays" {
	step all-traces
	[ "$(head -n 3 <<<"$output" | tr '\n' ' ')" = 'nvidia_modeset nvidia_uvm nvidia ' ]
	is all-nodes 0 '/dev/nvidia-caps/nvidia-cap1 c *:1 400 0:0' '/dev/nvidia-caps/nvidia-cap2 c *:2 444 0:0' '/dev/nvidia-modeset c 195:254 666 0:0' \
		'/dev/nvidia-uvm c *:0 666 0:0' '/dev/nvidia-uvm-tools c *:1 666 0:0' '/dev/nvidia0 c 195:0 666 0:0' '/dev/nvidia1 c 195:1 666 0:0' \
		'/dev/nvidiactl c 195:255 666 0:0'
	is all-parameter 0 0
	is all-host-params 0 'ModifyDeviceFiles: 0'
	is all-driver 0 '*/bus/pci/drivers/nvidia'
	is all-left 1
}

@test "one of two: its node alone; the other's number is closed" {
	is one 0 'nvidia-uvm nvidia-uvm-tools nvidia0 nvidiactl ' OK EPERM OK
}

@test "/proc/driver/nvidia of one: small, read-only, with that GPU alone" {
	is proc 1 'tmpfs ro,nosuid,nodev,noexec,*' '/proc/driver/nvidia: gpus params registry version  /proc/driver/nvidia/gpus: 0001:3b:00.0 ' \
		'Device Minor:*0' 'ModifyDeviceFiles: 0' "NVRM version: NVIDIA UNIX x86_64 Kernel Module  $DRIVER  *" EROFS
}

@test "none: the driver's files and no device" {
	is none 1 0 /usr/local/nvidia OK EPERM
}

@test "nothing asked for while all is loaded: no node, and the numbers are closed" {
	is loaded-plain 1 0 OK EPERM
}

@test "cgroup v2: the shim's rules hold, after runc update too" {
	is lasting 0
	is lasting-first 0 OK OK EPERM
	is lasting-update 0
	is lasting-again 0 OK OK EPERM
	is lasting-delete 0
}

@test "the hook alone on cgroup v2: modules are loaded, its node alone is open" {
	step lasting-first
	want=$output
	step hook-alone
	[ "$status" = 0 ]
	[ "$output" = "$want" ]
	is hook-alone-left 0
	step hook-alone-traces
	[[ $output == *nvidia_uvm* && $output == */dev/nvidiactl* ]]
}

@test "the hook alone with device-cgroup=none: nodes, and the engine's rules as they were" {
	is hook-none 1 5 EPERM
}

@test "the kernel's own directory, where the store has no modules" {
	is own-install 0 "installed: $DRIVER/$OS" "/opt/own/current -> $DRIVER/$OS"
	is own 0 'nvidia-uvm nvidia-uvm-tools nvidia0 nvidia1 nvidiactl stand-in 195:255'
	# The kernel's command line says 1, which is not for it to say.
	is own-parameter 0 0
}

@test "nvcoreos load where all is loaded" {
	is again 0 "driver $DRIVER: loaded already; all device nodes are there"
}

@test "three starts at once, packed modules: all of them start" {
	is packed-install 0 "installed: $DRIVER/$OS" "/opt/packed/current -> $DRIVER/$OS"
	is many 111
	for n in 1 2 3; do
		is many$n 0 'stand-in 195:255' 5
	done
	step many-traces
	[[ $output == *nvidia_modeset*nvidia_uvm*nvidia* ]]
}

@test "a hundred starts at once: one of them loads, the others wait for it" {
	is hundred 0 " *99 driver $DRIVER: loaded already; all device nodes are there" " *1 driver $DRIVER: loaded nvidia, nvidia-uvm, nvidia-modeset from *; made * device nodes"
	is hundred-loads 0 1
}

@test "use --now: not while a process holds a GPU, which is named; nothing has changed then" {
	is now-load 0 "driver $DRIVER: loaded nvidia, nvidia-uvm, nvidia-modeset from *"
	is now-busy 1 'nvcoreos: E54: in use: GPUs are in use by sleep (*): *'
	is now-busy-unload 1 'nvcoreos: E54: in use: GPUs are in use by sleep (*): *'
	step now-busy-traces
	[[ $output == *nvidia_modeset*nvidia_uvm*nvidia* ]]
}

@test "use --now: the modules of one driver go, those of the other come, current follows" {
	step now
	[ "$status" = 0 ]
	[[ $output == *"/opt/nvidia/current -> 999.1/$OS"*'driver 999.1: loaded nvidia, nvidia-uvm, nvidia-modeset from '* ]]
	is now-version 0 '*  999.1  *'
	step now-list
	# Where a tree's modules belong.
	[[ $output == *'999.1 '*" $(cat "$KERNEL_RELEASE") "*' selected current loaded'* ]]
	is now-same 0 "/opt/nvidia/current -> 999.1/$OS" 'driver 999.1: loaded already; *'
}

@test "use --now: the specification for CDI is made anew" {
	is now-cdi 0
	is now-cdi-stale 0 '[1-9]*'
	is now-cdi-after 1 0
}

@test "use --now: a driver whose modules do not fit: the one that works is not touched" {
	is now-broken 1 'nvcoreos: E22: *: nvidia.ko: no module, or damaged: Exec format error: install the modules again'
	is now-broken-starts 0 "$(said now-starts)"
	is now-broken-version 0 '*  999.1  *'
	is now-broken-current 0 "999.1/$OS"
	is now-broken-state 0 "*\"selected\":\"999.1\",\"previous\":\"$DRIVER\"*"
}

@test "use --now: a driver that fits and does not start: what worked is back, and nothing else was said" {
	is now-fails 1 'nvcoreos: E22: *: nvidia-uvm: *: driver 999.1 is loaded again, and all is selected as before'
	is now-fails-version 0 '*  999.1  *'
	is now-fails-state 0 "*\"selected\":\"999.1\",\"previous\":\"$DRIVER\"*"
}

@test "use --now where nothing is loaded: what was selected stays selected" {
	is now-none-broken 1 'nvcoreos: E22: *'
	is now-none-fails 1 'nvcoreos: E22: *: nvidia-uvm: *'
	is now-none-current 0 "999.1/$OS"
	is now-none-state 0 "*\"selected\":\"999.1\",\"previous\":\"$DRIVER\"*"
}

@test "use --now where the kernel's own modules are loaded, and the store has none of them: they come back" {
	is now-own-load 0 "driver $DRIVER: loaded nvidia, nvidia-uvm, nvidia-modeset from the kernel's own modules; *"
	is now-own-fails 1 "nvcoreos: E22: *: driver $DRIVER is loaded again, and all is selected as before"
	is now-own-version 0 "*  $DRIVER  *"
	is now-own-current 0 "999.1/$OS"
}

@test "a module that hangs in the kernel: an error in time that names it, and what to do" {
	local want="E22: loading the NVIDIA kernel modules failed: *nvcoreos-load did not end within 15 s, nor when it was killed, at module nvidia_uvm: "
	is hang 1 "nvcoreos: ${want}it is stuck in the kernel: see 'dmesg', then reboot"
	is hang-again 1 "nvcoreos: E54: in use: *: see 'dmesg', then reboot"
	is hang-over 0
}

@test "unload" {
	is now-unload 0 'unloaded nvidia_modeset, nvidia_uvm, nvidia'
	is now-unload-modules 1 0
	is now-unload-again 0 'nothing is loaded'
	is now-unload-nodes 0 'nvidia-modeset nvidia0 nvidia1 nvidiactl'
}

@test "a driver that is loaded alone gets no nvidia-uvm of another version" {
	is own-skew 1 "nvcoreos: E23: *: nvidia-uvm in the kernel's directory is $DRIVER, and driver 999.1 is loaded: install driver 999.1 *"
	is own-skew-modules 0 1
}

@test "other parameters: a start that loads the modules gives nodes of before their owner and mode" {
	is there-install 0 "installed: $DRIVER/$OS" "/opt/peermem/current -> $DRIVER/$OS"
	is there-load 0 "driver $DRIVER: loaded nvidia, nvidia-uvm, nvidia-modeset from */modules; made 8 device nodes"
	is there-unload 0 'unloaded nvidia_modeset, nvidia_uvm, nvidia'
	is there-start 0 'c 195:0 660 0:44'
	is there-nodes 0 '/dev/nvidia-caps/nvidia-cap1 c *:1 400 0:0' '/dev/nvidia-caps/nvidia-cap2 c *:2 444 0:0' '/dev/nvidia-modeset c 195:254 660 0:44' \
		'/dev/nvidia-uvm c *:0 660 0:44' '/dev/nvidia-uvm-tools c *:1 660 0:44' '/dev/nvidia0 c 195:0 660 0:44' '/dev/nvidia1 c 195:1 660 0:44' \
		'/dev/nvidiactl c 195:255 660 0:44'
}

@test "owner and mode that somebody has changed: a start leaves them, status names them, load sets them" {
	is there-again 0 'c *:0 660 0:44'
	step there-status
	[ "$status" = 1 ]
	[[ $output == *'problem       /dev/nvidia0 has mode 000 and owner 5:5, and the driver says 660 and 0:44'* ]]
	is there-mend 0 "driver $DRIVER: loaded already; set owner and mode of 1 device node"
	step there-mended
	[[ $output == *'/dev/nvidia0 c 195:0 660 0:44'* ]]
	step there-well
	[ "$status" = 0 ]
}

@test "modules that are missing beside a loaded driver: load puts them in, a start does not" {
	is there-fast 0 'c *:0 660 0:44'
	is there-fast-modules 0 nvidia_uvm nvidia
	step there-lacking
	[ "$status" = 0 ]
	[[ $output == *"note          nvidia-peermem is not loaded, and ib_core is: 'nvcoreos load' loads it where it can"* ]]
	is there-rest 0 "driver $DRIVER: loaded nvidia-modeset, nvidia-peermem from /opt/peermem/$DRIVER/$OS/modules; all device nodes are there"
	is there-rest-again 0 "driver $DRIVER: loaded already; all device nodes are there"
	step there-full
	[ "$status" = 0 ]
	[[ $output != *note* && $output == *' nvidia_peermem (0)'* ]]
	step there-yes-lacking
	[ "$status" = 1 ]
	[[ $output == *'problem       nvidia-peermem is not loaded, and peermem is yes'* ]]
	is there-yes 0 "driver $DRIVER: loaded nvidia-peermem from *; all device nodes are there"
	is there-half 0 "driver $DRIVER: loaded nvidia-uvm, nvidia-modeset, nvidia-peermem from *"
}

@test "unload: a user that no /proc shows is seen before any module goes; then all go, and their nodes" {
	is there-flight 1 'nvcoreos: E54: in use: nvidia is used: *'
	is there-flight-modules 0 nvidia_peermem nvidia_modeset nvidia_uvm nvidia
	is there-flown 0 'unloaded nvidia_peermem, nvidia_modeset, nvidia_uvm, nvidia'
	is there-flown-nodes 0 'nvidia-modeset nvidia0 nvidia1 nvidiactl'
}

@test "in a user namespace: one sentence and no attempt" {
	is userns 1 'nvcoreos-runtime: E07: not permitted: in a user namespace kernel modules cannot be loaded: *'
}

@test "a locked-down kernel, a kernel that loads no more: E22 with the reason" {
	is lockdown 1 'nvcoreos-runtime: E22: *: nvidia: has no signature, and the kernel is locked down (and 1 more): sign the modules *'
	is disabled 1 'nvcoreos-runtime: E22: *: nvidia: loading modules is switched off (*): kernel.modules_disabled stays set until the next boot'
	is disabled-traces 1 /run/nvcoreos
}

@test "nothing went wrong in the kernel" {
	step dmesg
	[ "$status" = 0 ]
	[[ $output != *BUG:* && $output != *WARNING:* && $output != *'general protection'* ]]
}
