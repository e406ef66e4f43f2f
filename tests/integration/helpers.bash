# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Loaded by every bats file: the build, OCI bundles over cached roots, a host
# with GPUs that does not exist, and probes that run inside containers.
# shellcheck disable=SC2016 # what looks like shell variables belongs to jq

NVC_TESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
NVC_LIB=$NVC_TESTS/lib
NVCOREOS_BUILD=${NVCOREOS_BUILD:-$(dirname "$NVC_TESTS")/build}
export NVC_TESTS NVC_LIB NVCOREOS_BUILD
# shellcheck source=tests/lib/cleanup.sh
. "$NVC_LIB/cleanup.sh"

# --- what a test needs -------------------------------------------------------

# skip_or_fail REASON: skips; with STRICT=1 (where all must run) fails. In setup_file bats knows no skip: there the reason is
# kept for skip_file, and setup_file ends with `|| return "$SKIPPED"`.
skip_or_fail() {
	SKIPPED=1
	if [ "${STRICT:-0}" = 1 ]; then
		printf 'STRICT=1 and this would be skipped: %s\n' "$1" >&2
		return 1
	fi
	[ -z "${BATS_TEST_NAME:-}" ] || skip "$1"
	# shellcheck disable=SC2034 # for the caller
	SKIPPED=0
	printf '%s\n' "$1" >"$BATS_FILE_TMPDIR/why-not"
	return 1
}

# skip_file: in setup, skips each test of a file whose setup_file could not be done.
skip_file() {
	[ ! -e "$BATS_FILE_TMPDIR/why-not" ] || skip "$(cat "$BATS_FILE_TMPDIR/why-not")"
}

# need_build NAME...: the programs of the build.
need_build() {
	local name
	for name; do
		[ -x "$NVCOREOS_BUILD/$name" ] || skip_or_fail "not built: $NVCOREOS_BUILD/$name" || return
	done
}

# need_root [CMD...]: root and these commands.
need_root() {
	local cmd
	[ "$(id -u)" = 0 ] || skip_or_fail 'needs root' || return
	for cmd; do
		command -v "$cmd" >/dev/null || skip_or_fail "not installed: $cmd" || return
	done
}

# need_cgroups: that containers can run here at all.
need_cgroups() {
	local why
	why=$(cgroup_usable 2>&1) || skip_or_fail "$why"
}

# have_root RELEASE|--busybox: sets ROOT to the cached root, or skips.
have_root() {
	# shellcheck disable=SC2034 # for the test
	ROOT=$("$NVC_LIB/roots.sh" "$1") || skip_or_fail "no root '$1' here"
}

# have_driver SUITE: sets DRIVER_ROOT and DRIVER to NVIDIA's real userland, or skips.
have_driver() {
	# shellcheck disable=SC2034 # for the test
	DRIVER_ROOT=$("$NVC_LIB/realdriver.sh" "$1") || skip_or_fail "no real driver of '$1' here" || return
	# shellcheck disable=SC2034 # for the test
	DRIVER=$("$NVC_LIB/realdriver.sh" --version "$1")
}

# --- views of the cgroups ----------------------------------------------------

# cgroup_view hybrid|legacy|v2 CMD...: runs a program (no function) in that view; the machine keeps its own.
cgroup_view() {
	local view=$1 script
	shift
	case $view in
	hybrid) script='' ;;
	legacy) script='! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified || exit 3' ;;
	v2) script='umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 3' ;;
	*) return 2 ;;
	esac
	unshare -m --propagation private sh -c "$script"'
		exec "$@"' sh "$@"
}

# --- OCI bundles -------------------------------------------------------------

# bundle_id DIR: the container's name, and that of its cgroup.
bundle_id() {
	printf 'nvctest-%s\n' "$(printf '%s' "$1" | cksum | cut -d' ' -f1)"
}

# An overlay keeps the cached root as it was; where DIR lies on an overlay itself, a copy does.
bundle_rootfs() {
	mkdir -p "$1/rootfs" "$1/upper" "$1/work"
	mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work,metacopy=on" "$1/rootfs" 2>/dev/null ||
		cp -a --reflink=auto "$2/." "$1/rootfs"
}

# bundle_jq DIR FILTER [JQ_OPTION...]: edits config.json.
bundle_jq() {
	local dir=$1 filter=$2
	shift 2
	jq "$filter" "$@" <"$dir/config.json" >"$dir/config.json.new" && mv "$dir/config.json.new" "$dir/config.json"
}

