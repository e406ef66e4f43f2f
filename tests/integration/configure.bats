#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `nvcoreos configure` on the files that engines come with, and the engines on the result.

load helpers
load configure

setup() {
	need_build nvcoreos
	configure_host
}

# need_cmd CMD
need_cmd() {
	command -v "$1" >/dev/null || skip_or_fail "not installed: $1"
}

@test "containerd: the package's own file, its default, none, an empty one, version 1: nothing is lost, and all goes back" {
	need_cmd containerd
	local dir=$BATS_TEST_TMPDIR/files file
	mkdir "$dir"
	printf 'version = 2\n\n[plugins]\n  [plugins."io.containerd.grpc.v1.cri"]\n    [plugins."io.containerd.grpc.v1.cri".cni]\n      bin_dir = "/usr/lib/cni"' >"$dir/debian"
	[ ! -e /etc/containerd/config.toml ] || cp /etc/containerd/config.toml "$dir/package"
	containerd config default >"$dir/default"
	systemd_cgroup <"$dir/default" >"$dir/systemd"
	sed 's/$/\r/' "$dir/default" >"$dir/crlf"
	: >"$dir/empty"
	printf 'root = "/r"\n[plugins.cri.containerd.runtimes.kata]\n  runtime_type = "io.containerd.kata.v2"\n[plugins.cri.containerd.runtimes.runc]\n  runtime_type = "io.containerd.runc.v2"\n' >"$dir/version1"
	for file in debian package default systemd crlf empty version1 none; do
		[ $file != package ] || [ -e "$dir/package" ] || continue
		echo "--- $file"
		toml_there_and_back containerd "$dir/$file"
	done
}

@test "containerd: the systemd cgroup driver of runc is ours too" {
	need_cmd containerd
	mkdir -p "$HOST/etc/containerd"
	containerd config default | systemd_cgroup >"$HOST/etc/containerd/config.toml"
	configure containerd --name nvidia
	toml_dump containerd "$HOST/etc/containerd/config.toml" >"$BATS_TEST_TMPDIR/dump"
	run sed -n '/runtimes.nvidia.options\]/,/^$/p' "$BATS_TEST_TMPDIR/dump"
	echo "$output"
	[[ $output == *'SystemdCgroup = true'* ]]
}

@test "containerd: a file that it cannot read is left as it is, and the sentence names file and line" {
	mkdir -p "$HOST/etc/containerd"
	printf 'version = 2\n[plugins\n' >"$HOST/etc/containerd/config.toml"
	run configure containerd --set-as-default
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == 'nvcoreos: E55: '*'/etc/containerd/config.toml: line 2'* ]]
	[ "$(cat "$HOST/etc/containerd/config.toml")" = $'version = 2\n[plugins' ]
	[ ! -e "$HOST/etc/nvcoreos" ]
}

@test "eight at once: each comes in, and all go back" {
	need_cmd jq
	mkdir -p "$HOST/etc/docker"
	printf '{"runtimes": {}, "debug": true}' >"$HOST/etc/docker/daemon.json"
	cp "$HOST/etc/docker/daemon.json" "$BATS_TEST_TMPDIR/before"
	local i pids=()
	for i in 1 2 3 4 5 6 7 8; do
		configure docker --name "n$i" >"$BATS_TEST_TMPDIR/out.$i" 2>&1 &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i"
	done
	[ "$(jq -r '.runtimes | keys | join(" ")' "$HOST/etc/docker/daemon.json")" = 'n1 n2 n3 n4 n5 n6 n7 n8' ]
	configure docker --remove --all
	cmp "$HOST/etc/docker/daemon.json" "$BATS_TEST_TMPDIR/before"
	[ "$(find "$HOST/etc" -type f)" = "$HOST/etc/docker/daemon.json" ]
}

@test "what is taken out of one file leaves what another file of the engine lives on" {
	need_cmd jq
	local engine policy=$HOST/etc/nvcoreos/nvcoreos.conf.d alias=$HOST/usr/local/bin/nvidia-container-runtime-hook
	for engine in docker containerd crio podman; do
		configure $engine --set-as-default
		configure $engine --set-as-default --engine-config /etc/second/file
		configure $engine --remove --engine-config /etc/second/file
		[ "$(grep -c '=' "$policy"/50-default-runtime*.conf)" = 2 ]
		[ $engine != docker ] || [ -L "$alias" ]
		configure $engine --remove
		[ -z "$(find "$policy" "$alias" -type f -o -type l)" ]
	done
	configure docker --set-as-default --engine-config /etc/second/file
	configure docker --remove --engine-config /etc/second/file
	[ -z "$(find "$policy" "$alias" -type f -o -type l)" ]
}

