#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The hook alone under runc and crun, in each stage, with and without a user namespace; and the shim on crun.

load helpers
load gpu
load seen
load stages

setup_file() {
	need_root runc jq cc || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	have_root bookworm || return "$SKIPPED"
	export ROOT
	stages_setup
}

teardown_file() {
	stages_clean
}

setup() {
	skip_file
	B=$BASE/b$BATS_TEST_NUMBER
}

teardown() {
	[ -z "${B:-}" ] || bundle_clean "$B"
}

@test "runc: the hook alone, prestart, createRuntime and both" {
	each_stage runc 0
}

@test "runc, user namespace: the hook alone, prestart, createRuntime and both" {
	each_stage runc 100000
}

@test "crun: the hook alone, prestart, createRuntime and both" {
	each_stage crun 0
}

@test "crun, user namespace: the hook alone, prestart, createRuntime and both" {
	each_stage crun 100000
}

@test "crun: the shim, without and with a user namespace" {
	command -v crun >/dev/null || skip_or_fail 'not installed: crun'
	for first in 0 100000; do
		the_shim crun "$first"
		bundle_clean "$B"
	done
}

@test "crun: a user namespace to join, whose ids config.json does not tell" {
	command -v crun >/dev/null || skip_or_fail 'not installed: crun'
	bundle 100000
	hook createRuntime
	unshare --user sleep 60 3>&- &
	holder=$!
	until [ "$(readlink /proc/$holder/ns/user)" != "$(readlink /proc/self/ns/user)" ]; do sleep 0.05; done
	echo '0 100000 65536' >/proc/$holder/uid_map
	echo '0 100000 65536' >/proc/$holder/gid_map
	# shellcheck disable=SC2016 # jq's
	bundle_jq "$B" '(.linux.namespaces[] | select(.type == "user")).path = $path | del(.linux.uidMappings, .linux.gidMappings)' \
		--arg path "/proc/$holder/ns/user"
	run watched crun
	cleanup_end "$holder"
	echo "$output"
	[ "$status" = 0 ]
	# shellcheck disable=SC2086
	seen_same "$output" EPERM $ONE
}

@test "crun drops what a hook says: the line is in the log; no container, no mount is left" {
	command -v crun >/dev/null || skip_or_fail 'not installed: crun'
	bundle 0
	hook createRuntime
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=no-such-gpu
	: >"$HOST/host/nvcoreos.log"
	run watched crun
	echo "$output"
	[ "$status" != 0 ]
	[[ $output != *nodes* ]]
	cat "$HOST/host/nvcoreos.log"
	grep -q ' nvcoreos-hook\[[0-9]*\] error: E1[34]: .*no-such-gpu' "$HOST/host/nvcoreos.log"
}

@test "runc and crun: a container that asks for nothing gets nothing, whatever the configuration" {
	for runtime in runc crun; do
		command -v $runtime >/dev/null || continue
		bundle 0
		bundle_jq "$B" '.process.env = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]'
		bundle_hook "$B" prestart "$NVCOREOS_BUILD/nvcoreos-hook" --config /no/such/file prestart
		bundle_env "$B" NVIDIA_VISIBLE_DEVICES=void
		# shellcheck disable=SC2016 # for the container's shell
		gpu_sh "$B" 'ls /dev | grep -c nvidia; ls -d /usr/local/nvidia 2>&1; /probe open /other'
		run watched $runtime
		echo "$output"
		[ "${lines[0]}" = 0 ]
		[[ ${lines[1]} == *'No such file'* ]]
		[ "${lines[2]}" = EPERM ]
		bundle_clean "$B"
	done
}
