#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Containers under runc through nvcoreos-runtime: what they get, and what they do not.

load helpers
load gpu

setup_file() {
	need_root runc jq cc || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	have_root bookworm || return "$SKIPPED"
	export ROOT HOST=$BATS_FILE_TMPDIR
	gpu_host "$HOST" 535.261.03
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
}

@test "all: exactly the nodes, each opens with ENXIO, other devices with EPERM" {
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=all
	uvm=$(gpu_uvm "$HOST")
	gpu_sh "$B" 'cd /dev; for n in nvidia* ; do echo "$n $(/probe stat /dev/$n | cut -d" " -f1,2) $(/probe open /dev/$n)"; done
		/probe mknod /tmp/full c 1 7 && rm /tmp/full; /probe mknod /tmp/n c 195 2; /probe open /tmp/n
		/probe mknod /tmp/m c 10 229; /probe open /tmp/m; /probe mknod /tmp/sda b 8 0; /probe open /tmp/sda; /probe mknod /tmp/g c 195 254; /probe open /tmp/g; true'
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[0]}" = 'nvidia-uvm c '"$uvm:0"' ENXIO' ]
	[ "${lines[1]}" = 'nvidia-uvm-tools c '"$uvm:1"' ENXIO' ]
	[ "${lines[2]}" = 'nvidia0 c 195:0 ENXIO' ]
	[ "${lines[3]}" = 'nvidia1 c 195:1 ENXIO' ]
	[ "${lines[4]}" = 'nvidiactl c 195:255 ENXIO' ]
	[ "$(grep -c EPERM <<<"$output")" -ge 3 ]
	[[ ${lines[*]:5} != *ENXIO* ]]
}

@test "one index: that GPU alone; the other one is closed even with a node of its own" {
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=1
	gpu_sh "$B" 'ls /dev | grep nvidia | tr "\n" " "; /probe mknod /tmp/n c 195 0; /probe open /tmp/n; /probe open /dev/nvidia1'
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "${lines[0]}" = 'nvidia-uvm nvidia-uvm-tools nvidia1 nvidiactl OK' ]
	[ "${lines[1]}" = EPERM ]
	[ "${lines[2]}" = ENXIO ]
}

@test "uuid, pci address, two gpus, utility only, graphics" {
	for want in "$(fakehost_uuid 0)=nvidia-uvm nvidia-uvm-tools nvidia0 nvidiactl" "$(fakehost_bdf 1)=nvidia-uvm nvidia-uvm-tools nvidia1 nvidiactl" \
		"0,1=nvidia-uvm nvidia-uvm-tools nvidia0 nvidia1 nvidiactl"; do
		bundle_env "$B" NVIDIA_VISIBLE_DEVICES="${want%%=*}"
		gpu_sh "$B" 'ls /dev | grep nvidia | tr "\n" " " | sed "s/ $//"'
		[ "$(gpu_run "$HOST" "$B")" = "${want#*=}" ]
	done
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0 NVIDIA_DRIVER_CAPABILITIES=utility
	[ "$(gpu_run "$HOST" "$B")" = 'nvidia0 nvidiactl' ]
	bundle_env "$B" NVIDIA_DRIVER_CAPABILITIES=graphics
	gpu_sh "$B" 'cd /dev; ls -d nvidia* dri/* | tr "\n" " "'
	[ "$(gpu_run "$HOST" "$B")" = 'dri/by-path dri/card0 dri/renderD128 nvidia0 nvidiactl ' ]
}

@test "none: the driver, no GPU" {
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=none
	gpu_sh "$B" 'ls /dev | grep -c nvidia; /probe-dl libcuda.so.1'
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "${lines[0]}" = 0 ]
	[[ ${lines[1]} == */usr/local/nvidia/lib64/libcuda.so* ]]
}

@test "nvidia-smi is found by name, finds its library, and reaches the driver's door" {
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=all
	bundle_args "$B" nvidia-smi
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$status" = 9 ]
}