@test "a user without root takes the own runtime out, whatever root has made its default" {
	need_root setpriv
	local engine bin
	HOST=$(mktemp -d /tmp/nvcoreos-configure.XXXXXX)
	mkdir -p "$HOST/opt/nvcoreos/bin" "$HOST/u"
	: >"$HOST$OURS"
	bin=$HOST/nvcoreos
	install -m 755 "$NVCOREOS_BUILD/nvcoreos" "$bin"
	chmod 755 "$HOST"
	chown 65534:65534 "$HOST/u"
	as_user() {
		setpriv --reuid 65534 --regid 65534 --clear-groups env -i PATH="$PATH" "$bin" --root "$HOST" configure "$@"
	}
	# The second time root's own file does not tell why the policy is there.
	for engine in docker podman; do
		configure $engine --set-as-default
		as_user $engine --engine-config /u/$engine
		as_user $engine --remove --engine-config /u/$engine || break
		as_user $engine --engine-config /u/$engine
		rm -rf "$HOST"/etc/{docker,containers}
		as_user $engine --remove --engine-config /u/$engine || break
	done >"$BATS_TEST_TMPDIR/out" 2>&1
	find "$HOST/u" "$HOST/etc/nvcoreos" -type f >"$BATS_TEST_TMPDIR/left"
	rm -rf "$HOST"
	cat "$BATS_TEST_TMPDIR"/{out,left}
	[ "$(grep -c '^nvcoreos: left as it is, for only root can take it away: /etc/nvcoreos/' "$BATS_TEST_TMPDIR/out")" = 2 ]
	[ "$(grep -c '/etc/nvcoreos/nvcoreos.conf.d/50-default-runtime' "$BATS_TEST_TMPDIR/left")" = 2 ]
	[ "$(wc -l <"$BATS_TEST_TMPDIR/left")" = 2 ]
}

@test "a runtime of ours in a file that somebody else wrote is said by --remove, whatever its name" {
	local engine file
	for engine in crio podman; do
		configure $engine --set-as-default
		file=$(find "$HOST/etc" -name 50-nvcoreos.conf)
		# Without its first line the file is nobody's.
		sed -i 1d "$file"
		run configure $engine --remove
		echo "$output"
		[ "$status" = 0 ]
		[[ $output == *"nvcoreos: left as it is, for nvcoreos did not write it: ${file#"$HOST"}"* ]]
		sed 's/nvcoreos\(\]\| =\)/gpu\1/' "$file" >"${file%/*}/60-mine.conf"
		rm "$file"
		run configure $engine --remove --all
		echo "$output"
		[[ $output == *"nvcoreos: take it out by hand, nvcoreos did not put it there: runtime gpu"* ]]
		rm -r "${HOST:?}/etc"
	done
	mkdir -p "$HOST/etc/containerd"
	printf 'version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n' >"$HOST/etc/containerd/config.toml"
	configure containerd
	sed -i 1d "$HOST/etc/containerd/conf.d/50-nvcoreos.toml"
	run configure containerd --remove
	echo "$output"
	[[ $output == *'nvcoreos: left as it is, for nvcoreos did not write it: /etc/containerd/conf.d/50-nvcoreos.toml'* ]]
}

@test "containerd: what an import that nobody looks at may say is told" {
	mkdir -p "$HOST/etc/containerd"
	printf 'version = 3\nimports = ["/etc/containerd/conf.d/*.toml", "conf.d/*.toml"]\n' >"$HOST/etc/containerd/config.toml"
	run configure containerd
	echo "$output"
	[[ $output != *'nvcoreos: '* ]]
	run configure containerd --set-as-default
	echo "$output"
	[[ $output == *'nvcoreos: a default_runtime_name there would count more than ours, look for one: conf.d/*.toml'* ]]
}

