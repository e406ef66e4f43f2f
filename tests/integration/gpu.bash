# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A private host with two GPUs and the sample driver installed, for the suites that run containers on it.

# gpu_host DIR [DRIVER [KEY=VALUE...]]: DIR/host, DIR/store, DIR/cuda-store, DIR/conf, the sample driver and toolkit installed.
gpu_host() {
	local dir=$1 driver=${2:-535.261.03}
	shift
	[ $# = 0 ] || shift
	fakehost_make "$dir/host" 2 "$driver" && fakehost_dri "$dir/host" 2 &&
		fakehost_conf "$dir/host" "$dir/store" "$dir/cuda-store" "$@" >"$dir/conf" &&
		gpu_archives "$dir" "$driver" 12.4.1 &&
		gpu_nvcoreos "$dir" install --use "$dir/archives/libraries-$driver.tar.gz" "$dir/archives/tools-$driver.tar.gz" &&
		gpu_nvcoreos "$dir" install "$dir/archives/cuda-12.4.1.tar.gz"
}

# gpu_archives DIR DRIVER [CUDA]: the sample driver's archives in DIR/archives.
gpu_archives() {
	"$NVC_TESTS/fixtures/sample-driver/build.sh" "$1/archives" "$2" ${3:+"$3"} >/dev/null
}

# gpu_nvcoreos DIR ARG...: the tool, with that host's configuration.
gpu_nvcoreos() {
	local dir=$1
	shift
	"$NVCOREOS_BUILD/nvcoreos" --config "$dir/conf" "$@"
}

# gpu_run DIR BUNDLE: runs the bundle to its end through nvcoreos-runtime.
gpu_run() {
	bundle_run "$2" "$NVCOREOS_BUILD/nvcoreos-runtime" --nvcoreos-config "$1/conf"
}

# gpu_start DIR BUNDLE: starts it in the background.
gpu_start() {
	bundle_start "$2" "$NVCOREOS_BUILD/nvcoreos-runtime" --nvcoreos-config "$1/conf"
}

# gpu_uvm DIR: the uvm major of that host.
gpu_uvm() {
	awk '$2 == "nvidia-uvm" { print $1 }' "$1/host/proc/devices"
}

# gpu_sh BUNDLE SCRIPT: the container's program is a shell with this script.
gpu_sh() {
	bundle_args "$1" /bin/sh -c "$2"
}

gpu_clean() {
	fakehost_clean "$1/host"
}
