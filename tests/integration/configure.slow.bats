#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `nvcoreos configure` and the engines of Debian's newer releases. Their versions stand in the output.

load helpers
load configure

setup() {
	need_build nvcoreos nvcoreos-runtime
	configure_host
}

# have_program SUITE PACKAGE: sets PROGRAMS, or skips with what the archive says.
have_program() {
	PROGRAMS=$("$NVC_LIB/debprogram.sh" "$1" "$2" 2>"$BATS_TEST_TMPDIR/why") ||
		skip_or_fail "no $2 of $1 here: $(tail -n 1 "$BATS_TEST_TMPDIR/why")"
}

# every_file SUITE: the default file with either cgroup driver, Debian's own one, an empty one and none.
every_file() {
	local containerd dir=$BATS_TEST_TMPDIR/files file
	have_program "$1" containerd
	containerd=$PROGRAMS/usr/bin/containerd
	"$containerd" --version
	mkdir "$dir"
	"$containerd" config default >"$dir/default"
	systemd_cgroup <"$dir/default" >"$dir/systemd"
	cp "$PROGRAMS/etc/containerd/config.toml" "$dir/package"
	printf 'version = 2\n\n[plugins]\n  [plugins."io.containerd.grpc.v1.cri"]\n    sandbox_image = "x"' >"$dir/version2"
	: >"$dir/empty"
	for file in default systemd package version2 empty none; do
		echo "--- $file"
		toml_there_and_back "$containerd" "$dir/$file"
		grep -q 'enable_cdi = true' "$BATS_TEST_TMPDIR/dump-after"
		[ $file != systemd ] ||
			[ "$(grep -c 'SystemdCgroup = true' "$BATS_TEST_TMPDIR/dump-after")" = $(($(grep -c 'SystemdCgroup = true' "$BATS_TEST_TMPDIR/dump-before") + 1)) ]
	done
}

# docker_goes_back: whatever was done until then, the file is as it was after --remove, and nothing else is there.
docker_goes_back() {
	configure docker --remove --all >"$BATS_TEST_TMPDIR/out" 2>&1 || return
	cmp "$HOST/etc/docker/daemon.json" "$BATS_TEST_TMPDIR/before" || return
	[ "$(find "$HOST/etc" -type f)" = "$HOST/etc/docker/daemon.json" ]
}

@test "docker: killed at any moment, and once more with other options, it goes back byte for byte" {
	mkdir -p "$HOST/etc/docker"
	printf '{"runtimes": null,\n"default-runtime":"crun"}' >"$HOST/etc/docker/daemon.json"
	cp "$HOST/etc/docker/daemon.json" "$BATS_TEST_TMPDIR/before"
	kill_everywhere docker_goes_back docker --set-as-default
	configure docker
	kill_everywhere docker_goes_back docker --set-as-default --cdi
	configure docker --set-as-default --cdi
	configure docker --name gpu
	kill_everywhere docker_goes_back docker --remove --name gpu
}

@test "containerd of trixie: nothing is lost, and all goes back" {
	every_file trixie
}

@test "containerd of forky: nothing is lost, and all goes back" {
	every_file forky
}

@test "containerd of forky: where conf.d is imported, ours is a file there, and config.toml stays" {
	have_program forky containerd
	local containerd=$PROGRAMS/usr/bin/containerd toml=$HOST/etc/containerd/config.toml runtime
	"$containerd" --version
	mkdir -p "$HOST/etc/containerd"
	# Here the engine itself looks below the host's root.
	printf 'version = 3\nimports = ["%s/*.toml"]\n' /etc/containerd/conf.d >"$toml"
	runtime="[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc"
	printf "%s]\n  runtime_type = 'io.containerd.runc.v2'\n%s.options]\n  SystemdCgroup = true\n" "$runtime" "$runtime" >>"$toml"
	cp "$toml" "$BATS_TEST_TMPDIR/before"
	configure containerd --set-as-default --cdi
	cmp "$toml" "$BATS_TEST_TMPDIR/before"
	[ -s "$HOST/etc/containerd/conf.d/50-nvcoreos.toml" ]
	sed "s#/etc/containerd/conf.d#$HOST&#" "$toml" >"$BATS_TEST_TMPDIR/with"
	sed '/^imports/d' "$toml" >"$BATS_TEST_TMPDIR/without"
	toml_kept "$containerd" "$BATS_TEST_TMPDIR/without" "$BATS_TEST_TMPDIR/with"
	toml_has nvcoreos
	[ "$(grep -c 'SystemdCgroup = true' "$BATS_TEST_TMPDIR/dump-after")" = 2 ]
	configure containerd --remove
	[ "$(find "$HOST/etc" -type f)" = "$toml" ]
	cmp "$toml" "$BATS_TEST_TMPDIR/before"
}

@test "dockerd of forky: it takes the file" {
	need_root jq
	have_program forky docker.io
	local dockerd=$PROGRAMS/usr/sbin/dockerd json=$HOST/etc/docker/daemon.json
	"$dockerd" --version
	mkdir -p "$HOST/etc/docker"
	printf '{"log-level": "warn", "runtimes": {"other": {"path": "/bin/true"}}}\n' >"$json"
	cp "$json" "$BATS_TEST_TMPDIR/before"
	"$dockerd" --validate --config-file "$json"
	configure docker --set-as-default --cdi
	jq -e '.features.cdi and ."default-runtime" == "nvcoreos"' "$json"
	"$dockerd" --validate --config-file "$json"
	configure docker --remove
	cmp "$json" "$BATS_TEST_TMPDIR/before"
}

# podman_of RELEASE: its podman (in the root that matrix-podman.slow has) knows the runtime, and keeps the others.
podman_of() {
	local tree base
	need_root unshare busybox
	# shellcheck source=tests/lib/tree.sh
	. "$NVC_LIB/tree.sh"
	tree=$("$NVC_LIB/roots.sh" --with "$1" podman runc crun uidmap 2>"$BATS_TEST_TMPDIR/why") ||
		skip_or_fail "no $1 here: $(tail -n 1 "$BATS_TEST_TMPDIR/why")"
	base=$(mktemp -d /tmp/nvcoreos-podman.XXXXXX)
	mkdir -p "$HOST/etc/containers"
	cp -a "$tree/etc/containers/." "$HOST/etc/containers"
	configure podman --set-as-default
	cp -a "$HOST/etc/containers" "$base/containers"
	# The smallest of roots have no mount of their own.
	cp "$NVCOREOS_BUILD/nvcoreos-runtime" "$(command -v busybox)" "$base"
	run tree_run "$tree" "$base" legacy bash -c '
		"$1/busybox" mount --bind "$1/containers" /etc/containers && "$1/busybox" mount -t tmpfs tmpfs /opt && mkdir -p /opt/nvcoreos/bin &&
			cp "$1/nvcoreos-runtime" /opt/nvcoreos/bin || exit
		podman --version
		for o in "" --runtime=runc --runtime=crun; do
			PODMAN_IGNORE_CGROUPSV1_WARNING=1 podman --root "$1/p" --runroot "$1/r" $o info --format "{{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Path}}"
		done' bash "$base"
	cleanup_umount "$base"
	rm -rf "$base"
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[1]}" = "nvcoreos $OURS" ]
	[[ ${lines[2]} == 'runc /'* ]]
	[[ ${lines[3]} == 'crun /'* ]]
}

@test "podman of trixie: our runtime is the default, and the others stay" {
	podman_of trixie
}

@test "podman of forky: our runtime is the default, and the others stay" {
	podman_of forky
}