@test "what stands in the way is said with what to do about it" {
	need_root unshare
	local etc=$HOST/etc/docker kind want
	configure_said() { "$NVCOREOS_BUILD/nvcoreos" --root "$HOST" configure docker 2>&1; }
	export -f configure_said
	export HOST etc
	while read -r kind want; do
		rm -rf "${HOST:?}/etc"
		mkdir -p "$etc"
		echo '{}' >"$etc/other"
		case $kind in
		dir) mkdir "$etc/daemon.json" ;;
		fifo) mkfifo "$etc/daemon.json" ;;
		link) ln -s other "$etc/daemon.json" ;;
		parent) rmdir "$etc" 2>/dev/null || rm -r "$etc" && : >"$etc" ;;
		large) truncate -s 5M "$etc/daemon.json" ;;
		*) echo '{}' >"$etc/daemon.json" ;;
		esac
		run unshare -m bash -c 'case $1 in
			readonly) mount --bind "$etc" "$etc" && mount -o remount,bind,ro "$etc" ;;
			full) mount -t tmpfs -o nr_inodes=1 full "$etc" ;;
			mounted) mount --bind "$etc/other" "$etc/daemon.json" ;;
		esac && configure_said' - "$kind"
		echo "$kind: $output"
		[ "$status" = 1 ]
		[[ $output == 'nvcoreos: E'*": $want" ]]
	done <<-'end'
		dir it is not a regular file: take it away, or name another
		fifo it is not a regular file: take it away, or name another
		link it is a symlink: name the file itself
		parent what should be a directory is none: take it away
		large it may have 4 MiB at most
		readonly make it writable there, or name another file
		full make room there
		mounted something is mounted on it: change the file behind that mount
	end
}

@test "a default that leads nowhere, or that cannot be told, is said" {
	local plugin='[plugins."io.containerd.grpc.v1.cri".containerd'
	configure crio
	printf '[crio.runtime]\ndefault_runtime = "nvcoreos"\n' >"$HOST/etc/crio/crio.conf.d/99-last.conf"
	run configure crio --remove
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *'nvcoreos: another file makes nvcoreos the default_runtime, and there is no such runtime now'* ]]
	echo '[crio' >"$HOST/etc/crio/crio.conf.d/99-last.conf"
	run configure crio --remove
	echo "$output"
	[[ $output == *'cannot be told: /etc/crio/crio.conf.d/99-last.conf: line 1'* ]]
	mkdir -p "$HOST/etc/containerd"
	printf "version = 2\n%s]\ndefault_runtime_name = 'kata'\n%s.runtimes.kata]\nruntime_type = 'x'\n" "$plugin" "$plugin" >"$HOST/etc/containerd/config.toml"
	configure containerd --set-as-default
	sed -i '/runtimes.kata/,/runtime_type/d' "$HOST/etc/containerd/config.toml"
	run configure containerd --remove
	echo "$output"
	[[ $output == *'default_runtime_name is kata, and there is no such runtime'* ]]
}

# crio_whole: CRI-O reads whatever lies there, and what lies there is whole; another run leaves nothing else anywhere.
crio_whole() {
	local file
	while read -r file; do
		grep -q '^runtime_type = "oci"$' "$file" || return
		[ "${file##*/}" = 50-nvcoreos.conf ] || return
	done < <(find "$HOST/etc/crio/crio.conf.d" -type f)
	configure crio >"$BATS_TEST_TMPDIR/out" || return
	[ "$(find "$HOST/etc" -type f)" = "$HOST/etc/crio/crio.conf.d/50-nvcoreos.conf" ]
}

@test "crio: killed at any moment it leaves nothing unfinished where CRI-O reads" {
	need_cmd cc
	mkdir -p "$HOST/etc/crio/crio.conf.d"
	kill_everywhere crio_whole crio
}

@test "what is shown has no control characters, and the policy is in it; --json has the same" {
	need_cmd jq
	mkdir -p "$HOST/etc/docker"
	printf '{\r\n  "x": "a\302\2331mb"\r\n}' >"$HOST/etc/docker/daemon.json"
	configure docker --set-as-default --dry-run >"$BATS_TEST_TMPDIR/out"
	cat -v "$BATS_TEST_TMPDIR/out"
	grep -qF 'a\xc2\x9b1mb' "$BATS_TEST_TMPDIR/out"
	grep -qF '+accept-environment=privileged' "$BATS_TEST_TMPDIR/out"
	[ "$(LC_ALL=C tr -d '\n\t -~' <"$BATS_TEST_TMPDIR/out" | wc -c)" = 0 ]
	configure docker --set-as-default --dry-run --json | jq -e '.diff | contains("+no-gpu=ignore")'
	[ ! -e "$HOST/etc/nvcoreos" ]
}

