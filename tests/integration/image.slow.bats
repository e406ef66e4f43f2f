#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The installer image, built and run by a real dockerd: it puts programs, drivers, unit and docker's configuration on a host's root, a
# second run changes nothing, and uninstall leaves every file outside /opt as it was.

bats_require_minimum_version 1.5.0
load helpers
load gpu

setup_file() {
	need_root dockerd docker runc jq cc make strip || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	# shellcheck source=tests/lib/dockerd.sh
	. "$NVC_LIB/dockerd.sh"
	dockerd_able || skip_or_fail 'no dockerd can run here' || return "$SKIPPED"
	export HOST=$BATS_FILE_TMPDIR/h DK=$BATS_FILE_TMPDIR/d
	mkdir -p "$HOST"
	have_root bookworm || return "$SKIPPED"
	export ROOT
	gpu_archives "$HOST" 535.261.03 12.4.1
	dockerd_start "$DK" "$NVCOREOS_BUILD/nvcoreos-runtime"
	make -s -C "$NVC_TESTS/.." BUILD="$NVCOREOS_BUILD" IMAGE=installer:1 ARCHIVES="$(echo "$HOST"/archives/*)" image >"$HOST/made" 2>&1 || {
		cat "$HOST/made"
		return 1
	}
	export PRIVILEGED=--privileged
	docker run --rm --privileged installer:1 --help 2>&1 | grep -q '^usage' || PRIVILEGED=
}

teardown_file() {
	[ -n "${DK:-}" ] || return 0
	# shellcheck source=tests/lib/dockerd.sh
	. "$NVC_LIB/dockerd.sh"
	dockerd_stop "$DK"
	cleanup_remove "$DK"
}

setup() {
	skip_file
	B=$BATS_TEST_TMPDIR/b
	bundle_make "$B" "$ROOT"
	R=$B/rootfs
	mkdir -p "$R/usr/lib/systemd/system"
}

teardown() {
	[ -z "${B:-}" ] || bundle_clean "$B"
}

# As users of the older installers type it, where a container can have all of root's rights here; the installer needs no more than
# any container has.
installer() {
	# shellcheck disable=SC2086 # an option or none
	docker run --rm --network none $PRIVILEGED -v "$R:/rootfs" installer:1 "$@"
}

# outside: every file that is not below /opt, with all that can be told of it but times.
outside() {
	(cd "$R" && find . -path ./opt -prune -o -printf '%p %y %m %U %G %l ' -type f -exec sha256sum {} \; -o -path ./opt -prune -o -printf '\n' | sort)
}

@test "install puts everything on the host, and the host's own root runs the tool" {
	installer --use --configure docker
	[ -x "$R/opt/nvcoreos/bin/nvcoreos-hook" ]
	[ "$(readlink "$R/opt/nvcoreos/bin/nvidia-cdi-hook")" = nvcoreos-hook ]
	[ -e "$R/opt/nvidia/current/lib64/libcuda.so.1" ]
	[ -e "$R/opt/cuda/current/lib64" ]
	[ "$(readlink "$R/usr/local/bin/nvcoreos")" = /opt/nvcoreos/bin/nvcoreos ]
	[ "$(jq -r .runtimes.nvcoreos.path "$R/etc/docker/daemon.json")" = /opt/nvcoreos/bin/nvcoreos-runtime ]
	[ "$(readlink "$R/etc/systemd/system/multi-user.target.wants/nvcoreos.service")" = /etc/systemd/system/nvcoreos.service ]
	run -0 chroot "$R" nvcoreos list
	[[ $output == *535.261.03*current* ]]
}

@test "systemd's units and what belongs to them, and nothing of them on a host without systemd" {
	installer
	(cd "$R/opt/nvcoreos/share/nvcoreos" && find systemd sysusers.d tmpfiles.d udev -type f) | sort >"$B/shared"
	while read -r file; do
		place=$R/etc/${file/udev/udev\/rules.d}
		cmp "$R/opt/nvcoreos/share/nvcoreos/$file" "${place/systemd/systemd\/system}"
	done <"$B/shared"
	[ "$(wc -l <"$B/shared")" = 8 ]
	[ "$(readlink "$R/etc/systemd/system-generators/nvcoreos-generator")" = /opt/nvcoreos/libexec/nvcoreos/nvcoreos-generator ]
	[ -x "$R/opt/nvcoreos/libexec/nvcoreos/nvcoreos-generator" ]
	[ "$(cd "$R/etc/systemd/system/multi-user.target.wants" && echo *)" = 'nvcoreos.service nvidia-fabricmanager.service nvidia-persistenced.service' ]
	installer uninstall
	rm -rf "$R"/{etc,usr/lib,lib}/systemd
	installer
	[ ! -e "$R/etc/systemd" ]
	[ ! -e "$R/etc/udev/rules.d/70-nvcoreos.rules" ]
}

@test "a daemon's unit that the host has, or that is masked, stays the only one" {
	echo theirs >"$R/usr/lib/systemd/system/nvidia-persistenced.service"
	mkdir -p "$R/etc/systemd/system"
	ln -s /dev/null "$R/etc/systemd/system/nvidia-fabricmanager.service"
	installer
	[ ! -e "$R/etc/systemd/system/nvidia-persistenced.service" ]
	[ "$(readlink "$R/etc/systemd/system/nvidia-fabricmanager.service")" = /dev/null ]
	[ "$(cd "$R/etc/systemd/system/multi-user.target.wants" && echo *)" = nvcoreos.service ]
	installer uninstall
	[ -e "$R/usr/lib/systemd/system/nvidia-persistenced.service" ]
	[ -L "$R/etc/systemd/system/nvidia-fabricmanager.service" ]
}

