#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Containers on roots of every kind, by a bare hook and by the shim: they start, have their node and the driver, and nothing
# but the root itself is written to.

load helpers
load gpu
load roots

# A pattern: the view has the libraries in glibc-hwcaps too.
DRIVER_LIB='/usr/local/nvidia/lib64/*libcuda.so.1'

setup_file() {
	need_root runc jq cc || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	have_root bookworm || return "$SKIPPED"
	export ROOT HOST=$BATS_FILE_TMPDIR
	cp "$("$NVC_LIB/roots.sh" --busybox)/bin/busybox" "$HOST/busybox"
	probe_build "$HOST/probes" && roots_host "$HOST" && roots_snapshot "$HOST/store" "$HOST/cuda-store" >"$HOST/store.before"
}

teardown_file() {
	[ -z "${HOST:-}" ] || gpu_clean "$HOST"
}

setup() {
	skip_file
	B=$BATS_TEST_TMPDIR/b
}

teardown() {
	[ -z "${B:-}" ] || bundle_clean "$B"
}

# What holds on every root: the node asked for and no other, and the driver's directory.
holds() {
	[ "$status" = 0 ] && says node ENXIO && says other ENOENT && says view 1
}

# glibc_root NAME: the loader finds the driver at once, and after an ldconfig of the root's own.
glibc_root() {
	roots_make "$1"
	for way in hook shim; do
		roots_bundle $way "$1"
		roots_run $way
		holds
		says dl "$DRIVER_LIB"
		[[ $output != *ldconfig:* ]]
		[ "$1" = distroless ] || says again "$DRIVER_LIB"
		says path ''
		says smi /usr/local/nvidia/bin/nvidia-smi
		only_ours
	done
}

@test "Debian" {
	glibc_root debian
}

@test "/usr not merged, multiarch" {
	glibc_root unmerged
}

@test "/usr merged, lib64, a relative include" {
	glibc_root lib64
}

@test "/usr merged, everything in /usr/lib" {
	glibc_root usrlib
}

@test "distroless: glibc, and neither ldconfig nor cache nor shell" {
	glibc_root distroless
	[ -f "$B/rootfs/etc/ld.so.cache" ]
	[ ! -e "$B/rootfs/etc/ld.so.conf" ]
}

@test "scratch and a static busybox: the node and the directory, no loader's files" {
	for root in scratch busybox; do
		roots_make $root
		for way in hook shim; do
			roots_bundle $way $root
			roots_run $way
			holds
			notes 'no libc: no loader files'
			only_ours
			[ -z "$(find "$B/rootfs/etc" -name 'ld.so*' 2>/dev/null)" ]
		done
	done
}

@test "musl: its programs run as before, its loader is left alone" {
	roots_musl "$HOST/musl" || skip_or_fail 'no musl here'
	roots_make musl
	for way in hook shim; do
		roots_bundle $way musl
		roots_run $way
		holds
		says dl 'Error loading shared library libcuda.so.1:*'
		notes 'has musl.s loader, which is left alone'
		[ -z "$(find "$B/rootfs/etc" -name 'ld*')" ]
		only_ours
		bundle_env "$B" LD_LIBRARY_PATH=/usr/local/nvidia/lib64
		roots_run $way
		says dl "$DRIVER_LIB"
	done
}

@test "i386 beside amd64, with compat32: each program finds the libcuda of its own kind" {
	[ -e "$HOST/have-32" ] || skip_or_fail 'no compiler for i386 here'
	for way in hook shim; do
		roots_bundle $way debian
		roots_add_i386 "$B/rootfs"
		bundle_env "$B" NVIDIA_DRIVER_CAPABILITIES=compute,utility,compat32
		bundle_args "$B" /t/sh -c "$ROOTS_QUESTIONS; echo again32=\$(/t/dl32 libcuda.so.1 2>&1)"
		roots_run $way
		holds
		says dl "$DRIVER_LIB"
		says dl32 '/usr/local/nvidia/lib32/*libcuda.so.1'
		says again "$DRIVER_LIB"
		says again32 '/usr/local/nvidia/lib32/*libcuda.so.1'
		bundle_env "$B" NVIDIA_DRIVER_CAPABILITIES=compute,utility
		roots_run $way
		says dl "$DRIVER_LIB"
		says dl32 'libcuda.so.1: *'
	done
}

