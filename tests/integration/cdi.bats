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
	mkdir "$HOST" "$BASE/etc"
	gpu_host "$HOST" 535.261.03 || return
	mount -t tmpfs -o size=1m tmpfs "$BASE/etc" && mkdir -p "$BASE/etc/up/cdi" "$BASE/etc/work" || return
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

# in_etc COMMAND...: where /etc/cdi is the test's, which nobody else sees.
in_etc() {
	# shellcheck disable=SC2016 # for the shell there
	unshare -m --propagation private sh -c '
		mount -t overlay -o "lowerdir=/etc,upperdir=$0/up,workdir=$0/work" overlay /etc && exec "$@"' "$BASE/etc" "$@"
}

# in_etc_nvcoreos DIR ARG...: the tool there, with that host's configuration.
in_etc_nvcoreos() {
	local dir=$1
	shift
	in_etc "$NVCOREOS_BUILD/nvcoreos" --config "$dir/conf" "$@"
}

# mig_host DIR: one GPU, and an NVML that knows of a MIG device of it, which is not there yet.
mig_host() {
	gpu_host "$1" 535.261.03 || return
	cc -shared -fPIC -o "$1"/store/current/lib64/libnvidia-ml.so.1.new "$NVC_TESTS/fixtures/fake-nvml.c" &&
		mv "$1"/store/current/lib64/libnvidia-ml.so.1.new "$(readlink -f "$1"/store/current/lib64/libnvidia-ml.so.1)"
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

@test "a plan as a specification: an engine that applies it gives what a start gives, once" {
	bundle_make "$B" "$ROOT"
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=1 NVIDIA_DRIVER_CAPABILITIES=compute,utility
	run -0 gpu_nvcoreos "$HOST" plan "$B" --cdi --format json
	mkdir "$BASE/plan" && cat >"$BASE/plan/plan.json" <<<"$output"
	run -0 gpu_nvcoreos "$HOST" cdi check --spec-dir "$BASE/plan"
	bundle_clean "$B"
	bundle_make "$B" "$ROOT"
	probe_install "$BASE/probes" "$B/rootfs"
	seen_install "$B/rootfs"
	cdi_apply "$BASE/plan/plan.json" "$B/config.json" plan >"$B/new" && mv "$B/new" "$B/config.json"
	bundle_args "$B" /seen
	run bundle_run "$B"
	echo "$output"
	[ "$status" = 0 ]
	diff <(seen_expected - nvidia-uvm nvidia-uvm-tools nvidia1 nvidiactl | sed '/^node /d') <(sed '/^node /d' <<<"$output")
	run -1 gpu_nvcoreos "$HOST" plan --env A=b --cdi
	[[ $output == *E13:* ]]
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

@test "generate: to stdout, in JSON, from where one stands, and what no engine would read" {
	local dir=$BASE/out
	mkdir -p "$dir/sub"
	diff <(gpu_nvcoreos "$HOST" cdi generate --output -) <(gpu_nvcoreos "$HOST" cdi generate)
	diff <(gpu_nvcoreos "$HOST" --json cdi generate --output -) "$SPEC"
	run -0 gpu_nvcoreos "$HOST" --json cdi generate --output "$dir/a.yaml"
	[ "$(jq -c . <<<"$output")" = "{\"file\":\"$dir/a.yaml\",\"written\":true}" ]
	run -0 gpu_nvcoreos "$HOST" --json cdi generate --output "$dir/a.yaml"
	[ "$(jq -c .written <<<"$output")" = false ]
	run -2 gpu_nvcoreos "$HOST" cdi generate --output "$dir/a.yml"
	[[ $output == *'end the name in .yaml or .json'* ]]
	run -0 --separate-stderr gpu_nvcoreos "$HOST" cdi generate --format yaml --output "$dir/a.yml"
	# shellcheck disable=SC2154 # run sets it
	[[ $stderr == *'engines read no file'* ]]
	cd "$dir/sub"
	run -0 gpu_nvcoreos "$HOST" cdi generate --output ../b.json
	[ "$output" = '../b.json is written' ]
	diff "$dir/b.json" "$SPEC"
	# Whoever called is not at --root, and a directory that is gone has no path.
	mkdir -p "$dir/root" "$dir/gone"
	cd "$dir/gone"
	rmdir "$dir/gone"
	run -1 gpu_nvcoreos "$HOST" cdi generate --output c.yaml
	[[ $output == 'nvcoreos: E05: '*'c.yaml'* ]]
	[ ! -e /c.yaml ]
}

@test "many generate at once, and some are killed: all others serve, and nothing is left" {
	local dir=$BASE/many i pids=() word rc=0
	mkdir -p "$dir"
	for i in {1..12}; do
		word=index
		[ $((i % 2)) = 0 ] || word=uuid
		gpu_nvcoreos "$HOST" --quiet cdi generate --device-name-strategy $word --output "$dir/nvcoreos.yaml" 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || rc=$?
	done
	[ "$rc" = 0 ]
	for i in {1..30}; do
		word=index
		[ $((i % 2)) = 0 ] || word=uuid
		"$NVCOREOS_BUILD/nvcoreos" --config "$HOST/conf" --quiet cdi generate --device-name-strategy $word \
			--output "$dir/nvcoreos.yaml" 3>&- &
		sleep "0.00$((i % 10))"
		kill -9 $! 2>/dev/null || :
		wait $! 2>/dev/null || :
		# Whatever lies beside it, engines find one file that is whole.
		gpu_nvcoreos "$HOST" cdi check --spec-dir "$dir"
	done
	gpu_nvcoreos "$HOST" --quiet cdi generate --output "$dir/nvcoreos.yaml"
	[ "$(ls -A "$dir")" = nvcoreos.yaml ]
}

@test "gpus --refresh: MIG devices that came have names as the file has them, and the nodes that engines look for" {
	local host=$BASE/mig file=$BASE/etc/up/cdi/nvcoreos.yaml
	mkdir "$host"
	mig_host "$host"
	in_etc_nvcoreos "$host" --quiet cdi generate --device-name-strategy type-index --vendor example.org --output /etc/cdi/nvcoreos.yaml
	fakehost_mig "$host/host" 0 5 0
	rm "$host"/host/dev/nvidia-caps/nvidia-cap{48,49}
	# In one /etc: overlays that share what they write to are not made at the same time.
	# shellcheck disable=SC2016 # for the shell there
	in_etc sh -c 'pids="" rc=0
		for i in 1 2 3 4 5 6; do "$@" & pids="$pids $!"; done
		for pid in $pids; do wait "$pid" || rc=$?; done
		exit "$rc"' sh "$NVCOREOS_BUILD/nvcoreos" --config "$host/conf" --quiet gpus --refresh 3>&-
	run -0 in_etc_nvcoreos "$host" cdi list
	echo "$output"
	[[ $output == *'example.org/gpu=mig0:0 '* ]]
	run -0 in_etc_nvcoreos "$host" cdi check
	[ "$(ls -A "$BASE/etc/up/cdi")" = nvcoreos.yaml ]
	grep -q -- "- --config" "$file"
}

@test "load: the specification follows" {
	local file=$BASE/etc/up/cdi/nvcoreos.json info
	info=$(echo "$HOST"/host/proc/driver/nvidia/gpus/*/information | cut -d' ' -f1)
	rm -f "$BASE"/etc/up/cdi/*
	in_etc_nvcoreos "$HOST" --quiet cdi generate --output /etc/cdi/nvcoreos.json
	diff "$SPEC" "$file"
	sed -i.was 's/GPU-[0-9a-f]*/GPU-99999999/' "$info"
	in_etc_nvcoreos "$HOST" --quiet load
	grep -q '"GPU-99999999-' "$file"
	mv "$info.was" "$info"
	in_etc_nvcoreos "$HOST" --quiet load
	diff "$SPEC" "$file"
}
