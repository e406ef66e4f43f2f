#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What NVIDIA's variables promise beside whole GPUs, with runc: devices of other drivers, graphics, MIG, IMEX channels, swarm's
# resources; and every form of NVIDIA_VISIBLE_DEVICES, on a host whose minors are not its indices.

# shellcheck disable=SC2154 # output, lines and status are set by run
load helpers
load gpu

setup_file() {
	need_root runc jq cc || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	have_root bookworm || return "$SKIPPED"
	export ROOT HOST=$BATS_FILE_TMPDIR
	gpu_host "$HOST" 535.261.03
	minors_swapped
	probe_build "$HOST/probes"
}

teardown_file() {
	[ -z "${HOST:-}" ] || gpu_clean "$HOST"
}

setup() {
	skip_file
	B=$BATS_TEST_TMPDIR/b
	bundle_make "$B" "$ROOT"
	probe_install "$HOST/probes" "$B/rootfs"
}

teardown() {
	[ -z "${B:-}" ] || bundle_clean "$B"
	[ -z "${HOST:-}" ] || rm -rf "$HOST"/host/proc/driver/nvidia/capabilities/gpu* "$HOST/host/run/inventory.json"
}

# minors_swapped: the driver has found the second GPU first, and DRM too.
minors_swapped() {
	local n info pci
	for n in 0 1; do
		info=$HOST/host/proc/driver/nvidia/gpus/$(fakehost_bdf "$n")/information
		sed -i "s/^Device Minor: .*/Device Minor: \t $((1 - n))/" "$info"
		pci=$HOST/host/sys/devices/pci0000:00/$(fakehost_bdf "$n")
		rm -r "$pci/drm"
		fakehost_drm "$pci" "card$((1 - n))" "$((1 - n))"
		fakehost_drm "$pci" "renderD$((129 - n))" "$((129 - n))"
	done
}

# add_major NAME: gives NAME a major that no driver here has.
add_major() {
	local major
	major=$(fakehost_free_major "$(($(awk '/^Block/ { exit } $1 + 0 > 383 { print $1 }' "$HOST/host/proc/devices" | sort -n | head -n 1) - 1))")
	sed -i "/^Block/i $major $1" "$HOST/host/proc/devices"
	printf '%d\n' "$major"
}

# nodes: a script that tells of each name below /dev its numbers and how it opens.
nodes() {
	printf 'cd /dev; for n in %s; do echo "$n $(/probe stat /dev/$n | cut -d" " -f2) $(/probe open /dev/$n)"; done;' "$*"
}

# with_host_files: runs a program where the host has udev's database, with udevd's socket beside it, and cuFile's settings.
with_host_files() {
	mkdir "$BATS_TEST_TMPDIR/etc"
	cp -a /etc/. "$BATS_TEST_TMPDIR/etc"
	echo '{"mark":"host"}' >"$BATS_TEST_TMPDIR/etc/cufile.json"
	unshare -m --propagation private sh -c 'mount --bind "$1" /etc && mount -t tmpfs tmpfs /run && mkdir -p /run/udev/data &&
		echo E:ID_FS_USAGE=filesystem >/run/udev/data/b259:1 && : >/run/udev/control || exit 99
		shift
		exec "$@"' sh "$BATS_TEST_TMPDIR/etc" "$@"
}


EXTRA='NVIDIA_GDS=enabled NVIDIA_MOFED=enabled NVIDIA_GDRCOPY=enabled NVIDIA_NVSWITCH=enabled'

@test "other drivers' devices: none on this host, and the container starts all the same" {
	# shellcheck disable=SC2086 # a list
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0 NVIDIA_DRIVER_CAPABILITIES=utility $EXTRA
	gpu_sh "$B" 'cd /dev; echo nvidia*; ls -d infiniband gdrdrv 2>&1 | grep -c "cannot access"'
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[0]}" = 'nvidia1 nvidiactl' ]
	[ "${lines[1]}" = 2 ]
	for name in GDS MOFED GDRCOPY NVSWITCH; do
		grep -q "NVIDIA_$name=enabled: this host has no /dev/" "$HOST/host/nvcoreos.log"
	done
}