@test "root.readonly: all is written before the root is sealed" {
	roots_make lib64
	for way in hook shim; do
		roots_bundle $way lib64
		bundle_jq "$B" '.root.readonly = true'
		bundle_args "$B" /t/sh -c "$ROOTS_QUESTIONS; echo sealed=\$(/t/probe create /x)"
		roots_run $way
		holds
		says dl "$DRIVER_LIB"
		says path ''
		says sealed EROFS
	done
}

@test "a root that nobody can write: by the image's own LD_LIBRARY_PATH, as NVIDIA's have it" {
	roots_make lib64
	for way in hook shim; do
		roots_bundle $way lib64
		mkdir -p "$B/rootfs/usr/local/nvidia"
		bundle_env "$B" LD_LIBRARY_PATH=/usr/local/nvidia/lib:/usr/local/nvidia/lib64
		bundle_args "$B" /t/sh -c "${ROOTS_QUESTIONS//\/sbin\/ldconfig/\/none}"
		mountpoint -q "$B/rootfs" || mount --bind "$B/rootfs" "$B/rootfs"
		mount -o remount,bind,ro "$B/rootfs"
		roots_run $way
		holds
		notes '00-nvcoreos.conf is left out: the read-only root'
		notes 'ld.so.cache is left out: the read-only root'
		notes 'LD_LIBRARY_PATH is needed instead'
		says dl '/usr/local/nvidia/lib/*libcuda.so.1'
	done
}

# volume TARGET: a volume of the host's over TARGET, with what the root has there.
volume() {
	local dir=$B/vol$1
	mkdir -p "$dir" && cp -a "$HOST/roots/lib64$1/." "$dir/" 2>/dev/null
	bundle_bind "$B" "$dir" "$1"
}

@test "a volume over /etc: left out and said; the shim sets LD_LIBRARY_PATH" {
	roots_make lib64
	for way in hook shim; do
		roots_bundle $way lib64
		volume /etc
		bundle_args "$B" /t/sh -c "${ROOTS_QUESTIONS//\/sbin\/ldconfig/\/none}"
		roots_run $way
		holds
		notes '00-nvcoreos.conf is left out: the volume /etc'
		notes 'ld.so.cache is left out: the volume /etc'
		if [ $way = shim ]; then
			says dl "$DRIVER_LIB"
			says path /usr/local/nvidia/lib64
		else
			says dl 'libcuda.so.1: *'
		fi
	done
}

@test "a volume over /usr or /usr/local: needs a directory there, and gets nothing else" {
	roots_make lib64
	for over in /usr /usr/local; do
		for way in hook shim; do
			roots_bundle $way lib64
			volume $over
			roots_run $way
			[ "$status" != 0 ]
			[[ $output == *E33*"/usr/local/nvidia: the volume $over covers its place"* ]]
			mkdir -p "$B/vol/${over#/}$([ $over = /usr ] && echo /local)/nvidia"
			roots_run $way
			holds
			says dl "$DRIVER_LIB"
			[ $over != /usr ] || { says smi '' && notes '/usr/bin/nvidia-smi is left out: the volume /usr'; }
		done
	done
}

@test "volumes over /etc and /usr at once" {
	roots_make lib64
	for way in hook shim; do
		roots_bundle $way lib64
		volume /etc
		volume /usr
		mkdir -p "$B/vol/usr/local/nvidia"
		bundle_args "$B" /t/sh -c "${ROOTS_QUESTIONS//\/sbin\/ldconfig/\/none}"
		roots_run $way
		holds
		[ $way = hook ] || says dl "$DRIVER_LIB"
	done
}

