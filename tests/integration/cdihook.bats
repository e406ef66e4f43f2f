#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# nvcoreos-hook as nvidia-cdi-hook: containers by a specification as NVIDIA's tools write it, where an engine mounts the driver's files one by
# one and calls five hooks in the container's namespaces; and images that would lead those hooks out.
# shellcheck disable=SC2016 # for jq and for shells in containers
# shellcheck disable=SC2030,SC2031 # run sets status and output
bats_require_minimum_version 1.5.0

load helpers
load gpu
load cdi

DRIVER=535.261.03

setup_file() {
	need_root runc crun jq cc || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	have_root bookworm || return "$SKIPPED"
	export ROOT
	BASE=$(mktemp -d "${TMPDIR:-/tmp}/nvcoreos-cdihook.XXXXXX") || return
	export BASE HOST=$BASE/h SPEC=$BASE/spec.json LIBS=$BASE/libs CANARY=$BASE/canary
	mkdir -p "$HOST" "$LIBS" "$CANARY/dir"
	# A container's root reads them too.
	chmod 755 "$BASE" "$HOST" "$LIBS" "$CANARY"
	gpu_host "$HOST" "$DRIVER" || return
	probe_build "$BASE/probes"
	for archive in libraries tools; do
		tar -xzf "$HOST/archives/$archive-$DRIVER.tar.gz" -C "$LIBS" || return
	done
	ln -s "$NVCOREOS_BUILD/nvcoreos-hook" "$BASE/nvidia-cdi-hook"
	nvidia_spec >"$SPEC"
	with_dev >"$BASE/with-dev" && chmod 755 "$BASE/with-dev" && mkdir "$BASE/dev"
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
	echo host >"$CANARY/file"
}

teardown() {
	[ -z "${B:-}" ] || bundle_clean "$B"
}

# with_dev: a program that runs another where the host's nodes are those of the test: in a user namespace runtimes mount them from there.
with_dev() {
	cat <<-EOF
		#!/bin/sh -e
		exec unshare -m --propagation private sh -ec 'mount -t tmpfs -o mode=755 tmpfs "$BASE/dev"
			cp -a /dev/null /dev/zero /dev/full /dev/tty /dev/random /dev/urandom "$HOST"/host/dev/nvidia* "$BASE/dev"
			mkdir "$BASE/dev/shm" && mount --rbind /dev/shm "$BASE/dev/shm"
			mount --rbind "$BASE/dev" /dev && exec "\$@"' sh "\$@"
	EOF
}

# multiarch: where Debian's libraries are.
multiarch() {
	printf '/usr/lib/%s-linux-gnu\n' "$(uname -m)"
}

# hook VERB ARG...: a hook as NVIDIA's tools write it, as JSON.
hook() {
	jq -n '{hookName: "createContainer", path: $path, args: (["nvidia-cdi-hook", "--config", $conf] + $ARGS.positional),
		env: ["NVIDIA_CTK_DEBUG=false"]}' --arg path "$BASE/nvidia-cdi-hook" --arg conf "$HOST/conf" --args -- "$@"
}

# nvidia_mounts: the driver's files, one by one, and its program.
nvidia_mounts() {
	local file
	for file in "$LIBS"/*.so.*; do
		jq -n '{hostPath: $host, containerPath: $here}' --arg host "$file" --arg here "$(multiarch)/${file##*/}"
	done
	jq -n '{hostPath: ($libs + "/nvidia-smi"), containerPath: "/usr/bin/nvidia-smi"}' --arg libs "$LIBS"
}

