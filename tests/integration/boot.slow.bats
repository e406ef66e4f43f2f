#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A host's whole boot, in a virtual machine: systemd as the first process, its units and generator, Docker with systemd's cgroups, what
# the installer image puts there, and stand-ins for NVIDIA's modules and persistence daemon in the store. It boots twice, with GPUs and then
# without; guest.sh is what it runs, and each test here looks at what one of its steps wrote.
# BOOT_CONTAINERS: how many containers start at once (20).

bats_require_minimum_version 1.5.0
load helpers
load vm

export OS=3975.2.0

why_not() {
	local name
	[ "$(id -u)" = 0 ] || echo 'needs root'
	for name in cc make strip modinfo mke2fs unshare; do
		command -v "$name" >/dev/null || echo "not installed: $name"
	done
	for name in nvcoreos nvcoreos-hook nvcoreos-runtime nvcoreos-load nvcoreos-generator; do
		[ -x "$NVCOREOS_BUILD/$name" ] || echo "not built: $NVCOREOS_BUILD/$name"
	done
	vm_needs 2>&1 || :
}

setup_file() {
	# shellcheck source=tests/lib/vm.sh
	. "$NVC_LIB/vm.sh"
	export FIRST=$BATS_FILE_TMPDIR/first SECOND=$BATS_FILE_TMPDIR/second WHY_NOT DRIVER KERNEL CONTAINERS=${BOOT_CONTAINERS:-20}
	local rc=0 disk=$BATS_FILE_TMPDIR/disk
	WHY_NOT=$(why_not)
	[ -z "$WHY_NOT" ] || return 0
	KERNEL=$(vm_kernel) && BASE=$(vm_systemd_root) && ROOT=$("$NVC_LIB/roots.sh" --busybox) || rc=$?
	[ $rc != 3 ] || WHY_NOT='no kernel or no root for a virtual machine can be had here'
	[ $rc != 3 ] || return 0
	[ $rc = 0 ]
	bundle_rootfs "$BATS_FILE_TMPDIR" "$BASE"
	make_guest "$BATS_FILE_TMPDIR/rootfs"
	vm_disk "$BATS_FILE_TMPDIR/rootfs" "$disk" 2048
	cleanup_umount "$BATS_FILE_TMPDIR/rootfs"
	vm_boot_disk "$KERNEL" "$disk" "$FIRST" $((200 + CONTAINERS * 15)) '' $((2048 + CONTAINERS * 25))
	vm_boot_disk "$KERNEL" "$disk" "$SECOND" 120 'vm=second modprobe.blacklist=standin_gpu'
}

teardown_file() {
	cleanup_umount "$BATS_FILE_TMPDIR"
}

setup() {
	[ -z "$WHY_NOT" ] || skip_or_fail "$WHY_NOT"
	CONSOLE=$FIRST
}

# --- the guest ----------------------------------------------------------------

# A release like Flatcar's: its version is the OS's, whatever kernel it has, and it has a unit called nvidia.service of its own.
make_os() {
	rm -f "$guest/etc/os-release"
	printf 'ID=flatcar\nVERSION_ID=%s\n' $OS >"$guest/etc/os-release"
	mkdir -p "$guest/usr/lib/systemd/system/multi-user.target.wants" "$guest/etc/docker"
	printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/touch /run/own-nvidia\n' >"$guest/usr/lib/systemd/system/nvidia.service"
	ln -s ../nvidia.service "$guest/usr/lib/systemd/system/multi-user.target.wants/nvidia.service"
	# What is shown here needs no network, and Docker's would load forty modules.
	echo '{"bridge": "none", "iptables": false, "ip6tables": false}' >"$guest/etc/docker/daemon.json"
}

# A unit of the operator's, written for NVIDIA's or Flatcar's; and a kubelet that does nothing.
make_operators() {
	local units=$guest/etc/systemd/system
	cat >"$units/after-nvidia.service" <<-'EOF'
		[Unit]
		Requires=nvidia.service
		After=nvidia.service
		[Service]
		Type=oneshot
		ExecStart=/bin/sh -c 'if [ -c /dev/nvidia0 ]; then echo nodes; else echo none; fi >/run/after-nvidia'
		[Install]
		WantedBy=multi-user.target
	EOF
	ln -s ../after-nvidia.service "$units/multi-user.target.wants/after-nvidia.service"
	printf '[Service]\nType=oneshot\nExecStart=/bin/true\n' >"$units/kubelet.service"
}