@test "a volume over /dev: nothing is made in it; with the nodes in it the container starts" {
	roots_make lib64
	for way in hook shim; do
		roots_bundle $way lib64
		mkdir -p "$B/vol/dev"
		fakehost_dev "$B/vol"
		fakehost_node "$B/vol/dev/null" 1 3 666
		bundle_jq "$B" 'del(.mounts[] | select(.destination | startswith("/dev")))'
		bundle_bind "$B" "$B/vol/dev" /dev
		roots_run $way
		[ "$status" != 0 ]
		[[ $output == *E3[23]*'/dev/nvidia'* ]]
		fakehost_nodes "$B/vol" 1 "$(gpu_uvm "$HOST")"
		roots_run $way
		holds
	done
}

@test "/proc masked, or read-only" {
	roots_make lib64
	for how in '.linux.maskedPaths += ["/proc/driver", "/proc/driver/nvidia"]' '.linux.readonlyPaths += ["/proc"]'; do
		for way in hook shim; do
			roots_bundle $way lib64
			bundle_jq "$B" "$how"
			roots_run $way
			holds
			says dl "$DRIVER_LIB"
		done
	done
}

# runc cannot start a program without it; crun can, where the cgroups are not hybrid.
@test "no /proc at all, under crun" {
	command -v crun >/dev/null || skip_or_fail 'not installed: crun'
	roots_make lib64
	roots_bundle hook lib64
	bundle_jq "$B" '.linux.maskedPaths = [] | .linux.readonlyPaths = [] | del(.mounts[] | select(.destination == "/proc"))'
	CGROUP_VIEW=legacy run bundle_run "$B" crun
	echo "$output"
	holds
	says dl "$DRIVER_LIB"
	only_ours
}

@test "an image's own /usr/local/nvidia: a directory is covered, a link is refused by name" {
	roots_make lib64
	for way in hook shim; do
		roots_bundle $way lib64
		mkdir -p "$B/rootfs/usr/local/nvidia/lib64"
		echo own >"$B/rootfs/usr/local/nvidia/lib64/libcuda.so.1"
		bundle_env "$B" LD_LIBRARY_PATH=/usr/local/nvidia/lib:/usr/local/nvidia/lib64
		roots_run $way
		holds
		says dl '/usr/local/nvidia/lib/*libcuda.so.1'
		[ "$(cat "$B/rootfs/usr/local/nvidia/lib64/libcuda.so.1")" = own ]
		roots_bundle $way lib64
		mkdir -p "$B/rootfs/opt/nv"
		ln -s /opt/nv "$B/rootfs/usr/local/nvidia"
		roots_run $way
		[ "$status" != 0 ]
		[[ $output == *E32*'/usr/local/nvidia is no directory in the image'* ]]
		[ -z "$(ls -A "$B/rootfs/opt/nv")" ]
	done
}

@test "an image's own /usr/local/cuda stays; asked for, the host's covers it, through a link too" {
	roots_make lib64
	for way in hook shim; do
		for link in cuda-11.0 /usr/local/cuda-11.0 /etc/alternatives/cuda ''; do
			roots_bundle $way lib64
			mkdir -p "$B/rootfs/usr/local/cuda${link:+-11.0}/lib64"
			echo own >"$B/rootfs/usr/local/cuda${link:+-11.0}/version.json"
			mkdir -p "$B/rootfs/etc/alternatives"
			ln -s /usr/local/cuda-11.0 "$B/rootfs/etc/alternatives/cuda"
			[ -z "$link" ] || ln -s "$link" "$B/rootfs/usr/local/cuda"
			bundle_env "$B" NVCOREOS_CUDA=12.4
			bundle_args "$B" /t/sh -c "$ROOTS_QUESTIONS; /t/dl libcudart.so.12; /t/busybox grep 12.4.1 /usr/local/cuda/version.json"
			roots_run $way
			holds
			says dl "$DRIVER_LIB"
			[[ $output == *'/usr/local/cuda/lib64/libcudart.so.12'*12.4.1* ]]
			[ "$(cat "$B/rootfs/usr/local/cuda${link:+-11.0}/version.json")" = own ]
		done
		bundle_env "$B" NVCOREOS_CUDA=auto
		bundle_args "$B" /t/busybox cat /usr/local/cuda/version.json
		roots_run $way
		[ "$output" = own ]
	done
}

