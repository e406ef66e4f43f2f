# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Roots made by hand, each with its own libc and layout, and what a container in one of them says of itself.
# shellcheck disable=SC2016,SC2153,SC2154 # what a container expands; ROOT and output are the caller's

# roots_glibc ROOT LIBDIR LOADER: glibc of the cached Debian below LIBDIR; LOADER is where programs look for it.
roots_glibc() {
	local from=$ROOT/usr/lib/x86_64-linux-gnu
	mkdir -p "$1$2" "$(dirname "$1$3")" &&
		cp -L "$from"/{libc.so.6,libdl.so.2,ld-linux-x86-64.so.2} "$1$2/" || return
	[ "$1$2/ld-linux-x86-64.so.2" -ef "$1$3" ] || ln -s "$2/ld-linux-x86-64.so.2" "$1$3"
}

# roots_ldconfig ROOT INCLUDE DIR...: ldconfig, its configuration with these directories, and a cache.
roots_ldconfig() {
	local root=$1 include=$2
	shift 2
	mkdir -p "$root/etc/ld.so.conf.d" "$root/sbin" && cp -L "$ROOT/usr/sbin/ldconfig" "$root/sbin/ldconfig" &&
		printf 'include %s\n' "$include" >"$root/etc/ld.so.conf" &&
		printf '%s\n' "$@" >"$root/etc/ld.so.conf.d/own.conf" && chroot "$root" /sbin/ldconfig
}

# As Debian until 8 and many an embedded system: /lib and /usr/lib are two.
roots_make_unmerged() {
	mkdir -p "$1"/{bin,usr/bin,usr/lib,usr/sbin,tmp} &&
		roots_glibc "$1" /lib/x86_64-linux-gnu /lib64/ld-linux-x86-64.so.2 &&
		roots_ldconfig "$1" '/etc/ld.so.conf.d/*.conf' /lib/x86_64-linux-gnu
}

# As Fedora and its kin: /usr merged, lib64, and an include that is relative.
roots_make_lib64() {
	mkdir -p "$1"/{dev,etc,proc,sys,usr/bin,usr/sbin,usr/lib,usr/lib64,usr/local,tmp} &&
		ln -s usr/bin "$1/bin" && ln -s usr/sbin "$1/sbin" && ln -s usr/lib "$1/lib" && ln -s usr/lib64 "$1/lib64" &&
		roots_glibc "$1" /usr/lib64 /lib64/ld-linux-x86-64.so.2 &&
		roots_ldconfig "$1" 'ld.so.conf.d/*.conf' /usr/lib64
}

# As Arch: all of it in /usr/lib.
roots_make_usrlib() {
	mkdir -p "$1"/{etc,usr/bin,usr/lib,tmp} &&
		ln -s usr/bin "$1/bin" && ln -s usr/bin "$1/sbin" && ln -s usr/lib "$1/lib" && ln -s usr/lib "$1/lib64" &&
		ln -s lib "$1/usr/lib64" && ln -s bin "$1/usr/sbin" &&
		roots_glibc "$1" /usr/lib /lib64/ld-linux-x86-64.so.2 && roots_ldconfig "$1" /etc/ld.so.conf.d/'*.conf' /usr/lib
}

# glibc and nothing around it: no shell, no ldconfig, no cache, no configuration.
roots_make_distroless() {
	mkdir -p "$1/etc" && echo 'root:x:0:0:root:/root:/sbin/nologin' >"$1/etc/passwd" &&
		roots_glibc "$1" /lib/x86_64-linux-gnu /lib64/ld-linux-x86-64.so.2
}

# One static program; not even /etc.
roots_make_scratch() {
	:
}

roots_make_busybox() {
	cp -a "$("$NVC_LIB/roots.sh" --busybox)/." "$1/"
}