# nvidia_spec: a specification with one GPU, as nvidia-ctk cdi generate writes it.
nvidia_spec() {
	local dev=$HOST/host/dev
	jq -n '{cdiVersion: "0.5.0", kind: "nvidia.com/gpu",
		devices: [{name: "1", containerEdits: {deviceNodes: [{path: "/dev/nvidia1", hostPath: ($dev + "/nvidia1")}]}}],
		containerEdits: {env: ["NVIDIA_VISIBLE_DEVICES=void"],
			deviceNodes: [("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools") | {path: ("/dev/" + .), hostPath: ($dev + "/" + .)}],
			hooks: $hooks, mounts: [$mounts[] | .options = ["ro", "nosuid", "nodev", "rbind", "rprivate"]]}}
		| .devices[].containerEdits.deviceNodes[].permissions = "rw" | .containerEdits.deviceNodes[].permissions = "rw"' \
		--arg dev "$dev" --slurpfile mounts <(nvidia_mounts) --slurpfile hooks <(
			hook create-symlinks --link "libcuda.so.1::$(multiarch)/libcuda.so" --link ../nvidia1::/dev/dri/by-path/pci-0000:02:00.0-card
			hook enable-cuda-compat "--host-driver-version=$DRIVER"
			hook update-ldcache --folder "$(multiarch)" --folder "$(multiarch)/vdpau"
			hook disable-device-node-modification
			hook update-application-profile
		)
}

# by_nvidia: B is a bundle that the specification was applied to.
by_nvidia() {
	bundle_make "$B" "$ROOT"
	probe_install "$BASE/probes" "$B/rootfs"
	cdi_apply "$SPEC" "$B/config.json" 1 >"$B/new" && mv "$B/new" "$B/config.json"
}

# first_hook SCRIPT: runs in the container's namespaces before all others; $1 is its root.
first_hook() {
	printf '#!/bin/sh -e\nset -- "%s"\n%s\n' "$B/rootfs" "$1" >"$B/first" && chmod 755 "$B/first"
	bundle_jq "$B" '.hooks.createContainer |= ([{path: $path, args: ["first"], env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}] + .)' \
		--arg path "$B/first"
}

# A procfs with a directory for the driver, which this kernel's has not: another one of its directories stands in.
with_proc() {
	first_hook 'mount -t tmpfs tmpfs "$1/proc/driver" && mkdir "$1/proc/driver/nvidia" && mount --bind "$1/proc/tty" "$1/proc/driver/nvidia"'
}

# What a container sees, for all ways in.
LOOK='ls /dev | grep ^nvidia | tr "\n" " "
	/probe-dl libcuda.so.1; /probe-dl libnvidia-ml.so.1
	readlink '$(multiarch)'/libcuda.so /dev/dri/by-path/*
	grep ModifyDeviceFiles /proc/driver/nvidia/params; ls /proc/driver/nvidia/gpus
	nvidia-smi -L; ldconfig && /probe-dl libcuda.so.1'

seen() {
	cat <<-EOF
		nvidia-uvm nvidia-uvm-tools nvidia1 nvidiactl $1/libcuda.so.$DRIVER
		$1/libnvidia-ml.so.$DRIVER
		libcuda.so.1
		../nvidia1
		ModifyDeviceFiles: 0
		$(fakehost_bdf 1)
	EOF
}

# view RUNTIME: the cgroups that it can work with.
view() {
	[ "$1" = runc ] && echo hybrid || echo legacy
}

@test "by NVIDIA's specification, with runc and crun, and in a user namespace" {
	for runtime in runc crun; do
		for userns in no yes; do
			by_nvidia
			with_proc
			[ "$userns" = no ] || bundle_userns "$B" 100000
			gpu_sh "$B" "$LOOK"
			CGROUP_VIEW=$(view "$runtime") run bundle_run "$B" "$BASE/with-dev $runtime"
			echo "$runtime, user namespace: $userns"
			echo "$output"
			[ "$status" = 0 ]
			diff <(seen "$(multiarch)") <(head -n 6 <<<"$output")
			# An ldconfig of the image's, which knows its libraries by their links, finds the same file.
			[[ ${lines[-1]} == */libcuda.so.1 ]]
			[ "$(grep -c 'stands in\|E[0-9][0-9]:' <<<"$output")" = 0 ]
			bundle_clean "$B"
		done
	done
}

# smi_without_paths: what it said, but for where the library is, which each way in has its own place for.
smi_without_paths() {
	grep -v '^library: .*/libnvidia-ml.so' <<<"$output"
}

