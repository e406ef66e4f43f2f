#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# cuda.sh [--set minimal|full] [--output DIR] SOURCE...   makes cuda-<version>.tar.zst, and prints its path
#
# SOURCE is NVIDIA's runfile (cuda_12.4.1_550.54.15_linux.run), which is read and never run, or Debian's packages of one
# version (files of nvidia-cuda-toolkit, libcudart*, libnvvm*, ...: `apt-get download` gets them).
# minimal: what programs and nvcc need to run: compiler, runtime, NVRTC, NVVM, without the mathematical libraries, static
# archives, debuggers and profilers. full (the default): all of the toolkit that SOURCE holds; never the driver in it.
# Exit 0 done, 1 failed, 2 usage.
set -u
set -o pipefail

set_wanted=full
output=.
work=

die() {
	printf 'cuda.sh: %s\n' "$*" >&2
	exit 1
}

usage() {
	printf 'usage: cuda.sh [--set minimal|full] [--output DIR] RUNFILE | DEB...\n' >&2
	exit 2
}

finish() {
	[ -z "$work" ] || rm -rf "$work"
}
trap finish EXIT

# payload RUNFILE: the compressed archive behind its header, whose length the header tells in one of makeself's two ways.
payload() {
	local lines
	lines=$(head -c 65536 "$1" | LC_ALL=C tr -d '\0' | LC_ALL=C sed -n \
		-e 's/^ *offset=`head -n "\{0,1\}\([0-9]\{1,\}\)"\{0,1\} .*/\1/p' \
		-e 's/^skip="\{0,1\}\([0-9]\{1,\}\)"\{0,1\}$/\1-/p' | head -n 1)
	case $lines in
	'') die "$1: no runfile: its header does not say where the archive begins" ;;
	# skip= counts the archive's first line, offset= the header's last one.
	*-) tail -n "+${lines%-}" "$1" ;;
	*) tail -n "+$((lines + 1))" "$1" ;;
	esac
}

# decompress FILE: to stdout, whatever it is compressed with.
decompress() {
	case $(head -c 6 "$1" | od -An -tx1 | tr -d ' \n') in
	1f8b*) gzip -dc "$1" ;;
	fd377a585a00) xz -dc "$1" ;;
	28b52ffd*) zstd -dc "$1" ;;
	425a68*) bzip2 -dc "$1" ;;
	*) die "the runfile's archive is compressed in a way that is not known" ;;
	esac
}

# In it every component lies in a directory of its own, laid out as the toolkit is.
from_runfile() {
	local component
	version=$(basename "$1" | sed -n 's/^cuda_\([0-9][0-9.]*\)_.*\.run$/\1/p')
	[ -n "$version" ] || die "$1: no CUDA runfile by its name (cuda_<version>_<driver>_linux.run)"
	payload "$1" >"$work/payload" || die "$1: cannot be read"
	mkdir "$work/unpacked"
	decompress "$work/payload" | tar -x --no-same-owner -C "$work/unpacked" || die "$1: its archive is damaged"
	rm "$work/payload"
	[ -d "$work/unpacked/builds" ] || die "$1: no builds/ in its archive"
	for component in "$work"/unpacked/builds/*/; do
		case $(basename "$component") in
		integration | nvidia_fs | bin) continue ;;
		esac
		cp -al "$component." "$tree" || die "$component: two components have the same file"
	done
	rm -f "$tree"/bin/cuda-uninstaller
	link_target include include
	link_target lib64 lib
}

# link_target NAME SUBDIR: /usr/local/cuda/NAME, as NVIDIA's installer links it.
link_target() {
	local target
	for target in "$tree"/targets/*-linux; do
		[ -d "$target/$2" ] && [ ! -e "$tree/$1" ] && ln -s "targets/$(basename "$target")/$2" "$tree/$1"
	done
}

deb_field() {
	dpkg-deb -f "$1" "$2"
}

# The toolkit's version stands behind the last ~ of the packages' own: 11.8.89~11.8.0-5, 11.1.1+~10.9.0.58~11.8.0-5~deb12u1.
toolkit_of() {
	deb_field "$1" Version | sed -n 's/.*~\([0-9][0-9.]*\)-.*/\1/p'
}

from_debs() {
	local deb this
	version=
	mkdir "$work/unpacked"
	for deb; do
		if [ "$(deb_field "$deb" Package)" = nvidia-cuda-toolkit ]; then
			version=$(toolkit_of "$deb")
			[ -n "$version" ] || die "$deb: its version does not name the toolkit's"
		fi
	done
	[ -n "$version" ] || die 'the package nvidia-cuda-toolkit is missing'
	for deb; do
		this=$(toolkit_of "$deb")
		[ "$this" = "$version" ] || die "$deb: not of CUDA $version"
		dpkg-deb -x "$deb" "$work/unpacked" || die "$deb: cannot be unpacked"
	done
	arrange_debs "$work/unpacked/usr"
}