# compat_root VERSION: as NVIDIA's images: cuda-12.4 with its compat directory and a line for the loader.
compat_root() {
	local dir=$B/rootfs/usr/local/cuda-12.4 to=$HOST/compat-$1
	[ -d "$to" ] || { gpu_archives "$to" "$1" && mkdir "$to/x" && tar -C "$to/x" -xf "$to/archives/libraries-$1.tar.gz"; }
	mkdir -p "$dir/compat" "$dir/lib64"
	for lib in libcuda libnvidia-ptxjitcompiler; do
		cp "$to/x/$lib.so.$1" "$dir/compat/"
		ln -s "$lib.so.$1" "$dir/compat/$lib.so.1"
	done
	mkdir -p "$B/rootfs/etc/alternatives"
	ln -s /etc/alternatives/cuda "$B/rootfs/usr/local/cuda"
	ln -s /usr/local/cuda-12.4 "$B/rootfs/etc/alternatives/cuda"
	echo /usr/local/cuda/compat >"$B/rootfs/etc/ld.so.conf.d/${2:-000_cuda}.conf"
	chroot "$B/rootfs" /sbin/ldconfig
}

@test "forward compatibility: the image's newer libcuda and its JIT, before and after ldconfig" {
	roots_make lib64
	for way in hook shim; do
		roots_bundle $way lib64
		compat_root 550.54.15
		bundle_args "$B" /t/sh -c "/t/dl libcuda.so.1 libnvidia-ptxjitcompiler.so.1 libnvidia-ml.so.1; /sbin/ldconfig
			/t/dl libcuda.so.1 libnvidia-ptxjitcompiler.so.1 libnvidia-ml.so.1; /t/busybox ls /usr/local/nvidia/lib64 | /t/busybox grep -c 'libcuda\\.\\|ptxjit'"
		roots_run $way
		[ "${lines[0]} ${lines[1]}" = '/usr/local/cuda/compat/libcuda.so.1 /usr/local/cuda/compat/libnvidia-ptxjitcompiler.so.1' ]
		[[ ${lines[2]} == /usr/local/nvidia/lib64/*libnvidia-ml.so.1 ]]
		[ "${lines[*]:3:2}" = "${lines[*]:0:2}" ]
		[[ ${lines[5]} == /usr/local/nvidia/lib64/*libnvidia-ml.so.1 ]]
		[ "${lines[6]}" = 0 ]
		notes 'the image.s libcuda 550.54.15 stands in'
	done
}

@test "forward compatibility: an older one, or one without its SONAME, never wins, whatever the image's files are called" {
	roots_make lib64
	for way in hook shim; do
		for case in '525.147.05 000_cuda' '525.147.05 zz_cuda' '550.54.15 000_cuda'; do
			roots_bundle $way lib64
			# shellcheck disable=SC2086 # two words
			compat_root $case
			[[ $case != 550* ]] || rm "$B/rootfs/usr/local/cuda-12.4/compat/libcuda.so.1"
			bundle_args "$B" /t/sh -c "echo dl=\$(/t/dl libcuda.so.1); /sbin/ldconfig; echo again=\$(/t/dl libcuda.so.1)"
			roots_run $way
			says dl "$DRIVER_LIB"
			says again "$DRIVER_LIB"
		done
	done
}

@test "plan says of each volume what the container then gets" {
	roots_make lib64
	roots_bundle shim lib64
	volume /etc
	run gpu_nvcoreos "$HOST" plan "$B"
	echo "$output"
	[[ $output == *'/etc/ld.so.conf.d/00-nvcoreos.conf is left out: the volume /etc'* ]]
	[[ $output == *LD_LIBRARY_PATH* ]]
	roots_bundle shim lib64
	volume /usr
	run gpu_nvcoreos "$HOST" plan "$B"
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *'/usr/bin/nvidia-smi is left out: the volume /usr'* ]]
}

@test "what the host lends is as it was" {
	roots_snapshot "$HOST/store" "$HOST/cuda-store" | diff "$HOST/store.before" -
}
