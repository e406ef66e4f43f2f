#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# User namespaces under real engines: Docker's userns-remap, and Podman and Docker of a user without rights.

load helpers
load gpu
load seen
load engines

ONE='nvidia-uvm nvidia-uvm-tools nvidia1 nvidiactl'

setup_file() {
	need_root podman dockerd docker rootlesskit newuidmap runc crun jq cc || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	# shellcheck source=tests/lib/dockerd.sh
	. "$NVC_LIB/dockerd.sh"
	dockerd_able || skip_or_fail 'no dockerd can run here' || return "$SKIPPED"
	have_root bookworm || return "$SKIPPED"
	export ROOT
	engines_setup
	podman_conf "$BASE"
	tar -C "$IMAGE" -cf "$BASE/image.tar" .
	user_make
}

teardown_file() {
	# shellcheck source=tests/lib/dockerd.sh
	. "$NVC_LIB/dockerd.sh"
	[ ! -d "${BASE:-/nowhere}/d" ] || dockerd_stop "$BASE/d"
	[ ! -d "${BASE:-/nowhere}/home/b" ] || bundle_clean "$BASE/home/b"
	user_remove
	engines_clean
}

setup() {
	skip_file
	# shellcheck source=tests/lib/dockerd.sh
	. "$NVC_LIB/dockerd.sh"
}

# image_env: how an image of the root is described to an engine.
image_path='ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

# --- Docker with userns-remap ------------------------------------------------

@test "docker userns-remap: --gpus without a shim, and the shim" {
	DOCKERD_CONFIG=$(jq -n --arg user "$USER_NAME" '{"userns-remap": $user}')
	export DOCKERD_CONFIG
	PATH=$BIN:$PATH dockerd_start "$BASE/d" "$BIN/nvcoreos-runtime" --nvcoreos-config "$HOST/conf"
	docker import -c "$image_path" "$BASE/image.tar" seen:1
	for way in '--gpus device=1' '--runtime=nvcoreos -e NVIDIA_VISIBLE_DEVICES=1' '--runtime=nvcoreos --gpus device=1'; do
		echo "--- $way"
		# shellcheck disable=SC2086 # options are words
		run docker run --rm --network none -v "$HOST/host/dev/nvidia0:/other" $way seen:1 /seen
		echo "$output"
		[ "$status" = 0 ]
		# shellcheck disable=SC2086 # a list
		seen_same "$output" EPERM $ONE
	done
	# The container's root may change what is its own; a commit keeps it.
	id=$(docker run -d --network none --gpus device=1 seen:1 sleep 60)
	docker exec "$id" sh -c 'chown 1:1 /etc/ld.so.conf.d/00-nvcoreos.conf && chown -h 1:1 /usr/bin/nvidia-smi && head -1 /proc/self/uid_map'
	docker commit "$id" seen:2
	docker rm -f "$id"
	docker run --rm --network none seen:2 test -L /usr/bin/nvidia-smi
	dockerd_stop "$BASE/d"
	engines_unchanged
}

# --- Podman of a user --------------------------------------------------------

# user_podman_runs VIEW GLOBAL_OPTION... -- ARG...
as_user() {
	local view=$1 global=()
	shift
	while [ "$1" != -- ]; do
		global+=("$1")
		shift
	done
	shift
	podman_user "$view" "${global[@]}" run --rm -e NVIDIA_VISIBLE_DEVICES=1 "$@"
}

# each_user_namespace VIEW GLOBAL_OPTION...
each_user_namespace() {
	local options
	podman_user "$1" images -q | grep -q . || podman_user "$1" import -q -c "$image_path" "$BASE/image.tar" localhost/seen:1
	for options in '' --read-only '--userns=auto' '--uidmap 0:1:5000 --gidmap 0:1:5000' '--userns=keep-id --user 0' '--cap-drop all --security-opt no-new-privileges' '--pid host'; do
		echo "--- $* $options"
		# shellcheck disable=SC2086 # options are words
		run as_user "$@" -- $options localhost/seen:1 /seen
		echo "$output"
		# What Podman says of its own; and a root that is read-only keeps ldconfig from writing.
		output=$(grep -v 'is not a shared mount' <<<"$output")
		if [ "$options" = --read-only ]; then
			# shellcheck disable=SC2086 # a list
			grep -v '^ldconfig' <<<"$output" | diff <(seen_expected - $ONE | grep -v '^ldconfig') -
		else
			[ "$status" = 0 ]
			# shellcheck disable=SC2086 # a list
			seen_same "$output" - $ONE
		fi
	done
	podman_user_forget
	engines_unchanged
}

@test "rootless podman: hooks.d, runc" {
	each_user_namespace hybrid --runtime runc --hooks-dir "$HOOKS_DIR"
}