# As Alpine: musl's loader is the libc itself.
roots_make_musl() {
	mkdir -p "$1"/{bin,etc,lib,tmp,usr/bin,usr/lib,usr/sbin} &&
		cp "$HOST/musl/libc.so" "$1/lib/ld-musl-x86_64.so.1" &&
		ln -s ld-musl-x86_64.so.1 "$1/lib/libc.musl-x86_64.so.1"
}

# roots_add_i386 ROOT: i386 beside amd64, in a Debian.
roots_add_i386() {
	mkdir -p "$1/usr/lib/i386-linux-gnu" && cp -L /lib32/{libc.so.6,libdl.so.2,ld-linux.so.2} "$1/usr/lib/i386-linux-gnu/" &&
		ln -sfn i386-linux-gnu/ld-linux.so.2 "$1/usr/lib/ld-linux.so.2" && cp "$HOST/i386/dl" "$1/t/dl32" &&
		echo /usr/lib/i386-linux-gnu >"$1/etc/ld.so.conf.d/i386-linux-gnu.conf" && chroot "$1" ldconfig
}

# roots_musl DIR: musl's libc of its Debian package as DIR/libc.so, and DIR/dl, which only musl's loader runs.
roots_musl() {
	local src=$NVC_TESTS/integration/probe-dl.c
	mkdir -p "$1/stub" && cp /lib/x86_64-linux-musl/libc.so "$1/libc.so" 2>/dev/null || return
	cc -w -fno-builtin -shared -fPIC -nostdlib -DSTUB_C "$src" -c -o "$1/stub/c.o" &&
		cc -w -fPIC -nostdlib -DSTUB_DL "$src" -c -o "$1/stub/dl.o" &&
		cc -w -shared -nostdlib "$1/stub/c.o" "$1/stub/dl.o" -o "$1/stub/libc.so" -Wl,-soname,libc.so &&
		cc -O1 -fno-stack-protector -nodefaultlibs "$src" "$1/stub/libc.so" -Wl,--no-as-needed \
			-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1 -o "$1/dl"
}

# roots_host DIR: a host as gpu_host makes it; where the compiler can, its driver has a 32-bit libcuda too (HAVE_32).
roots_host() {
	local dir=$1 driver=535.261.03 fixtures=$NVC_TESTS/fixtures/sample-driver
	fakehost_make "$dir/host" 2 $driver && fakehost_conf "$dir/host" "$dir/store" "$dir/cuda-store" >"$dir/conf" &&
		gpu_archives "$dir" $driver 12.4.1 && mkdir -p "$dir/x/32" "$dir/i386" || return
	if cc -m32 -O1 "$NVC_TESTS/integration/probe-dl.c" -o "$dir/i386/dl" -ldl 2>/dev/null && [ -e /lib32/ld-linux.so.2 ] &&
		cc -m32 -w -shared -fPIC -nostdlib -DDRIVER=$driver -DCUDA_NUMBER=12020 "$fixtures/libcuda.c" \
			-o "$dir/x/32/libcuda.so.$driver" -Wl,-soname,libcuda.so.1; then
		tar -C "$dir/x" -xf "$dir/archives/libraries-$driver.tar.gz" &&
			tar -C "$dir/x" -czf "$dir/archives/libraries-$driver.tar.gz" . && touch "$dir/have-32"
	fi
	gpu_nvcoreos "$dir" install --use "$dir/archives/libraries-$driver.tar.gz" "$dir/archives/tools-$driver.tar.gz" &&
		gpu_nvcoreos "$dir" install "$dir/archives/cuda-12.4.1.tar.gz"
}

# roots_make NAME: $HOST/roots/NAME, once; the cached Debian is large and stays where it is.
roots_make() {
	local dir=$HOST/roots/$1
	[ ! -d "$dir" ] && [ "$1" != debian ] || return 0
	mkdir -p "$dir.new" && "roots_make_$1" "$dir.new" && mv "$dir.new" "$dir"
}