# What docker gives every container; with runc's own three apt-get cannot run.
bundle_capabilities() {
	printf '["CAP_%s"' CHOWN
	printf ',"CAP_%s"' DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE \
		SYS_CHROOT KILL AUDIT_WRITE
	printf ']'
}

# bundle_make DIR ROOTFS: a bundle with its own writable view of ROOTFS.
bundle_make() {
	mkdir -p "$1" && bundle_rootfs "$1" "$2" && rm -f "$1/config.json" && runc spec -b "$1" &&
		bundle_jq "$1" '.process.terminal = false | .root.readonly = false | .hostname = "nvctest"
			| .linux.cgroupsPath = "/" + $id
			| .process.capabilities |= (.bounding = $caps | .effective = $caps | .permitted = $caps | del(.ambient, .inheritable))' \
			--arg id "$(bundle_id "$1")" --argjson caps "$(bundle_capabilities)"
}

# bundle_env DIR KEY=VALUE...: appends, as engines do (of two equal keys the last one holds).
bundle_env() {
	local dir=$1
	shift
	bundle_jq "$dir" '.process.env += $ARGS.positional' --args -- "$@"
}

# bundle_args DIR CMD...
bundle_args() {
	local dir=$1
	shift
	bundle_jq "$dir" '.process.args = $ARGS.positional' --args -- "$@"
}

# bundle_bind DIR SOURCE TARGET [OPTION...]: a volume.
bundle_bind() {
	local dir=$1 from=$2 to=$3
	shift 3
	bundle_jq "$dir" '.mounts += [{destination: $to, source: $from, type: "bind", options: (["rbind"] + $ARGS.positional)}]' \
		--arg from "$from" --arg to "$to" --args -- "$@"
}

# bundle_hook DIR STAGE PATH ARG...: a hook; an env that is not empty, as all that nvcoreos writes has.
bundle_hook() {
	local dir=$1 stage=$2 path=$3
	shift 3
	bundle_jq "$dir" '.hooks[$stage] += [{path: $path, args: ([$path] + $ARGS.positional), env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}]' \
		--arg stage "$stage" --arg path "$path" --args -- "$@"
}

# bundle_userns DIR FIRST_UID: the container gets its own user namespace and owns its root, as under userns-remap.
bundle_userns() {
	bundle_jq "$1" '.linux.namespaces += [{type: "user"}]
		| .linux.uidMappings = [{containerID: 0, hostID: $first, size: 65536}]
		| .linux.gidMappings = .linux.uidMappings' --argjson first "$2" &&
		chown -hR "$2:$2" "$1/rootfs" && chmod 755 "$1"
}

# bundle_oci DIR "RUNTIME [OPTION...]" VERB ARG...: any verb, with the state kept in DIR.
bundle_oci() {
	local dir=$1 runtime
	read -ra runtime <<<"${2:-runc}"
	shift 2
	cgroup_view "${CGROUP_VIEW:-hybrid}" "${runtime[@]}" --root "$dir/state" "$@" </dev/null 3>&-
}

# --no-new-keyring: an outer seccomp filter (systemd-nspawn's) may forbid keyrings, which no test is about.
# bundle_run DIR [RUNTIME [OPTION...]]: runs it to its end. CGROUP_VIEW=legacy|v2 chooses the view.
bundle_run() {
	local dir=$1
	shift
	bundle_oci "$dir" "$*" run --no-new-keyring --bundle "$dir" "$(bundle_id "$dir")"
}

# bundle_start DIR [RUNTIME [OPTION...]]: runs it in the background; its output in DIR/output.
bundle_start() {
	local dir=$1
	shift
	bundle_oci "$dir" "$*" run --no-new-keyring --detach --pid-file "$dir/pid" --bundle "$dir" "$(bundle_id "$dir")" >"$dir/output" 2>&1 ||
		{ cat "$dir/output" >&2 && return 1; }
}

# bundle_exec DIR CMD...: in a started one.
bundle_exec() {
	local dir=$1
	shift
	bundle_oci "$dir" runc exec "$(bundle_id "$dir")" "$@"
}

# bundle_clean DIR: ends the container, unmounts, removes DIR and its cgroup. Safe to call twice.
bundle_clean() {
	[ -d "$1" ] || return 0
	[ ! -d "$1/state" ] || runc --root "$1/state" delete --force "$(bundle_id "$1")" >/dev/null 2>&1 || :
	cleanup_umount "$1" && cleanup_cgroup "$(bundle_id "$1")" && cleanup_remove "$1"
}

