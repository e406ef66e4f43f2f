#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A real dockerd with the runtime nvcoreos: run, stop and start, commit, read-only, user, exec.

load helpers
load gpu

setup_file() {
	need_root dockerd docker runc jq cc || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	# shellcheck source=tests/lib/dockerd.sh
	. "$NVC_LIB/dockerd.sh"
	dockerd_able || skip_or_fail 'no dockerd can run here' || return "$SKIPPED"
	have_root bookworm || return "$SKIPPED"
	export ROOT HOST=$BATS_FILE_TMPDIR/h
	mkdir -p "$HOST"
	gpu_host "$HOST" 535.261.03
	gpu_archives "$HOST" 550.163.01
	gpu_nvcoreos "$HOST" install "$HOST"/archives/{libraries,tools}-550.163.01.tar.gz
	probe_build "$HOST/probes"
	bundle_make "$HOST/image" "$ROOT"
	probe_install "$HOST/probes" "$HOST/image/rootfs"
	export DK=$BATS_FILE_TMPDIR/d
	# What "configure docker" puts on dockerd's PATH; it could not name this host's configuration.
	mkdir "$HOST/path"
	# shellcheck disable=SC2016 # for that script
	printf '#!/bin/bash\nexec -a "$0" "%s" --config "%s" "$@"\n' "$NVCOREOS_BUILD/nvcoreos-hook" "$HOST/conf" >"$HOST/path/nvidia-container-runtime-hook"
	chmod 755 "$HOST/path/nvidia-container-runtime-hook"
	PATH=$HOST/path:$PATH dockerd_start "$DK" "$NVCOREOS_BUILD/nvcoreos-runtime" --nvcoreos-config "$HOST/conf"
	docker_import_root "$HOST/image/rootfs" nvtest:1 -c 'ENV NVIDIA_VISIBLE_DEVICES=all'
	docker_import_root "$HOST/image/rootfs" plain:1
	docker run --rm --network none plain:1 true || skip_or_fail 'no plain container runs under Docker here' || return "$SKIPPED"
}

teardown_file() {
	[ -n "${DK:-}" ] || return 0
	# shellcheck source=tests/lib/dockerd.sh
	. "$NVC_LIB/dockerd.sh"
	dockerd_stop "$DK"
	bundle_clean "$HOST/image"
	gpu_clean "$HOST"
	cleanup_remove "$DK"
}

setup() {
	skip_file
}

gpu() {
	docker run --network none --runtime=nvcoreos "$@"
}

# gpus VALUE ARG...: docker run --gpus with Docker's own runtime: no shim.
gpus() {
	local value=$1
	shift
	docker run --network none --gpus "$value" "$@"
}

# The loaded module's version as the fake host tells it.
load_driver() {
	fakehost_version "$1" >"$HOST/host/proc/driver/nvidia/version"
}

@test "docker run --runtime=nvcoreos: the GPUs, the driver, nothing else" {
	run gpu --rm nvtest:1 sh -c 'ls /dev | grep nvidia | tr "\n" " "; /probe open /dev/nvidia0; /probe mknod /tmp/m c 10 229; /probe open /tmp/m; /probe-dl libcuda.so.1; nvidia-smi; echo $?'
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[0]}" = 'nvidia-uvm nvidia-uvm-tools nvidia0 nvidia1 nvidiactl ENXIO' ]
	[[ $output == *EPERM* ]]
	[[ $output == */usr/local/nvidia/lib64/libcuda.so* ]]
	[ "${lines[-1]}" = 9 ]
}

@test "an image that asks for nothing gets nothing" {
	run gpu --rm plain:1 sh -c 'ls /dev | grep -c nvidia; ls /usr/local'
	[ "${lines[0]}" = 0 ]
	[[ $output != *nvidia* ]]
	run docker run --rm --network none nvtest:1 sh -c 'ls /dev | grep -c nvidia'
	[ "$output" = 0 ]
}

@test "an error reaches the docker client in one line" {
	run gpu --rm -e NVIDIA_VISIBLE_DEVICES=9 nvtest:1 true
	echo "$output"
	[ "$status" != 0 ]
	[[ $output == *'E14: unknown GPU: '*9* ]]
}