@test "mounts are read-only, nosuid, nodev; nodes noexec; nothing of the container can write them" {
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=all
	gpu_sh "$B" '/probe flags /usr/local/nvidia; /probe flags /usr/local/cuda; /probe create /usr/local/nvidia/x; /probe flags /dev/nvidia0'
	run gpu_run "$HOST" "$B"
	echo "$output"
	for i in 0 1; do
		[[ ${lines[$i]} == *ro* && ${lines[$i]} == *nosuid* && ${lines[$i]} == *nodev* ]]
	done
	[ "${lines[2]}" = EROFS ]
	[[ ${lines[3]} == *nosuid* && ${lines[3]} == *noexec* && ${lines[3]} != *nodev* ]]
}

@test "a container that asks for nothing: config.json byte-identical, nothing touched" {
	gpu_sh "$B" 'ls /dev | grep -c nvidia; ls /usr/local | tr "\n" " "; ls /etc/ld.so.conf.d | tr "\n" " "'
	for env in PATH=/usr/bin:/bin NVIDIA_VISIBLE_DEVICES=void NVIDIA_VISIBLE_DEVICES=; do
		bundle_env "$B" "$env"
		sha256sum "$B/config.json" >"$B/sum"
		run gpu_run "$HOST" "$B"
		echo "$output"
		[ "${lines[0]}" = 0 ]
		[[ $output != *nvidia* && $output != *nvcoreos* ]]
		sha256sum -c "$B/sum"
	done
}

@test "a value that is not understood: one error line that names it, no device, no container" {
	huge=$(head -c 49152 /dev/urandom | base64 -w0)
	for value in 7 ../../x "$huge" '0,7' 'GPU-ffffffff' '0 1' "$(printf '0\n1')" all,0 -1 4294967296 '$(id)' '%s%n' '0,,1'; do
		bundle_env "$B" NVIDIA_VISIBLE_DEVICES="$value"
		gpu_sh "$B" 'echo STARTED'
		run gpu_run "$HOST" "$B"
		echo "${value:0:40} -> ${output:0:300}"
		[ "$status" != 0 ]
		[ "${#lines[@]}" = 1 ]
		[[ ${lines[0]} =~ ^nvcoreos-runtime:\ E[0-9]{2}:\  ]]
		[[ $output != *STARTED* ]]
		[ "${#output}" -lt 2200 ]
	done
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=../../x
	run gpu_run "$HOST" "$B"
	[[ $output == *'../../x'* ]]
}

