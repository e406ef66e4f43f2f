#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Modules that a kernel does not take, each for another reason: verify foretells it, load says it in one line, and nothing stays
# half loaded. A virtual machine boots once; errors.sh is what it runs, and each test here looks at what one of its steps wrote.

bats_require_minimum_version 1.5.0
load helpers
load vm

why_not() {
	local name
	[ "$(id -u)" = 0 ] || echo 'needs root'
	for name in cc strip objcopy xz modinfo openssl strace; do
		command -v "$name" >/dev/null || echo "not installed: $name"
	done
	for name in nvcoreos nvcoreos-load; do
		[ -x "$NVCOREOS_BUILD/$name" ] || echo "not built: $NVCOREOS_BUILD/$name"
	done
	vm_needs 2>&1 || :
}

# Older bats know no skip here: setup does it.
setup_file() {
	# shellcheck source=tests/lib/vm.sh
	. "$NVC_LIB/vm.sh"
	export CONSOLE=$BATS_FILE_TMPDIR/console DRIVER OS WHY_NOT RELEASE LAYOUT_DIFFERS=
	local rc=0 other
	# What the kernel is told; no test but its own has that module.
	WORDS='module_blacklist=nvidia_modeset nvidia.NVreg_DeviceFileGID=55 nvidia.NVreg_ModifyDeviceFiles=1'
	WHY_NOT=$(why_not)
	[ -z "$WHY_NOT" ] || return 0
	KERNEL=$(vm_kernel) && other=$(vm_kernel_of "$(vm_suite)" amd64) && ROOT=$("$NVC_LIB/roots.sh" --busybox) || rc=$?
	[ $rc != 3 ] || WHY_NOT='no kernels or no busybox for a virtual machine can be had here'
	[ $rc != 3 ] || return 0
	[ $rc = 0 ]
	RELEASE=$(cat "$KERNEL/release")
	[ "$(layout_version "$KERNEL")" = "$(layout_version "$other")" ] || LAYOUT_DIFFERS=yes
	make_guest "$BATS_FILE_TMPDIR/guest" "$other" &&
		vm_pack "$BATS_FILE_TMPDIR/guest" "$NVC_TESTS/fixtures/modules/errors.sh" "$BATS_FILE_TMPDIR/image" &&
		vm_boot "$KERNEL" "$BATS_FILE_TMPDIR/image" "$CONSOLE" 600 '' "$WORDS"
}

setup() {
	[ -z "$WHY_NOT" ] || skip_or_fail "$WHY_NOT"
}

# layout_version KERNEL: what its configuration makes of the layout of modules.
layout_version() {
	find "$1/headers" -name Module.symvers -exec awk '$2 == "module_layout" { print $1 }' {} +
}

# wrong_versions WHICH IN OUT: the version of one symbol that OUT was built against is wrong: of module_layout, or of the first "other".
wrong_versions() {
	local versions=$BATS_FILE_TMPDIR/versions size name i
	objcopy --dump-section __versions="$versions" "$2" "$3" && size=$(stat -c %s "$versions") || return
	# 64 bytes each: eight of the version, then the name.
	for ((i = 0; i < size; i += 64)); do
		name=$(dd if="$versions" bs=1 skip=$((i + 8)) count=56 status=none | tr -d '\0')
		case $1:$name in
		module_layout:module_layout | other:__fentry__)
			printf '\336\255\276\357' | dd of="$versions" bs=1 seek=$i conv=notrunc status=none
			objcopy --update-section __versions="$versions" "$3"
			return
			;;
		esac
	done
	return 1
}

# sign KERNEL FILE: with a key that no kernel knows.
sign() {
	local key=$BATS_FILE_TMPDIR/key
	[ -e "$key.pem" ] || openssl req -new -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=nobody -outform DER -keyout "$key.pem" \
		-out "$key.der" 2>/dev/null || return
	"$(find "$1/headers" -name sign-file -type f | head -n 1)" sha256 "$key.pem" "$key.der" "$2"
}