@test "rootless podman: hooks.d, crun" {
	each_user_namespace legacy --runtime crun --hooks-dir "$HOOKS_DIR"
}

@test "rootless podman: the shim, on runc and crun" {
	each_user_namespace hybrid --runtime "$BIN/nvcoreos-runtime" --runtime-flag "nvcoreos-config=$HOST/conf"
	each_user_namespace legacy --runtime "$BIN/nvcoreos-runtime" --runtime-flag "nvcoreos-config=$HOST/conf-crun"
}

@test "rootless: the hook leaves the cgroup alone, says so where it can, and a log that is not writable is no failure" {
	install -m 666 /dev/null "$BASE/user.log"
	sed "s#^log-file=.*#log-file=$BASE/user.log#" "$HOST/conf" >"$BASE/conf-log"
	mkdir "$BASE/log.d"
	engines_hooks_dir "$BASE/conf-log" >"$BASE/log.d/90-nvcoreos.json"
	run as_user hybrid --runtime runc --hooks-dir "$BASE/log.d" -- localhost/seen:1 true
	echo "$output"
	[ "$status" = 0 ]
	cat "$BASE/user.log"
	grep -q 'in a user namespace: the device cgroup of init [0-9]* is not ours to change' "$BASE/user.log"
	# The machine's own log is root's.
	[ ! -w "$HOST/host/nvcoreos.log" ] || [ "$(stat -c %U "$HOST/host/nvcoreos.log")" = root ]
}

@test "rootless: what is not loaded is one sentence, and no attempt to load it" {
	mkdir -p "$BASE/libexec" "$BASE/load.d"
	printf '#!/bin/sh\ntouch %s/attempted\n' "$BASE/run" >"$BASE/libexec/nvcoreos-load"
	chmod 755 "$BASE/libexec/nvcoreos-load"
	sed 's/^load-modules=.*/load-modules=yes/' "$HOST/conf" >"$BASE/conf-load"
	engines_hooks_dir "$BASE/conf-load" >"$BASE/load.d/90-nvcoreos.json"
	mv "$HOST/host/dev/nvidiactl" "$BASE/nvidiactl"
	run as_user hybrid --runtime runc --hooks-dir "$BASE/load.d" -- localhost/seen:1 true
	mv "$BASE/nvidiactl" "$HOST/host/dev/nvidiactl"
	engines_watch >"$BASE/before"
	echo "$output"
	[ "$status" != 0 ]
	[ ! -e "$BASE/run/attempted" ]
	[[ $output == *"nvcoreos-hook: E07: not permitted: in a user namespace kernel modules cannot be loaded: run 'nvcoreos load' as root on the host"* ]]
	# Root's attempt on the same host is made.
	mv "$HOST/host/dev/nvidiactl" "$BASE/nvidiactl"
	podman_root hybrid --runtime runc --hooks-dir "$BASE/load.d" run --rm -e NVIDIA_VISIBLE_DEVICES=1 --rootfs "$IMAGE" true || :
	mv "$BASE/nvidiactl" "$HOST/host/dev/nvidiactl"
	engines_watch >"$BASE/before"
	podman_root_end
	[ -e "$BASE/run/attempted" ]
}

# delegated CMD...: as the user, as root of a user namespace, in a part of cgroup v2 that is the user's, as systemd gives it.
delegated() {
	# shellcheck disable=SC2016 # for the inner shell
	cgroup_view v2 sh -c 'part=/sys/fs/cgroup/$1 user=$2
		shift 2
		mkdir -p "$part/me"
		chown "$user:$user" "$part" "$part/cgroup.procs" "$part/cgroup.subtree_control" "$part/cgroup.threads" "$part/me" "$part/me/cgroup.procs"
		echo $$ >"$part/me/cgroup.procs"
		cd /
		exec setpriv --reuid "$user" --regid "$user" --init-groups env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
			unshare --user --map-root-user --map-auto --mount "$@"' sh "$USER_NAME" "$USER_NAME" "$@" </dev/null 3>&-
}

