# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced. A virtual machine with one of Debian's kernels and a file system in memory, emulated (no KVM), for what needs a
# kernel that loads modules. Return codes: 0 done, 1 failed, 3 this machine or its mirror cannot give it.
vm_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/lib/aptlists.sh
. "$vm_here/aptlists.sh"
# shellcheck source=tests/lib/cleanup.sh
. "$vm_here/cleanup.sh"

# vm_needs: 3 and the reason where no virtual machine can be had.
vm_needs() {
	local cmd
	if [ "$(uname -m)" != x86_64 ]; then
		aptlists_say "virtual machines are made for x86_64 only, not for $(uname -m)"
		return 3
	fi
	for cmd in qemu-system-x86_64 cpio depmod modprobe gcc make dpkg-deb flock timeout; do
		command -v "$cmd" >/dev/null || {
			aptlists_say "not installed: $cmd"
			return 3
		}
	done
}

# The tools in the kernel's header packages are programs of their release, so it is this machine's own where that is Debian.
vm_suite() {
	local id codename
	# shellcheck source=/dev/null
	id=$(. /etc/os-release && printf '%s' "$ID")
	# shellcheck source=/dev/null
	codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME-}")
	[ "$id" = debian ] && [ -n "$codename" ] || codename=bookworm
	printf '%s\n' "${NVCOREOS_VM_SUITE:-$codename}"
}

# vm_once PATH CMD ARG...: PATH is a directory that CMD ARG... NEW PATH fills; built beside and renamed under a lock, so that a
# caller sees a whole one or none.
vm_once() {
	local path=$1 new
	shift
	[ -d "$path" ] || (
		mkdir -p "$(dirname "$path")" || exit 1
		exec 9>"$(dirname "$path")/.lock-${path##*/}"
		flock 9 || exit 1
		[ -d "$path" ] && exit 0
		rm -rf "$path".new.*
		new=$(mktemp -d "$path.new.XXXXXX") && chmod 755 "$new" || exit 1
		trap 'rm -rf "$new"' EXIT
		trap 'exit 1' INT TERM
		"$@" "$new" "$path" && mv -T "$new" "$path"
	)
}

# --- the kernel --------------------------------------------------------------

# vm_depends SUITE PACKAGE PREFIX: what PACKAGE depends on and begins with PREFIX.
vm_depends() {
	aptlists_query "$1" depends "$2" | sed -n "s/^ *Depends: \($3.*\)/\1/p"
}

# What a virtual machine may load of the kernel's own modules, with what these depend on. Cloud kernels have some built in and
# others not at all.
vm_own='drm drm_kms_helper drm_ttm_helper video overlay pci_stub'

# vm_keep_own NEW RELEASE: NEW/own is such a directory of modules as the kernel's package installs, with those alone.
vm_keep_own() {
	local new=$1 release=$2 name file
	depmod -b "$new" "$release" 2>/dev/null || return 1
	mkdir -p "$new/own"
	for name in $vm_own; do
		modprobe --dirname "$new" --set-version "$release" --show-depends "$name" 2>/dev/null
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while read -r file; do
		(cd "$new/lib/modules/$release" && cp --parents "${file#"$PWD/"}" "$new/own/") || return 1
	done
}

# vm_fetch_kernel SUITE RELEASE NEW PATH: boot image, indexes of the modules, a few of them, and headers whose absolute paths lead to PATH.
vm_fetch_kernel() {
	local suite=$1 release=$2 new=$3 path=$4 headers deb
	headers=linux-headers-$release
	# shellcheck disable=SC2046 # a list of names
	aptlists_download "$suite" "$new/debs" "linux-image-$release" "$headers" \
		$(vm_depends "$suite" "$headers" linux-headers-) $(vm_depends "$suite" "$headers" linux-kbuild-) || return 1
	for deb in "$new"/debs/linux-headers-*.deb "$new"/debs/linux-kbuild-*.deb; do
		dpkg-deb -x "$deb" "$new/headers" || return 1
	done
	# Where modules lie below /usr/lib already, ./lib is not in the archive, which is no failure.
	dpkg-deb --fsys-tarfile "$new"/debs/linux-image-*.deb |
		tar -x -C "$new" ./boot ./lib ./usr/lib 2>/dev/null
	[ -d "$new/lib/modules" ] || mv -T "$new/usr/lib" "$new/lib" || return 1
	mkdir "$new/indexes" && cp "$new/lib/modules/$release"/modules.* "$new/indexes/" && vm_keep_own "$new" "$release" || return 1
	mv "$new/boot/vmlinuz-$release" "$new/vmlinuz" || return 1
	sed -i "s,/usr/src/,$path/headers/usr/src/,g" "$new/headers/usr/src/$headers/Makefile" || return 1
	printf '%s\n' "$release" >"$new/release"
	rm -rf "${new:?}"/{debs,boot,lib,usr,headers/usr/share}
}

