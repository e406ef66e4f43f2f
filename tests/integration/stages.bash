# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# One bundle, run by a runtime with the hook alone in each stage, or with the shim. With TREE, in another release (tree.sh).
# shellcheck disable=SC2154 # output and status are set by run

ONE='nvidia-uvm nvidia-uvm-tools nvidia1 nvidiactl'

# stages_setup: BASE and in it HOST.
stages_setup() {
	# The user of a user namespace must be able to come this far, which bats' own directories do not let it.
	BASE=$(mktemp -d /tmp/nvcoreos-stages.XXXXXX)
	chmod 755 "$BASE"
	export BASE HOST=$BASE/h
	mkdir "$HOST" "$BASE/bin"
	gpu_host "$HOST" 535.261.03
	# Where the build is not to be seen, BASE is.
	install -m 755 "$NVCOREOS_BUILD/nvcoreos-hook" "$NVCOREOS_BUILD/nvcoreos-runtime" "$BASE/bin"
	sed -i "s#^hook-path=.*#hook-path=$BASE/bin/nvcoreos-hook#" "$HOST/conf"
	sed 's/^low-level-runtimes=.*/low-level-runtimes=crun/' "$HOST/conf" >"$HOST/conf-crun"
	probe_build "$HOST/probes"
}

stages_clean() {
	[ -n "${BASE:-}" ] || return 0
	gpu_clean "$HOST"
	cleanup_umount "$BASE"
	cleanup_remove "$BASE"
}

# stages_enter VIEW CMD...: a program in that view of the cgroups.
stages_enter() {
	if [ -n "${TREE:-}" ]; then
		tree_run "$TREE" "$BASE" "$@"
	else
		cgroup_view "$@"
	fi
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
		bundle_hook "$B" "$stage" "$BASE/bin/nvcoreos-hook" --config "$HOST/conf" "$stage"
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
	stages_enter "${CGROUP_VIEW:-$view}" sh -c 'dir=$1 id=$2
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
	[ -n "${TREE:-}" ] || command -v "$1" >/dev/null || skip_or_fail "not installed: $1"
	bundle "$2"
	for stages in prestart createRuntime 'prestart createRuntime'; do
		echo "--- $1 ${CGROUP_VIEW:-}, $stages, user namespace $2"
		# shellcheck disable=SC2086 # a list
		hook $stages
		run watched "$1"
		echo "$output"
		[ "$status" = 0 ]
		# shellcheck disable=SC2086
		seen_same "$output" EPERM $ONE
	done
}

# the_shim RUNTIME FIRST_UID: the same bundle through nvcoreos-runtime on that runtime.
the_shim() {
	local conf=$HOST/conf
	[ "$1" != crun ] || conf=$HOST/conf-crun
	echo "--- $1 ${CGROUP_VIEW:-}, shim, user namespace $2"
	bundle "$2"
	run watched "$BASE/bin/nvcoreos-runtime" --nvcoreos-config "$conf"
	echo "$output"
	[ "$status" = 0 ]
	# shellcheck disable=SC2086 # a list
	seen_same "$output" EPERM $ONE
}
