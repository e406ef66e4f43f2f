#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Requirements of images, in every way of asking for a GPU, by the shim and by a bare hook.

load helpers
load gpu

setup_file() {
	need_root runc jq cc || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	have_root --busybox || return "$SKIPPED"
	export ROOT HOST=$BATS_FILE_TMPDIR
	gpu_host "$HOST" 535.261.03
	printf '{"format":1,"driver":"535.261.03","gpus":[{"pci":"%s","brand":"tesla","arch":"8.0"},{"pci":"%s","brand":"geforce","arch":"8.6"}]}' \
		"$(fakehost_bdf 0)" "$(fakehost_bdf 1)" >"$HOST/host/run/inventory.json"
	ln -s "$NVCOREOS_BUILD/nvcoreos-hook" "$HOST/nvidia-container-runtime-hook"
}

teardown_file() {
	[ -z "${HOST:-}" ] || gpu_clean "$HOST"
}

setup() {
	skip_file
	B=$BATS_TEST_TMPDIR/b
	bundle_make "$B" "$ROOT"
	bundle_args "$B" /bin/echo STARTED
	cp "$B/config.json" "$B/plain.json"
}

teardown() {
	[ -z "${B:-}" ] || bundle_clean "$B"
}

# ask WAY GPU: that GPU, in one of the ways there are.
ask() {
	case $1 in
	environment) bundle_env "$B" NVIDIA_VISIBLE_DEVICES="$2" ;;
	swarm) bundle_env "$B" DOCKER_RESOURCE_GPU="$2" ;;
	mounts) bundle_bind "$B" /dev/null "/var/run/nvidia-container-devices/$2" ;;
	cdi-mounts) bundle_bind "$B" /dev/null "/var/run/nvidia-container-devices/cdi/nvidia.com/gpu/$2" ;;
	cdi-annotation) bundle_jq "$B" '.annotations["cdi.k8s.io/x"] = "nvidia.com/gpu=" + $gpu' --arg gpu "$2" ;;
	gpus) # what `docker run --gpus` makes of it
		bundle_env "$B" NVIDIA_VISIBLE_DEVICES="$2" NVIDIA_DRIVER_CAPABILITIES=compute,utility
		bundle_hook "$B" prestart "$HOST/nvidia-container-runtime-hook" --config "$HOST/conf" prestart
		;;
	esac
}

# start shim|hook: $B to its end; as the alias has its own hook already, it needs no second one.
start() {
	if [ "$1" = shim ]; then
		run gpu_run "$HOST" "$B"
		return
	fi
	jq -e '.hooks.prestart' "$B/config.json" >/dev/null ||
		bundle_hook "$B" createRuntime "$NVCOREOS_BUILD/nvcoreos-hook" --config "$HOST/conf" createRuntime
	run bundle_run "$B"
}

