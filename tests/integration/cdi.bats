#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# nvcoreos cdi: the specification, containers that an engine applied it to (runc, without any engine), and what check finds.
bats_require_minimum_version 1.5.0

load helpers
load gpu
load seen
load cdi

setup_file() {
	need_root runc jq cc || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	have_root bookworm || return "$SKIPPED"
	export ROOT
	BASE=$(mktemp -d "${TMPDIR:-/tmp}/nvcoreos-cdi.XXXXXX") || return
	export BASE HOST=$BASE/h SPEC=$BASE/spec.json
	mkdir "$HOST"
	gpu_host "$HOST" 535.261.03 || return
	probe_build "$BASE/probes"
	gpu_nvcoreos "$HOST" --quiet cdi generate --output "$SPEC"
}

teardown_file() {
	[ -n "${BASE:-}" ] || return 0
	gpu_clean "$HOST"
	cleanup_umount "$BASE"
	cleanup_remove "$BASE"
}

setup() {
	skip_file
	B=$BASE/b$BATS_TEST_NUMBER
}

teardown() {
	[ -z "${B:-}" ] || bundle_clean "$B"
}

# cdi_bundle NAME...: B is a bundle that asks as images do, for all, with the edits of these devices.
cdi_bundle() {
	bundle_make "$B" "$ROOT"
	probe_install "$BASE/probes" "$B/rootfs"
	seen_install "$B/rootfs"
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=all
	cdi_apply "$SPEC" "$B/config.json" "$@" >"$B/new" && mv "$B/new" "$B/config.json"
}

# What is in /dev of NVIDIA's, and how often the driver is mounted.
LOOK='ls /dev | grep ^nvidia | tr "\n" " "; grep -c "/usr/local/nvidia " /proc/mounts'

@test "one name: its GPU, whatever the image asks for" {
	cdi_bundle 1
	bundle_env "$B" NVIDIA_IMEX_CHANNELS=0
	gpu_sh "$B" "$LOOK"
	run bundle_run "$B"
	echo "$output"
	[ "$status" = 0 ]
	[ "$output" = 'nvidia-uvm nvidia-uvm-tools nvidia1 nvidiactl 1' ]
}

@test "all that a start gives: nodes that open, libraries, programs" {
	cdi_bundle 1
	bundle_args "$B" /seen
	run bundle_run "$B"
	echo "$output"
	[ "$status" = 0 ]
	# Nodes are the engine's own.
	diff <(seen_expected - nvidia-uvm nvidia-uvm-tools nvidia1 nvidiactl | sed '/^node /d') <(sed '/^node /d' <<<"$output")
}

@test "two names are the sum of both, and all is all" {
	cdi_bundle 0 1
	gpu_sh "$B" "$LOOK"
	run bundle_run "$B"
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == 'nvidia-uvm nvidia-uvm-tools nvidia0 nvidia1 nvidiactl 1' ]]
	bundle_clean "$B"
	cdi_bundle all
	gpu_sh "$B" "$LOOK"
	[ "$(bundle_run "$B")" = "$output" ]
}

@test "a UUID, and a set of capabilities" {
	local uuid
	uuid=$(jq -r '[.devices[].name | select(startswith("GPU-"))][1]' "$SPEC")
	cdi_bundle "$uuid"
	gpu_sh "$B" "$LOOK"
	run bundle_run "$B"
	echo "$output"
	[[ $output == 'nvidia-uvm nvidia-uvm-tools nvidia1 nvidiactl 1' ]]
	bundle_clean "$B"
	cdi_bundle 0-utility
	gpu_sh "$B" "$LOOK; test ! -e /usr/local/nvidia/lib64/libcuda.so.1 && nvidia-smi -L | wc -l"
	run bundle_run "$B"
	echo "$output"
	[ "$status" = 0 ]
	[[ ${lines[0]} == 'nvidia0 nvidiactl 1' ]]
	bundle_clean "$B"
	cdi_bundle 0-graphics
	gpu_sh "$B" 'ls /dev/dri; printenv NVIDIA_DRIVER_CAPABILITIES'
	run bundle_run "$B"
	echo "$output"
	[ "$output" = $'by-path\ncard0\nrenderD128\ncompute,utility,graphics' ]
}

@test "through the shim and hooks.d as well: done once" {
	cdi_bundle 1
	gpu_sh "$B" "$LOOK"
	bundle_hook "$B" prestart "$NVCOREOS_BUILD/nvcoreos-hook" --config "$HOST/conf" prestart
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == 'nvidia-uvm nvidia-uvm-tools nvidia1 nvidiactl 1' ]]
	# The shim left it alone.
	jq -e '[.. | strings | select(startswith("--device-cgroup"))] == [] and (.annotations // {}) == {}' "$B/config.json"
}