@test "--read-only, --user with all capabilities dropped, --tmpfs, --pid host, --cgroupns private" {
	for options in '--read-only' '--user 1000:1000 --cap-drop ALL' '--tmpfs /tmp' '--pid host' '--cgroupns private' '--security-opt no-new-privileges'; do
		# shellcheck disable=SC2086 # options are words
		run gpu --rm $options nvtest:1 sh -c '/probe open /dev/nvidia0; /probe-dl libcuda.so.1'
		echo "$options: $output"
		[ "${lines[0]}" = ENXIO ]
		[[ ${lines[1]} == */usr/local/nvidia/lib64/* ]]
	done
}

@test "exec sees the GPU as the container's own program does" {
	id=$(gpu -d nvtest:1 sleep 60)
	run docker exec "$id" sh -c '/probe open /dev/nvidia1; /probe-dl libcuda.so.1; nvidia-smi >/dev/null; echo $?'
	echo "$output"
	docker rm -f "$id"
	[ "${lines[0]}" = ENXIO ]
	[[ ${lines[1]} == */usr/local/nvidia/lib64/* ]]
	[ "${lines[2]}" = 9 ]
}

@test "docker update keeps the GPU" {
	id=$(gpu -d nvtest:1 sleep 60)
	docker update --memory 256m --memory-swap 512m "$id"
	run docker exec "$id" /probe open /dev/nvidia0
	docker rm -f "$id"
	[ "$output" = ENXIO ]
}

@test "stop; nvcoreos use OTHER; start: the new driver instead of the old one" {
	id=$(gpu -d nvtest:1 sh -c 'strings() { grep -ao "sample driver [0-9.]*" "$1" || grep -aoE "(535.261.03|550.163.01)" "$1" | head -1; }
		for i in 1 2; do readlink -f $(/probe-dl libcuda.so.1 | grep -o "/usr[^ ]*" | head -1); done; sleep 60')
	sleep 0.5
	first=$(docker logs "$id")
	docker stop -t 0 "$id"
	load_driver 550.163.01
	gpu_nvcoreos "$HOST" use 550.163.01
	docker start "$id"
	sleep 0.5
	second=$(docker logs "$id" | tail -2)
	cache=$(docker exec "$id" sh -c 'ldconfig -p | grep -c "libcuda.so.1 .*/usr/local/nvidia"; ls /usr/local/nvidia/lib64 | grep "libcuda.so.[0-9]*\."; ls /etc/ld.so.conf.d | grep -c nvcoreos')
	docker rm -f "$id"
	load_driver 535.261.03
	gpu_nvcoreos "$HOST" use 535.261.03
	echo "$first / $second / $cache"
	[[ $first == *libcuda.so.535.261.03* ]]
	[[ $second == *libcuda.so.550.163.01* ]]
	[ "$(sed -n 1p <<<"$cache")" = 1 ]
	[ "$(sed -n 2p <<<"$cache")" = libcuda.so.550.163.01 ]
}

@test "a committed image runs elsewhere, and again here" {
	id=$(gpu -d nvtest:1 sleep 60)
	docker commit "$id" committed:1
	docker rm -f "$id"
	run docker run --rm --network none committed:1 sh -c 'ls /dev | grep -c nvidia; ls -A /usr/local/nvidia | wc -l; ldconfig && ls / >/dev/null && echo fine; /probe-dl libcuda.so.1 || echo gone'
	echo "$output"
	[ "${lines[0]}" = 0 ]
	[ "${lines[1]}" = 0 ]
	[ "${lines[2]}" = fine ]
	run gpu --rm committed:1 sh -c '/probe open /dev/nvidia0; /probe-dl libcuda.so.1'
	echo "$output"
	[ "${lines[0]}" = ENXIO ]
	[[ ${lines[1]} == */usr/local/nvidia/lib64/* ]]
}

@test "a restart does not make the container's layer grow" {
	id=$(gpu -d nvtest:1 sleep 60)
	docker diff "$id" | sort >"$BATS_TEST_TMPDIR/one"
	docker restart -t 0 "$id"
	docker restart -t 0 "$id"
	docker diff "$id" | sort >"$BATS_TEST_TMPDIR/three"
	docker rm -f "$id"
	cat "$BATS_TEST_TMPDIR/three"
	cmp "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/three"
}

@test "eight containers at once" {
	for i in $(seq 8); do
		gpu --rm nvtest:1 /probe open /dev/nvidia0 >"$BATS_TEST_TMPDIR/$i" 2>&1 &
	done
	wait
	[ "$(cat "$BATS_TEST_TMPDIR"/* | sort | uniq -c | tr -s ' ')" = ' 8 ENXIO' ]
}

@test "configure docker keeps what is in daemon.json, and takes itself out again" {
	local root=$BATS_TEST_TMPDIR/root json=$BATS_TEST_TMPDIR/root/etc/docker/daemon.json
	mkdir -p "$root/etc/docker"
	printf '{ "log-level": "warn",\n  "runtimes": {"other": {"path": "/bin/true"}} }\n' >"$json"
	cp "$json" "$BATS_TEST_TMPDIR/old"
	"$NVCOREOS_BUILD/nvcoreos" --root "$root" configure docker --dry-run
	cmp "$json" "$BATS_TEST_TMPDIR/old"
	"$NVCOREOS_BUILD/nvcoreos" --root "$root" configure docker
	[ "$(jq -r '.runtimes.nvcoreos.path' "$json")" = /opt/nvcoreos/bin/nvcoreos-runtime ]
	[ "$(jq -r '.runtimes.other.path' "$json")" = /bin/true ]
	"$NVCOREOS_BUILD/nvcoreos" --root "$root" configure docker --remove
	cmp "$json" "$BATS_TEST_TMPDIR/old"
}

@test "docker run --gpus, no shim: all, a number, an index, a UUID, two, capabilities" {
	# shellcheck disable=SC2016 # for the container's shell
	seen='echo $(ls /dev | grep nvidia) $(for n in /dev/nvidia*; do /probe open $n; done | sort -u) $(/probe mknod /tmp/n c 195 "$1" >/dev/null; /probe open /tmp/n); /probe-dl libnvidia-ml.so.1'
	uvm='nvidia-uvm nvidia-uvm-tools'
	# The images' own variable stands first; the last one holds.
	while IFS='|' read -r image value other want; do
		run gpus "$value" --rm "$image" sh -c "$seen" sh "$other"
		echo "$value, $image: $output"
		[ "$status" = 0 ]
		[ "${lines[0]}" = "$want" ]
		[[ ${lines[1]} == */usr/local/nvidia/lib64/* ]]
	done <<-EOF
		plain:1|all|254|$uvm nvidia0 nvidia1 nvidiactl ENXIO EPERM
		plain:1|1|1|$uvm nvidia0 nvidiactl ENXIO EPERM
		nvtest:1|device=1|0|$uvm nvidia1 nvidiactl ENXIO EPERM
		plain:1|device=$(fakehost_uuid 0)|1|$uvm nvidia0 nvidiactl ENXIO EPERM
		nvtest:1|"device=0,1"|254|$uvm nvidia0 nvidia1 nvidiactl ENXIO EPERM
		plain:1|"device=1","capabilities=utility"|0|nvidia1 nvidiactl ENXIO EPERM
		plain:1|all,"capabilities=compute,utility"|254|$uvm nvidia0 nvidia1 nvidiactl ENXIO EPERM
	EOF
}

@test "docker run --gpus: an unknown GPU is one error line at the client, and no container" {
	run gpus device=7 --rm plain:1 echo STARTED
	echo "$output"
	[ "$status" != 0 ]
	[[ $output == *'nvcoreos-hook: E14: unknown GPU: '*7* ]]
	[[ $output != *STARTED* ]]
}

@test "docker run --gpus: update, exec and restart keep the GPU; beside the shim nothing is done twice" {
	id=$(gpus device=1 -d plain:1 sleep 60)
	docker update --memory 256m --memory-swap 512m "$id"
	[ "$(docker exec "$id" /probe open /dev/nvidia1)" = ENXIO ]
	docker restart -t 0 "$id"
	[ "$(docker exec "$id" /probe open /dev/nvidia1)" = ENXIO ]
	docker rm -f "$id"
	run gpus device=1 --rm --runtime=nvcoreos nvtest:1 sh -c 'ls /dev | grep nvidia | tr "\n" " "; /probe open /dev/nvidia1; grep -c " /usr/local/nvidia " /proc/self/mountinfo'
	echo "$output"
	[ "${lines[0]}" = 'nvidia-uvm nvidia-uvm-tools nvidia1 nvidiactl ENXIO' ]
	[ "${lines[1]}" = 1 ]
}
