#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# demo.sh: an ordinary, unprivileged container before and after nvcoreos, side by side. Needs root and the programs in build/;
# no GPU, no network. Everything happens in one temporary directory, and nothing is left of it.
# Exit 0 only if everything came as it should.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
# shellcheck source=tests/integration/helpers.bash
. "$top/tests/integration/helpers.bash"
# shellcheck source=tests/lib/dockerd.sh
. "$top/tests/lib/dockerd.sh"

driver=535.261.03
toolkit=12.4.1
gpu=0   # the GPU that is asked for: by its index,
minor=0 # and by the number of its node
failed=0
work=

say() {
	printf '\n%s\n' "$*" | fold -s -w 100
}

die() {
	printf 'demo: %s\n' "$*" >&2
	exit 1
}

clean() {
	[ -n "$work" ] || return 0
	[ ! -d "$work/docker" ] || dockerd_stop "$work/docker" || failed=$((failed + 1))
	if ! bundle_clean "$work/before" || ! bundle_clean "$work/after" || ! cleanup_umount "$work" || ! cleanup_remove "$work"; then
		printf 'demo: something was left in %s\n' "$work" >&2
		failed=$((failed + 1))
	fi
	work=
}

check_machine() {
	local name why
	[ "$(id -u)" = 0 ] || die 'containers need root here: run it as root'
	for name in nvcoreos nvcoreos-hook nvcoreos-runtime; do
		[ -x "$NVCOREOS_BUILD/$name" ] || die "run 'make' first: there is no $NVCOREOS_BUILD/$name"
	done
	for name in runc jq cc; do
		command -v $name >/dev/null || die "run 'make deps' first: $name is not installed"
	done
	why=$(cgroup_usable 2>&1) || die "no container can run on this machine: $why"
}

nvcoreos() {
	"$NVCOREOS_BUILD/nvcoreos" --config "$work/nvcoreos.conf" "$@"
}

# --- the host ----------------------------------------------------------------