# --- a host with GPUs that does not exist ------------------------------------

# fakehost_bdf N, fakehost_uuid N: of the GPU with that index.
fakehost_bdf() {
	printf '0000:%02x:00.0\n' $(($1 + 1))
}

fakehost_uuid() {
	printf 'GPU-%08x-1d2e-3f40-5162-738495a6b7c8\n' "$1"
}

# A major that no driver here owns: open answers ENXIO if the cgroup lets it pass, EPERM if not.
fakehost_free_major() {
	local major
	for ((major = ${1:-511}; major > 383; major--)); do
		grep -q "^ *$major " /proc/devices || break
	done
	printf '%d\n' "$major"
}

# FAKEHOST_FLAVOUR=open gives the words of the open modules.
fakehost_version() {
	if [ "${FAKEHOST_FLAVOUR:-proprietary}" = open ]; then
		printf 'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  %s  Release Build  (root@builder)  Sat Jun 14 09:12:31 UTC 2025\n' "$1"
	else
		printf 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  %s  Sat Jun 14 09:12:31 UTC 2025\n' "$1"
	fi
	printf 'GCC version:  gcc version 12.2.0 (Debian 12.2.0-14+deb12u1) \n'
}

fakehost_params() {
	printf '%s: %s\n' ResmanDebugLevel 4294967295 RmLogonRC 1 ModifyDeviceFiles 1 DeviceFileUID 0 DeviceFileGID 0 \
		DeviceFileMode 438 InitializeSystemMemoryAllocations 1 UsePageAttributeTable 4294967295 EnableMSI 1 \
		EnablePCIeGen3 0 MemoryPoolSize 0 EnableStreamMemOPs 0 NvLinkDisable 0 RmProfilingAdminOnly 1 \
		DynamicPowerManagement 3 RegisterPCIDriver 1 EnableGpuFirmware 18 EnableGpuFirmwareLogs 2 \
		OpenRmEnableUnsupportedGpus 1 ImexChannelCount 2048 CreateImexChannel0 0 \
		CoherentGPUMemoryMode '""' RegistryDwords '""' RmMsg '""' TemporaryFilePath '""' ExcludedGpus '""'
}

fakehost_information() {
	printf 'Model: \t\t NVIDIA A100-PG509-200\n'
	printf 'IRQ:   \t\t %d\n' $((40 + $1))
	printf 'GPU UUID: \t %s\n' "$(fakehost_uuid "$1")"
	printf 'Video BIOS: \t 92.00.45.00.03\nBus Type: \t PCIe\nDMA Size: \t 47 bits\nDMA Mask: \t 0x7fffffffffff\n'
	printf 'Bus Location: \t %s\nDevice Minor: \t %d\n' "$(fakehost_bdf "$1")" "$1"
	printf 'GPU Firmware: \t %s\nGPU Excluded:\t No\n' "$2"
}

# 545 took the nvidia-frontend layer out.
fakehost_devices() {
	printf 'Character devices:\n  1 mem\n  5 /dev/tty\n 10 misc\n136 pts\n'
	if [ "${1%%.*}" -ge 545 ]; then
		printf '195 nvidia\n195 nvidia-modeset\n195 nvidiactl\n'
	else
		printf '195 nvidia-frontend\n'
	fi
	printf '226 drm\n%3d nvidia-caps\n%3d nvidia-uvm\n' $(($2 - 1)) "$2"
	printf '\nBlock devices:\n  7 loop\n259 blkext\n'
}

# The driver's own numbering: 32 GPUs, 15 instances each, 8 compute instances each.
fakehost_mig_minors() {
	awk 'BEGIN {
		print "config 1"; print "monitor 2"; n = 3
		for (gpu = 0; gpu < 32; gpu++) for (gi = 0; gi < 15; gi++) {
			printf "gpu%d/gi%d/access %d\n", gpu, gi, n++
			for (ci = 0; ci < 8; ci++) printf "gpu%d/gi%d/ci%d/access %d\n", gpu, gi, ci, n++
		}
	}'
}

fakehost_cap_file() {
	mkdir -p "$(dirname "$1")"
	printf 'DeviceFileMinor: %d\nDeviceFileMode: %d\nDeviceFileModify: 1\n' "$2" "$3" >"$1"
}

