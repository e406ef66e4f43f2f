#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# On a machine with a real NVIDIA driver and GPU: the driver is imported into a private store, and unprivileged containers of runc's
# use the GPU for real, through the shim and through the hook alone.

# shellcheck disable=SC2154 # output, lines and status are set by run
load ../integration/helpers
load gpuroot

setup_file() {
	need_root runc jq cc || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	[ -e /proc/driver/nvidia/version ] || skip_or_fail 'no NVIDIA driver is loaded here' || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	export W=$BATS_FILE_TMPDIR
	cat >"$W/conf" <<-EOF
		driver-store=$W/store
		cuda-store=$W/cuda-store
		run-dir=$W/run
		hook-path=$NVCOREOS_BUILD/nvcoreos-hook
		libexec-dir=$NVCOREOS_BUILD
		load-modules=no
		log-file=$W/log
		low-level-runtimes=runc
	EOF
	nvcoreos import --use
	nvcoreos gpus --refresh
	cc -O1 -Wall -Wextra -o "$W/vectoradd" "$NVC_TESTS/gpu/vectoradd.c" -ldl
	cc -O1 -Wall -Wextra -static -o "$W/probe" "$NVC_TESTS/integration/probe.c"
	tree=$(realpath "$W/store/current")
	gpuroot_make "$W/root" "$W/vectoradd" "$tree/lib64/libcuda.so.1" "$tree/lib64/libnvidia-ml.so.1" "$tree/bin/nvidia-smi"
	cp "$W/probe" "$W/root/probe"
	# For the record.
	nvcoreos gpus | sed 's/^/# /' >&3
}

setup() {
	skip_file
	B=$BATS_TEST_TMPDIR/b
	bundle_make "$B" "$W/root"
}

teardown() {
	[ -z "${B:-}" ] || bundle_clean "$B"
	[ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 5 "$W/log" 2>/dev/null | sed 's/^/log: /'
}

nvcoreos() {
	"$NVCOREOS_BUILD/nvcoreos" --config "$W/conf" "$@"
}

run_gpu() {
	bundle_run "$B" "$NVCOREOS_BUILD/nvcoreos-runtime" --nvcoreos-config "$W/conf"
}

# information: the driver's file of each GPU, by PCI address, as indices go.
information() {
	find /proc/driver/nvidia/gpus -name information | sort
}

# minor_of FILE
minor_of() {
	awk '$1 == "Device" && $2 == "Minor:" { print $3 }' "$1"
}

# other_minors MINOR...: those of this machine's GPUs that are not among them.
other_minors() {
	local file minor
	information | while read -r file; do
		minor=$(minor_of "$file")
		case " $* " in
		*" $minor "*) ;;
		*) printf '%s\n' "$minor" ;;
		esac
	done
}

# closed NAME MAJOR MINOR: a script: the container makes a node of its own, and must not be able to open it.
closed() {
	printf 'rm -f /tmp/n; /probe mknod /tmp/n c %d %d >/dev/null; echo "%s $(/probe open /tmp/n)";' "$2" "$3" "$1"
}

script() {
	bundle_args "$B" /bin/sh -c "$1"
}

nvidia_major() {
	awk '/^Block/ { exit } $2 == "nvidia" || $2 == "nvidia-frontend" { print $1; exit }' /proc/devices
}

@test "import, list and gpus know the loaded driver and its GPUs" {
	version=$(awk 'NR == 1 { for (i = 1; i <= NF; i++) if ($i ~ /^[0-9]+\.[0-9.]+$/) { print $i; exit } }' /proc/driver/nvidia/version)
	run nvcoreos list
	echo "$output"
	[[ $output == *"$version"* ]]
	run nvcoreos gpus
	echo "$output"
	[ "$(grep -o 'GPU-[0-9a-f-]*' <<<"$output" | sort -u | wc -l)" = "$(information | wc -l)" ]
}

@test "nvidia-smi -L in a container lists what it lists on the host" {
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=all
	bundle_args "$B" nvidia-smi -L
	run run_gpu
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *'GPU 0:'* ]]
	if command -v nvidia-smi >/dev/null; then
		[ "$output" = "$(nvidia-smi -L)" ]
	fi
}

@test "a kernel runs on the GPU, and its sums are right" {
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0 NVIDIA_DRIVER_CAPABILITIES=compute,utility
	bundle_args "$B" /vectoradd
	run run_gpu
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *' 1000003 of 1000003 sums are right'* ]]
	echo "# ${lines[*]}" >&3
}

@test "the same with the hook alone" {
	bundle_hook "$B" createRuntime "$NVCOREOS_BUILD/nvcoreos-hook" --config "$W/conf" createRuntime
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0
	bundle_args "$B" /vectoradd
	run bundle_run "$B"
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *' 1000003 of 1000003 sums are right'* ]]
}

@test "one GPU of many: it is the only one, and the others are closed" {
	[ "$(information | wc -l)" -gt 1 ] || skip 'this machine has one GPU'
	major=$(nvidia_major)
	index=0
	while read -r file; do
		others=$(other_minors "$(minor_of "$file")")
		probes=
		for other in $others; do
			probes+=$(closed "minor-$other" "$major" "$other")
		done
		bundle_env "$B" NVIDIA_VISIBLE_DEVICES="$index"
		script "ls /dev | grep -c '^nvidia[0-9]'; nvidia-smi -L; /vectoradd; $probes"
		run run_gpu
		echo "$output"
		[ "$status" = 0 ]
		[ "${lines[0]}" = 1 ]
		[ "$(grep -c '^GPU [0-9]*:' <<<"$output")" = 1 ]
		uuid=$(sed -n 's/^GPU UUID:[[:space:]]*//p' "$file")
		[[ $uuid == *'?'* || $output == *"$uuid"* ]]
		grep -q '^CUDA .*, devices: 1$' <<<"$output"
		grep -q ' 1000003 of 1000003 sums are right' <<<"$output"
		for other in $others; do
			grep -qx "minor-$other EPERM" <<<"$output"
		done
		index=$((index + 1))
	done < <(information)
}

@test "what was not asked for is closed" {
	major=$(nvidia_major)
	uvm=$(awk '$2 == "nvidia-uvm" { print $1 }' /proc/devices)
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0 NVIDIA_DRIVER_CAPABILITIES=utility
	script "$(closed uvm "$uvm" 0)$(closed modeset "$major" 254)$(closed nobody "$major" 200)/probe open /dev/nvidiactl"
	run run_gpu
	echo "$output"
	[ "${lines[*]}" = 'uvm EPERM modeset EPERM nobody EPERM OK' ]
}

@test "without a request there is no node, and none can be opened" {
	script 'ls /dev | grep -c nvidia;'"$(closed control "$(nvidia_major)" 255)"
	run run_gpu
	echo "$output"
	[ "${lines[*]}" = '0 control EPERM' ]
}

@test "none: the driver's libraries, and no GPU" {
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=none
	bundle_args "$B" /vectoradd
	run run_gpu
	echo "$output"
	[ "$status" = 3 ]
	[[ $output == 'cuInit(0): error '* ]]
}