make_modules() {
	local good tmp=$BATS_FILE_TMPDIR/modules
	good=$(vm_modules "$KERNEL" "$NVC_TESTS/fixtures/modules") || return
	DRIVER=$(modinfo -F version "$good/nvidia.ko")
	mkdir -p "$tmp" "$archives" && cp "$good/standin-gpu.ko" "$tmp/" && vm_own "$guest" "$KERNEL" &&
		vm_index "$guest" "$KERNEL" "$tmp" || return
	printf 'overlay\nstandin-gpu\n' >"$guest/etc/modules-load.d/vm.conf"
	echo 'options standin-gpu gpus=2' >"$guest/etc/modprobe.d/vm.conf"
	tar -C "$good" -czf "$archives/modules-$OS-$DRIVER.tar.gz" nvidia.ko nvidia-uvm.ko nvidia-modeset.ko &&
		"$NVC_TESTS/fixtures/sample-driver/build.sh" "$archives" "$DRIVER" >/dev/null && add_daemon "$archives/tools-$DRIVER.tar"
}

# add_daemon TAR: to the driver's tools, of which TAR.gz has the others.
add_daemon() {
	local tmp=$BATS_FILE_TMPDIR/daemon
	mkdir -p "$tmp" && cc -O1 -Wall -Wextra -o "$tmp/nvidia-persistenced" "$NVC_TESTS/fixtures/boot/nvidia-persistenced.c" -ldl &&
		gunzip "$1.gz" && tar -C "$tmp" --append -f "$1" nvidia-persistenced && gzip "$1"
}

# The installer, as its image runs it: there its own root has the programs in PREFIX.
install_guest() {
	local bundle=$NVCOREOS_BUILD/bundle
	make -s -C "$NVC_TESTS/.." BUILD="$NVCOREOS_BUILD" bundle >/dev/null || return
	unshare -m --propagation private sh -ec '
		mount -t tmpfs tmpfs /opt
		mkdir /opt/nvcoreos
		mount --bind "$1/root/opt/nvcoreos" /opt/nvcoreos
		exec "$1/nvcoreos-image" --root "$2" --archives "$3" --use --configure docker' sh "$bundle" "$guest" "$archives"
}

make_guest() {
	local guest=$1 archives=$BATS_FILE_TMPDIR/archives
	mkdir -p "$guest/standin" "$BATS_FILE_TMPDIR/small" && cp -a "$ROOT/." "$BATS_FILE_TMPDIR/small/" &&
		probe_build "$BATS_FILE_TMPDIR/small" && rm "$BATS_FILE_TMPDIR/small/probe-dl" &&
		tar -C "$BATS_FILE_TMPDIR/small" -cf "$guest/standin/guest.tar" . && echo "$CONTAINERS" >"$guest/standin/containers" &&
		make_os && make_modules && install_guest && make_operators &&
		vm_settle "$guest" "$NVC_TESTS/fixtures/boot/guest.sh"
}

# --- what its steps wrote -----------------------------------------------------

# second: the steps of the second boot.
second() {
	export CONSOLE=$SECOND
}

# --- with GPUs ------------------------------------------------------------------

@test "all of systemd is well, and so are our units: enabled, run, or with nothing to run" {
	is running 0 running
	is failed 0
	is nvcoreos 0 ActiveState=active ConditionResult=yes Result=success
	is status 0 0
	is nvcoreos-enabled 0 enabled
	is run-dir 0 '755 root'
}

@test "nvcoreos.service: before docker it loads the modules, once, and makes the nodes" {
	is order 0
	is modules 0 nvidia nvidia_modeset nvidia_uvm
	is boot-loaded 0 1
	is nodes 0 nvidia-caps nvidia-caps/nvidia-cap1 nvidia-caps/nvidia-cap2 nvidia-modeset nvidia-uvm nvidia-uvm-tools nvidia0 nvidia1 nvidiactl
	step journal
	[[ $output == *"driver $DRIVER: loaded nvidia, nvidia-uvm, nvidia-modeset from /opt/nvidia/$DRIVER/$OS/modules; made 8 device nodes"* ]]
}

@test "nvidia.service is nvcoreos.service: units that want it find the nodes, and the OS's own does not run" {
	is alias 0 nvcoreos.service
	is after 0 nodes
	is own 2 '*No such file*'
}

@test "kubelet starts after it, without needing it" {
	step kubelet
	[[ " $output " == *' nvcoreos.service '* ]]
	is kubelet-needs 0 '*'
	[[ $output != *nvcoreos* ]]
}

@test "nvidia-persistenced.service: the driver's own daemon, as its user, with no right of root's, holds the GPUs" {
	is nvidia-persistenced 0 ActiveState=active ConditionResult=yes Result=success
	is nvidia-persistenced-enabled 0 enabled
	is daemon 0 nvidia-persiste nvidia-persistenced 0000000000000000 1 /dev/nvidia0 /dev/nvidia1 /dev/nvidiactl
	is daemon-files 0 'nvidia-persistenced 755 directory' 'nvidia-persistenced 644 regular file' 'nvidia-persistenced 777 socket'
}