@test "other drivers' devices: those that were asked for, with their numbers, and the host's files read-only" {
	host=$HOST/host fs=$(add_major nvidia-fs) gdr=$(add_major gdrdrv) switch=$(add_major nvidia-nvswitch) verbs=$(add_major infiniband_verbs)
	for n in 0 1; do
		fakehost_node "$host/dev/nvidia-fs$n" "$fs" "$n" 666
	done
	fakehost_node "$host/dev/gdrdrv" "$gdr" 0 666
	fakehost_node "$host/dev/nvidia-nvswitch0" "$switch" 0 666
	fakehost_node "$host/dev/nvidia-nvswitchctl" "$switch" 255 666
	# The kernel's numbers begin anywhere.
	fakehost_node "$host/dev/infiniband/uverbs0" "$verbs" 192 666
	fakehost_node "$host/dev/infiniband/umad0" "$verbs" 0 666
	fakehost_node "$host/dev/infiniband/rdma_cm" "$verbs" 77 666
	mkdir -p "$host/sys/class/infiniband_verbs/uverbs0" "$host/sys/class/misc/rdma_cm"
	echo "$verbs:192" >"$host/sys/class/infiniband_verbs/uverbs0/dev"
	echo "$verbs:77" >"$host/sys/class/misc/rdma_cm/dev"
	# shellcheck disable=SC2086 # a list
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0 NVIDIA_DRIVER_CAPABILITIES=utility $EXTRA
	gpu_sh "$B" "$(nodes 'nvidia-* infiniband/* gdrdrv')"'
		/probe mknod /tmp/n c '"$verbs"' 0; /probe open /tmp/n
		cat /etc/cufile.json /run/udev/data/b259:1; ls /run/udev
		for f in /etc/cufile.json /run/udev/data; do /probe flags $f; done
		/probe create /run/udev/data/x; true'
	run with_host_files "$NVCOREOS_BUILD/nvcoreos-runtime" --nvcoreos-config "$HOST/conf" --root "$B/state" run --no-new-keyring \
		--bundle "$B" "$(bundle_id "$B")"
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[0]}" = "nvidia-fs0 $fs:0 ENXIO" ]
	[ "${lines[1]}" = "nvidia-fs1 $fs:1 ENXIO" ]
	[ "${lines[2]}" = "nvidia-nvswitch0 $switch:0 ENXIO" ]
	[ "${lines[3]}" = "nvidia-nvswitchctl $switch:255 ENXIO" ]
	[ "${lines[4]}" = "infiniband/rdma_cm $verbs:77 ENXIO" ]
	[ "${lines[5]}" = "infiniband/uverbs0 $verbs:192 ENXIO" ]
	[ "${lines[6]}" = "gdrdrv $gdr:0 ENXIO" ]
	[ "${lines[7]}" = OK ]
	[ "${lines[8]}" = EPERM ]
	[ "${lines[9]}" = '{"mark":"host"}' ]
	[ "${lines[10]}" = E:ID_FS_USAGE=filesystem ]
	[ "${lines[11]}" = data ]
	for i in 12 13; do
		[[ ${lines[$i]} == *ro* && ${lines[$i]} == *nosuid* && ${lines[$i]} == *nodev* ]]
	done
	[ "${lines[14]}" = EROFS ]
	# Only what is asked for.
	bundle_env "$B" NVIDIA_GDS= NVIDIA_MOFED= NVIDIA_NVSWITCH=disabled
	gpu_sh "$B" 'cd /dev; echo nvidia* gdrdrv; ls -d infiniband /run/udev /etc/cufile.json 2>&1 | grep -c "cannot access"'
	# What an earlier start has made in the container's layer is gone with it.
	rm -rf "$B/rootfs/run/udev" "$B/rootfs/etc/cufile.json"
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[0]}" = 'nvidia1 nvidiactl gdrdrv' ]
	[ "${lines[1]}" = 3 ]
	# A node that is left from another boot is not given for the one that was asked for.
	fakehost_node "$host/dev/gdrdrv" "$gdr" 1 666
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"E25"*"/dev/gdrdrv is character device $gdr:1, must be $gdr:0"* ]]
	bundle_env "$B" NVIDIA_GDRCOPY=on
	run gpu_run "$HOST" "$B"
	[ "$status" = 1 ]
	[[ $output == *'E13'*'NVIDIA_GDRCOPY: on'* ]]
}