# An older image's files are what the host's own copy of them says.
@test "an upgrade replaces the units that nobody changed; what was disabled stays so" {
	installer
	for copy in "$R/opt/nvcoreos/share/nvcoreos/systemd" "$R/etc/systemd/system"; do
		echo old >"$copy/nvcoreos.service"
	done
	echo mine >"$R/etc/systemd/system/nvcoreos-nodes@.service"
	rm "$R/etc/systemd/system/multi-user.target.wants/nvidia-persistenced.service"
	installer
	cmp "$R/opt/nvcoreos/share/nvcoreos/systemd/nvcoreos.service" "$R/etc/systemd/system/nvcoreos.service"
	grep -q ExecStart "$R/etc/systemd/system/nvcoreos.service"
	[ "$(cat "$R/etc/systemd/system/nvcoreos-nodes@.service")" = mine ]
	[ ! -e "$R/etc/systemd/system/multi-user.target.wants/nvidia-persistenced.service" ]
	run -0 installer uninstall
	[[ $output == *'/etc/systemd/system/nvcoreos-nodes@.service stays: it was changed'* ]]
}

@test "a second run changes nothing outside /opt, and replaces the programs whole" {
	installer --use --configure docker
	outside >"$B/before"
	echo old >"$R/opt/nvcoreos/bin/left-over"
	installer --configure docker
	outside >"$B/after"
	diff "$B/before" "$B/after"
	[ ! -e "$R/opt/nvcoreos/bin/left-over" ]
	[ -z "$(find "$R/opt" -maxdepth 1 -name '.*' ! -name .)" ]
}

@test "uninstall leaves every file outside /opt as it was, and the store" {
	for existing in no yes; do
		if [ $existing = yes ]; then
			mkdir -p "$R/etc/docker" "$R/etc/systemd/system"
			printf '{\n\t"log-driver": "json-file"\n}\n' >"$R/etc/docker/daemon.json"
		fi
		outside >"$B/before"
		installer --configure docker
		installer # an upgrade knows what the first run has made
		installer uninstall
		outside >"$B/after"
		diff "$B/before" "$B/after"
		[ ! -e "$R/opt/nvcoreos" ]
		[ -e "$R/opt/nvidia/535.261.03" ]
	done
	# Nothing to take away: still no error.
	installer uninstall
}

# Whoever has configured it, under whatever name: an engine that names a runtime which is gone starts no container.
@test "uninstall takes runtimes of any name out of every engine, and what went with them" {
	mkdir -p "$R/etc/docker" "$R/etc/containerd" "$R/etc/crio"
	printf '{"runtimes": {}}' >"$R/etc/docker/daemon.json"
	printf 'version = 2' >"$R/etc/containerd/config.toml"
	printf '[crio.runtime]\n# runtime_path = "/opt/nvcoreos/bin/nvcoreos-runtime"\n' >"$R/etc/crio/crio.conf"
	outside >"$B/before"
	installer --configure docker
	for engine in docker containerd crio podman; do
		chroot "$R" nvcoreos configure $engine --name nvidia --set-as-default
		chroot "$R" nvcoreos configure $engine --name gpu
	done
	run -0 installer uninstall
	echo "$output"
	[[ $output == *'/etc/crio/crio.conf still names nvcoreos-runtime'* ]]
	outside >"$B/after"
	diff "$B/before" "$B/after"
}

@test "not while the host itself sees the driver" {
	installer
	echo '{"method": "ldconf", "files": [], "directories": [], "overlays": []}' >"$R/etc/nvcoreos/host.json"
	run -1 installer uninstall
	echo "$output"
	[[ $output == *"E54: "*"the host itself sees the driver"*"run 'nvcoreos host disable' on the host, then uninstall"* ]]
	[ -e "$R/opt/nvcoreos/bin/nvcoreos" ]
	rm "$R/etc/nvcoreos/host.json"
	installer uninstall
}

@test "what the operator has changed stays" {
	installer
	echo 'no-gpu=ignore' >>"$R/etc/nvcoreos/nvcoreos.conf"
	rm "$R/usr/local/bin/nvcoreos"
	echo mine >"$R/usr/local/bin/nvcoreos"
	installer
	run -0 installer uninstall
	[[ $output == *'/etc/nvcoreos/nvcoreos.conf stays'* ]]
	[ "$(cat "$R/usr/local/bin/nvcoreos")" = mine ]
	tail -n 1 "$R/etc/nvcoreos/nvcoreos.conf" | grep -qx 'no-gpu=ignore'
}

@test "without a host's root, and with an unknown word, one line and no change" {
	# shellcheck disable=SC2086 # an option or none
	run -1 docker run --rm --network none $PRIVILEGED installer:1
	echo "$output"
	[[ $output == 'nvcoreos-image: E51: '*'-v /:/rootfs'* ]]
	run -2 installer remove
	run -2 installer --configure lxc
	[ ! -e "$R/opt/nvcoreos" ]
}