# change_nvidia: MODULES/SET/nvidia.ko for each way in which one file can be wrong.
change_nvidia() {
	local file=$BATS_FILE_TMPDIR/modules ko
	ko=$file/good/nvidia.ko
	for set in layout crc noversions nomodinfo half short empty text stripped hidden foreign garbage; do
		cp -R "$file/good" "$file/$set" || return
	done
	wrong_versions module_layout "$ko" "$file/layout/nvidia.ko" && wrong_versions other "$ko" "$file/crc/nvidia.ko" &&
		objcopy --remove-section __versions "$ko" "$file/noversions/nvidia.ko" &&
		objcopy --remove-section .modinfo "$ko" "$file/nomodinfo/nvidia.ko" &&
		truncate -s $(($(stat -c %s "$ko") / 2)) "$file/half/nvidia.ko" && truncate -s 100 "$file/short/nvidia.ko" &&
		truncate -s 0 "$file/empty/nvidia.ko" && echo 'a text' >"$file/text/nvidia.ko" && strip -s "$file/stripped/nvidia.ko" &&
		xz --check=crc32 "$file/hidden/nvidia.ko" && mv "$file/hidden/nvidia.ko.xz" "$file/hidden/nvidia.ko" &&
		sign "$KERNEL" "$file/foreign/nvidia.ko" && sign "$KERNEL" "$file/foreign/nvidia-uvm.ko" || return
	for ko in "$file"/garbage/nvidia*.ko; do
		# What the kernel looks for at the end: 40 bytes of a signature of which nothing is right.
		printf '%28s\0\0\002\0\0\0\0\0\0\0\0\034~Module signature appended~\n' '' >>"$ko" || return
	done
}

# A module that says that it stands on one of the kernel's own, and that one, packed: whole in its place, and half of it beside.
depend_on_overlay() {
	local dir=$1 info=$BATS_FILE_TMPDIR/modinfo own
	objcopy --dump-section .modinfo="$info" "$dir/nvidia.ko" && printf 'depends=overlay\0' >>"$info" &&
		objcopy --update-section .modinfo="$info" "$dir/nvidia.ko" || return
	own=$(find "$guest/lib/modules" -name 'overlay.ko*')
	[[ $own = *.xz ]] || { xz --check=crc32 "$own" && own=$own.xz; } || return
	depmod -b "$guest" "$RELEASE" && head -c $(($(stat -c %s "$own") / 2)) "$own" >"$standin/overlay-half"
}

make_modules() {
	local set tmp=$BATS_FILE_TMPDIR/modules src=$NVC_TESTS/fixtures/modules good init config held gpl
	good=$(vm_modules "$KERNEL" "$src") && init=$(vm_modules "$KERNEL" "$src" KCFLAGS=-DSTANDIN_UVM_ERRNO=16) &&
		held=$(vm_modules "$KERNEL" "$src" KCFLAGS=-DSTANDIN_UVM_WAITS) && gpl=$(vm_modules "$KERNEL" "$src" KCFLAGS=-DSTANDIN_GPL) &&
		config=$(vm_modules "$1" "$src") || return
	DRIVER=$(modinfo -F version "$good/nvidia.ko")
	cp "$good/standin-gpu.ko" "$standin/" && find "$KERNEL/headers" -name Module.symvers -exec cp {} "$standin/" \; || return
	mkdir -p "$tmp" && cp -R "$good" "$tmp/good" && cp -R "$init" "$tmp/init" && cp -R "$config" "$tmp/config" && cp -R "$held" "$tmp/held" &&
		cp -R "$good" "$tmp/depends" && depend_on_overlay "$tmp/depends" && change_nvidia || return
	# The compiler's own check would refuse a license that does not fit.
	cp -R "$gpl" "$tmp/proprietary" && sed -i 's/\x00license=GPL\x00/\x00license=XYZ\x00/' "$tmp/proprietary/nvidia.ko" || return
	mkdir "$standin/modules" "$standin/modules/blacklisted" &&
		tar -C "$good" -czf "$standin/modules/blacklisted/modules-$OS-$DRIVER.tar.gz" nvidia.ko nvidia-uvm.ko nvidia-modeset.ko || return
	for set in "$tmp"/*; do
		mkdir -p "$standin/modules/${set##*/}" &&
			tar -C "$set" -czf "$standin/modules/${set##*/}/modules-$OS-$DRIVER.tar.gz" nvidia.ko nvidia-uvm.ko || return
	done
}

