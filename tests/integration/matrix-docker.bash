# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154 # output and status are set by run
# Docker of a release, on a machine on which nvcoreos is installed and configured as README.md says, with each way of asking for a GPU;
# each container answers the same question. To be loaded after helpers, gpu, seen and engines.

# shellcheck source=tests/lib/dockerd.sh
. "$NVC_LIB/dockerd.sh"

UVM=(nvidia-uvm nvidia-uvm-tools)
ZERO=("${UVM[@]}" nvidia0 nvidiactl)
ONE=("${UVM[@]}" nvidia1 nvidiactl)
TWO=("${UVM[@]}" nvidia0 nvidia1 nvidiactl)

# --- the machine -------------------------------------------------------------

# matrix_able: or skips.
matrix_able() {
	need_root docker dockerd containerd runc jq cc nsenter && need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return
	dockerd_able || skip_or_fail 'no dockerd can run here' || return
	have_root bookworm
}

# matrix_setup: BASE and what engines_setup makes there, the image as a file, and the machine.
matrix_setup() {
	export ROOT
	engines_setup
	machine_make
	tar -C "$IMAGE" --one-file-system -cf "$BASE/image.tar" .
	inside /opt/nvcoreos/bin/nvcoreos cdi generate --output /etc/cdi/nvcoreos.yaml
	matrix_watch >"$BASE/before"
}

# machine_make: MACHINE, with an /etc of its own and nvcoreos in /opt, and DOCKERD_MOUNTS, where both stand in place of this machine's.
machine_make() {
	local tries=100
	export MACHINE=$BASE/machine MACHINE_PID DOCKERD_MOUNTS
	mkdir -p "$MACHINE/opt/nvcoreos/bin" "$MACHINE/usr/local/bin"
	cp -a /etc "$MACHINE/etc"
	rm -rf "$MACHINE/etc"/{docker,nvcoreos,cdi}
	mkdir "$MACHINE/etc/nvcoreos"
	install -m 755 "$NVCOREOS_BUILD"/nvcoreos{,-hook,-runtime} "$MACHINE/opt/nvcoreos/bin"
	sed 's#^hook-path=.*#hook-path=/opt/nvcoreos/bin/nvcoreos-hook#' "$HOST/conf" >"$MACHINE/etc/nvcoreos/nvcoreos.conf"
	# A process holds the mounts. A file could not always: Linux compares numbers to keep namespaces from holding each other, and since
	# 6.18 those of one processor are not in order with those of another.
	# shellcheck disable=SC2016 # for the inner shell
	unshare -m --propagation private sh -ec 'mount --bind "$1/etc" /etc
		mount --bind "$1/opt" /opt
		[ ! -d /run/cdi ] || mount -t tmpfs tmpfs /run/cdi
		: >"$1/ready"
		exec sleep infinity' sh "$MACHINE" </dev/null >/dev/null 3>&- &
	MACHINE_PID=$!
	DOCKERD_MOUNTS=/proc/$MACHINE_PID/ns/mnt
	until [ -e "$MACHINE/ready" ]; do
		tries=$((tries - 1))
		[ $tries != 0 ] && kill -0 "$MACHINE_PID" || return
		sleep 0.1
	done
}

# inside CMD...: a program where the machine is this one.
inside() {
	nsenter --mount="$DOCKERD_MOUNTS" "$@" </dev/null 3>&-
}

matrix_clean() {
	local dir
	[ -n "${BASE:-}" ] || return 0
	for dir in "$BASE"/docker-*/; do
		dockerd_stop "${dir%/}" || :
	done
	[ -z "${MACHINE_PID:-}" ] || cleanup_end "$MACHINE_PID" || :
	engines_clean
}

# What no container may change, seen from where the daemons are.
matrix_watch() {
	inside bash -c "$(declare -f engines_watch); engines_watch"
}

matrix_unchanged() {
	diff "$BASE/before" <(matrix_watch)
}

# --- Docker ------------------------------------------------------------------

# have_program RELEASE PACKAGE: puts its programs first in PATH, or skips with what the archive says. PROGRAMS is where they lie.
have_program() {
	PROGRAMS=$("$NVC_LIB/debprogram.sh" "$1" "$2" 2>"$BATS_TEST_TMPDIR/why") ||
		skip_or_fail "no $2 of $1 here: $(tail -n 1 "$BATS_TEST_TMPDIR/why")"
	PATH=$PROGRAMS/usr/sbin:$PROGRAMS/usr/bin:$PATH
}

