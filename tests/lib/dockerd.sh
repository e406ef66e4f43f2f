# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced, after cleanup.sh. A private dockerd that lives in one directory.
# Return codes: 0 done, 1 failed, 3 this machine cannot run one.

dockerd_say() {
	printf 'dockerd.sh: %s\n' "$*" >&2
}

# dockerd_able: 0 when a dockerd can run here; says what is missing otherwise.
dockerd_able() {
	local tool
	for tool in dockerd docker containerd runc jq setsid; do
		command -v $tool >/dev/null || {
			dockerd_say "not installed: $tool"
			return 3
		}
	done
	[ "$(id -u)" = 0 ] || {
		dockerd_say 'needs root'
		return 3
	}
	cgroup_usable
}

# The path of a unix socket has 107 bytes.
dockerd_dir_ok() {
	case $1 in
	*[!A-Za-z0-9/._-]* | [!/]*) dockerd_say "wants an absolute path of plain letters: $1" ;;
	*)
		[ ${#1} -gt 80 ] || return 0
		dockerd_say "path too long for a socket: $1"
		;;
	esac
	return 1
}

dockerd_cgroup() {
	printf 'nvcoreos-dockerd-%s\n' "$(printf '%s' "$1" | cksum | cut -d' ' -f1)"
}

# overlay2 cannot lie on an overlay, as /tmp does inside a container.
dockerd_storage() {
	case $(stat -f -c %T "$1") in
	overlay*) echo vfs ;;
	*) echo overlay2 ;;
	esac
}

# DOCKERD_CONFIG, if set, is JSON merged in: '{"features":{"cdi":true}}'.
dockerd_config() {
	local path=$1
	shift
	jq -n --arg path "$path" --argjson more "${DOCKERD_CONFIG:-{\}}" \
		'{runtimes: {nvcoreos: ({path: $path} + if $ARGS.positional == [] then {} else {runtimeArgs: $ARGS.positional} end)}}
		* $more' --args -- "$@"
}

# dockerd_inside CMD...: a daemon, in the mounts that DOCKERD_MOUNTS names (/proc/PID/ns/mnt of a process in them), if set. It
# becomes that program, so that $! is its number.
dockerd_inside() {
	if [ -n "${DOCKERD_MOUNTS:-}" ]; then
		exec setsid nsenter --mount="$DOCKERD_MOUNTS" "$@"
	fi
	exec setsid "$@"
}

# A system containerd would be taken over as this daemon's own and see its containers.
dockerd_containerd() {
	[ -S /run/containerd/containerd.sock ] || return 0
	cat >"$1/containerd.toml" <<-EOF
		version = 2
		root = "$1/containerd"
		state = "$1/x/containerd"
		disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"]
		[grpc]
		  address = "$1/c"
	EOF
	mkdir -p "$1/x"
	dockerd_inside containerd -c "$1/containerd.toml" >"$1/containerd.log" 2>&1 </dev/null 3>&- 9>&- &
	echo $! >"$1/containerd.pid"
}

# What daemons make outside their directory, whatever they are told.
dockerd_strays='/etc/docker/key.json /etc/docker /run/docker/plugins /run/docker /run/containerd/s /run/containerd'

dockerd_note_strays() {
	local path
	for path in $dockerd_strays; do
		[ -e "$path" ] || printf '%s\n' "$path"
	done >"$1/strays"
}

# Only what was not there before, and only while nobody else uses it.
dockerd_remove_strays() {
	local path
	[ -f "$1/strays" ] || return 0
	while read -r path; do
		if [ -d "$path" ]; then
			rmdir "$path" 2>/dev/null || :
		else
			rm -f "$path"
		fi
	done <"$1/strays"
	rm -f "$1/strays"
}

dockerd_answers() {
	local tries=300
	until docker version >/dev/null 2>&1; do
		tries=$((tries - 1))
		if [ $tries = 0 ] || ! kill -0 "$1" 2>/dev/null; then
			return 1
		fi
		sleep 0.1
	done
}