real_host() {
	say 'This machine has an NVIDIA driver. It is taken into a private store (nvcoreos import), and the containers' \
		'below see the real GPUs.'
	mkdir -p "$work/host/run"
	cat >"$work/nvcoreos.conf" <<-EOF
		driver-store=$work/opt/nvidia
		cuda-store=$work/opt/cuda
		run-dir=$work/host/run
		hook-path=$NVCOREOS_BUILD/nvcoreos-hook
		libexec-dir=$NVCOREOS_BUILD
		log-file=$work/host/nvcoreos.log
		low-level-runtimes=runc
	EOF
	nvcoreos import || die 'nvcoreos import failed'
	minor=$(sed -n 's/^Device Minor:[[:space:]]*//p' /proc/driver/nvidia/gpus/*/information | head -n 1)
}

sample_host() {
	say "This machine has no NVIDIA driver, so a small sample driver ($driver) with NVIDIA's file names is compiled, and a" \
		'host with two GPUs is made up: a /proc, a /sys and a /dev in a temporary directory. Behind those device nodes' \
		'there is no hardware: opening one that the container may open gives ENXIO ("no such device"), and one that it may' \
		'not gives EPERM; nvidia-smi finds its library, and then that no driver answers (exit 9). The driver and a CUDA' \
		'toolkit are installed from their archives (nvcoreos install).'
	"$top/tests/fixtures/sample-driver/build.sh" "$work/archives" "$driver" "$toolkit" >/dev/null ||
		die 'the sample driver cannot be compiled'
	fakehost_make "$work/host" 2 "$driver" || die 'the made-up host cannot be made'
	fakehost_conf "$work/host" "$work/opt/nvidia" "$work/opt/cuda" >"$work/nvcoreos.conf"
	nvcoreos install "$work"/archives/*.tar.gz || die 'nvcoreos install failed'
}

# --- an image out of this machine's own files --------------------------------

# image_file PATH: copies a file, followed, to the same place below the root.
image_file() {
	local real
	real=$(readlink -f "$1") || return 0
	mkdir -p "$work/image$(dirname "$1")"
	[ -e "$work/image$1" ] || cp "$real" "$work/image$1"
}

image_program() {
	local path file
	path=$(PATH=$PATH:/usr/sbin:/sbin command -v "$1") || die "not installed: $1"
	cp "$(readlink -f "$path")" "$work/image/usr/bin/$1"
	for file in $(ldd "$path" 2>/dev/null | grep -o '/[^ ]*'); do
		image_file "$file"
	done
}

# What programs of a driver need of libc beyond what the shell does.
image_libraries() {
	local libc name
	libc=$(ldd "$(command -v sh)" | sed -n 's,.* => \(/.*\)/libc\.so\.6 .*,\1,p')
	for name in libdl.so.2 libpthread.so.0 libm.so.6 librt.so.1; do
		[ ! -e "$libc/$name" ] || image_file "$libc/$name"
	done
	mkdir -p "$work/image/etc/ld.so.conf.d"
	printf 'include /etc/ld.so.conf.d/*.conf\n' >"$work/image/etc/ld.so.conf"
	printf '%s\n' "$libc" >"$work/image/etc/ld.so.conf.d/libc.conf"
	"$work/image/usr/sbin/ldconfig" -r "$work/image"
}

make_image() {
	local name
	mkdir -p "$work/image"/{usr/bin,usr/sbin,usr/lib,usr/lib64,usr/local,etc,dev,proc,sys,tmp,root,run,var,demo}
	for name in bin sbin lib lib64; do
		ln -s "usr/$name" "$work/image/$name"
	done
	for name in sh ls cat sed grep readlink; do
		image_program "$name"
	done
	# Ubuntu has a script in front of the program.
	for name in /sbin/ldconfig.real /sbin/ldconfig; do
		[ ! -x $name ] || break
	done
	cp "$name" "$work/image/usr/sbin/ldconfig"
	chmod 755 "$work/image"
	chmod 1777 "$work/image/tmp"
	echo 'root:x:0:0:root:/root:/bin/sh' >"$work/image/etc/passwd"
	image_libraries
	probe_build "$work/probe" || die 'the probes cannot be compiled'
	cp "$work/probe/probe" "$work/probe/probe-dl" "$here/look" "$work/image/demo/"
}

# --- containers --------------------------------------------------------------

not_run() {
	printf '\nFAILED  the container did not run:\n'
	cat "$1"
	failed=$((failed + 1))
}

# in_runc DIR [RUNTIME...]: one container; its answers in DIR.answers.
in_runc() {
	local dir=$1
	bundle_make "$dir" "$work/image" || die 'no bundle can be made'
	bundle_args "$dir" sh /demo/look "$minor"
	bundle_env "$dir" "NVIDIA_VISIBLE_DEVICES=$gpu"
	bundle_run "$@" >"$dir.answers" 2>"$dir.errors" || not_run "$dir.errors"
}

# in_docker NAME RUNTIME
in_docker() {
	docker run --rm --network none --runtime="$2" -e "NVIDIA_VISIBLE_DEVICES=$gpu" nvcoreos-demo sh /demo/look "$minor" \
		>"$work/$1.answers" 2>"$work/$1.errors" || not_run "$work/$1.errors"
}

# answer NAME KEY
answer() {
	sed -n "s/^$2\( \|\$\)//p" "$work/$1.answers" 2>/dev/null
}

# --- the table ---------------------------------------------------------------

# cell TEXT: one item a line.
cell() {
	if [ -n "$1" ]; then
		printf '%s\n' "$1" | tr ' ' '\n'
	else
		echo none
	fi
}

# row LABEL TEXT TEXT: what has several words goes on several lines.
row() {
	local left right label=$1 more
	cell "$2" >"$work/left"
	cell "$3" >"$work/right"
	exec 5<"$work/left" 6<"$work/right"
	while :; do
		left='' right='' more=0
		IFS= read -r left <&5 && more=1
		IFS= read -r right <&6 && more=1
		[ $more = 1 ] || break
		printf '  %-26s %-18s %s\n' "$label" "$left" "$right"
		label=
	done
	exec 5<&- 6<&-
}

words() {
	printf '%s\n' "$1" | tr ' ' '_'
}

# table BEFORE AFTER HEAD HEAD: two sets of answers side by side.
table() {
	local label key
	# The last answer: without it there is nothing to compare.
	[ -n "$(answer "$1" caps)" ] && [ -n "$(answer "$2" caps)" ] || return
	printf '\n  %-26s %-18s %s\n' '' "$3" "$4"
	printf '  %.0s' '' && printf -- '-%.0s' {1..98} && echo
	while read -r key label; do
		case $key in
		smi) row "$label" "$(words "$(answer "$1" "$key")")" "$(words "$(answer "$2" "$key")")" | tr '_' ' ' ;;
		*) row "$label" "$(answer "$1" "$key")" "$(answer "$2" "$key")" ;;
		esac
	done <<-EOF
		nodes GPU nodes in /dev
		cuda libcuda.so.1
		nvml libnvidia-ml.so.1
		cudart libcudart.so.12
		entries loader cache entries
		links links
		smi nvidia-smi
		ctl open /dev/nvidiactl
		gpu open /dev/nvidia$minor
		other open the other GPU
		mem open /dev/mem
		caps capabilities
	EOF
}

# --- what must have come out -------------------------------------------------

# expect WORDS GOT PATTERN...
expect() {
	local what=$1 got=$2 pattern
	shift 2
	for pattern; do
		# shellcheck disable=SC2254 # a pattern
		case $got in $pattern) return ;; esac
	done
	printf 'FAILED  %s: got "%s", expected %s\n' "$what" "$got" "$*"
	failed=$((failed + 1))
}

expect_before() {
	expect "$1: no GPU nodes" "$(answer "$1" nodes)" ''
	expect "$1: no libcuda" "$(answer "$1" cuda)" none
	expect "$1: no nvidia-smi" "$(answer "$1" smi)" 'no such program'
	expect "$1: no loader entries" "$(answer "$1" entries)" 0
	expect "$1: nvidiactl is closed" "$(answer "$1" ctl)" EPERM
}

# The driver's door: with a driver the node opens, without one the kernel says that none is there, but not EPERM.
expect_after() {
	local door=ENXIO smi="exit 9, driver $driver"
	[ "$real" = 0 ] || door=OK smi='exit 0*'
	expect "$1: the GPU's node" " $(answer "$1" nodes) " "* nvidia$minor *"
	expect "$1: nvidiactl" " $(answer "$1" nodes) " '* nvidiactl *'
	expect "$1: libcuda from the driver" "$(answer "$1" cuda)" '/usr/local/nvidia/lib64/libcuda.so.1'
	expect "$1: NVML from the driver" "$(answer "$1" nvml)" '/usr/local/nvidia/lib64/libnvidia-ml.so.1'
	expect "$1: loader entries" "$(answer "$1" entries)" '[1-9]*'
	expect "$1: nvidia-smi" "$(answer "$1" smi)" "$smi"
	expect "$1: nvidiactl opens" "$(answer "$1" ctl)" $door
	expect "$1: the GPU opens" "$(answer "$1" gpu)" $door
	expect "$1: the other GPU stays closed" "$(answer "$1" other)" EPERM
	expect "$1: /dev/mem stays closed" "$(answer "$1" mem)" EPERM
	expect "$1: no capability more" "$(answer "$1" caps)" "$(answer "$2" caps)"
	[ "$real" = 1 ] || expect "$1: the toolkit's library" "$(answer "$1" cudart)" '/usr/local/cuda/*'
}

# --- the demo ----------------------------------------------------------------

with_runc() {
	say "The same container twice, with NVIDIA_VISIBLE_DEVICES=$gpu and no --privileged: started by plain runc, and by" \
		'nvcoreos-runtime, which puts nvcoreos-hook into it and then becomes runc.'
	in_runc "$work/before" runc
	in_runc "$work/after" "$NVCOREOS_BUILD/nvcoreos-runtime" --nvcoreos-config "$work/nvcoreos.conf"
	table before after 'plain runc' nvcoreos-runtime || return
	expect_before before
	expect_after after before
}

with_docker() {
	local why
	why=$(dockerd_able 2>&1) || {
		say "Docker is left out: ${why#dockerd.sh: }"
		return
	}
	say 'The same under Docker: a private dockerd, with nvcoreos as one of its runtimes.'
	mkdir -p "$work/docker"
	dockerd_start "$work/docker" "$NVCOREOS_BUILD/nvcoreos-runtime" --nvcoreos-config "$work/nvcoreos.conf" \
		2>"$work/docker.errors" || {
		say "Docker is left out: no dockerd can be started here: $(tail -n 1 "$work/docker.errors")"
		return
	}
	docker_import_root "$work/image" nvcoreos-demo || die 'docker import failed'
	docker run --rm --network none nvcoreos-demo true >/dev/null 2>"$work/docker.errors" || {
		say "Docker is left out: a plain container does not run under it here: $(head -n 1 "$work/docker.errors")"
		return
	}
	in_docker docker-before runc
	in_docker docker-after nvcoreos
	table docker-before docker-after '--runtime=runc' --runtime=nvcoreos || return
	expect_before docker-before
	expect_after docker-after docker-before
}

last_words() {
	say 'On a machine with a GPU, that is:'
	cat <<-'EOF'

		  make install
		  nvcoreos import                   # the driver that the OS has; or: nvcoreos install ARCHIVE...
		  nvcoreos configure docker
		  systemctl restart docker
		  docker run --rm --runtime=nvcoreos -e NVIDIA_VISIBLE_DEVICES=all debian:12 nvidia-smi

	EOF
}

check_machine
work=$(mktemp -d "${TMPDIR:-/tmp}/nvcoreos-demo.XXXXXX") || exit 1
chmod 755 "$work"
trap clean EXIT
trap 'exit 1' HUP INT TERM
if [ -e /proc/driver/nvidia/version ]; then
	real=1
	real_host
else
	real=0
	sample_host
fi
make_image
with_runc
with_docker
last_words
clean
if [ "$failed" != 0 ]; then
	echo "demo: $failed expectations were not met (see FAILED above)"
	exit 1
fi
echo 'demo: everything came as it should; nothing was left behind'