@test "rootless runc and crun, a cgroup of the container's own: it is left as it is" {
	B=$BASE/home/b
	bundle_make "$B" "$IMAGE"
	chown -hR "$USER_NAME:$USER_NAME" "$B"
	bundle_jq "$B" '.linux.cgroupsPath = "/" + $part + "/c" | .linux.resources = {}' --arg part "$USER_NAME"
	install -m 666 /dev/null "$BASE/own.log"
	bundle_hook "$B" createRuntime "$BIN/nvcoreos-hook" --config "$HOST/conf" --debug "$BASE/own.log" createRuntime
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=1
	bundle_args "$B" /bin/sh -c 'grep ^0: /proc/self/cgroup; /seen'
	for runtime in runc crun; do
		run delegated $runtime --root "$BASE/run/state" run --no-new-keyring --bundle "$B" nvctest
		echo "--- $runtime: $output"
		[ "$status" = 0 ]
		# A cgroup namespace shows it as "/"; it was not the one that the runtime was started in.
		[[ ${lines[0]} == 0::/* && ${lines[0]} != */me* ]]
		# shellcheck disable=SC2086 # a list
		seen_same "$(tail -n +2 <<<"$output")" - $ONE
	done
	cat "$BASE/own.log"
	[ "$(grep -c 'in a user namespace: the device cgroup' "$BASE/own.log")" = 2 ]
	bundle_clean "$B"
	engines_unchanged
}

@test "rootless podman on fuse-overlayfs" {
	command -v fuse-overlayfs >/dev/null || skip_or_fail 'not installed: fuse-overlayfs'
	# udev opens /dev/fuse to everybody; here is no udev.
	mknod -m 666 "$BASE/fuse" c 10 229
	podman_user_forget
	# shellcheck disable=SC2016 # for the inner shell
	run unshare -m --propagation private sh -c 'mount --bind "$1" /dev/fuse && shift && exec "$@"' sh "$BASE/fuse" \
		bash -c '. "$1/integration/helpers.bash" && . "$1/integration/engines.bash" && user_run hybrid sh -c "$2" sh "$BASE" "$HOOKS_DIR"' \
		- "$NVC_TESTS" 'exec 2>"$1/run/errors"
			p="podman --root $1/home/fuse --runroot $1/run/fuse --storage-driver overlay --storage-opt overlay.mount_program=/usr/bin/fuse-overlayfs"
			$p import -q "$1/image.tar" localhost/seen:1 >&2
			for options in "" --userns=auto; do
				$p --runtime runc --hooks-dir "$2" run --rm $options -e NVIDIA_VISIBLE_DEVICES=1 localhost/seen:1 sh -c "grep -c \" / / .*fuse-overlayfs\" /proc/self/mountinfo; /seen"
			done
			podman system migrate'
	cat "$BASE/run/errors"
	echo "$output"
	[ "$status" = 0 ]
	# shellcheck disable=SC2086 # a list
	diff <(for count in 1 1; do echo $count; seen_expected - $ONE; done) - <<<"$output"
}

# --- Docker of a user --------------------------------------------------------

# user_dockerd: starts it; exports DOCKER_HOST.
user_dockerd() {
	jq -n --arg path "$BIN/nvcoreos-runtime" --arg conf "$HOST/conf" \
		'{runtimes: {nvcoreos: {path: $path, runtimeArgs: ["--nvcoreos-config", $conf]}}}' >"$BASE/rootless.json"
	# shellcheck disable=SC2016 # for the inner shell
	user_run hybrid rootlesskit --net=host --copy-up=/etc --copy-up=/run --propagation=rslave --state-dir "$BASE/run/rk" \
		sh -c 'rm -f /run/docker /run/containerd
			exec dockerd --rootless --data-root "$1/home/docker" --exec-root "$1/run/x" --pidfile "$1/run/pid" -H "unix://$1/run/s" --config-file "$1/rootless.json" \
			--iptables=false --ip6tables=false --bridge=none --ip-forward=false --ip-masq=false --storage-driver overlay2' sh "$BASE" >"$BASE/rootless.log" 2>&1 &
	ROOTLESS=$!
	export DOCKER_HOST=unix://$BASE/run/s DOCKER_CONFIG=$BASE/client
	mkdir -p "$DOCKER_CONFIG"
	dockerd_answers "$ROOTLESS" || { tail -n 20 "$BASE/rootless.log" >&2 && return 1; }
}

@test "rootless docker: --gpus without a shim, and the shim" {
	podman_user_forget
	user_dockerd
	docker import -c "$image_path" "$BASE/image.tar" seen:1
	failed=0
	for way in '--gpus device=1' '--runtime=nvcoreos -e NVIDIA_VISIBLE_DEVICES=1' '--runtime=nvcoreos --gpus device=1'; do
		echo "--- $way"
		# shellcheck disable=SC2086 # options are words
		run docker run --rm --network none $way seen:1 /seen
		echo "$output"
		# shellcheck disable=SC2086 # a list
		{ [ "$status" = 0 ] && seen_same "$output" - $ONE; } || failed=1
	done
	run docker run --rm --network none --gpus device=7 seen:1 true
	echo "$output"
	[[ $output == *'nvcoreos-hook: E14: unknown GPU: '* ]] || failed=1
	cleanup_end "$ROOTLESS" 20
	unset DOCKER_HOST DOCKER_CONFIG
	[ $failed = 0 ]
	engines_unchanged
}