# /sys/bus/pci/devices holds links, as the kernel's has: what reads it must follow them inside the root.
fakehost_pci() {
	local bdf real
	bdf=$(fakehost_bdf "$2")
	real=$1/sys/devices/pci0000:00/$bdf
	mkdir -p "$real" "$1/sys/bus/pci/devices" "$1/sys/bus/pci/drivers/nvidia"
	ln -sfn "../../../devices/pci0000:00/$bdf" "$1/sys/bus/pci/devices/$bdf"
	ln -sfn ../../../bus/pci/drivers/nvidia "$real/driver"
	echo 0x10de >"$real/vendor"
	echo 0x20b0 >"$real/device"
	echo 0x030200 >"$real/class"
	echo 0x10de >"$real/subsystem_vendor"
	echo 0x1450 >"$real/subsystem_device"
	echo 0 >"$real/numa_node"
	echo pci:v000010DEd000020B0sv000010DEsd00001450bc03sc02i00 >"$real/modalias"
	printf 'DRIVER=nvidia\nPCI_CLASS=30200\nPCI_ID=10DE:20B0\nPCI_SLOT_NAME=%s\n' "$bdf" >"$real/uevent"
}

fakehost_proc() {
	local dir=$1 gpus=$2 driver=$3 uvm=$4 n info nv=$1/proc/driver/nvidia
	mkdir -p "$nv/gpus" "$dir/proc/driver/nvidia-caps" "$dir/proc/sys/kernel"
	fakehost_version "$driver" >"$nv/version"
	fakehost_params >"$nv/params"
	printf 'Binary: ""\n' >"$nv/registry"
	fakehost_cap_file "$nv/capabilities/mig/config" 1 256
	fakehost_cap_file "$nv/capabilities/mig/monitor" 2 292
	fakehost_mig_minors >"$dir/proc/driver/nvidia-caps/mig-minors"
	fakehost_devices "$driver" "$uvm" >"$dir/proc/devices"
	printf 'nvidia_uvm 1540096 0 - Live 0x0 (POE)\nnvidia 56823808 1 nvidia_uvm, Live 0x0 (POE)\n' >"$dir/proc/modules"
	for ((n = 0; n < gpus; n++)); do
		info=$nv/gpus/$(fakehost_bdf "$n")
		mkdir -p "$info"
		fakehost_information "$n" "$driver" >"$info/information"
		printf 'Binary: ""\n' >"$info/registry"
	done
}

fakehost_module() {
	mkdir -p "$1/sys/module/$2"
	echo live >"$1/sys/module/$2/initstate"
	echo 0 >"$1/sys/module/$2/refcnt"
	echo "$3" >"$1/sys/module/$2/version"
}

fakehost_node() {
	mkdir -p "$(dirname "$1")"
	rm -f "$1"
	mknod -m "$4" "$1" c "$2" "$3"
}

# Many a /tmp is a tmpfs mounted nodev, where no node can be opened.
fakehost_dev() {
	mkdir -p "$1/dev"
	case ,$(findmnt -no OPTIONS -T "$1/dev"), in
	*,nodev,*) mount -t tmpfs -o mode=755,size=1m tmpfs "$1/dev" ;;
	esac
}

fakehost_nodes() {
	local dev=$1/dev n
	fakehost_node "$dev/nvidiactl" 195 255 666
	fakehost_node "$dev/nvidia-modeset" 195 254 666
	fakehost_node "$dev/nvidia-uvm" "$3" 0 666
	fakehost_node "$dev/nvidia-uvm-tools" "$3" 1 666
	fakehost_node "$dev/nvidia-caps/nvidia-cap1" $(($3 - 1)) 1 400
	fakehost_node "$dev/nvidia-caps/nvidia-cap2" $(($3 - 1)) 2 444
	for ((n = 0; n < $2; n++)); do
		fakehost_node "$dev/nvidia$n" 195 "$n" 666
	done
}

# fakehost_make DIR NGPUS DRIVER [MAJOR_UVM]: DIR/{proc,sys,dev,run}; nvidia-caps has MAJOR_UVM-1.
fakehost_make() {
	local dir=$1 gpus=$2 driver=$3 uvm n
	uvm=${4:-$(fakehost_free_major 511)}
	mkdir -p "$dir/run" "$dir/sys/bus/pci/devices" && fakehost_dev "$dir" || return
	fakehost_proc "$dir" "$gpus" "$driver" "$uvm"
	fakehost_module "$dir" nvidia "$driver"
	fakehost_module "$dir" nvidia_uvm "$driver"
	fakehost_module "$dir" nvidia_modeset "$driver"
	fakehost_module "$dir" nvidia_drm "$driver"
	for ((n = 0; n < gpus; n++)); do
		fakehost_pci "$dir" "$n"
	done
	fakehost_nodes "$dir" "$gpus" "$uvm"
}