# roots_tools NAME ROOT: what every root gets in /t: a shell, and probes that need nothing of the root but its libc.
roots_tools() {
	mkdir -p "$2/t" && cp "$HOST/busybox" "$2/t/sh" && cp "$HOST/busybox" "$HOST/probes/probe" "$2/t/" || return
	case $1 in
	scratch | busybox) ;;
	musl) cp "$HOST/musl/dl" "$2/t/dl" ;;
	*) cp "$HOST/probes/probe-dl" "$2/t/dl" ;;
	esac
}

# One word a line, by programs that need nothing of the root.
ROOTS_QUESTIONS='
	b=/t/busybox; cd /
	echo node=$(/t/probe open /dev/nvidia0)
	echo other=$(/t/probe open /dev/nvidia1)
	echo view=$($b ls /usr/local/nvidia/lib64 | $b grep -c "libcuda.so.1$")
	[ ! -x /t/dl ] || echo dl=$(/t/dl libcuda.so.1 2>&1)
	[ ! -x /t/dl32 ] || echo dl32=$(/t/dl32 libcuda.so.1 2>&1)
	[ ! -x /sbin/ldconfig ] || /sbin/ldconfig 2>&1 | $b sed "s/^/ldconfig: /"
	[ ! -x /sbin/ldconfig ] || echo again=$(/t/dl libcuda.so.1 2>&1)
	echo path=$LD_LIBRARY_PATH
	echo smi=$($b readlink /usr/bin/nvidia-smi)
	$b true'

# roots_snapshot DIR...: all that can be told of what lies there, contents too.
roots_snapshot() {
	local dir
	for dir; do
		find "$dir" -printf '%P %y %m %U:%G %s %T@ %C@ %i %l\n' | sort
		find "$dir" -type f -exec sha256sum {} + | sort
	done
}

# roots_bundle WAY ROOT: $B anew, over that root; ready for a program and volumes.
roots_bundle() {
	local root=$HOST/roots/$2
	[ "$2" != debian ] || root=$ROOT
	bundle_clean "$B"
	bundle_make "$B" "$root" && roots_tools "$2" "$B/rootfs"
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0 NVCOREOS_CUDA=none
	bundle_args "$B" /t/sh -c "$ROOTS_QUESTIONS"
	[ "$1" = shim ] || bundle_hook "$B" createRuntime "$NVCOREOS_BUILD/nvcoreos-hook" --config "$HOST/conf" createRuntime
}

# roots_run WAY: runs $B; the log of this run alone in $HOST/log. What the host lends is compared with before.
roots_run() {
	: >"$HOST/host/nvcoreos.log"
	[ ! -d "$B/vol" ] || roots_snapshot "$B/vol" >"$B/before"
	if [ "$1" = shim ]; then
		run gpu_run "$HOST" "$B"
	else
		run bundle_run "$B"
	fi
	echo "--- $1"
	echo "$output"
	cp "$HOST/host/nvcoreos.log" "$HOST/log"
	[ ! -d "$B/vol" ] || { roots_snapshot "$B/vol" >"$B/after" && diff "$B/before" "$B/after"; }
}

# only_ours: of all files and links that a start and an ldconfig have made in the root, none is another than these.
only_ours() {
	local made
	[ "$(findmnt -no FSTYPE "$B/rootfs")" = overlay ] || return 0
	made=$(find "$B/upper" -mindepth 1 ! -type d -printf '%P\n' | grep -vxE \
		't/.*|etc/ld\.so\.(cache|conf)|etc/ld\.so\.conf\.d/00-nvcoreos\.conf|usr/bin/nvidia-smi|var/cache/ldconfig/aux-cache') || :
	[ -z "$made" ] || { echo "made: $made" && return 1; }
}

# says KEY VALUE-PATTERN: what the container said.
says() {
	local got
	got=$(sed -n "s/^$1=//p" <<<"$output")
	# shellcheck disable=SC2053 # a pattern
	[[ $got == $2 ]] || { echo "$1 is '$got', not '$2'" && return 1; }
}

# notes PATTERN: a note of the plan in the hook's log.
notes() {
	grep -q -- "$1" "$HOST/log" || { cat "$HOST/log" && return 1; }
}