@test "a stale libcuda in the image never wins, before and after ldconfig and apt-get" {
	fakehost=$HOST
	gpu_archives "$BATS_TEST_TMPDIR/old" 470.1.1
	mkdir "$BATS_TEST_TMPDIR/x" && tar -C "$BATS_TEST_TMPDIR/x" -xf "$BATS_TEST_TMPDIR/old/archives/libraries-470.1.1.tar.gz"
	for place in usr/local/lib usr/lib/x86_64-linux-gnu usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v2; do
		mkdir -p "$B/rootfs/$place"
		cp "$BATS_TEST_TMPDIR"/x/libcuda.so.470.1.1 "$B/rootfs/$place/"
		ln -sf libcuda.so.470.1.1 "$B/rootfs/$place/libcuda.so.1"
	done
	"$NVC_LIB/mkdeb.sh" "$B/rootfs/tmp/x.deb"
	chroot "$B/rootfs" ldconfig
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=all
	gpu_sh "$B" '/probe-dl libcuda.so.1; ldconfig 2>&1; /probe-dl libcuda.so.1
		apt-get install -y /tmp/x.deb >/tmp/log 2>&1 || cat /tmp/log; /probe-dl libcuda.so.1'
	run gpu_run "$fakehost" "$B"
	echo "$output"
	[ "$status" = 0 ]
	[ "${#lines[@]}" = 3 ]
	for line in "${lines[@]}"; do
		[[ $line == */usr/local/nvidia/lib64/* ]]
	done
}

@test "the number of mounts does not depend on the number of libraries" {
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=none NVCOREOS_CUDA=none
	bundle_args "$B" /probe mounts
	plain=$(bundle_run "$B")
	few=$(gpu_run "$HOST" "$B")
	[ "$((few - plain))" = 1 ]
	big=$BATS_TEST_TMPDIR/big
	gpu_archives "$big" 535.261.03
	mkdir "$big/x" && tar -C "$big/x" -xf "$big/archives/libraries-535.261.03.tar.gz"
	for i in $(seq 60); do
		cp "$big/x/libcuda.so.535.261.03" "$big/x/libextra$i.so.535.261.03"
	done
	tar -C "$big/x" -czf "$big/archives/libraries-535.261.03.tar.gz" .
	sed "s#^driver-store=.*#driver-store=$big/store#" "$HOST/conf" >"$big/conf"
	gpu_nvcoreos "$big" install "$big"/archives/{libraries,tools}-535.261.03.tar.gz
	[ "$(gpu_run "$big" "$B")" = "$few" ]
}

@test "a second run on the same bundle leaves one copy of each edit" {
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=all
	bundle_args "$B" /bin/true
	gpu_run "$HOST" "$B"
	cp "$B/config.json" "$B/first"
	gpu_run "$HOST" "$B"
	gpu_run "$HOST" "$B"
	cmp "$B/config.json" "$B/first"
	[ "$(jq '[.hooks.prestart[] | select(.path | endswith("nvcoreos-hook"))] | length' "$B/config.json")" = 1 ]
	[ "$(jq '.hooks.prestart[0].env | length' "$B/config.json")" = 1 ]
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0
	gpu_run "$HOST" "$B"
	[ "$(jq '[.linux.resources.devices[] | select(.major == 195 and .minor == 1)] | length' "$B/config.json")" = 0 ]
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=void
	gpu_run "$HOST" "$B"
	[ "$(jq '[.linux.resources.devices[] | select(.major == 195)] | length' "$B/config.json")" = 0 ]
	[ "$(jq '.hooks.prestart // [] | length' "$B/config.json")" = 0 ]
}

@test "volumes over /etc and /usr/local: nothing of the host is written" {
	mkdir -p "$B/vol-etc" "$B/vol-local"
	cp -a "$B/rootfs/etc/." "$B/vol-etc"
	bundle_bind "$B" "$B/vol-etc" /etc
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=all NVCOREOS_CUDA=none
	find "$B/vol-etc" -printf '%p %T@ %i %s\n' | sort >"$B/before"
	gpu_sh "$B" '/probe-dl libcuda.so.1; echo "$LD_LIBRARY_PATH"'
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$status" = 0 ]
	[[ ${lines[0]} == */usr/local/nvidia/lib64/* ]]
	[[ ${lines[1]} == /usr/local/nvidia/lib64* ]]
	find "$B/vol-etc" -printf '%p %T@ %i %s\n' | sort >"$B/after"
	cmp "$B/before" "$B/after"
	bundle_bind "$B" "$B/vol-local" /usr/local
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$status" != 0 ]
	[[ $output == *E33*'/usr/local'* ]]
	[ -z "$(ls -A "$B/vol-local")" ]
	mkdir "$B/vol-local/nvidia"
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$status" = 0 ]
	[ -z "$(ls -A "$B/vol-local/nvidia")" ]
}

@test "a bind of the host's /dev is not written to" {
	mkdir "$B/vol-dev"
	fakehost_node "$B/vol-dev/null" 1 3 666
	bundle_jq "$B" 'del(.mounts[] | select(.destination | startswith("/dev")))'
	bundle_bind "$B" "$B/vol-dev" /dev
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0
	bundle_args "$B" /bin/true
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$status" != 0 ]
	[[ $output == *E33* ]]
	[ ! -e "$B/vol-dev/nvidia0" ]
}

# run_shim BUNDLE: without the private mount namespace that the helpers give a runtime, so that what leaks is seen.
run_shim() {
	"$NVCOREOS_BUILD/nvcoreos-runtime" --nvcoreos-config "$HOST/conf" --root "$1/state" run --no-new-keyring --bundle "$1" "$(bundle_id "$1")" </dev/null 3>&-
}

@test "a shared root does not leak mounts to the host" {
	mountpoint -q "$B/rootfs" || mount --bind "$B/rootfs" "$B/rootfs"
	mount --make-shared "$B/rootfs"
	bundle_jq "$B" '.linux.rootfsPropagation = "shared"'
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=all
	bundle_args "$B" /bin/true
	cat /proc/self/mountinfo >"$B/before"
	run_shim "$B"
	cat /proc/self/mountinfo >"$B/after"
	cmp "$B/before" "$B/after"
}

@test "links of the image into a volume with shared mounts do not lead mounts to the host" {
	mkdir "$B/vol"
	mount -t tmpfs tmpfs "$B/vol"
	mount --make-shared "$B/vol"
	mkdir -p "$B/vol/x/nvidia" "$B/vol/d"
	bundle_bind "$B" "$B/vol" /vol rshared
	bundle_jq "$B" '.linux.rootfsPropagation = "rshared"'
	rm -rf "$B/rootfs/usr/local" "$B/rootfs/dev"
	ln -s /vol/x "$B/rootfs/usr/local"
	ln -s vol/d "$B/rootfs/dev"
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=none NVCOREOS_CUDA=none
	bundle_args "$B" /bin/true
	run run_shim "$B"
	echo "$output"
	grep "$B/vol" /proc/self/mountinfo
	[ "$(grep -c "$B/vol" /proc/self/mountinfo)" = 1 ]
	[ -z "$(ls -A "$B/vol/x/nvidia")" ]
}

@test "a volume that a link of the image puts over /dev is not written to" {
	mkdir "$B/vol"
	mount -t tmpfs tmpfs "$B/vol"
	bundle_bind "$B" "$B/vol" /data
	ln -s /dev "$B/rootfs/data"
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0
	bundle_args "$B" /bin/true
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ -z "$(find "$B/vol" -name '*nvidia*')" ]
}

@test "directories that mode bits close to root, and a cache that is a device" {
	chmod 555 "$B/rootfs/usr/bin" "$B/rootfs/usr"
	chown 1000:1000 "$B/rootfs/etc" "$B/rootfs/etc/ld.so.conf.d" "$B/rootfs/usr/local"
	chmod 700 "$B/rootfs/usr/local"
	rm -f "$B/rootfs/etc/ld.so.cache"
	mknod -m 666 "$B/rootfs/etc/ld.so.cache" c 1 7
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0
	gpu_sh "$B" '/probe-dl libcuda.so.1; /probe stat /etc/ld.so.cache; readlink /usr/bin/nvidia-smi'
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$status" = 0 ]
	[[ ${lines[0]} == */usr/local/nvidia/lib64/* ]]
	[[ ${lines[1]} == f* ]]
	[ "${lines[2]}" = /usr/local/nvidia/bin/nvidia-smi ]
}

@test "a volume at /usr/local/cuda stays the user's" {
	mkdir "$B/mine"
	echo mine >"$B/mine/file"
	bundle_bind "$B" "$B/mine" /usr/local/cuda
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0
	gpu_sh "$B" 'cat /usr/local/cuda/file'
	[ "$(gpu_run "$HOST" "$B")" = mine ]
}

@test "a root that is read-only from the start: what cannot be written is left out" {
	mkdir -p "$B/rootfs/usr/local/nvidia"
	mountpoint -q "$B/rootfs" || mount --bind "$B/rootfs" "$B/rootfs"
	mount -o remount,bind,ro "$B/rootfs"
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0
	gpu_sh "$B" '/probe open /dev/nvidia0; ls /usr/local/nvidia/lib64 | grep -c libcuda'
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[0]}" = ENXIO ]
	[ "${lines[1]}" -ge 1 ]
}

@test "what runc takes from a container that asks for nothing, nvcoreos takes too" {
	bundle_args "$B" /bin/echo fine
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=void X=NVIDIA_VISIBLE_DEVICES MYCUDA_VERSION=1
	bundle_jq "$B" '.annotations = {"cdi.k8s.io/x": "acme.com/gizmo"}'
	sed -i 's/"acme.com.gizmo"/"a\\u0000b"/' "$B/config.json"
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$output" = fine ]
	bundle_hook "$B" createRuntime "$NVCOREOS_BUILD/nvcoreos-hook" --config /nowhere createRuntime
	run bundle_run "$B"
	echo "$output"
	[ "$output" = fine ]
}

@test "privileged: everything stays open, no rule is added" {
	bundle_jq "$B" '.linux.resources.devices = [{"allow": true, "access": "rwm"}]'
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0
	gpu_sh "$B" '/probe open /dev/nvidia0; /probe mknod /tmp/f c 1 7; /probe open /tmp/f'
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "${lines[0]}" = ENXIO ]
	[ "${lines[2]}" = OK ]
	[ "$(jq '.linux.resources.devices | length' "$B/config.json")" = 1 ]
}

@test "no device list at all: deny-all comes first, then ours" {
	bundle_jq "$B" 'del(.linux.resources.devices)'
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0 NVIDIA_DRIVER_CAPABILITIES=utility
	bundle_args "$B" /probe open /dev/nvidia0
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "${lines[0]}" = ENXIO ]
	[ "$(jq -c '.linux.resources.devices[0] | [.allow, .access]' "$B/config.json")" = '[false,"rwm"]' ]
	[ "$(jq '.linux.resources.devices | length' "$B/config.json")" = 3 ]
}

@test "the hook alone opens the device cgroup (v1) and leaves a container that asks for nothing alone" {
	bundle_hook "$B" createRuntime "$NVCOREOS_BUILD/nvcoreos-hook" --config "$HOST/conf" createRuntime
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=1
	gpu_sh "$B" '/probe open /dev/nvidia1; /probe mknod /tmp/n c 195 0; /probe open /tmp/n; /probe-dl libcuda.so.1'
	run bundle_run "$B"
	echo "$output"
	[ "${lines[0]}" = ENXIO ]
	[ "${lines[2]}" = EPERM ]
	[[ ${lines[3]} == */usr/local/nvidia/lib64/* ]]
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=void
	gpu_sh "$B" 'ls /dev | grep -c nvidia'
	run bundle_run "$B"
	[ "${lines[0]}" = 0 ]
}

@test "a hook of the engine's own beside the shim's: on cgroup v2 too the shim's rules hold, nothing is mounted twice" {
	bundle_hook "$B" createRuntime "$NVCOREOS_BUILD/nvcoreos-hook" --config "$HOST/conf" createRuntime
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0
	gpu_sh "$B" '/probe open /dev/nvidia0; grep -c " /usr/local/nvidia " /proc/self/mountinfo'
	CGROUP_VIEW=v2 run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[0]}" = ENXIO ]
	[ "${lines[1]}" = 1 ]
}

@test "the shim hands on file descriptors, environment and exit status" {
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=all
	gpu_sh "$B" 'cat <&3; exit 42'
	echo passed-on >"$B/fd3"
	run bash -c 'exec 3<"$1/fd3"; LISTEN_FDS=1 "$2/nvcoreos-runtime" --nvcoreos-config "$3/conf" --root "$1/state" run --no-new-keyring --preserve-fds 1 --bundle "$1" "$4"' \
		- "$B" "$NVCOREOS_BUILD" "$HOST" "$(bundle_id "$B")"
	echo "$output"
	[ "$status" = 42 ]
	[ "${lines[0]}" = passed-on ]
}

@test "options of the runtime reach the hook, relative paths too" {
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0
	bundle_args "$B" /probe open /dev/nvidia0
	cd "$HOST"
	run bundle_run "$B" "$NVCOREOS_BUILD/nvcoreos-runtime" --nvcoreos-config conf --nvcoreos-debug="debug.log"
	echo "$output"
	[ "$output" = ENXIO ]
	grep -q 'nvcoreos-hook.*driver 535.261.03' "$HOST/debug.log"
}

@test "all that a start did is in the log, in as few lines as hold it" {
	local start lines names
	start=$(echo "$HOST"/store/535.261.03/*/start.json)
	names=$(printf 'a-program-of-the-image-whose-name-is-rather-long-%02d\n' {1..60})
	cp "$start" "$BATS_TEST_TMPDIR/start.json"
	(cd "$B/rootfs/usr/bin" && xargs touch <<<"$names")
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0
	bundle_args "$B" /bin/true
	jq -c --arg names "$names" '.programs += [$names | split("\n")[] | { name: ., capability: "utility" }]' "$BATS_TEST_TMPDIR/start.json" >"$start"
	run gpu_run "$HOST" "$B"
	cp "$BATS_TEST_TMPDIR/start.json" "$start"
	echo "$output"
	[ "$status" = 0 ]
	lines=$(grep "nvcoreos-hook.*container $(bundle_id "$B"):" "$HOST/host/nvcoreos.log")
	echo "$lines" | cut -c1-120
	[ "$(wc -l <<<"$lines")" = 3 ]
	[ "$(grep -o "image's own /usr/bin/a-program[^ ]*" <<<"$lines" | sort -u | wc -l)" = 60 ]
	[[ $(head -1 <<<"$lines") == *': driver 535.261.03, '*' nodes. '* ]]
	[[ $lines != *'planned were'* ]]
}

@test "a broken configuration fails a GPU container only" {
	echo 'no-such-key=1' >"$BATS_TEST_TMPDIR/conf"
	bundle_args "$B" /bin/echo fine
	run bundle_run "$B" "$NVCOREOS_BUILD/nvcoreos-runtime" --nvcoreos-config "$BATS_TEST_TMPDIR/conf"
	[ "$status" = 0 ]
	[ "$output" = fine ]
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=all
	run bundle_run "$B" "$NVCOREOS_BUILD/nvcoreos-runtime" --nvcoreos-config "$BATS_TEST_TMPDIR/conf"
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == 'nvcoreos-runtime: E04: '*no-such-key* ]]
}

