#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Modules proven against Debian's own kernels, by the headers' Module.symvers and, as on a machine without headers, by what the kernel's
# own modules were built against.

bats_require_minimum_version 1.5.0
load helpers

setup_file() {
	need_build nvcoreos || return "$SKIPPED"
	need_root make gcc dpkg-deb modinfo || return "$SKIPPED"
	# shellcheck source=tests/lib/vm.sh
	. "$NVC_LIB/vm.sh"
	export WORK=$BATS_FILE_TMPDIR KERNEL RELEASE DRIVER OTHER
	KERNEL=$(vm_kernel) || skip_or_fail 'no kernel can be had here' || return "$SKIPPED"
	RELEASE=$(cat "$KERNEL/release")
	unpack_image "$(vm_suite)" "$RELEASE" "$WORK/own" || return
	# Another release's kernel, whose modules are compressed.
	aptlists_update trixie main || skip_or_fail 'no trixie here' || return "$SKIPPED"
	OTHER=$(vm_depends trixie linux-headers-cloud-amd64 linux-headers- | sed -n '1s/^linux-headers-//p')
	[ "$OTHER" != "$RELEASE" ] || OTHER=
	[ -z "$OTHER" ] || unpack_image trixie "$OTHER" "$WORK/other" || return
	tree good '' && tree missing 'KCFLAGS=-DSTANDIN_MISSING KBUILD_MODPOST_WARN=1'
}

setup() {
	skip_file
}

# unpack_image SUITE RELEASE DIR: DIR/RELEASE is the directory of its modules.
unpack_image() {
	aptlists_download "$1" "$WORK/debs" "linux-image-$2" && mkdir -p "$3" && dpkg-deb -x "$WORK"/debs/linux-image-"$2"_*.deb "$3/root" &&
		mv "$3"/root/*lib/modules/"$2" "$3"/ 2>/dev/null || mv "$3/root/usr/lib/modules/$2" "$3"/ || return
	rm -rf "$WORK/debs" "$3/root"
}

# tree NAME MAKEARGS: a store with a driver whose modules are the stand-ins, built that way.
tree() {
	local modules dir=$WORK/$1
	modules=$(vm_modules "$KERNEL" "$NVC_TESTS/fixtures/modules" "$2") || return
	DRIVER=$(modinfo -F version "$modules/nvidia.ko")
	mkdir -p "$dir"
	printf 'driver-store=%s/nvidia\ncuda-store=%s/cuda\n' "$dir" "$dir" >"$dir/conf"
	"$NVC_TESTS/fixtures/sample-driver/build.sh" "$dir/archives" "$DRIVER" >/dev/null &&
		tar -C "$modules" -czf "$dir/archives/modules-x-$DRIVER.tar.gz" nvidia.ko nvidia-uvm.ko nvidia-modeset.ko &&
		"$NVCOREOS_BUILD/nvcoreos" --config "$dir/conf" --quiet install "$dir"/archives/*.tar.gz
}

# verify TREE KERNEL [OPTION]
verify() {
	local name=$1 kernel=$2
	shift 2
	"$NVCOREOS_BUILD/nvcoreos" --config "$WORK/$name/conf" "$@" verify --kernel "$kernel"
}

@test "modules for this kernel fit it: by Module.symvers, and without any headers" {
	symvers=$KERNEL/headers/usr/src/linux-headers-$RELEASE
	for kernel in "$symvers" "$symvers/Module.symvers" "$WORK/own/$RELEASE"; do
		run -0 verify good "$kernel" --json
		[ "$(jq '.trees[0].modules | .fit and .vermagic and .unknown == 0 and .symbols > 20 and .versions == .symbols' <<<"$output")" = true ]
	done
}

@test "with the headers, and with a link to them among the modules, vermagic is compared as the modules of that kernel have it" {
	local headers=$KERNEL/headers/usr/src/linux-headers-$RELEASE
	cp -r "$headers" "$WORK/changed"
	sed -i '/^CONFIG_PREEMPT_BUILD=/d' "$WORK/changed/include/config/auto.conf"
	run -1 verify good "$WORK/changed"
	echo "$output"
	[[ $output == *"nvidia: is built for \"$RELEASE SMP preempt mod_unload modversions \", and this kernel is \"$RELEASE SMP mod_unload modversions \""* ]]
	# Its own modules say more than headers that are not its own.
	ln -sfn "$WORK/changed" "$WORK/own/$RELEASE/build"
	run -0 verify good "$WORK/own/$RELEASE"
	rm "$WORK/own/$RELEASE/build"
}

@test "a symbol that nothing exports is named where all names are known" {
	run -1 verify missing "$KERNEL/headers/usr/src/linux-headers-$RELEASE"
	echo "$output"
	[[ $output == *"nvidia_uvm: needs standin_fops_that_nobody_exports, which nothing exports"* ]]
	[[ $output == *'E58: '*"do not fit the kernel"* ]]
	# The modules of a kernel do not name all that it exports.
	run -0 verify missing "$WORK/own/$RELEASE"
	[[ $output == *'1 are not known here'* ]]
}

@test "modules for another kernel do not fit: versions and vermagic" {
	[ -n "$OTHER" ] || skip 'there is one kernel only'
	run -1 verify good "$WORK/other/$OTHER"
	echo "$output"
	[[ $output == *"needs another version of module_layout than this kernel has"* ]]
	[[ $output == *'nvidia: '* && $output == *'nvidia_uvm: '* && $output == *'nvidia_modeset: '* ]]
}

@test "what is no kernel is said so" {
	local hint="name the headers' directory of the kernel, its Module.symvers, or its directory of modules"
	run -1 verify good "$WORK"
	[[ $output == *'E26: '*'neither Module.symvers nor modules in it: '"$hint" ]]
	run -1 verify good /nonexistent
	[[ $output == *'E26: '*'/nonexistent: No such file or directory: '"$hint" ]]
	run -1 verify good "$WORK/good/conf"
	[[ $output == *'E26: '*'no Module.symvers: '"$hint" ]]
}