@test "docker: dockerd takes the file, and knows the runtime as its default" {
	need_root dockerd docker jq
	# shellcheck source=tests/lib/dockerd.sh
	. "$NVC_LIB/dockerd.sh"
	dockerd_able || skip_or_fail 'no dockerd can run here'
	mkdir -p "$HOST/etc/docker"
	printf '{"debug": true,\r\n "runtimes": {"other": {"path": "/bin/true"}}}' >"$HOST/etc/docker/daemon.json"
	cp "$HOST/etc/docker/daemon.json" "$BATS_TEST_TMPDIR/before"
	configure docker --set-as-default --name nvidia --cdi
	# Older ones take features of any name and know no such check.
	! dockerd --help | grep -q -- --validate || dockerd --validate --config-file "$HOST/etc/docker/daemon.json"
	DK=$BATS_TEST_TMPDIR/d
	DOCKERD_CONFIG=$(cat "$HOST/etc/docker/daemon.json") dockerd_start "$DK" /bin/true
	run docker info --format '{{.DefaultRuntime}} {{(index .Runtimes "nvidia").Path}} {{(index .Runtimes "other").Path}} {{.Debug}}'
	dockerd_stop "$DK"
	echo "$output"
	[ "$output" = "nvidia $OURS /bin/true true" ]
	configure docker --remove --name nvidia
	cmp "$HOST/etc/docker/daemon.json" "$BATS_TEST_TMPDIR/before"
}

# as_host CMD...: with the host's containers.conf.d and our runtime in its place.
as_host() {
	unshare -m --propagation private sh -c '
		mkdir -p /etc/containers && mount --bind "$1/etc/containers" /etc/containers && mount -t tmpfs tmpfs /opt &&
			mkdir -p /opt/nvcoreos/bin && cp "$2" /opt/nvcoreos/bin && shift 2 && exec "$@"' \
		sh "$HOST" "$NVCOREOS_BUILD/nvcoreos-runtime" "$@" </dev/null 3>&-
}

@test "podman: it takes the file; the runtime is there, the default, and the others stay" {
	need_root podman runc unshare
	mkdir -p "$HOST/etc/containers"
	cp -a /etc/containers/. "$HOST/etc/containers" 2>/dev/null || :
	cp /usr/share/containers/containers.conf "$HOST/etc/containers/containers.conf" 2>/dev/null || :
	find "$HOST/etc" -type f | sort >"$BATS_TEST_TMPDIR/files"
	info() {
		as_host podman --root "$BATS_TEST_TMPDIR/p" --runroot "$BATS_TEST_TMPDIR/r" "$@" info --format '{{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Path}}'
	}
	before=$(info)
	configure podman --cdi
	[ "$(info)" = "$before" ]
	[ "$(info --runtime nvcoreos)" = "nvcoreos $OURS" ]
	configure podman --set-as-default
	[ "$(info)" = "nvcoreos $OURS" ]
	[[ "$(info --runtime runc)" == 'runc /'* ]]
	configure podman --remove
	[ "$(info)" = "$before" ]
	find "$HOST/etc" -type f | sort | cmp "$BATS_TEST_TMPDIR/files" -
}

@test "a user without root: the files below ~/.config, and what only root can do is told" {
	need_root setpriv
	local home bin
	# Where another user gets to.
	home=$(mktemp -d /tmp/nvcoreos-configure.XXXXXX)
	bin=$home/nvcoreos
	install -m 755 "$NVCOREOS_BUILD/nvcoreos" "$bin"
	chown 65534:65534 "$home"
	as_user() {
		setpriv --reuid 65534 --regid 65534 --clear-groups env -i HOME="$home" PATH="$PATH" "$@"
	}
	as_user "$bin" configure docker >"$BATS_TEST_TMPDIR/docker" 2>&1
	as_user "$bin" configure podman >"$BATS_TEST_TMPDIR/podman" 2>&1
	as_user env XDG_CONFIG_HOME="$home/x" "$bin" configure containerd >"$BATS_TEST_TMPDIR/containerd" 2>&1
	cat "$BATS_TEST_TMPDIR"/{docker,podman,containerd}
	jq -e '.runtimes.nvcoreos' "$home/.config/docker/daemon.json"
	[ -s "$home/.config/containers/containers.conf.d/50-nvcoreos.conf" ]
	[ -s "$home/x/containerd/config.toml" ]
	grep -q '^next: systemctl --user restart docker' "$BATS_TEST_TMPDIR/docker"
	grep -q 'nvidia-container-runtime-hook' "$BATS_TEST_TMPDIR/docker"
	for engine in docker podman; do
		as_user "$bin" configure $engine --remove
	done
	as_user env XDG_CONFIG_HOME="$home/x" "$bin" configure containerd --remove
	left=$(find "$home" -type f ! -path "$bin")
	rm -rf "$home"
	[ -z "$left" ]
}