# have_docker RELEASE: daemon, client and containerd of that release; "installed" are this machine's. To ask the archive takes a while,
# so it is asked once.
have_docker() {
	[ "$1" != installed ] || return 0
	if [ -e "$BASE/path-$1" ]; then
		PATH=$(cat "$BASE/path-$1")
		return
	fi
	have_program "$1" containerd
	have_program "$1" docker.io
	# Until Debian 12 the client came with it.
	[ -x "$PROGRAMS/usr/bin/docker" ] || have_program "$1" docker-cli
	printf '%s\n' "$PATH" >"$BASE/path-$1"
}

# docker_start DIR [OPTION...]: the dockerd in PATH, as `nvcoreos configure docker` with these options sets it up, with the image
# seen:1, and asks:1, which asks for all GPUs and is otherwise the same.
docker_start() {
	local dir=$1
	shift
	mkdir "$dir"
	rm -rf "$MACHINE/etc/docker"
	"$NVCOREOS_BUILD/nvcoreos" --root "$MACHINE" configure docker "$@"
	cp "$MACHINE/etc/docker/daemon.json" "$dir"
	PATH=$MACHINE/usr/local/bin:$PATH dockerd_start "$dir"
	docker import -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$BASE/image.tar" seen:1
	docker commit -c 'ENV NVIDIA_VISIBLE_DEVICES=all' "$(docker create seen:1 /seen)" asks:1
	docker run --rm --network none seen:1 true || skip_or_fail 'no plain container runs under Docker here'
}

# docker_of RELEASE: that one, with `configure docker --cdi`; it goes on for the tests that follow.
docker_of() {
	local dir=$BASE/docker-$1
	have_docker "$1"
	if [ -e "$dir" ]; then
		export DOCKER_HOST=unix://$dir/s DOCKER_CONFIG=$dir/client
	else
		docker_start "$dir" --cdi
	fi
	docker version --format 'docker {{.Client.Version}}, dockerd {{.Server.Version}}'
	containerd --version
	runc --version
}

# docker_knows_cdi: what the daemon says of itself.
docker_knows_cdi() {
	docker info --format '{{json .}}' | jq -e '.CDISpecDirs // [] | length > 0'
}

# --- ways of asking ----------------------------------------------------------

# ask OTHER ARG...: docker run; OTHER is a node of the host that it is given to try, and did not ask for.
ask() {
	local other=$1
	shift
	echo "--- $*"
	run docker run --rm --network none -v "$HOST/host/dev/$other:/other" "$@"
	echo "$output"
}

# gets FILTER NODE...: the last one answered as every other container does that was given these nodes.
gets() {
	local filter=$1
	shift
	[ "$status" = 0 ]
	diff <(seen_expected EPERM "$@" | "$filter") - <<<"$output"
}

# The nodes of a specification are made by the engine's own runtime, in the container's /dev.
as_cdi() {
	sed 's/^node .*/node rw,nosuid/'
}

NO_CUDA='libcuda.so.1: cannot open shared object file: No such file or directory'

# What computes is not there.
as_utility() {
	sed "s/^\(loader\|ldconfig 0\) driver\$/\1 $NO_CUDA/; s/^\(.*nvcoreos-cuda.conf\) .*/\1 ENOENT/"
}

as_cdi_utility() {
	as_cdi | as_utility
}

gets_nothing() {
	[ "$status" = 0 ]
	diff - <(echo "${output// $'\n'/$'\n'}") <<-EOF
		nodes
		open
		other EPERM
		loader $NO_CUDA
		/etc/ld.so.cache f 644 0:0
		/etc/ld.so.conf.d/00-nvcoreos.conf ENOENT
		/etc/ld.so.conf.d/zz-nvcoreos-cuda.conf ENOENT
		/usr/bin/nvidia-smi ENOENT
		mounted 0
		driver ENOENT
		node ENOENT
		ldconfig 0 $NO_CUDA
		nvidia-smi 127
	EOF
}

# refused SENTENCE ARG...: an error at the client, and no container.
refused() {
	local sentence=$1
	shift
	echo "--- $*"
	run docker run --rm --network none "$@" seen:1 echo STARTED
	echo "$output"
	[ "$status" != 0 ]
	[[ $output == *"$sentence"* ]]
	[[ $output != *STARTED* ]]
}