# vm_ask_kernel SUITE FLAVOUR: prints the directory of the suite's newest kernel of that flavour, fetched if it is not there.
vm_ask_kernel() {
	local release version path
	aptlists_update "$1" main || return
	release=$(vm_depends "$1" "linux-headers-$2" linux-headers- | sed -n '1s/^linux-headers-//p')
	version=$(aptlists_query "$1" show --no-all-versions "linux-image-$release" 2>/dev/null | sed -n 's/^Version: //p')
	if [ -z "$release" ] || [ -z "$version" ]; then
		aptlists_say "'$1' has no linux-headers-$2 and its image"
		return 3
	fi
	path=$(aptlists_cache)/vm/$release-$version-$(cksum <<<"$vm_own" | cut -d' ' -f1)
	vm_once "$path" vm_fetch_kernel "$1" "$release" && printf '%s\n' "$path"
}

# vm_newest KNOWN CMD ARG...: the directory that CMD ARG... prints. Asked anew as often as the lists of apt are, KNOWN is where the
# answer stays; where the mirror does not answer, the last one holds.
vm_newest() {
	local known=$1 path rc=0
	shift
	path=$(cat "$known" 2>/dev/null)
	if [ ! -d "$path" ] || [ -z "$(find "$known" -mmin "-${NVCOREOS_APT_MINUTES:-720}")" ]; then
		path=$("$@") || rc=$?
		if [ $rc = 0 ]; then
			printf '%s\n' "$path" >"$known.$$" && mv "$known.$$" "$known" || return 1
		else
			path=$(cat "$known" 2>/dev/null)
			[ -d "$path" ] || return $rc
			aptlists_say "what an earlier run had is used: $path"
		fi
	fi
	printf '%s\n' "$path"
}

# vm_kernel_of SUITE FLAVOUR: prints a cached directory of the suite's newest kernel: vmlinuz, release, indexes/, own/, headers/.
vm_kernel_of() {
	vm_needs && vm_newest "$(aptlists_cache)/vm/newest-$1-$2" vm_ask_kernel "$1" "$2"
}

# vm_kernel: the same of a cloud kernel: it boots fastest, and has PCI, containers and modules, but no DRM.
vm_kernel() {
	vm_kernel_of "$(vm_suite)" cloud-amd64
}

