#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The maker of CUDA archives (contrib/build/cuda.sh), on a made-up runfile and on made-up packages, and that what it makes installs.

bats_require_minimum_version 1.5.0
load helpers
load gpu

setup_file() {
	need_root dpkg-deb zstd || return "$SKIPPED"
	need_build nvcoreos || return "$SKIPPED"
	export HOST=$BATS_FILE_TMPDIR
	fakehost_conf "$HOST" "$HOST/store" "$HOST/cuda-store" >"$HOST/conf"
}

setup() {
	skip_file
	CUDA=$NVC_TESTS/../contrib/build/cuda.sh
	T=$BATS_TEST_TMPDIR
}

# component NAME FILE...: files of a runfile's component.
component() {
	local name=$1 file
	shift
	for file; do
		mkdir -p "$T/payload/builds/$name/$(dirname "$file")"
		echo "$name $file" >"$T/payload/builds/$name/$file"
	done
}

# runfile NAME HEADER-STYLE: two components, the driver and a program that must not run.
runfile() {
	component cuda_nvcc bin/nvcc bin/cuda-uninstaller nvvm/bin/cicc
	component cuda_cudart targets/x86_64-linux/lib/libcudart.so.12.9.99 targets/x86_64-linux/include/cuda.h
	component libcublas targets/x86_64-linux/lib/libcublas.so.12 targets/x86_64-linux/lib/libcublas_static.a
	component nsight_systems nsight-systems-2099.1/nsys
	: >"$T/payload/builds/NVIDIA-Linux-x86_64-999.10.run"
	chmod +x "$T/payload/builds/cuda_nvcc/bin/nvcc"
	case $2 in
	# The last line of the header, as the file counts them.
	offset) printf '#!/bin/sh\ntouch %s/ran\noffset=`head -n 4 "$0" | wc -c | tr -d " "`\nexit 1\n' "$T" ;;
	# The first line behind it.
	skip) printf '#!/bin/sh\ntouch %s/ran\nskip=5\nexit 1\n' "$T" ;;
	none) printf '#!/bin/sh\nexit 1\n' ;;
	esac >"$T/$1"
	tar -C "$T/payload" -cz . >>"$T/$1"
	chmod +x "$T/$1"
}

listing() {
	zstd -dc "$1" | tar -t | grep -v '/$' | sort
}

@test "a runfile's components become one toolkit, and nothing of it runs" {
	for style in offset skip; do
		runfile cuda_12.9.1_999.10_linux.run $style
		run -0 "$CUDA" --output "$T/out" "$T/cuda_12.9.1_999.10_linux.run"
		[ "$output" = "$T/out/cuda-12.9.1.tar.zst" ]
		[ ! -e "$T/ran" ]
		[ "$(listing "$output" | tr '\n' ' ')" = "./bin/nvcc ./include ./lib64 ./nsight-systems-2099.1/nsys ./nvvm/bin/cicc ./targets/x86_64-linux/include/cuda.h ./targets/x86_64-linux/lib/libcublas.so.12 ./targets/x86_64-linux/lib/libcublas_static.a ./targets/x86_64-linux/lib/libcudart.so.12.9.99 " ]
		rm -rf "$T/payload"
	done
}

@test "the minimal set is the compiler and the runtime; the same source gives the same bytes; it installs" {
	runfile cuda_12.9.1_999.10_linux.run offset
	run -0 "$CUDA" --set minimal --output "$T/a" "$T/cuda_12.9.1_999.10_linux.run"
	[ "$(listing "$output" | tr '\n' ' ')" = "./bin/nvcc ./include ./lib64 ./nvvm/bin/cicc ./targets/x86_64-linux/include/cuda.h ./targets/x86_64-linux/lib/libcudart.so.12.9.99 " ]
	run -0 "$CUDA" --set minimal --output "$T/b" "$T/cuda_12.9.1_999.10_linux.run"
	cmp "$T/a/cuda-12.9.1.tar.zst" "$T/b/cuda-12.9.1.tar.zst"
	gpu_nvcoreos "$HOST" install "$T/a/cuda-12.9.1.tar.zst"
	[ "$(cat "$HOST/cuda-store/current/lib64/libcudart.so.12.9.99")" = 'cuda_cudart targets/x86_64-linux/lib/libcudart.so.12.9.99' ]
}

# package NAME VERSION FILE...
package() {
	local dir=$T/deb/$1 name=$1 version=$2 file
	shift 2
	mkdir -p "$dir/DEBIAN"
	chmod 755 "$dir" "$dir/DEBIAN"
	printf 'Package: %s\nVersion: %s\nArchitecture: amd64\nMaintainer: nvcoreos tests <root@localhost>\nDescription: made up\n' \
		"$name" "$version" >"$dir/DEBIAN/control"
	for file; do
		mkdir -p "$dir/$(dirname "$file")"
		echo "$name" >"$dir/$file"
	done
	dpkg-deb --root-owner-group -b "$dir" "$T/$name.deb" >/dev/null
}

@test "Debian's packages are put where a toolkit has its files" {
	package nvidia-cuda-toolkit '12.9.86~12.9.1-2' usr/bin/nvcc usr/bin/ptxas usr/lib/nvidia-cuda-toolkit/bin/nvcc \
		usr/lib/nvidia-cuda-toolkit/bin/cicc usr/lib/nvidia-cuda-toolkit/bin/g++ usr/lib/nvidia-cuda-toolkit/libdevice/libdevice.10.bc
	package libcudart12 '11.1.1+~12.9.0.58~12.9.1-2~deb13u1' usr/lib/x86_64-linux-gnu/libcudart.so.12 usr/share/doc/libcudart12/copyright
	run -0 "$CUDA" --output "$T/out" "$T/nvidia-cuda-toolkit.deb" "$T/libcudart12.deb"
	[ "$(listing "$output" | tr '\n' ' ')" = "./bin/nvcc ./bin/nvcc.profile ./bin/ptxas ./lib64/libcudart.so.12 ./nvvm/bin/cicc ./nvvm/libdevice/libdevice.10.bc " ]
}

@test "what is no toolkit, or of two versions, is refused and leaves nothing" {
	package nvidia-cuda-toolkit '12.9.86~12.9.1-2' usr/lib/nvidia-cuda-toolkit/bin/nvcc
	package libcudart11 '11.8.89~11.8.0-5' usr/lib/x86_64-linux-gnu/libcudart.so.11.0
	runfile cuda_12.9.1_999.10_linux.run none
	cp "$T/cuda_12.9.1_999.10_linux.run" "$T/other.run"
	printf '#!/bin/sh\noffset=`head -n 3 "$0" | wc -c`\nexit\nno archive' >"$T/cuda_1.2_3_linux.run"
	for sources in nvidia-cuda-toolkit.deb\ libcudart11.deb libcudart11.deb cuda_12.9.1_999.10_linux.run other.run cuda_1.2_3_linux.run nowhere.run; do
		# shellcheck disable=SC2086 # a list of names
		run -1 env --chdir="$T" "$CUDA" --output "$T/out" $sources
		echo "$output"
		[[ $output == 'cuda.sh: '* ]]
		[ -z "$(ls -A "$T/out" 2>/dev/null)" ]
	done
	run -2 "$CUDA" --set tiny "$T/other.run"
}