# move FROM... TO: those of FROM that are there.
move() {
	local to=${!#} from
	mkdir -p "$tree/$to"
	for from in "${@:1:$#-1}"; do
		[ -e "$from" ] || [ -L "$from" ] || continue
		[ ! -e "$tree/$to/$(basename "$from")" ] || continue
		mv "$from" "$tree/$to/" || die "$from: cannot be moved"
	done
}

# From Debian's places to those below /usr/local/cuda; the profile tells nvcc where its parts are.
arrange_debs() {
	local own=$1/lib/nvidia-cuda-toolkit
	rm -f "$own/bin/gcc" "$own/bin/g++" "$own/bin/nvcc.profile" "$1/bin/nvcc"
	move "$own/bin/cicc" nvvm/bin
	move "$own/libdevice" nvvm
	move "$1"/lib/*/libnvvm.so* nvvm/lib64
	move "$own"/bin/* "$1"/bin/* bin
	move "$1"/lib/*-linux-gnu/*.so* "$1"/lib/*-linux-gnu/*.a lib64
	move "$1"/lib/*-linux-gnu/stubs lib64
	move "$1"/include/* include
	move "$own"/compute-sanitizer .
	cat >"$tree/bin/nvcc.profile" <<-'PROFILE'
		TOP              = $(_HERE_)/..
		NVVMIR_LIBRARY_DIR = $(TOP)/nvvm/libdevice
		LD_LIBRARY_PATH += $(TOP)/lib64:
		PATH            += $(TOP)/nvvm/bin:$(_HERE_):
		INCLUDES        += "-I$(TOP)/include" $(_SPACE_)
		LIBRARIES       =+ $(_SPACE_) "-L$(TOP)/lib64/stubs" "-L$(TOP)/lib64"
	PROFILE
}

# What a program that was built elsewhere, and nvcc itself, do not open.
make_minimal() {
	rm -rf "$tree"/{compute-sanitizer,extras,gds,libnvvp,nsight*,nsightee_plugins,samples,share,src,tools,doc}
	find "$tree" -name '*.a' ! -name 'libcudadevrt.a' ! -name 'libcudart_static.a' -delete
	find "$tree" \( -name 'libcublas*' -o -name 'libcufft*' -o -name 'libcurand*' -o -name 'libcusolver*' -o \
		-name 'libcusparse*' -o -name 'libnpp*' -o -name 'libnvjpeg*' -o -name 'libcufile*' -o -name 'libcupti*' -o \
		-name 'libaccinj*' -o -name 'libcuinj*' \) \( -type f -o -type l \) -delete
	rm -f "$tree"/bin/{nsys*,ncu*,nvvp,nsight*,compute-sanitizer,cuda-memcheck,cuda-gdb*,nvprof,TreeLauncher*}
	find "$tree" -mindepth 1 -type d -empty -delete
}

pack() {
	local archive=$output/cuda-$version.tar.zst
	[ -x "$tree/bin/nvcc" ] || find "$tree" -name 'libcudart.so.*' | grep -q . || die 'no CUDA toolkit in it'
	find "$tree" -type d -exec chmod 0755 {} +
	find "$tree" -type f -exec chmod u=rwX,go=rX {} +
	tar -c --sort=name --owner=0 --group=0 --numeric-owner --mtime="@${SOURCE_DATE_EPOCH:-0}" -C "$tree" . |
		zstd -q -T0 "-${ZSTD_LEVEL:-10}" -f -o "$archive.part" || die "$archive: cannot be written"
	mv "$archive.part" "$archive" || die "$archive: cannot be written"
	printf '%s\n' "$archive"
}

while [ $# -gt 0 ]; do
	case $1 in
	--set) set_wanted=${2-} && shift ;;
	--output) output=${2-} && shift ;;
	--) shift && break ;;
	-*) usage ;;
	*) break ;;
	esac
	shift || usage
done
case $set_wanted in minimal | full) ;; *) usage ;; esac
[ $# -gt 0 ] || usage
for source; do
	[ -f "$source" ] || die "$source: no such file"
done
mkdir -p "$output" || die "$output: cannot be made"
work=$(mktemp -d) || die 'no temporary directory'
tree=$work/tree
mkdir "$tree"
case $1 in
*.run) [ $# = 1 ] || usage && from_runfile "$1" ;;
*.deb) from_debs "$@" ;;
*) die "$1: neither a runfile nor a Debian package" ;;
esac
[ "$set_wanted" = full ] || make_minimal
pack
