# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The suite's containers: a root of the machine's own shell and C library, so that no network is needed.

# gpuroot_copy ROOT FILE...: each with the libraries that the loader finds for it, NVIDIA's own excepted: those are nvcoreos' to give.
gpuroot_copy() {
	local root=$1 file lib
	shift
	for file; do
		ldd "$file" 2>/dev/null | grep -o '/[^ ]*' | grep -v 'libcuda\|libnv' | while read -r lib; do
			cp -L --parents "$lib" "$root" || return
		done
	done
}

# gpuroot_make ROOT VECTORADD [FILE...]: a root with a shell, what the suite calls in it, /vectoradd, and libraries that FILEs need.
gpuroot_make() {
	local root=$1 program=$2 name
	shift 2
	mkdir -p "$root"/{bin,usr/bin,usr/local,etc,tmp,proc,sys,dev} && chmod 1777 "$root/tmp" || return
	for name in sh ls cat grep rm; do
		cp -L "$(command -v "$name")" "$root/bin/$name" && gpuroot_copy "$root" "$(command -v "$name")" || return
	done
	cp "$program" "$root/vectoradd" && gpuroot_copy "$root" "$program" "$@"
}