@test "what nvidia-smi tells is what it tells by our own hook" {
	local ours theirs
	by_nvidia
	gpu_sh "$B" 'nvidia-smi'
	run bundle_run "$B"
	theirs=$(smi_without_paths)
	echo "$output"
	bundle_clean "$B"
	gpu_nvcoreos "$HOST" --quiet cdi generate --output "$BASE/ours.json"
	bundle_make "$B" "$ROOT"
	cdi_apply "$BASE/ours.json" "$B/config.json" 1 >"$B/new" && mv "$B/new" "$B/config.json"
	gpu_sh "$B" 'nvidia-smi'
	run bundle_run "$B"
	ours=$(smi_without_paths)
	diff <(echo "$ours") <(echo "$theirs")
	[[ $ours == *"driver: $DRIVER"* ]]
}

@test "a second start on the same root changes nothing" {
	local before
	by_nvidia
	gpu_sh "$B" true
	run bundle_run "$B"
	echo "$output"
	[ "$status" = 0 ]
	before=$(cd "$B/rootfs" && find etc "./$(multiarch)" -newer "$B/config.json" -printf '%p %y %m %l\n' | sort; cat etc/ld.so.conf.d/*nvcoreos*; md5sum etc/ld.so.cache)
	[[ $before == *00-nvcoreos-cdi.conf* ]]
	run bundle_run "$B"
	[ "$status" = 0 ]
	diff <(echo "$before") <(cd "$B/rootfs" && find etc "./$(multiarch)" -newer "$B/config.json" -printf '%p %y %m %l\n' | sort; cat etc/ld.so.conf.d/*nvcoreos*; md5sum etc/ld.so.cache)
	# The folder of Debian's own libraries keeps its place: only the other one is added.
	[ "$(grep -v '^#' "$B/rootfs/etc/ld.so.conf.d/00-nvcoreos-cdi.conf")" = "$(multiarch)/vdpau" ]
}

@test "as nvidia-ctk hook, chmod, and verbs and options that nobody knows" {
	by_nvidia
	first_hook 'mkdir -m 700 "$1/dev/dir" "$1/opt/dir"'
	bundle_jq "$B" '.hooks.createContainer |= map(if .args[0] == "nvidia-cdi-hook" then .args |= ["nvidia-ctk", "hook"] + .[1:] else . end)'
	bundle_jq "$B" '.hooks.createContainer += [(["chmod", "--mode", "755", "--path", "/dev/dir,/opt/dir,/nowhere"], ["of-tomorrow", "--x"], []) |
		{path: $path, args: (["nvidia-cdi-hook"] + .), env: ["A=b"]}]' --arg path "$BASE/nvidia-cdi-hook"
	gpu_sh "$B" '/probe-dl libcuda.so.1; stat -c %a /dev/dir /opt/dir'
	run bundle_run "$B"
	echo "$output"
	[ "$status" = 0 ]
	[ "$output" = "$(multiarch)/libcuda.so.$DRIVER"$'\n755\n755' ]
	bundle_clean "$B"
	by_nvidia
	bundle_jq "$B" '.hooks.createContainer[0].args += ["--new-option"]'
	run bundle_run "$B"
	echo "$output"
	[ "$status" != 0 ]
	[[ $output == *"nvcoreos-hook: E02: "*--new-option* ]]
	# What the runtime writes is read whatever the verb: crun takes a broken pipe for a failed hook.
	(set -o pipefail && head -c 200000 /dev/zero | "$BASE/nvidia-cdi-hook" of-tomorrow)
	(set -o pipefail && head -c 200000 /dev/zero | "$BASE/nvidia-cdi-hook" noop)
	run -0 "$BASE/nvidia-cdi-hook" --version
	[[ $output == nvidia-cdi-hook\ * ]]
	# Not in the container's namespaces there is no root of its own: nothing is done to the host.
	run -1 "$BASE/nvidia-cdi-hook" update-ldcache --folder /usr/lib <<<"{\"ociVersion\":\"1.0\",\"id\":\"x\",\"bundle\":\"$B/nowhere\"}"
	[[ $output == *E12:* ]]
	mkdir -p "$B/plain/rootfs"
	jq '.root.path = "rootfs"' "$B/config.json" >"$B/plain/config.json"
	run -1 "$BASE/nvidia-cdi-hook" create-symlinks --link a::/b <<<"{\"ociVersion\":\"1.0\",\"id\":\"x\",\"bundle\":\"$B/plain\"}"
	[[ $output == *E30:*createContainer* ]]
	[ ! -e "$B/plain/rootfs/b" ] && [ ! -L "$B/plain/rootfs/b" ]
}

@test "make install puts the name beside the hook, and uninstall takes it away" {
	local bin=$BASE/dest/opt/nvcoreos/bin
	make -s -C "$NVC_TESTS/.." BUILD="$NVCOREOS_BUILD" DESTDIR="$BASE/dest" install >/dev/null
	[ "$(readlink "$bin/nvidia-cdi-hook")" = nvcoreos-hook ]
	run -0 "$bin/nvidia-cdi-hook" --help
	[[ $output == *create-symlinks* ]]
	make -s -C "$NVC_TESTS/.." BUILD="$NVCOREOS_BUILD" DESTDIR="$BASE/dest" uninstall >/dev/null
	[ -z "$(ls "$bin")" ]
}

@test "compatibility libraries of the image: named where they are newer" {
	local compat=/usr/local/cuda/compat row want
	for row in 575.57.08:yes 535.54.03:no; do
		by_nvidia
		mkdir -p "$B/rootfs$compat"
		cp "$LIBS/libcuda.so.$DRIVER" "$B/rootfs$compat/libcuda.so.${row%:*}"
		ln -s "libcuda.so.${row%:*}" "$B/rootfs$compat/libcuda.so.1"
		gpu_sh "$B" '/probe-dl libcuda.so.1; /probe-dl libnvidia-ml.so.1; ldconfig; /probe-dl libcuda.so.1'
		run bundle_run "$B"
		echo "$output"
		[ "$status" = 0 ]
		want=$(multiarch)/libcuda.so.$DRIVER
		[ "${row#*:}" = no ] || want=$compat/libcuda.so.${row%:*}
		[ "${lines[0]}" = "$want" ]
		[ "${lines[1]}" = "$(multiarch)/libnvidia-ml.so.$DRIVER" ]
		[ "${row#*:}" = no ] || [ "${lines[2]}" = "$compat/libcuda.so.1" ]
		bundle_clean "$B"
	done
}

# hostile WHAT [SCRIPT]: an image whose files would lead our hooks out; the start ends as it may, and the host is as it was.
hostile() {
	local before after rc=0
	"$1"
	gpu_sh "$B" "${2:-true}"
	find "$CANARY" /etc/ld.so.cache /etc/ld.so.conf /etc/ld.so.conf.d "$LIBS" -printf '%p %y %m %s %T@ %C@ %i %l\n' | sort >"$BASE/before"
	before=$(findmnt -rno TARGET | grep -F "$BASE" | sort)
	run bundle_run "$B"
	echo "$1: $status: $output"
	after=$(findmnt -rno TARGET | grep -F "$BASE" | sort)
	find "$CANARY" /etc/ld.so.cache /etc/ld.so.conf /etc/ld.so.conf.d "$LIBS" -printf '%p %y %m %s %T@ %C@ %i %l\n' | sort >"$BASE/after"
	diff "$BASE/before" "$BASE/after" || rc=1
	diff <(echo "$before") <(echo "$after") || rc=1
	[ "$status" = 0 ] || [[ $output == *'nvcoreos-hook: E'* ]] || rc=1
	bundle_clean "$B"
	return $rc
}

etc_leads_out() {
	by_nvidia
	mv "$B/rootfs/etc" "$B/rootfs/etc.old"
	ln -s "$CANARY" "$B/rootfs/etc"
}

conf_d_leads_out() {
	by_nvidia
	rm -rf "$B/rootfs/etc/ld.so.conf.d" "$B/rootfs/etc/ld.so.cache"
	ln -s "../../../../../../../..$CANARY" "$B/rootfs/etc/ld.so.conf.d"
	ln -s "$CANARY/file" "$B/rootfs/etc/ld.so.cache"
	mkdir -p "$B/rootfs/usr/lib"
}

conf_d_is_a_volume() {
	by_nvidia
	bundle_bind "$B" "$CANARY" /etc/ld.so.conf.d
}

etc_is_a_volume() {
	by_nvidia
	bundle_bind "$B" "$CANARY" /etc
}

volumes_below_dev() {
	by_nvidia
	bundle_bind "$B" "$CANARY" /dev/dri
	bundle_bind "$B" "$CANARY" /dev/vol
	bundle_jq "$B" '.hooks.createContainer[0].args += ["--link", "x::/dev/dri/a", "--link", "x::/dev/vol/dir/a", "--link", "x::/dev/a"]'
}

files_lead_out() {
	by_nvidia
	mkdir -p "$B/rootfs/etc/ld.so.conf.d"
	ln -sf "$CANARY/file" "$B/rootfs/etc/ld.so.conf.d/00-nvcoreos-cdi.conf"
	ln -sf "$CANARY/file" "$B/rootfs/etc/ld.so.conf.d/00-compat-nvcoreos.conf"
	ln -sf "$CANARY/file" "$B/rootfs$(multiarch)/libcuda.so"
}

link_places_lead_out() {
	by_nvidia
	ln -s "$CANARY" "$B/rootfs/out"
	ln -s "../../../../../../../../..$CANARY" "$B/rootfs/up"
	ln -s "/proc/1/root$CANARY" "$B/rootfs/magic"
	bundle_jq "$B" '.hooks.createContainer[0].args = ["nvidia-cdi-hook", "create-symlinks",
		"--link", "x::/out/a", "--link", "/etc/shadow::/up/../../../..\($canary)/b", "--link", "../../..::/made/c"]' --arg canary "$CANARY"
}

magic_link() {
	link_places_lead_out
	bundle_jq "$B" '.hooks.createContainer[0].args = ["nvidia-cdi-hook", "create-symlinks", "--link", "x::/magic/a"]'
}

a_directory_where_a_link_goes() {
	by_nvidia
	mkdir -p "$B/rootfs$(multiarch)/libcuda.so/full"
}

chmod_leads_out() {
	by_nvidia
	ln -s "$CANARY" "$B/rootfs/out"
	bundle_bind "$B" "$CANARY" /volume
	bundle_jq "$B" '.hooks.createContainer[0].args = ["nvidia-cdi-hook", "chmod", "--mode", "777", "--path", "/out,/volume,/out/../volume"]'
}

hostile_libraries() {
	by_nvidia
	local n=0 dir=$B/volume
	mkdir "$dir"
	for size in 0 4 16 40 63 64 100 1000 4000; do
		head -c "$size" "$LIBS/libcuda.so.$DRIVER" >"$dir/libcut$size.so.1"
	done
	for ((n = 0; n < 200; n++)); do
		cp "$LIBS/libcuda.so.$DRIVER" "$dir/libodd$n.so.1"
		printf '\377\377\377\377' | dd of="$dir/libodd$n.so.1" bs=1 seek=$((n * 7)) conv=notrunc status=none
	done
	mkfifo "$dir/libfifo.so.1"
	ln -s "$CANARY/file" "$dir/liblink.so.1"
	mknod "$dir/libnode.so.1" c 1 5
	cp "$LIBS/libcuda.so.$DRIVER" "$dir/"$'libnew\nline.so.1'
	bundle_bind "$B" "$dir" /usr/lib/odd
	bundle_jq "$B" '.hooks.createContainer[2].args += ["--folder", "/usr/lib/odd"]'
}

many_arguments() {
	by_nvidia
	bundle_jq "$B" '.hooks.createContainer[0].args = (["nvidia-cdi-hook", "create-symlinks"] + [range(10000) | ("--link", "x::/many/l\(.)")])'
	bundle_jq "$B" '.hooks.createContainer[2].args = (["nvidia-cdi-hook", "update-ldcache"] + [range(10000) | ("--folder", "/nowhere/\(.)")])'
}

preloaded() {
	by_nvidia
	cp "$BASE/probes/probe" "$B/rootfs/preload.so"
	# runc gives a hook without variables of its own those of the container.
	bundle_jq "$B" '.hooks.createContainer |= map(del(.env))'
	bundle_env "$B" "LD_PRELOAD=$B/rootfs/preload.so" "LD_LIBRARY_PATH=$CANARY" 'GCONV_PATH=.' 'PATH=/nowhere'
}

@test "hostile images leave the host as it was" {
	local what
	for what in etc_leads_out conf_d_leads_out link_places_lead_out chmod_leads_out preloaded; do
		hostile "$what"
	done
}

@test "what hostile images still get, and what stands in the way is named" {
	hostile conf_d_is_a_volume '/probe-dl libcuda.so.1'
	[ "$status" = 0 ]
	[ "$output" = "$(multiarch)/libcuda.so.$DRIVER" ]
	hostile etc_is_a_volume 'ls /etc'
	[ "$status" = 0 ]
	hostile volumes_below_dev 'readlink /dev/a; ls /dev/dri'
	[ "$status" = 0 ]
	[ "$output" = $'x\ndir\nfile' ]
	hostile files_lead_out '/probe stat /etc/ld.so.conf.d/00-nvcoreos-cdi.conf; /probe-dl libcuda.so.1'
	[ "$output" = $'f 644 0:0\n'"$(multiarch)/libcuda.so.$DRIVER" ]
	hostile a_directory_where_a_link_goes
	[[ $output == *"E35: "*"/libcuda.so"* ]]
	hostile magic_link
	[[ $output == *E32:*/magic* ]]
	hostile hostile_libraries '/probe-dl libcuda.so.1'
	[ "$status" = 0 ]
	[[ $output == "$(multiarch)/libcuda.so.$DRIVER" || $output == /usr/lib/odd/* ]]
	hostile many_arguments 'ls /many | wc -l'
	[ "$output" = 10000 ]
}

# read_only: crun has made it so when these hooks run, runc not yet; the last hook is there to say whether the others have.
read_only() {
	by_nvidia
	bundle_jq "$B" '.root.readonly = true'
	first_hook 'mount -o remount,bind,ro "$1"'
	bundle_jq "$B" '.hooks.createContainer += [{path: $path, args: ["nvidia-cdi-hook", "chmod", "--mode", "700", "--path", "/opt"], env: ["A=b"]}]' \
		--arg path "$BASE/nvidia-cdi-hook"
}

@test "a root that is read-only when the hooks run: what cannot be written is left out" {
	for runtime in runc crun; do
		read_only
		gpu_sh "$B" 'stat -c %a /opt; ls /etc/ld.so.conf.d; ls /usr/lib/*/libcuda.so*; readlink /dev/dri/by-path/*'
		CGROUP_VIEW=$(view "$runtime") run bundle_run "$B" "$runtime"
		echo "$runtime: $output"
		[ "$status" = 0 ]
		[ "$output" = $'755\nlibc.conf\nx86_64-linux-gnu.conf\n'"$(multiarch)/libcuda.so.$DRIVER"$'\n../nvidia1' ]
		bundle_clean "$B"
	done
}

@test "in a user namespace, too, what is hostile leads nowhere" {
	by_nvidia
	rm -rf "$B/rootfs/etc/ld.so.conf.d"
	ln -s "$CANARY" "$B/rootfs/etc/ld.so.conf.d"
	bundle_userns "$B" 100000
	gpu_sh "$B" '/probe-dl libcuda.so.1; stat -c %u:%g /etc/ld.so.cache'
	run bundle_run "$B" "$BASE/with-dev runc"
	echo "$output"
	[ "$status" = 0 ]
	[ "$output" = "$(multiarch)/libcuda.so.$DRIVER"$'\n0:0' ]
	[ "$(stat -c %u:%g "$B/rootfs/etc/ld.so.cache")" = 100000:100000 ]
	[ "$(ls "$CANARY")" = $'dir\nfile' ]
}