# dockerd_start DIR [RUNTIME_PATH [RUNTIME_ARG...]]: starts it with a runtime called
# nvcoreos, or without RUNTIME_PATH with the DIR/daemon.json that is there; waits until it
# answers, exports DOCKER_HOST (and an empty DOCKER_CONFIG).
dockerd_start() {
	dockerd_able && dockerd_dir_ok "$1" || return
	local dir=$1
	shift
	mkdir -p "$dir/client" || return 1
	[ -e "$dir/strays" ] || dockerd_note_strays "$dir"
	if [ $# -gt 0 ]; then
		dockerd_config "$@" >"$dir/daemon.json" || return 1
	fi
	dockerd_containerd "$dir" || return 1
	set --
	[ -e "$dir/containerd.pid" ] && set -- --containerd "$dir/c"
	# bats waits for whoever holds its fd 3.
	dockerd_inside dockerd --data-root "$dir/data" --exec-root "$dir/x" --pidfile "$dir/pid" -H "unix://$dir/s" \
		--config-file "$dir/daemon.json" --iptables=false --ip6tables=false --bridge=none --ip-forward=false \
		--ip-masq=false --storage-driver "$(dockerd_storage "$dir")" --exec-opt native.cgroupdriver=cgroupfs \
		--cgroup-parent "/$(dockerd_cgroup "$dir")" "$@" >"$dir/log" 2>&1 </dev/null 3>&- 9>&- &
	echo $! >"$dir/own.pid"
	DOCKER_HOST=unix://$dir/s DOCKER_CONFIG=$dir/client
	export DOCKER_HOST DOCKER_CONFIG
	dockerd_answers "$(cat "$dir/own.pid")" && return 0
	dockerd_say 'did not come up; the end of its log:'
	tail -n 20 "$dir/log" >&2
	dockerd_stop "$dir"
	return 1
}

# Containers that still run would hold a stop back for ten seconds each.
dockerd_kill_containers() {
	local ids
	ids=$(timeout 10 docker -H "unix://$1/s" ps -q 2>/dev/null) || :
	# shellcheck disable=SC2086 # a list of ids
	[ -z "$ids" ] || timeout 10 docker -H "unix://$1/s" kill $ids >/dev/null 2>&1 || :
}

dockerd_end() {
	[ -s "$1" ] || return 0
	cleanup_end "$(cat "$1")" "$2" && rm -f "$1"
}

# A dockerd that was killed leaves its containerd and shims; they name this directory.
dockerd_end_orphans() {
	local proc
	for proc in /proc/[0-9]*; do
		case $(readlink "$proc/exe" 2>/dev/null) in
		*/containerd | */containerd-shim* | */dockerd) ;;
		*) continue ;;
		esac
		if tr '\0' '\n' 2>/dev/null <"$proc/cmdline" | grep -q "^$1/"; then
			cleanup_end "${proc#/proc/}" 3 || :
		fi
	done
}

dockerd_end_containers() {
	local pid
	find /sys/fs/cgroup -path "*/$1/*" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u |
		while read -r pid; do
			cleanup_end "$pid" 1 || :
		done
}

# dockerd_stop DIR: ends the daemon and what it started, unmounts what it leaks,
# removes its cgroups. Safe to call twice, and after a failed start. DIR stays.
dockerd_stop() {
	[ -d "$1" ] || return 0
	local rc=0
	dockerd_kill_containers "$1"
	dockerd_end "$1/own.pid" 20 || rc=1
	dockerd_end "$1/containerd.pid" 5 || rc=1
	dockerd_end_orphans "$1"
	dockerd_end_containers "$(dockerd_cgroup "$1")"
	cleanup_umount "$1" || rc=1
	cleanup_cgroup "$(dockerd_cgroup "$1")" || rc=1
	dockerd_remove_strays "$1"
	unset DOCKER_HOST DOCKER_CONFIG
	return $rc
}

# docker_import_root ROOTDIR NAME [IMPORT_OPTION...]: an image of a root directory.
docker_import_root() {
	local root=$1 name=$2
	shift 2
	tar -C "$root" --one-file-system -c . |
		docker import -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' -c 'CMD ["/bin/sh"]' \
			"$@" - "$name" >/dev/null
}