@test "the engine's log gets the error as JSON" {
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=7
	run bundle_run "$B" "$NVCOREOS_BUILD/nvcoreos-runtime" --nvcoreos-config "$HOST/conf" --log "$B/log.json" --log-format json
	[ "$status" = 1 ]
	[[ $(jq -r 'select(.level == "error") | .msg' "$B/log.json") == 'nvcoreos-runtime: E14: '* ]]
}

@test "user namespace: files belong to the container's root, nodes work" {
	# The mapped user must be able to come this far, which the directories of the test do not let it.
	U=$(mktemp -d /tmp/nvcoreos-userns.XXXXXX)
	chmod 755 "$U"
	bundle_clean "$B"
	B=$U/b
	bundle_make "$B" "$ROOT"
	probe_install "$HOST/probes" "$B/rootfs"
	bundle_userns "$B" 100000
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0
	gpu_sh "$B" '/probe open /dev/nvidia0; /probe stat /etc/ld.so.cache; /probe-dl libcuda.so.1; chown 1:1 /etc/ld.so.conf.d/00-nvcoreos.conf && echo mine'
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[0]}" = ENXIO ]
	[[ ${lines[1]} == f*' 0:0' ]]
	[[ ${lines[2]} == */usr/local/nvidia/lib64/* ]]
	[ "${lines[3]}" = mine ]
	bundle_clean "$B"
	rmdir "$U"
}

@test "CUDA: mounted where the image has none, behind its own; not where it has one" {
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=all
	gpu_sh "$B" '/probe-dl libcudart.so.12; cat /etc/ld.so.conf.d/zz-nvcoreos-cuda.conf | grep -v "^#"; ls /usr/local/cuda/bin'
	run gpu_run "$HOST" "$B"
	echo "$output"
	[[ ${lines[0]} == */usr/local/cuda/lib64/* ]]
	[ "${lines[1]}" = /usr/local/cuda/lib64 ]
	mkdir -p "$B/rootfs/usr/local/cuda/bin"
	echo own >"$B/rootfs/usr/local/cuda/bin/nvcc"
	gpu_sh "$B" 'cat /usr/local/cuda/bin/nvcc'
	[ "$(gpu_run "$HOST" "$B")" = own ]
	bundle_env "$B" NVCOREOS_CUDA=99.9
	run gpu_run "$HOST" "$B"
	[ "$status" = 1 ]
	[[ $output == *E18*99.9* ]]
}

@test "requirements are checked before anything is touched" {
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=0 'NVIDIA_REQUIRE_CUDA=cuda>=99.0'
	bundle_args "$B" /bin/true
	sha256sum "$B/config.json" >"$B/sum"
	run gpu_run "$HOST" "$B"
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *E16*'cuda>=99.0'* ]]
	sha256sum -c "$B/sum"
	bundle_env "$B" NVIDIA_DISABLE_REQUIRE=1
	gpu_run "$HOST" "$B"
}