by_runtime() {
	ask nvidia-modeset --runtime=nvcoreos asks:1 /seen
	gets cat "${TWO[@]}"
	ask nvidia0 --runtime=nvcoreos -e NVIDIA_VISIBLE_DEVICES=1 asks:1 /seen
	gets cat "${ONE[@]}"
	ask nvidia0 --runtime=nvcoreos -e NVIDIA_VISIBLE_DEVICES="$(fakehost_uuid 1)" -e NVIDIA_DRIVER_CAPABILITIES=utility seen:1 /seen
	gets as_utility nvidia1 nvidiactl
	refused 'nvcoreos-runtime: E14: unknown GPU: ' --runtime=nvcoreos -e NVIDIA_VISIBLE_DEVICES=7
	matrix_unchanged
}

# by_gpus: through the hook's alias; under our runtime too, where no mount point may stand twice.
by_gpus() {
	local twice='/seen; cut -d" " -f5 /proc/self/mountinfo | sort | uniq -d'
	ask nvidia-modeset --gpus all seen:1 /seen
	gets cat "${TWO[@]}"
	ask nvidia1 --gpus 1 seen:1 /seen
	gets cat "${ZERO[@]}"
	ask nvidia0 --gpus device=1 asks:1 /seen
	gets cat "${ONE[@]}"
	ask nvidia-modeset --gpus '"device=0,1"' seen:1 /seen
	gets cat "${TWO[@]}"
	ask nvidia0 --gpus "device=$(fakehost_uuid 1)" seen:1 /seen
	gets cat "${ONE[@]}"
	ask nvidia0 --gpus '"device=1","capabilities=utility"' seen:1 /seen
	gets as_utility nvidia1 nvidiactl
	ask nvidia-modeset --gpus 'all,"capabilities=compute,utility"' seen:1 /seen
	gets cat "${TWO[@]}"
	ask nvidia0 --gpus device=1 --runtime=nvcoreos asks:1 sh -c "$twice"
	gets cat "${ONE[@]}"
	refused 'nvcoreos-hook: E14: unknown GPU: ' --gpus device=7
	matrix_unchanged
}

# by_cdi: with Docker's own runtime; under ours too, where no mount point may stand twice.
by_cdi() {
	local gpu=nvidia.com/gpu twice='/seen; cut -d" " -f5 /proc/self/mountinfo | sort | uniq -d'
	ask nvidia0 --device $gpu=1 seen:1 /seen
	gets as_cdi "${ONE[@]}"
	ask nvidia0 --device "$gpu=$(fakehost_uuid 1)" asks:1 /seen
	gets as_cdi "${ONE[@]}"
	ask nvidia-modeset --device $gpu=0 --device $gpu=1 seen:1 /seen
	gets as_cdi "${TWO[@]}"
	ask nvidia-modeset --device $gpu=all seen:1 /seen
	gets as_cdi "${TWO[@]}"
	ask nvidia0 --device $gpu=1-utility seen:1 /seen
	gets as_cdi_utility nvidia1 nvidiactl
	ask nvidia0 --device $gpu=1 --runtime=nvcoreos asks:1 sh -c "$twice"
	gets as_cdi "${ONE[@]}"
	ask nvidia-modeset --device $gpu=all --runtime=nvcoreos seen:1 sh -c "$twice"
	gets as_cdi "${TWO[@]}"
	refused 'unresolvable CDI devices nvidia.com/gpu=7' --device $gpu=7
	matrix_unchanged
}

# no_cdi: where Docker has none, the client or the daemon says so, each in its own words.
no_cdi() {
	refused '' --device nvidia.com/gpu=1
	[[ $output == *'nvidia.com/gpu=1 is not an absolute path'* || $output == *'could not select device driver "cdi"'* ]]
	refused '' --device nvidia.com/gpu=1 --runtime=nvcoreos
	matrix_unchanged
}

# asks_nothing: our runtime and nobody who asks; somebody who asks, and Docker's own runtime.
asks_nothing() {
	ask nvidia0 --runtime=nvcoreos seen:1 /seen
	gets_nothing
	ask nvidia0 --runtime=nvcoreos -e NVIDIA_VISIBLE_DEVICES=void asks:1 /seen
	gets_nothing
	ask nvidia0 asks:1 /seen
	gets_nothing
	matrix_unchanged
}