@test "a persistence daemon at work: status says so, and unload takes nothing away and says how to go on" {
	step daemon-status
	[[ $status = 0 && $'\n'$output == *$'\npersistenced  running'* ]]
	step daemon-json
	[[ $status = 0 && $output == *'"persistenced": true'* ]]
	is daemon-holds 1 "nvcoreos: E*: GPUs are in use by nvidia-persistenced (+([0-9])): *'systemctl stop nvidia-persistenced'*"
	is daemon-modules 0 nvidia nvidia_modeset nvidia_uvm
}

@test "the persistence daemon is stopped: nothing of it is left, and the modules go" {
	is daemon-stop 0
	is daemon-stopped 0 ActiveState=inactive ConditionResult=yes Result=success
	is daemon-left 2 '*No such file*'
	step daemon-gone
	[[ $status = 0 && $'\n'$output == *$'\npersistenced  not running'* ]]
	is unload 2 'unloaded nvidia_modeset, nvidia_uvm, nvidia' '*No such file*'
}

@test "NVIDIA's daemons: no program, no module, no NVSwitch: not started, and nothing has failed" {
	for what in program modules; do
		is no-$what-start 0
		is no-$what 0 ActiveState=inactive ConditionResult=no Result=success
	done
	is nvidia-fabricmanager 0 ActiveState=inactive ConditionResult=no Result=success
}

@test "docker run --runtime=nvcoreos: the driver answers at its nodes, every other device EPERM" {
	is driver 0 'systemd 2'
	is container 0 'nvidia-uvm c *:0 OK' 'nvidia-uvm-tools c *:1 OK' 'nvidia0 c 195:0 OK' 'nvidia1 c 195:1 OK' 'nvidiactl c 195:255 OK' \
		'stand-in 195:255' OK EPERM OK EPERM 'CapEff:*00000000a80425fb'
}

@test "systemctl daemon-reload and docker update: a container keeps its GPU, and gets no other" {
	is lasting 0
	for when in first reloaded last; do
		is lasting-$when 0 OK OK OK EPERM
	done
	for what in reload update again remove; do
		is lasting-$what 0
	done
}

@test "nothing is loaded: the first container's hook does it" {
	is stop 0
	is unload 2 'unloaded nvidia_modeset, nvidia_uvm, nvidia' '*No such file*'
	is first 0 'stand-in 195:255'
	is first-loaded 0 1
}

@test "$CONTAINERS containers at once and nothing is loaded: all of them start, and it is loaded once" {
	is many-unload 2 'unloaded nvidia_modeset, nvidia_uvm, nvidia' '*No such file*'
	is many-create 0 "* $CONTAINERS 201"
	is many-start 0 "* $CONTAINERS 204"
	is many-ended 0 "* $CONTAINERS 0"
	is many 0 "* $CONTAINERS stand-in 195:255"
	is many-loaded 0 1
	# In hundredths of a second. Emulated, on a machine that others use too, so one alone is the measure: none waits longer than for its turn.
	step first-took
	one=$output
	step many-start-took
	[ "$output" -lt $((3000 + CONTAINERS * one * 2)) ]
}

@test "modules that somebody else loads: udev has the nodes made, loads nothing itself, and does so once for each GPU" {
	is other 0
	is other-nodes 0 nvidia-caps nvidia-caps/nvidia-cap1 nvidia-caps/nvidia-cap2 nvidia-modeset nvidia0 nvidia1 nvidiactl
	is other-modules 0 nvidia
	is other-loaded 0 1
	# Two GPUs, and four times that they were taken.
	is other-units 0 8
	is other-units-later 0 8
}

@test "at the end all is well still, in the kernel too" {
	is end 0 running
	is end-failed 0
	step dmesg
	[[ $output != *BUG:* && $output != *WARNING:* && $output != *'general protection'* ]]
}

# --- without GPUs, and without a tree ---------------------------------------------

@test "no GPU: nvcoreos.service is quick and successful, and all of systemd is well" {
	second
	is running 0 running
	is failed 0
	is nvcoreos 0 ActiveState=active ConditionResult=yes Result=success
	is status 0 3
	is order 0
	step took
	[ "$output" -lt 10000 ]
	is nvidia-persistenced 0 ActiveState=inactive ConditionResult=no Result=success
}

@test "no tree for this OS version: nvidia.service is the OS's own, and runs" {
	second
	is alias 0 nvidia.service
	is own 0 /run/own-nvidia
	is after 0 none
}

@test "no GPU: other containers run, and a request is one line" {
	second
	is plain 0 STARTED
	step request
	[ "$status" = 125 ]
	[[ ${lines[0]} == 'docker: '*': nvcoreos-runtime: E20: no NVIDIA GPU on this host: all was asked for: '* ]]
	# Docker's client may say too that its waiting has come to an end.
	[ "$(grep -vc 'level=error msg="error waiting for container: context canceled"$' <<<"$output")" = 1 ]
}
