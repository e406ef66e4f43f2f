#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The hook alone under runc and crun, in each stage, with and without a user namespace; and the shim on crun.

load helpers
load gpu
load seen

ONE='nvidia-uvm nvidia-uvm-tools nvidia1 nvidiactl'

setup_file() {
	need_root runc jq cc || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	have_root bookworm || return "$SKIPPED"
	# The user of a user namespace must be able to come this far, which bats' own directories do not let it.
	BASE=$(mktemp -d /tmp/nvcoreos-runtimes.XXXXXX)
	chmod 755 "$BASE"
	export ROOT BASE HOST=$BASE/h
	mkdir "$HOST"
	gpu_host "$HOST" 535.261.03
	sed 's/^low-level-runtimes=.*/low-level-runtimes=crun/' "$HOST/conf" >"$HOST/conf-crun"
	probe_build "$HOST/probes"
}

teardown_file() {
	[ -n "${BASE:-}" ] || return 0
	gpu_clean "$HOST"
	cleanup_remove "$BASE"
}

setup() {
	skip_file
	B=$BASE/b$BATS_TEST_NUMBER
}

teardown() {
	[ -z "${B:-}" ] || bundle_clean "$B"
}

# bundle FIRST_UID: the test's bundle asks for the second GPU and has the first one's node in its root all the same; without a
# user namespace where FIRST_UID is 0.
bundle() {
	bundle_make "$B" "$ROOT"
	probe_install "$HOST/probes" "$B/rootfs"
	seen_install "$B/rootfs"
	[ "$1" = 0 ] || bundle_userns "$B" "$1"
	bundle_bind "$B" "$HOST/host/dev/nvidia0" /other
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=1
	bundle_args "$B" /seen
	cp "$B/config.json" "$B/plain.json"
}

# hook STAGE...: the bundle's hooks are nvcoreos-hook in these stages, and nothing else.
hook() {
	local stage
	cp "$B/plain.json" "$B/config.json"
	for stage; do
		bundle_hook "$B" "$stage" "$NVCOREOS_BUILD/nvcoreos-hook" --config "$HOST/conf" "$stage"
	done
}

# watched RUNTIME [OPTION...]: runs the bundle, and fails where it leaves a mount behind in the runtime's namespace, or takes one of the
# test's away. (Those of other programs vanish with their directories, in every namespace.)
watched() {
	local view=hybrid
	case $* in
	*crun*) view=legacy ;;
	esac
	# shellcheck disable=SC2016 # for the inner shell
	cgroup_view "${CGROUP_VIEW:-$view}" sh -c 'dir=$1 id=$2
		shift 2
		cat /proc/self/mountinfo >"$dir/before"
		"$@" --root "$dir/state" run --no-new-keyring --bundle "$dir" "$id"
		rc=$?
		cat /proc/self/mountinfo >"$dir/after"
		! grep -vxF -f "$dir/before" "$dir/after" || exit 99
		[ "$(grep -cF "$dir" "$dir/before")" = "$(grep -cF "$dir" "$dir/after")" ] || exit 99
		exit $rc' sh "$B" "$(bundle_id "$B")" "$@" </dev/null 3>&-
}

# each_stage RUNTIME FIRST_UID: the hook alone in each stage, and in both at once.
each_stage() {
	local stages
	command -v "$1" >/dev/null || skip_or_fail "not installed: $1"
	bundle "$2"
	for stages in prestart createRuntime 'prestart createRuntime'; do
		echo "--- $1, $stages, user namespace $2"
		# shellcheck disable=SC2086 # a list
		hook $stages
		run watched "$1"
		echo "$output"
		[ "$status" = 0 ]
		# shellcheck disable=SC2086
		seen_same "$output" EPERM $ONE
	done
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
		echo "--- user namespace $first"
		bundle "$first"
		run watched "$NVCOREOS_BUILD/nvcoreos-runtime" --nvcoreos-config "$HOST/conf-crun"
		echo "$output"
		[ "$status" = 0 ]
		# shellcheck disable=SC2086
		seen_same "$output" EPERM $ONE
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