# asked WAY GPU BY KEY=VALUE...: a container like that; $output and $status of it.
asked() {
	local way=$1 gpu=$2 by=$3
	shift 3
	cp "$B/plain.json" "$B/config.json"
	[ $# = 0 ] || bundle_env "$B" "$@"
	ask "$way" "$gpu"
	start "$by"
	printf '%s %s %s %s -> %s %s\n' "$way" "$gpu" "$by" "$*" "$status" "$output"
}

refused() {
	[ "$status" != 0 ] && [[ $output == *'E16: requirement not met: '*"$1"* && $output != *STARTED* ]]
}

started() {
	[ "$status" = 0 ] && [ "$output" = STARTED ]
}

@test "in every way of asking: the term, the driver and the GPU are named" {
	for way in environment swarm mounts cdi-mounts cdi-annotation gpus; do
		for by in shim hook; do
			asked $way 0 $by 'NVIDIA_REQUIRE_CUDA=cuda>=99.0'
			refused 'NVIDIA_REQUIRE_CUDA: cuda>=99.0 (driver 535.261.03 supports CUDA 12.2, GPU 0)'
		done
		asked $way 0 shim 'NVIDIA_REQUIRE_CUDA=cuda>=99.0 brand=tesla,driver>=535,driver<536'
		started
		asked $way 1 hook 'NVIDIA_REQUIRE_CUDA=brand=tesla,driver>=535,driver<536'
		refused 'NVIDIA_REQUIRE_CUDA: brand=tesla (brand is geforce, GPU 1, driver 535.261.03)'
	done
}

@test "images of old, by CUDA_VERSION alone, in every way of asking" {
	for way in nothing environment mounts gpus; do
		asked $way 0 shim CUDA_VERSION=12.9.1
		refused 'CUDA_VERSION: cuda>=12.9 (driver 535.261.03 supports CUDA 12.2, GPU 0)'
		asked $way 0 hook CUDA_VERSION=12.2.140
		started
	done
	asked environment 0 shim CUDA_VERSION=12.9.1 'NVIDIA_REQUIRE_CUDA=cuda>=12.0'
	started
}

@test "each GPU that is asked for must meet all variables; a GPU that is not asked for need not" {
	asked environment 0 shim 'NVIDIA_REQUIRE_CUDA=brand=tesla' 'NVIDIA_REQUIRE_ARCH=arch>=8.0'
	started
	asked environment all shim 'NVIDIA_REQUIRE_CUDA=brand=tesla'
	refused 'brand=tesla (brand is geforce, GPU 1'
	for order in 'NVIDIA_REQUIRE_A=driver>=535 NVIDIA_REQUIRE_B=arch>=9.0' 'NVIDIA_REQUIRE_B=arch>=9.0 NVIDIA_REQUIRE_A=driver>=535'; do
		# shellcheck disable=SC2086 # two words
		asked environment 0 hook $order
		refused 'NVIDIA_REQUIRE_B: arch>=9.0 (compute capability is 8.0, GPU 0, driver 535.261.03)'
	done
	asked environment 0 shim 'NVIDIA_REQUIRE_CUDA=cuda>=99' 'NVIDIA_REQUIRE_CUDA=cuda>=12'
	started
}

@test "without a GPU the driver is checked, brand and architecture are not" {
	asked environment none shim 'NVIDIA_REQUIRE_CUDA=brand=titan,arch>=99,driver>=535'
	started
	asked environment none hook 'NVIDIA_REQUIRE_CUDA=brand=titan,driver>=550'
	refused 'NVIDIA_REQUIRE_CUDA: driver>=550 (the driver is 535.261.03)'
}

@test "switched off, and what is no requirement of ours" {
	asked environment 0 shim 'NVIDIA_REQUIRE_CUDA=cuda>=99' NVIDIA_DISABLE_REQUIRE=true
	started
	asked environment 0 hook 'NVIDIA_REQUIRE_CUDA=cuda>=99' NVIDIA_DISABLE_REQUIRE=1
	started
	asked environment 0 hook 'NVIDIA_REQUIRE_CUDA=cuda>=99' NVIDIA_DISABLE_REQUIRE=false
	refused 'cuda>=99'
	asked environment 0 shim NVIDIA_REQUIRE_JETPACK=csv-mounts=all NVIDIA_REQUIRE_JETPACK_HOST_MOUNTS=base-only
	started
	asked environment 0 hook 'NVIDIA_REQUIRE_CUDA=cuda>=12 gpus>=1'
	started
	asked environment 0 shim 'NVIDIA_REQUIRE_CUDA=cuda>=99 gpus>=1'
	refused 'gpus>=1: unknown property'
}

@test "while nobody has asked NVML, brand and architecture speak against nothing" {
	mv "$HOST/host/run/inventory.json" "$HOST/inventory.kept"
	asked environment 0 shim 'NVIDIA_REQUIRE_CUDA=cuda>=99 brand=tesla,driver>=535,driver<536'
	mv "$HOST/inventory.kept" "$HOST/host/run/inventory.json"
	started
}
