# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A private host (gpu.bash) that other users can look into, an image that asks what it sees, and Podman, for root and for a user without rights.

# engines_setup: BASE, HOST, BIN (hook, runtime and the alias, with this host's configuration), IMAGE (a root), HOOKS_DIR.
engines_setup() {
	BASE=$(mktemp -d /tmp/nvcoreos-engines.XXXXXX) && chmod 755 "$BASE" || return
	export BASE HOST=$BASE/h BIN=$BASE/bin IMAGE=$BASE/image/rootfs HOOKS_DIR=$BASE/hooks.d
	mkdir "$HOST" "$BIN" "$HOOKS_DIR" || return
	gpu_host "$HOST" 535.261.03 || return
	# A user without rights may not be able to reach the build.
	install -m 755 "$NVCOREOS_BUILD/nvcoreos-hook" "$NVCOREOS_BUILD/nvcoreos-runtime" "$BIN" || return
	sed -i "s#^hook-path=.*#hook-path=$BIN/nvcoreos-hook#; s#^libexec-dir=.*#libexec-dir=$BASE/libexec#" "$HOST/conf"
	sed 's/^low-level-runtimes=.*/low-level-runtimes=crun/' "$HOST/conf" >"$HOST/conf-crun"
	engines_alias
	engines_hooks_dir "$HOST/conf" >"$HOOKS_DIR/90-nvcoreos.json"
	probe_build "$BASE/probes"
	bundle_make "$BASE/image" "$ROOT"
	probe_install "$BASE/probes" "$IMAGE"
	seen_install "$IMAGE"
	# The tool's own, which stays once it is there.
	install -m 600 /dev/null "$HOST/host/run/cdi.lock"
	engines_watch >"$BASE/before"
}

# What "configure docker" puts on dockerd's PATH; it could not name this host's configuration.
engines_alias() {
	# shellcheck disable=SC2016 # for that script
	printf '#!/bin/bash\nexec -a "$0" "%s" --config "%s" "$@"\n' "$BIN/nvcoreos-hook" "$HOST/conf" >"$BIN/nvidia-container-runtime-hook"
	chmod 755 "$BIN/nvidia-container-runtime-hook"
}

# engines_hooks_dir CONF: the file that is installed, with this build's hook and that configuration.
engines_hooks_dir() {
	jq --arg hook "$BIN/nvcoreos-hook" --arg conf "$1" \
		'.hook |= (.path = $hook | .args = [.args[0], "--config", $conf] + .args[1:])' "$NVC_TESTS/../config/hooks.d/90-nvcoreos.json"
}

# What no container may change: driver, toolkit and host, the host's own device rules, and the mounts of this directory.
engines_watch() {
	find "$HOST/store" "$HOST/cuda-store" "$HOST/host" -not -name nvcoreos.log -printf '%p %y %m %U:%G %s %T@ %i\n' | sort
	grep -cF "$HOST" /proc/self/mountinfo || :
	cat /sys/fs/cgroup/devices/devices.list 2>/dev/null || :
}

engines_unchanged() {
	diff "$BASE/before" <(engines_watch)
}

engines_clean() {
	[ -n "${BASE:-}" ] || return 0
	bundle_clean "$BASE/image"
	gpu_clean "$HOST"
	cleanup_umount "$BASE"
	cleanup_remove "$BASE"
}

# --- a user without rights ---------------------------------------------------

# user_make: USER_NAME and USER_ID, with subordinate ids and a home in BASE.
user_make() {
	USER_NAME=nvct$$
	useradd -m -d "$BASE/home" -s /bin/sh "$USER_NAME" || return
	USER_ID=$(id -u "$USER_NAME")
	export USER_NAME USER_ID
	grep -q "^$USER_NAME:" /etc/subuid || usermod --add-subuids 300000-365535 --add-subgids 300000-365535 "$USER_NAME" || return
	install -d -m 700 -o "$USER_NAME" -g "$USER_NAME" "$BASE/run"
}

# user_run VIEW CMD...: as that user in that view of the cgroups, with nothing of this environment.
user_run() {
	local view=$1
	shift
	(cd / && cgroup_view "$view" setpriv --reuid "$USER_NAME" --regid "$USER_NAME" --init-groups env -i HOME="$BASE/home" \
		USER="$USER_NAME" PATH="$BIN:/usr/sbin:/usr/bin:/sbin:/bin" XDG_RUNTIME_DIR="$BASE/run" \
		CONTAINERS_CONF="${CONTAINERS_CONF:-/dev/null}" PODMAN_IGNORE_CGROUPSV1_WARNING=1 "$@") </dev/null 3>&-
}

# What the user and its subordinate ids still run, which nobody else has.
user_processes() {
	local proc uid first
	first=$(sed -n "s/^$USER_NAME:\([0-9]*\):.*/\1/p" /etc/subuid)
	for proc in /proc/[0-9]*; do
		uid=$(sed -n 's/^Uid:\t\([0-9]*\).*/\1/p' "$proc/status" 2>/dev/null) || continue
		if [ "$uid" = "$USER_ID" ] || { [ "${uid:-0}" -ge "$first" ] && [ "$uid" -lt $((first + 65536)) ]; }; then
			echo "${proc#/proc/}"
		fi
	done
}

user_remove() {
	local pid
	[ -n "${USER_NAME:-}" ] || return 0
	for pid in $(user_processes); do
		cleanup_end "$pid" 5 || :
	done
	cleanup_cgroup "$USER_NAME" || :
	userdel "$USER_NAME"
	getent group "$USER_NAME" >/dev/null && groupdel "$USER_NAME"
	return 0
}

# --- Podman ------------------------------------------------------------------

# Its locks, events and temporary files are this directory's, and what this machine may not set is not asked for.
podman_conf() {
	cat >"$1/containers.conf" <<-EOF
		[containers]
		netns = "none"
		pids_limit = 0
		default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		lock_type = "file"
	EOF
	export CONTAINERS_CONF=$1/containers.conf
}

# podman_view RUNTIME: crun takes no hybrid of cgroups.
podman_view() {
	case $1 in
	*crun*) echo legacy ;;
	*) echo "${CGROUP_VIEW:-hybrid}" ;;
	esac
}

# podman_root VIEW ARG...: a runtime-flag is not for what must last longer than the call: conmon's own clean-up does not get it,
# and would find no container in another --root.
podman_root() {
	local view=$1
	shift
	PODMAN_IGNORE_CGROUPSV1_WARNING=1 cgroup_view "$view" podman --root "$BASE/pod" --runroot "$BASE/podrun" --tmpdir "$BASE/podtmp" \
		"$@" </dev/null 3>&-
}

podman_root_end() {
	[ -d "${BASE:-/nowhere}/pod" ] || return 0
	podman_root hybrid system reset -f >/dev/null 2>&1 || :
	cleanup_cgroup libpod_parent || :
}

# podman_user VIEW ARG...: without rights.
podman_user() {
	local view=$1
	shift
	user_run "$view" podman --storage-driver overlay "$@"
}

# The process that holds the user's namespaces holds its view of the cgroups too.
podman_user_forget() {
	podman_user hybrid system migrate >/dev/null 2>&1 || :
}