@test "a request by mounts besides: the shim serves it, and the hook of CDI does nothing more" {
	cdi_bundle 0
	bundle_bind "$B" /dev/null /var/run/nvidia-container-devices/0
	gpu_sh "$B" "$LOOK"
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == 'nvidia-uvm nvidia-uvm-tools nvidia0 nvidiactl 1' ]]
	grep -q 'asked by CDI, but nvcoreos-runtime serves it already' "$HOST/host/nvcoreos.log"
}

@test "requirements are honoured, and plan tells what a start by CDI would get" {
	cdi_bundle 1
	run gpu_nvcoreos "$HOST" --json plan "$B"
	echo "$output"
	[ "$(jq -c '[[.gpus[].index], .nodes]' <<<"$output")" = '[["1"],[]]' ]
	bundle_env "$B" NVIDIA_REQUIRE_CUDA='cuda>=99.0'
	run bundle_run "$B"
	echo "$output"
	[ "$status" != 0 ]
	[[ $output == *E16:* ]]
}

@test "generate: whole, for everyone to read, and untouched where nothing changed" {
	local file=$BASE/x/nvcoreos.yaml before
	run -0 gpu_nvcoreos "$HOST" cdi generate --output "$file"
	[ "$output" = "$file is written" ]
	[ "$(stat -c %a "$file")" = 644 ]
	before=$(stat -c '%i %Y %Z' "$file")
	run -0 gpu_nvcoreos "$HOST" cdi generate --output "$file"
	[ "$output" = "$file is up to date" ]
	[ "$(stat -c '%i %Y %Z' "$file")" = "$before" ]
	diff "$file" <(gpu_nvcoreos "$HOST" cdi generate)
	diff "$SPEC" <(gpu_nvcoreos "$HOST" cdi generate --format json)
	[ "$(ls -A "$BASE/x")" = nvcoreos.yaml ]
	run -2 gpu_nvcoreos "$HOST" cdi generate --output "$BASE/x/spec"
	run -2 gpu_nvcoreos "$HOST" cdi generate --device-name-strategy names
	run -2 gpu_nvcoreos "$HOST" cdi
	run -0 gpu_nvcoreos "$HOST" cdi generate --device-name-strategy type-index --format json
	[ "$(jq -r .cdiVersion <<<"$output")" = 0.5.0 ]
	[ "$(jq -c '[.devices[].name | select(contains("-") | not)]' <<<"$output")" = '["gpu0","gpu1","all"]' ]
}

@test "list and check: names, stale paths, and two files with one name" {
	local d=$BASE/specs
	mkdir -p "$d/a" "$d/b"
	cp "$SPEC" "$d/a/nvcoreos.json"
	run -0 gpu_nvcoreos "$HOST" cdi check --spec-dir "$d/a" --spec-dir "$d/b"
	[ "$output" = '' ]
	run -0 gpu_nvcoreos "$HOST" cdi list --spec-dir "$d/a"
	[[ $output == *"nvidia.com/gpu=all "*"$d/a/nvcoreos.json"* ]]
	run -0 gpu_nvcoreos "$HOST" --json cdi list --spec-dir "$d/a"
	diff <(jq -r '.devices[].name' <<<"$output") <(jq -r '"nvidia.com/gpu=" + .devices[].name' "$SPEC")
	jq '.devices |= map(select(.name == "0")) | .devices[0].containerEdits.deviceNodes[0] |= (.major = 1 | .minor = 2)' "$SPEC" >"$d/a/other.json"
	run -1 --separate-stderr gpu_nvcoreos "$HOST" cdi check --spec-dir "$d/a"
	echo "$output"
	# shellcheck disable=SC2154 # run sets it
	[[ $stderr == 'nvcoreos: E55: '* ]]
	[ "${#lines[@]}" = 2 ]
	[ "${lines[0]}" = "$d/a/other.json: nvidia.com/gpu=0: $d/a/nvcoreos.json defines it too: engines refuse both" ]
	[[ ${lines[1]} == "$d/a/other.json: nvidia.com/gpu=0: $HOST/host/dev/nvidiactl is 195:255 on this host, and not 1:2" ]]
	run -1 --separate-stderr gpu_nvcoreos "$HOST" --json cdi check --spec-dir "$d/a"
	[ "$(jq '.findings | length' <<<"$output")" = 2 ]
}