fakehost_drm() {
	local pci=$1 name=$2 minor=$3
	mkdir -p "$pci/drm/$name"
	echo "226:$minor" >"$pci/drm/$name/dev"
	printf 'MAJOR=226\nMINOR=%d\nDEVNAME=dri/%s\nDEVTYPE=drm_minor\n' "$minor" "$name" >"$pci/drm/$name/uevent"
}

# fakehost_dri DIR NGPUS: nvidia-drm is loaded too: /dev/dri/{cardN,renderD128+N} and their sysfs.
fakehost_dri() {
	local dir=$1 n pci
	for ((n = 0; n < $2; n++)); do
		pci=$dir/sys/devices/pci0000:00/$(fakehost_bdf "$n")
		fakehost_drm "$pci" "card$n" "$n"
		fakehost_drm "$pci" "renderD$((128 + n))" $((128 + n))
		fakehost_node "$dir/dev/dri/card$n" 226 "$n" 660
		fakehost_node "$dir/dev/dri/renderD$((128 + n))" 226 $((128 + n)) 666
	done
}

# fakehost_mig DIR GPU GI CI: one MIG instance: its access files and its nodes.
fakehost_mig() {
	local dir=$1 what minor major mig=$1/proc/driver/nvidia/capabilities/gpu$2/mig
	major=$(awk '$2 == "nvidia-caps" { print $1 }' "$dir/proc/devices")
	for what in "gi$3" "gi$3/ci$4"; do
		minor=$(awk -v k="gpu$2/$what/access" '$1 == k { print $2 }' "$dir/proc/driver/nvidia-caps/mig-minors")
		fakehost_cap_file "$mig/$what/access" "$minor" 292
		fakehost_node "$dir/dev/nvidia-caps/nvidia-cap$minor" "$major" "$minor" 444
	done
}

# fakehost_conf DIR STOREDIR CUDADIR [KEY=VALUE...]: an nvcoreos.conf on stdout.
fakehost_conf() {
	local dir=$1 store=$2 cuda=$3
	shift 3
	cat <<-EOF
		driver-store=$store
		cuda-store=$cuda
		proc-root=$dir/proc
		sys-root=$dir/sys
		dev-root=$dir/dev
		run-dir=$dir/run
		hook-path=$NVCOREOS_BUILD/nvcoreos-hook
		libexec-dir=$NVCOREOS_BUILD
		load-modules=no
		log-file=$dir/nvcoreos.log
		low-level-runtimes=runc
	EOF
	[ $# = 0 ] || printf '%s\n' "$@"
}

# fakehost_clean DIR
fakehost_clean() {
	cleanup_umount "$1" && cleanup_remove "$1"
}

# --- programs that run inside containers -------------------------------------

# The stubs stand in for a glibc old enough for every root (see probe-dl.c).
probe_dl_build() {
	local src=$NVC_TESTS/integration/probe-dl.c tmp=$1/.probe-dl version
	case $(uname -m) in
	x86_64) version=GLIBC_2.2.5 ;;
	aarch64) version=GLIBC_2.17 ;;
	*) return 1 ;;
	esac
	mkdir -p "$tmp" && echo "$version { global: *; };" >"$tmp/map" &&
		cc -w -fno-builtin -shared -fPIC -nostdlib -DSTUB_C "$src" -o "$tmp/libc.so.6" -Wl,-soname,libc.so.6,--version-script,"$tmp/map" &&
		cc -w -shared -fPIC -nostdlib -DSTUB_DL "$src" -o "$tmp/libdl.so.2" -Wl,-soname,libdl.so.2,--version-script,"$tmp/map" &&
		cc -O1 -fno-stack-protector -nodefaultlibs "$src" "$tmp/libdl.so.2" "$tmp/libc.so.6" -Wl,--no-as-needed -o "$1/probe-dl" &&
		rm -rf "$tmp"
}

# probe_build DIR: DIR/probe (static) and DIR/probe-dl (dynamic, glibc 2.31 and later).
probe_build() {
	mkdir -p "$1" && cc -O1 -Wall -Wextra -static -o "$1/probe" "$NVC_TESTS/integration/probe.c" && probe_dl_build "$1"
}

# probe_install DIR ROOTFS: puts both where containers find them: /probe, /probe-dl.
probe_install() {
	cp "$1/probe" "$1/probe-dl" "$2/"
}
