# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced, after vm.sh. NVIDIA's real kernel modules, as Debian's packages have them, for a kernel of vm_kernel. Return codes are vm.sh's.

# The first is of proprietary modules, the second of open ones.
realmodules_packages='nvidia-kernel-dkms nvidia-open-kernel-dkms'

# realmodules_make KERNEL DEB DIR: DIR/*.ko and DIR/log. What the modules are built from lies beside DIR only while it is built.
realmodules_make() {
	local dir=$3 headers work=$3.src release
	release=$(cat "$1/release")
	headers=$1/headers/usr/src
	mkdir -p "$dir" "$work" && dpkg-deb -x "$2" "$work" || return 1
	if ! make -C "$work"/usr/src/nvidia-* modules SYSSRC="$headers/linux-headers-${release%-amd64}-common" \
		SYSOUT="$headers/linux-headers-$release" IGNORE_CC_MISMATCH=1 >"$dir/log" 2>&1; then
		grep -m 5 -B 2 -A 10 -E 'error:|Error ' "$dir/log" >&2
		return 1
	fi
	strip --strip-debug "$work"/usr/src/nvidia-*/*.ko && mv "$work"/usr/src/nvidia-*/*.ko "$dir/" && rm -rf "$work"
}

# realmodules_build KERNEL SUITE NEW PATH: both flavours at once, as much of each build has to wait for itself.
realmodules_build() {
	local new=$3 pid rc=0
	# shellcheck disable=SC2086 # a list of names
	aptlists_download "$2" "$new/debs" $realmodules_packages || return 1
	realmodules_make "$1" "$new"/debs/nvidia-kernel-dkms_*.deb "$new/proprietary" &
	pid=$!
	realmodules_make "$1" "$new"/debs/nvidia-open-kernel-dkms_*.deb "$new/open" || rc=1
	wait $pid || rc=1
	rm -rf "$new/debs"
	return $rc
}

# realmodules_ask KERNEL SUITE: prints the directory of the newest, built if it is not there.
realmodules_ask() {
	local versions path
	aptlists_update "$2" main contrib non-free || return
	# shellcheck disable=SC2086 # a list of names
	versions=$(aptlists_query "$2" show --no-all-versions $realmodules_packages 2>/dev/null | sed -n 's/^Version: //p')
	if [ "$(wc -l <<<"$versions")" != 2 ]; then
		aptlists_say "'$2' has not both of: $realmodules_packages"
		return 3
	fi
	path=$1.nvidia/$2-$(paste -sd+ <<<"$versions")
	vm_once "$path" realmodules_build "$1" "$2" && printf '%s\n' "$path"
}

# realmodules KERNEL SUITE: prints a cached directory with SUITE's modules for KERNEL (no cloud kernel: they need drm):
# proprietary/*.ko and open/*.ko.
realmodules() {
	mkdir -p "$1.nvidia" && vm_newest "$1.nvidia/newest-$2" realmodules_ask "$1" "$2"
}