make_guest() {
	local guest=$1 standin=$1/standin
	OS=debian-12-$RELEASE
	cp -a "$ROOT" "$guest" && mkdir -p "$standin" && vm_install "$guest" && vm_program "$guest" "$(command -v strace)" /usr/sbin/strace && vm_own "$guest" "$KERNEL" && make_modules "$2" &&
		"$NVC_TESTS/fixtures/sample-driver/build.sh" "$standin/archives" "$DRIVER" >/dev/null || return
	printf 'ID=debian\nVERSION_ID="12"\n' >"$guest/etc/os-release"
	echo "$DRIVER" >"$standin/driver"
	echo "$OS" >"$standin/os"
}

# refused SET VERIFY [LOAD]: neither verify nor load has a good word, and nothing is there after it. VERIFY '': it cannot be foretold.
refused() {
	if [ -n "$2" ]; then
		step "$1-verify"
		[ "$status" = 1 ]
		# shellcheck disable=SC2053 # a pattern
		[[ $output == *$2* ]]
	fi
	step "$1-load"
	[ "$status" = 1 ] && [ ${#lines[@]} = 1 ]
	# shellcheck disable=SC2053 # a pattern
	[[ $output == "nvcoreos: E22: loading the NVIDIA kernel modules failed: "${3:-*$2*} ]]
	step "$1-traces"
	[[ $output != *nvidia* ]]
}

# loads SET: verify has no finding, load no complaint.
loads() {
	step "$1-verify"
	[ "$status" = 0 ]
	step "$1-load"
	[ "$status" = 0 ]
	[[ $output == "driver $DRIVER: loaded nvidia, nvidia-uvm from /opt/$1/$DRIVER/$OS/modules; made "* ]]
	is "$1-parameter" 0 0
}

@test "all is right: it loads" {
	loads good
}

@test "built for a kernel of another configuration: the symbols are named before anything is loaded" {
	step config-headers
	[ "$status" = 1 ]
	[[ $output == *': nvidia: needs another version of '* && $output == *': nvidia_uvm: needs another version of '* ]]
	# Without headers the versions of those symbols are known that the kernel's own modules use, of which this machine has few.
	refused config "nvidia: needs another version of ${LAYOUT_DIFFERS:+module_layout }"
	step config-verify
	[ -z "$LAYOUT_DIFFERS" ] || [[ $output == *'nvidia_uvm: needs another version of '* ]]
}

@test "the version of module_layout differs (the kernel: ENOEXEC)" {
	refused layout 'nvidia: needs another version of module_layout than this kernel has'
}

@test "the version of another symbol differs (EINVAL)" {
	refused crc 'nvidia: needs another version of __fentry__ than this kernel has'
	step crc-verify
	[[ $output != *module_layout* ]]
}

@test "a proprietary module that needs what is for GPL-compatible ones: foretold without headers, and by them" {
	step proprietary-headers
	[ "$status" = 1 ]
	[[ $output == *': nvidia: needs init_uts_ns, which this kernel gives to GPL-compatible modules alone (its license: "XYZ")'* ]]
	refused proprietary 'nvidia: needs init_uts_ns, which this kernel gives to GPL-compatible modules alone (its license: "XYZ")'
}

@test "no versions: the kernel takes it" {
	loads noversions
}

@test "truncated, without .modinfo: it is not even installed" {
	for set in half short nomodinfo; do
		echo "# $set"
		is $set-install 1 "nvcoreos: E50: archive refused: */modules-$OS-$DRIVER.tar.gz: nvidia.ko: damaged kernel module: *"
	done
}

@test "empty, no ELF file, without symbols, compressed under a name that does not say so" {
	for set in empty text stripped hidden; do
		echo "# $set"
		refused $set 'no module, or damaged'
	done
}

@test "the second module does not start: the first one goes again" {
	step init-verify
	[ "$status" = 0 ]
	refused init '' 'nvidia-uvm: a device number that it needs is taken (Device or resource busy): see /proc/devices *'
}

@test "the second module does not start, and somebody has opened the first: what stays is said, and unload takes it later" {
	is held-load 1 "nvcoreos: E22: *: nvidia-uvm: a device number that it needs is taken (*): see /proc/devices for who has major 195; \
nvidia stays loaded, and goes with 'nvcoreos unload' once nothing uses it"
	step held-traces
	[[ $'\n'$output == *$'\nnvidia\n'* && $output != *nvidia_uvm* ]]
	is held-free 0 'unloaded nvidia'
}

# uvm_alone_is_gone STEP: what the kernel and /dev have after a half unload; the free major's nodes are gone.
uvm_alone_is_gone() {
	step "$1"
	[[ $'\n'$output == *$'\nnvidia\n'* && $output != *nvidia[-_]uvm* && $output == */dev/nvidia-caps*/dev/nvidiactl* ]]
}

@test "unload: one module goes and the next does not: what went is said, and its nodes go" {
	is left-load 0 "driver $DRIVER: loaded nvidia, nvidia-uvm from *"
	# What is known to be in use is refused before anything goes.
	is left 1 'nvcoreos-load: E54: in use: nvidia is used: end what uses the GPUs, the console among it, or reboot'
	step left-traces
	[[ $output == *nvidia_uvm*/dev/nvidia-uvm-tools* ]]
	is left-again 0 "driver $DRIVER: loaded already; all device nodes are there"
	is left-fault 1 "nvcoreos: E57: unloading the NVIDIA kernel modules failed: nvidia stays loaded: Input/output error: see 'dmesg', or reboot; \
nvidia_uvm went before it, and 'nvcoreos load' loads them again"
	uvm_alone_is_gone left-fault-traces
	is left-end 0 'unloaded nvidia'
}

@test "one of the kernel's own modules, which another stands on, is damaged or gone: its file is named" {
	refused damaged '' "/lib/modules/$RELEASE/*/overlay.ko.xz: damaged, or built for another kernel (*): install this kernel's own modules again"
	refused missing '' "/lib/modules/$RELEASE/*/overlay.ko.xz: it is gone (*): install this kernel's own modules again"
	is depends-load 0 "driver $DRIVER: loaded nvidia, nvidia-uvm from /opt/depends/*; made *"
	is depends-loaded 0 1
}

@test "the kernel's command line has a say, in the parameters that nvcoreos.conf may set" {
	loads good
	is good-nodes 0 'crw-rw-rw- *root *55 *195, 255 */dev/nvidiactl'
}

@test "modprobe.d has no say: install, blacklist, alias, options" {
	loads modprobed
}

@test "parameters of nvcoreos.conf reach the module; ModifyDeviceFiles is not among them; a bad value is named" {
	loads parameters
	step parameters-nodes
	[[ $output == crw-rw----*' 44 '* ]]
	refused badvalue '' "nvidia: symbol versions differ from this kernel's, the file is empty, or a parameter is refused (Invalid argument): *"
	step forbidden-load
	[ "$status" = 1 ]
	[[ $output == *'E03: '*'module-parameters=nvidia.NVreg_ModifyDeviceFiles=1: no parameter of that module that may be set here; nvcoreos.conf lists them' ]]
}

@test "in the kernel's module_blacklist: foretold, and said" {
	step blacklisted-verify
	[ "$status" = 1 ]
	[[ $output == *": nvidia_modeset: is in module_blacklist= of the kernel's command line"* ]]
	step blacklisted-load
	[ "$status" = 0 ]
	[[ $output == *"nvidia-modeset: it is in module_blacklist= of the kernel's command line (Operation not permitted): take it out of module_blacklist= and reboot"* ]]
}

@test "changed after it was installed" {
	refused changed-later 'nvidia-uvm.ko: ' '*/modules/nvidia-uvm.ko: damaged: its content is not what the tree'*
}

@test "a kernel that wants signatures: that there is none is foretold, and that it knows the key of none is said" {
	refused unsigned 'nvidia: has no signature, and ' 'nvidia: has no signature, and * (and 1 more): sign the modules *'
	refused garbage 'nvidia: has no signature, and '
	refused foreign '' 'nvidia: its signature is missing or not trusted (Key was rejected by service): *'
}