# vm_compile KERNEL SOURCES MAKEARGS NEW PATH
vm_compile() {
	local kernel=$1 sources=$2 options=$3 new=$4 release
	release=$(cat "$kernel/release")
	mkdir "$new/build" && cp "$sources"/*.[ch] "$sources/Kbuild" "$new/build/" || return 1
	# BTF of modules would need pahole, and the kernel's own too.
	# shellcheck disable=SC2086 # a list of options
	if ! make -C "$kernel/headers/usr/src/linux-headers-$release" M="$new/build" CC=gcc CONFIG_DEBUG_INFO_BTF_MODULES= \
		$options modules >"$new/log" 2>&1; then
		cat "$new/log" >&2
		return 1
	fi
	strip --strip-debug "$new"/build/*.ko && mv "$new"/build/*.ko "$new/" && rm -rf "$new/build"
}

# vm_modules KERNEL SOURCES [MAKEARGS]: prints a cached directory with the modules of SOURCES built for KERNEL (of vm_kernel).
vm_modules() {
	local key path
	key=$(cd "$2" && { printf '%s\n' "${3-}" "$(gcc --version)" && cat Kbuild ./*.[ch]; } | sha256sum | cut -c1-16)
	path=$1.modules/$key
	vm_once "$path" vm_compile "$1" "$2" "${3-}" && printf '%s\n' "$path"
}

# vm_index DIR KERNEL MODULES: DIR/lib/modules/RELEASE as a package of third-party modules leaves it: files and indexes.
vm_index() {
	local release target
	release=$(cat "$2/release")
	target=$1/lib/modules/$release
	mkdir -p "$target/updates" && cp "$2"/indexes/modules.* "$target/" && cp "$3"/*.ko "$target/updates/" &&
		depmod -b "$1" "$release"
}

# vm_own ROOT KERNEL: ROOT/lib/modules/RELEASE as the kernel's own package leaves it, with few modules.
vm_own() {
	local release target
	release=$(cat "$2/release")
	target=$1/lib/modules/$release
	mkdir -p "$target" && cp "$2"/indexes/modules.* "$target/" && cp -R "$2/own/." "$target/" && depmod -b "$1" "$release"
}

# --- its file system ---------------------------------------------------------

# vm_files PROGRAM: it and the libraries that it needs, one path a line.
vm_files() {
	printf '%s\n' "$1"
	ldd "$1" 2>/dev/null | sed -n 's,^[^/]*\(/[^ ]*\) (0x.*,\1,p'
}

# vm_program ROOT PROGRAM [TARGET]: copies it, and its libraries to where they lie here.
vm_program() {
	local root=$1 program=$2 target=${3:-$2} file
	vm_files "$program" | while read -r file; do
		[ "$file" != "$program" ] || continue
		mkdir -p "$root$(dirname "$file")" && cp -Lu "$file" "$root$file" || return 1
	done && mkdir -p "$root$(dirname "$target")" && cp -L "$program" "$root$target"
}

# The kernel's first file system is none that a container can leave by pivot_root, so the real one is moved to another.
vm_first_init() {
	cat <<-'EOF'
		#!/bin/busybox sh
		b=/bin/busybox
		$b mount -t tmpfs -o mode=755,size=75% tmpfs /new
		$b mv /root/* /new/
		exec $b switch_root /new /vm-init
	EOF
}

# What the guest writes stands on the console between two lines that the host waits for.
vm_second_init() {
	cat <<-'EOF'
		#!/bin/sh
		export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
		mount -t proc proc /proc
		mount -t sysfs sysfs /sys
		mount -t devtmpfs -o mode=755 devtmpfs /dev
		mkdir -p /dev/pts /dev/shm
		mount -t devpts devpts /dev/pts
		mount -t tmpfs -o mode=755 tmpfs /run
		mount -t tmpfs -o mode=1777 tmpfs /tmp
		mount -t cgroup2 cgroup2 /sys/fs/cgroup
		hostname vm
		ip link set lo up 2>/dev/null
		echo '--- begin'
		sh /vm-run
		echo "--- end $?"
		poweroff -f
	EOF
}

# vm_pack ROOT RUN IMAGE: ROOT (with busybox and its links in bin), and RUN as what it runs, as an image for vm_boot.
vm_pack() {
	local root=$1 run=$2 image=$3 first
	first=$(mktemp -d "$image.XXXXXX") && mkdir -p "$first/bin" "$first/new" "$first/dev" \
		"$root"/{dev,proc,sys,run,tmp,etc} || return 1
	cp "$root/bin/busybox" "$first/bin/" && vm_first_init >"$first/init" && vm_second_init >"$root/vm-init" &&
		cp "$run" "$root/vm-run" && cp "$vm_here/../fixtures/vm/steps.sh" "$root/vm-steps" && chmod 755 "$first/init" "$root/vm-init" && mv "$root" "$first/root" || return 1
	(cd "$first" && find . -print0 | cpio --null --create --format=newc --owner=0:0 --quiet) >"$image"
	mv "$first/root" "$root" && rm -rf "$first"
}

# --- its life ----------------------------------------------------------------

# vm_run KERNEL CONSOLE SECONDS WORDS QEMU_OPTION...: runs it to its end; what the guest wrote is in CONSOLE. The kernel's own words stay
# off the console, where they would fall into the middle of lines. WORDS are for the kernel's command line. With VM_COUNTS=1 its clock
# counts instructions: one is a nanosecond.
vm_run() {
	local kernel=$1 console=$2 seconds=$3 words=$4 rc=0
	local clock='-accel tcg,thread=multi'
	[ "${VM_COUNTS:-0}" != 1 ] || clock='-accel tcg -icount shift=0,sleep=off'
	shift 4
	# shellcheck disable=SC2086 # words
	timeout --kill-after=5 "$seconds" qemu-system-x86_64 $clock -M q35 -cpu Nehalem,+rdrand -nodefaults -no-user-config \
		-display none -serial stdio -no-reboot -kernel "$kernel/vmlinuz" \
		-append "console=ttyS0 panic=-1 loglevel=0 mitigations=off $words" "$@" </dev/null 2>&1 | tr -d '\r' >"$console"
	rc=${PIPESTATUS[0]}
	[ "$rc" = 0 ] && grep -qx -e '--- end 0' "$console" && return 0
	aptlists_say "the virtual machine ended with $rc; the end of its console:"
	tail -n 30 "$console" >&2
	return 1
}

# vm_boot KERNEL IMAGE CONSOLE [SECONDS [MEGABYTES [WORDS]]]: with the file system in memory of vm_pack.
vm_boot() {
	vm_run "$1" "$3" "${4:-300}" "${6-}" -m "${5:-1024}" -smp 1 -initrd "$2"
}

# --- one with a disk, and systemd on it --------------------------------------

vm_systemd='systemd systemd-sysv dbus udev kmod procps curl docker.io'

# vm_ask_systemd_root SUITE
vm_ask_systemd_root() {
	aptlists_update "$1" main || return
	# Until Debian 12 the client came with docker.io.
	# shellcheck disable=SC2046,SC2086 # lists of names
	"$vm_here/roots.sh" --with "$1" $vm_systemd $(aptlists_names "$1" docker-cli)
}

# vm_systemd_root: prints a cached root of roots.sh with systemd as its init, Docker, and curl.
vm_systemd_root() {
	vm_newest "$(aptlists_cache)/vm/systemd-$(vm_suite)-$(cksum <<<"$vm_systemd" | cut -d' ' -f1)" vm_ask_systemd_root "$(vm_suite)"
}

# What the guest runs when all has started, its words on the console as those of vm_second_init.
vm_run_unit() {
	cat <<-'EOF'
		[Unit]
		After=docker.service
		[Service]
		Type=exec
		ExecStart=/bin/sh -c 'echo "--- begin"; /bin/sh /vm-run; echo "--- end $?"; exec systemctl poweroff --force'
		Environment=HOME=/root
		StandardOutput=tty
		StandardError=tty
		TTYPath=/dev/ttyS0
		[Install]
		WantedBy=multi-user.target
	EOF
}

# vm_settle ROOT RUN: makes of a root of vm_systemd_root (a copy) one that boots without a question and runs RUN: nothing of it is left
# to a first boot, and nothing works beside it by the clock.
vm_settle() {
	local root=$1 units=$1/etc/systemd/system name
	echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
	echo vm >"$root/etc/hostname"
	cp "$2" "$root/vm-run" && cp "$vm_here/../fixtures/vm/steps.sh" "$root/vm-steps" || return
	vm_run_unit >"$units/vm-run.service"
	ln -sf ../vm-run.service "$units/multi-user.target.wants/vm-run.service"
	for name in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer e2scrub_reap.service \
		getty@tty1.service serial-getty@ttyS0.service; do
		ln -sf /dev/null "$units/$name"
	done
}

# vm_disk ROOT IMAGE MEGABYTES: ROOT as a disk for vm_boot_disk.
vm_disk() {
	rm -f "$2" && mke2fs -q -t ext4 -O ^has_journal -E lazy_itable_init=1 -d "$1" "$2" "$3M"
}

# vm_boot_disk KERNEL DISK CONSOLE SECONDS [WORDS [MEGABYTES]]: the cloud kernel has NVMe and ext4 in itself, so it needs no other
# file system before. What the guest writes stays on the disk.
vm_boot_disk() {
	vm_run "$1" "$3" "$4" "root=/dev/nvme0n1 rootfstype=ext4 rw quiet apparmor=0 selinux=0 systemd.show_status=no ${5:-}" -m "${6:-2048}" -smp 2 \
		-drive "if=none,id=disk,format=raw,cache=unsafe,file=$2" -device nvme,drive=disk,serial=disk
}