@test "graphics: nodes, links and EGL's profile of the GPU at that index, not of that minor" {
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0 NVIDIA_DRIVER_CAPABILITIES=graphics
	gpu_sh "$B" "$(nodes 'nvidia[0-9]* dri/[cr]*')"'
		for l in /dev/dri/by-path/*; do echo "$l $(readlink $l) $(/probe open $(realpath $l))"; done
		cat /etc/nvidia/nvidia-application-profiles-rc.d/10-container.conf; ls /dev/nvidia-modeset 2>&1 | grep -c "cannot access"'
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[0]}" = 'nvidia1 195:1 ENXIO' ]
	[[ ${lines[1]} == 'dri/card1 226:1 '* && ${lines[1]} != *EPERM ]]
	[[ ${lines[2]} == 'dri/renderD129 226:129 '* && ${lines[2]} != *EPERM ]]
	[[ ${lines[3]} == "/dev/dri/by-path/pci-$(fakehost_bdf 0)-card ../card1 "* && ${lines[3]} != *EPERM ]]
	[[ ${lines[4]} == "/dev/dri/by-path/pci-$(fakehost_bdf 0)-render ../renderD129 "* && ${lines[4]} != *EPERM ]]
	[ "$(jq -c '.profiles[0].settings' <<<"${lines[5]/0x2/2}")" = '["EGLVisibleDGPUDevices",2]' ]
	[ "${lines[6]}" = 1 ]
	# The same layer, another GPU: the profile is the new one's.
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=display
	gpu_sh "$B" 'grep -o 0x. /etc/nvidia/nvidia-application-profiles-rc.d/10-container.conf; ls /dev/dri/by-path | wc -l; /probe open /dev/nvidia-modeset'
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "${lines[0]}" = 0x3 ]
	[ "${lines[1]}" = 4 ]
	[ "${lines[2]}" = ENXIO ]
}

# archive_library DIR NAME SONAME
archive_library() {
	echo 'int nothing;' | cc -x c -shared -nostdlib -o "$1/$2" - "-Wl,-soname,$3"
}

@test "graphics: modules of the image's X server, libgbm's backend, Vulkan's and EGL's files, each where the image looks" {
	x=$BATS_TEST_TMPDIR/x v=535.261.03
	gpu_archives "$x" "$v"
	mkdir "$x/in" && tar -C "$x/in" -xf "$x/archives/libraries-$v.tar.gz"
	archive_library "$x/in" "libGLX_nvidia.so.$v" libGLX_nvidia.so.0
	archive_library "$x/in" "libEGL_nvidia.so.$v" libEGL_nvidia.so.0
	archive_library "$x/in" "libnvidia-allocator.so.$v" libnvidia-allocator.so.1
	archive_library "$x/in" "libglxserver_nvidia.so.$v" libglxserver_nvidia.so
	archive_library "$x/in" nvidia_drv.so nvidia_drv.so
	for name in nvidia_icd.json nvidia_layers.json 15_nvidia_gbm.json 10_nvidia_wayland.json 20_nvidia_xcb.json nvidia-drm-outputclass.conf; do
		echo "$name" >"$x/in/$name"
	done
	tar -C "$x/in" -czf "$x/archives/libraries-$v.tar.gz" .
	sed "s#^driver-store=.*#driver-store=$x/store#" "$HOST/conf" >"$x/conf"
	gpu_nvcoreos "$x" install "$x"/archives/{libraries,tools}-$v.tar.gz
	gpu_nvcoreos "$x" verify
	mkdir -p "$B/rootfs/usr/lib/xorg/modules/drivers"
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0 NVIDIA_DRIVER_CAPABILITIES=display
	gpu_sh "$B" 'for f in usr/lib/x86_64-linux-gnu/gbm/nvidia-drm_gbm.so usr/lib/xorg/modules/drivers/nvidia_drv.so \
		usr/lib/xorg/modules/extensions/libglxserver_nvidia.so; do od -An -c -j1 -N3 /$f; done
		cat /usr/share/vulkan/icd.d/* /usr/share/vulkan/implicit_layer.d/* /usr/share/egl/egl_external_platform.d/* /usr/share/X11/xorg.conf.d/*
		grep -c libEGL_nvidia.so.0 /usr/share/glvnd/egl_vendor.d/10_nvidia.json
		ls /usr/lib64/gbm /usr/lib64/xorg 2>&1 | grep -c "cannot access"; ldconfig -p | grep -c "glxserver\|nvidia_drv\|_gbm"; true'
	run gpu_run "$x" "$B"
	echo "$output"
	[ "$status" = 0 ]
	for i in 0 1 2; do
		[ "${lines[$i]// /}" = ELF ]
	done
	[ "${lines[*]:3:6}" = 'nvidia_icd.json nvidia_layers.json 10_nvidia_wayland.json 15_nvidia_gbm.json 20_nvidia_xcb.json nvidia-drm-outputclass.conf' ]
	[ "${lines[9]}" = 1 ]
	[ "${lines[10]}" = 2 ]
	[ "${lines[11]}" = 0 ]
	# No X server in the image: nothing for one.
	bundle_clean "$B"
	bundle_make "$B" "$ROOT"
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0 NVIDIA_DRIVER_CAPABILITIES=graphics
	gpu_sh "$B" 'ls /usr/lib/xorg /usr/lib64/xorg 2>&1 | grep -c "cannot access"'
	[ "$(gpu_run "$x" "$B")" = 2 ]
}

@test "graphics: a host's /dev as a volume keeps its links, and gets none" {
	mkdir -p "$B/vol-dev/dri/by-path"
	fakehost_node "$B/vol-dev/null" 1 3 666
	for n in nvidiactl nvidia1 dri/card1 dri/renderD129; do
		cp -a "$HOST/host/dev/$n" "$B/vol-dev/$n"
	done
	ln -s ../card1 "$B/vol-dev/dri/by-path/pci-$(fakehost_bdf 0)-card"
	bundle_jq "$B" 'del(.mounts[] | select(.destination | startswith("/dev")))'
	bundle_bind "$B" "$B/vol-dev" /dev
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0 NVIDIA_DRIVER_CAPABILITIES=graphics
	gpu_sh "$B" 'ls /dev/dri/by-path'
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$status" = 0 ]
	[ "$output" = "pci-$(fakehost_bdf 0)-card" ]
	grep -q "/dev/dri/by-path/pci-$(fakehost_bdf 0)-render is left out" "$HOST/host/nvcoreos.log"
}

@test "MIG: a device's capabilities; config and monitor only in privileged containers" {
	fakehost_mig "$HOST/host" 1 2 0
	fakehost_mig "$HOST/host" 1 3 0
	caps=$(awk '$2 == "nvidia-caps" { print $1 }' "$HOST/host/proc/devices")
	cap() {
		awk -v k="$1" '$1 == k { print $2 }' "$HOST/host/proc/driver/nvidia-caps/mig-minors"
	}
	gi=$(cap gpu1/gi3/access) ci=$(cap gpu1/gi3/ci0/access)
	# GPU 0 has minor 1.
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0:1 NVIDIA_DRIVER_CAPABILITIES=utility
	gpu_sh "$B" "$(nodes 'nvidia[0-9]* nvidia-caps/*')"'
		/probe mknod /tmp/n c '"$caps 1"'; /probe open /tmp/n; true'
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[0]}" = 'nvidia1 195:1 ENXIO' ]
	[ "$(printf '%s\n' "${lines[@]:1:2}" | sort)" = "$(printf '%s\n' "nvidia-caps/nvidia-cap$gi $caps:$gi ENXIO" "nvidia-caps/nvidia-cap$ci $caps:$ci ENXIO" | sort)" ]
	[ "${lines[3]}" = OK ]
	[ "${lines[4]}" = EPERM ]
	for name in CONFIG MONITOR; do
		bundle_env "$B" "NVIDIA_MIG_${name}_DEVICES=all"
		run gpu_run "$HOST" "$B"
		echo "$output"
		[ "$status" = 1 ]
		[[ $output == *"E17"*"NVIDIA_MIG_${name}_DEVICES=all"* ]]
		bundle_env "$B" "NVIDIA_MIG_${name}_DEVICES="
	done
	bundle_env "$B" NVIDIA_MIG_CONFIG_DEVICES=all NVIDIA_MIG_MONITOR_DEVICES=all
	bundle_jq "$B" '.process.capabilities |= with_entries(.value += ["CAP_SYS_ADMIN"])'
	gpu_sh "$B" 'for n in 1 2; do /probe open /dev/nvidia-caps/nvidia-cap$n; done; ls /dev/nvidia-caps | wc -l'
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[0]}" = ENXIO ]
	[ "${lines[1]}" = ENXIO ]
	# Who makes instances gets all that the GPU has: two of each kind.
	[ "${lines[2]}" = 6 ]
}

@test "IMEX channels: exactly those, by variable and by mount" {
	major=$(add_major nvidia-caps-imex-channels)
	for n in 0 7 9; do
		fakehost_node "$HOST/host/dev/nvidia-caps-imex-channels/channel$n" "$major" "$n" 666
	done
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0 NVIDIA_DRIVER_CAPABILITIES=utility NVIDIA_IMEX_CHANNELS=0,7
	gpu_sh "$B" "$(nodes 'nvidia-caps-imex-channels/*')"' /probe mknod /tmp/n c '"$major"' 9; /probe open /tmp/n; true'
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[0]}" = "nvidia-caps-imex-channels/channel0 $major:0 ENXIO" ]
	[ "${lines[1]}" = "nvidia-caps-imex-channels/channel7 $major:7 ENXIO" ]
	[ "${lines[3]}" = EPERM ]
	bundle_bind "$B" /dev/null /var/run/nvidia-container-devices/imex/9
	gpu_sh "$B" "$(nodes 'nvidia-caps-imex-channels/*')"
	run gpu_run "$HOST" "$B"
	[ "$output" = "nvidia-caps-imex-channels/channel9 $major:9 ENXIO" ]
}

@test "swarm's resources name GPUs" {
	bundle_env "$B" "DOCKER_RESOURCE_GPU=$(fakehost_uuid 1)" NVIDIA_DRIVER_CAPABILITIES=utility
	gpu_sh "$B" 'cd /dev; echo nvidia*'
	[ "$(gpu_run "$HOST" "$B")" = 'nvidia0 nvidiactl' ]
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=all
	[ "$(gpu_run "$HOST" "$B")" = 'nvidia0 nvidiactl' ]
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=void
	[ "$(gpu_run "$HOST" "$B")" = 'nvidia*' ]
}

@test "every form of NVIDIA_VISIBLE_DEVICES, where minors are not indices" {
	fakehost_mig "$HOST/host" 0 1 0
	mig=MIG-5e3a1c07-1111-4222-8333-944445555666
	cat >"$HOST/host/run/inventory.json" <<-EOF
		{"format":1,"driver":"535.261.03","gpus":[{"pci":"$(fakehost_bdf 1)","mig":[{"uuid":"$mig","index":0,"gi":1,"ci":0}]}]}
	EOF
	uuid=$(fakehost_uuid 0) short=$(fakehost_bdf 0)
	gpu_sh "$B" 'cd /dev; echo $(ls | grep "^nvidia[0-9]") $(ls nvidia-caps 2>/dev/null)'
	gi=$(awk '$1 == "gpu0/gi1/access" { print $2 }' "$HOST/host/proc/driver/nvidia-caps/mig-minors")
	part="nvidia0 nvidia-cap$gi nvidia-cap$((gi + 1))"
	while read -r value want; do
		bundle_env "$B" NVIDIA_VISIBLE_DEVICES="$value" NVIDIA_DRIVER_CAPABILITIES=utility
		run gpu_run "$HOST" "$B"
		echo "$value -> $output"
		[ "$status" = 0 ]
		[ "$output" = "$want" ]
	done <<-EOF
		0 nvidia1
		1 $part
		all nvidia0 nvidia1 ${part#* }
		none
		void
		$uuid nvidia1
		${uuid:0:12} nvidia1
		${uuid^^} nvidia1
		$short nvidia1
		0000$short nvidia1
		${short#*:} nvidia1
		1:0 $part
		$mig $part
		MIG-$(fakehost_uuid 1)/1/0 $part
		0,1:0 nvidia0 nvidia1 ${part#* }
		nvidia.com/gpu=0 nvidia1
	EOF
}
