# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154 # output and status are set by run
# Releases of containerd, each on a host of its own with the GPUs of engines.bash, configured by the real `nvcoreos configure containerd`,
# and the ways to ask it for a GPU. To be loaded after helpers, gpu, seen and engines.
# shellcheck source=tests/lib/containerd.sh
. "$NVC_LIB/containerd.sh"
# shellcheck source=tests/lib/cri.sh
. "$NVC_LIB/cri.sh"

ONE=(nvidia-uvm nvidia-uvm-tools nvidia1 nvidiactl)
TWO=(nvidia-uvm nvidia-uvm-tools nvidia0 nvidia1 nvidiactl)

# ctrd_setup: engines_setup and the images; ROOT is the root they are made of.
ctrd_setup() {
	engines_setup && ctrd_images
}

# ctrd_clean: ends what still runs, on every host.
ctrd_clean() {
	local dir rc=0
	for dir in "${BASE:-/nowhere}"/on-*; do
		[ ! -d "$dir" ] || containerd_stop "$dir" || rc=1
	done
	engines_clean || rc=1
	return $rc
}

# --- images ------------------------------------------------------------------

# ctrd_image NAME CONFIG: an image of the one layer.
ctrd_image() {
	jq -n --arg sum "$LAYER" --arg arch "$(dpkg --print-architecture)" --argjson config "$2" \
		'{architecture: $arch, os: "linux", rootfs: {type: "layers", diff_ids: [$sum]},
		config: ($config | .Env += ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"])}' >"$BASE/image/$1.json"
}

# An archive as docker save makes it. seen: the root that every engine gets; asks: the image itself asks for all GPUs; pause: what pods
# are made of, and it asks too, which nobody is to hear.
ctrd_images() {
	local LAYER dir=$BASE/image
	# shellcheck disable=SC2153 # of engines_setup
	tar -C "$IMAGE" --one-file-system -cf "$dir/layer.tar" . && LAYER=sha256:$(sha256sum "$dir/layer.tar" | cut -d' ' -f1) &&
		ctrd_image seen '{}' && ctrd_image asks '{"Env": ["NVIDIA_VISIBLE_DEVICES=all"]}' &&
		ctrd_image pause '{"Env": ["NVIDIA_VISIBLE_DEVICES=all"], "Entrypoint": ["/bin/sleep", "infinity"]}' || return
	jq -n '[$ARGS.positional[] | {Config: "\(.).json", RepoTags: ["localhost/\(.):1"], Layers: ["layer.tar"]}]' \
		--args seen asks pause >"$dir/manifest.json" &&
		tar -C "$dir" -cf "$BASE/image.tar" manifest.json seen.json asks.json pause.json layer.tar && rm "$dir/layer.tar"
}

# ctrd_import DIR: the images of a host, once; pods are made of pause, under the name that its containerd looks for.
ctrd_import() {
	local name tries=100
	name=$(containerd_in "$1" containerd config dump 2>/dev/null | sed -n "s/^ *sandbox\(_image\)\{0,1\} = ['\"]\(.*\)['\"]\$/\2/p")
	[ -e "$1/imported" ] || containerd_ctr "$1" image import "$BASE/image.tar" >"$1/imported" || return
	containerd_ctr "$1" image tag --force localhost/pause:1 "$name" >/dev/null || return
	# What serves Kubernetes hears of it a little later.
	until cri ImageStatus "image { image: \"$name\" }" | grep -q sha256:; do
		tries=$((tries - 1))
		[ $tries != 0 ] || return
		sleep 0.1
	done
}

# --- hosts -------------------------------------------------------------------

# ctrd_programs RELEASE: where its package is unpacked; nothing for "installed", the machine's own. Asked once.
ctrd_programs() {
	local found=$BASE/programs-$1
	[ "$1" != installed ] || return 0
	[ -s "$found" ] || "$NVC_LIB/debprogram.sh" "$1" containerd >"$found" || return
	cat "$found"
}

# ctrd_host DIR RELEASE: a host where nvcoreos is installed and containerd has no file yet.
ctrd_host() {
	local programs
	programs=$(ctrd_programs "$2") && mkdir -p "$1" && containerd_host "$1" "$programs" || return
	mkdir -p "$1/opt/nvcoreos/bin" "$1"/etc/own/{nvcoreos,containerd,cdi}
	[ -z "$programs" ] || cp "$programs/etc/containerd/config.toml" "$1/packaged.toml" || return
	install -m 755 "$NVCOREOS_BUILD"/nvcoreos{,-hook,-runtime} "$1/opt/nvcoreos/bin" &&
		grep -vE '^(hook-path|libexec-dir)=' "$HOST/conf" >"$1/etc/own/nvcoreos/nvcoreos.conf"
}

# ctrd_configure DIR FILE OPTION...: what `nvcoreos configure containerd OPTION...` makes of FILE, or of containerd's own default one.
ctrd_configure() {
	local dir=$1 from=$2 file=$1/etc/own/containerd/config.toml
	shift 2
	rm -rf "$dir/etc/own/nvcoreos/nvcoreos.conf.d"
	if [ "$from" = default ]; then
		containerd_host_run "$dir" containerd config default >"$file"
	else
		cp "$from" "$file"
	fi && containerd_host_run "$dir" /opt/nvcoreos/bin/nvcoreos configure containerd "$@" >"$dir/configured" || return
	# A pod wants a better score than its parent's when memory is short, which takes CAP_SYS_RESOURCE; without, it has to do with that.
	if grep -q restrict_oom_score_adj "$file"; then
		sed -i 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' "$file"
	else
		sed -i 's/^ *\[plugins."io.containerd.grpc.v1.cri"\]$/&\nrestrict_oom_score_adj = true/' "$file"
	fi
}

# ctrd_use RELEASE FILE OPTION...: D, the host of that release, with its containerd running as ctrd_configure says.
ctrd_use() {
	local release=$1
	shift
	D=$BASE/on-$release
	CRI_SOCKET=$D/s CRI_DIR=$D/logs CRI_CGROUP=$(containerd_cgroup "$D")
	export D CRI_SOCKET CRI_DIR CRI_CGROUP
	[ -d "$D" ] || ctrd_host "$D" "$release" || return
	if [ "$(cat "$D/asked" 2>/dev/null)" != "$*" ]; then
		containerd_stop "$D" && rm -f "$D/asked" && ctrd_configure "$D" "$@" && containerd_start "$D" && ctrd_import "$D" &&
			containerd_in "$D" /opt/nvcoreos/bin/nvcoreos --quiet cdi generate --output /etc/cdi/nvcoreos.yaml &&
			printf '%s\n' "$*" >"$D/asked" || return
	fi
	containerd_in "$D" containerd --version
}

# ctrd_has_cdi: whether containerd of D knows it at all.
ctrd_has_cdi() {
	containerd_in "$D" containerd config default | grep -q enable_cdi
}

# --- questions ---------------------------------------------------------------

# by_ctr ARG...: ctr run, to its end.
by_ctr() {
	containerd_ctr "$D" run --rm --cgroup "/$CRI_CGROUP/$RANDOM" "$@"
}

# Mounts: a node that the container is not given, and one of a device plugin's list.
other() {
	cri_mount "$HOST/host/dev/${1:-nvidia0}" /other
}

listed() {
	cri_mount /dev/null "/var/run/nvidia-container-devices/$1"
}

# is_seen NODE...: the container of run has seen these and nothing else; is_seen_cdi: but for the nodes' mounts, which are the engine's own.
is_seen() {
	echo "$output"
	[ "$status" = 0 ] && seen_same "$output" EPERM "$@"
}

is_seen_cdi() {
	echo "$output"
	[ "$status" = 0 ] && diff <(seen_expected EPERM "$@" | sed '/^node /d') <(sed '/^node /d' <<<"$output")
}

# is_nothing: it has seen none of it.
is_nothing() {
	echo "$output"
	[ "$status" = 0 ] && [[ $output == *$'\nmounted 0\n'*$'\nnvidia-smi 127' ]] && [[ ${lines[0]} =~ ^nodes\ *$ ]]
}

# pod_config: the config.json of POD, with nothing in it that only this one has.
pod_config() {
	jq -S . "$D/state/io.containerd.runtime.v2.task/k8s.io/$POD/config.json" | sed "s/$POD/POD/g; s/$POD_NAME/NAME/g"
}

# --- the ways, each in one release -------------------------------------------

ctr_by_environment() {
	local ours=(--runc-binary /opt/nvcoreos/bin/nvcoreos-runtime)
	ctrd_use "$1" default --cdi
	run by_ctr "${ours[@]}" --env NVIDIA_VISIBLE_DEVICES=1 --mount "type=bind,src=$HOST/host/dev/nvidia0,dst=/other,options=rbind" \
		localhost/seen:1 "env-$RANDOM" /seen
	is_seen "${ONE[@]}"
	run by_ctr "${ours[@]}" --mount "type=bind,src=$HOST/host/dev/nvidia-modeset,dst=/other,options=rbind" \
		localhost/asks:1 "image-$RANDOM" /seen
	is_seen "${TWO[@]}"
	run by_ctr "${ours[@]}" --annotation cdi.k8s.io/a=nvidia.com/gpu=1 --mount "type=bind,src=$HOST/host/dev/nvidia0,dst=/other,options=rbind" \
		localhost/seen:1 "annotation-$RANDOM" /seen
	is_seen "${ONE[@]}"
	run by_ctr localhost/asks:1 "plain-$RANDOM" /seen
	is_nothing
}

ctr_by_cdi() {
	ctrd_use "$1" default --cdi
	run by_ctr --device nvidia.com/gpu=1 --mount "type=bind,src=$HOST/host/dev/nvidia0,dst=/other,options=rbind" \
		localhost/asks:1 "cdi-$RANDOM" /seen
	is_seen_cdi "${ONE[@]}"
	run by_ctr --runc-binary /opt/nvcoreos/bin/nvcoreos-runtime --device nvidia.com/gpu=1 \
		--mount "type=bind,src=$HOST/host/dev/nvidia0,dst=/other,options=rbind" localhost/seen:1 "cdi-$RANDOM" /seen
	is_seen_cdi "${ONE[@]}"
}

cri_by_environment() {
	ctrd_use "$1" default --cdi
	run cri_run nvcoreos localhost/seen:1 "$(cri_env NVIDIA_VISIBLE_DEVICES=1) $(other)" /seen
	is_seen "${ONE[@]}"
	run cri_run nvcoreos localhost/asks:1 "$(other nvidia-modeset)" /seen
	is_seen "${TWO[@]}"
	# What the pod says stands behind what the image says.
	run cri_run nvcoreos localhost/asks:1 "$(cri_env NVIDIA_VISIBLE_DEVICES=none)" /seen
	[[ ${lines[0]} =~ ^nodes\ *$ ]]
	run cri_run "" localhost/asks:1 "" /seen
	is_nothing
	run cri_run nvcoreos localhost/seen:1 "$(cri_env NVIDIA_VISIBLE_DEVICES=7)" echo STARTED
	echo "$output"
	[ "$status" = 125 ]
	[[ $output == *'nvcoreos-runtime: E14: unknown GPU: '*7* && $output != *STARTED* ]]
}

# cri_by FIELDS...: containers that ask in this way for GPU 1, under either runtime, and of an image that asks for all.
cri_by() {
	local handler image
	for handler in runc nvcoreos; do
		for image in seen asks; do
			echo "--- $handler, $image"
			run cri_run $handler localhost/$image:1 "$* $(other)" /seen
			is_seen_cdi "${ONE[@]}"
		done
	done
}

cri_by_cdi_field() {
	local hooks
	ctrd_use "$1" default --cdi
	cri_by "$(cri_cdi nvidia.com/gpu=1)"
	run cri_run runc localhost/seen:1 "$(cri_cdi nvidia.com/gpu=0 nvidia.com/gpu=1) $(other nvidia-modeset)" /seen
	is_seen_cdi "${TWO[@]}"
	# The runtime leaves all of it to the specification's hook.
	cri_sandbox nvcoreos
	cri_container localhost/asks:1 "$(cri_cdi nvidia.com/gpu=1)" sleep 100
	hooks=$(jq -c '.hooks | map_values(map(.path))' "$D/state/io.containerd.runtime.v2.task/k8s.io/$CONTAINER/config.json")
	cri_end
	[ "$hooks" = '{"createRuntime":["/opt/nvcoreos/bin/nvcoreos-hook"]}' ]
	# A device plugin may ask both ways.
	run cri_run nvcoreos localhost/seen:1 "$(cri_cdi nvidia.com/gpu=1) $(listed 1) $(other)" /seen
	is_seen_cdi "${ONE[@]}"
	run cri_run runc localhost/seen:1 "$(cri_cdi nvidia.com/gpu=7)" /seen
	echo "$output"
	[ "$status" = 125 ]
	[[ $output == *nvidia.com/gpu=7* ]]
}

cri_by_cdi_annotation() {
	ctrd_use "$1" default --cdi
	cri_by "$(cri_annotation cdi.k8s.io/a=nvidia.com/gpu=1)"
	run cri_run runc localhost/seen:1 "$(cri_annotation cdi.k8s.io/a=nvidia.com/gpu=0 cdi.k8s.io/b=nvidia.com/gpu=1) $(other nvidia-modeset)" /seen
	is_seen_cdi "${TWO[@]}"
}

# Where containerd knows no CDI, it hands nothing on either.
cri_cdi_unknown() {
	local fields
	ctrd_use "$1" default --cdi
	for fields in "$(cri_cdi nvidia.com/gpu=1)" "$(cri_annotation cdi.k8s.io/a=nvidia.com/gpu=1)"; do
		run cri_run nvcoreos localhost/seen:1 "$fields" /seen
		is_nothing
	done
}

# As NVIDIA's device plugin has it: a mount for each GPU, and an environment that names the directory.
cri_by_mounts() {
	ctrd_use "$1" default --cdi
	run cri_run nvcoreos localhost/asks:1 \
		"$(cri_env NVIDIA_VISIBLE_DEVICES=/var/run/nvidia-container-devices) $(listed "$(fakehost_uuid 1)") $(other)" /seen
	is_seen "${ONE[@]}"
	run cri_run nvcoreos localhost/seen:1 "$(listed 0) $(listed 1) $(other nvidia-modeset)" /seen
	is_seen "${TWO[@]}"
}

cri_as_default() {
	ctrd_use "$1" default --cdi --set-as-default
	run cri_run "" localhost/asks:1 "" /seen
	is_nothing
	run cri_run "" localhost/seen:1 "$(cri_env NVIDIA_VISIBLE_DEVICES=all)" /seen
	is_nothing
	run cri_run nvcoreos localhost/asks:1 "" /seen
	is_nothing
	run cri_run "" localhost/asks:1 "$(listed "$(fakehost_uuid 1)") $(other)" /seen
	is_seen "${ONE[@]}"
	if ctrd_has_cdi; then
		run cri_run "" localhost/asks:1 "$(cri_cdi nvidia.com/gpu=1) $(other)" /seen
		is_seen_cdi "${ONE[@]}"
	fi
	CRI_PRIVILEGED=true
	run cri_run "" localhost/asks:1 "" /seen
	echo "$output"
	# A privileged container may open what it likes.
	[ "$status" = 0 ]
	seen_same "$output" - "${TWO[@]}"
}

# A host without any GPU, with containers that ask for one all the same.
cri_no_gpu() {
	local conf=$BASE/on-$1/etc/own/nvcoreos/nvcoreos.conf
	ctrd_use "$1" default --cdi --set-as-default
	mkdir -p "$BASE/bare/proc" "$BASE/bare/sys/bus/pci/devices" "$BASE/bare/dev"
	cp "$conf" "$BASE/conf-before"
	sed -i "s#=$HOST/host/\(proc\|sys\|dev\)\$#=$BASE/bare/\1#" "$conf"
	run cri_run "" localhost/asks:1 "$(listed all)" /seen
	cp "$BASE/conf-before" "$conf"
	is_nothing
}

cri_sandbox_untouched() {
	local heard plain handler
	for options in --cdi '--cdi --set-as-default'; do
		# shellcheck disable=SC2086 # options are words
		ctrd_use "$1" default $options
		cri_sandbox runc
		plain=$(pod_config)
		cri_end
		[[ $plain == *NVIDIA_VISIBLE_DEVICES=all* && $plain == *'"io.kubernetes.cri.container-type": "sandbox"'* ]]
		for handler in nvcoreos ''; do
			heard=$(grep -c "a pod's sandbox" "$HOST/host/nvcoreos.log") || :
			cri_sandbox "$handler" "$(cri_annotation cdi.k8s.io/a=nvidia.com/gpu=1)"
			diff <(echo "$plain") <(pod_config)
			[ -z "$(find "/proc/$(cat "$D/state/io.containerd.runtime.v2.task/k8s.io/$POD/init.pid")/root/dev/" -name '*nvidia*')" ]
			cri_end
			# It was ours that left it alone.
			[ "$handler$options" = --cdi ] || [ "$(grep -c "a pod's sandbox" "$HOST/host/nvcoreos.log")" = $((heard + 1)) ]
		done
	done
}

# What a program sees that comes later.
cri_second_program() {
	ctrd_use "$1" default --cdi
	cri_sandbox nvcoreos
	cri_container localhost/seen:1 "$(cri_env NVIDIA_VISIBLE_DEVICES=1) $(other)" sleep 100
	run cri_exec /seen
	cri_end
	is_seen "${ONE[@]}"
}

# The file that Debian's package brings, in place of containerd's default one.
cri_packaged_file() {
	ctrd_use "$1" "$BASE/on-$1/packaged.toml" --cdi
	run cri_run nvcoreos localhost/seen:1 "$(cri_env NVIDIA_VISIBLE_DEVICES=1) $(other)" /seen
	is_seen "${ONE[@]}"
	run cri_run runc localhost/asks:1 "" /seen
	is_nothing
	ctrd_has_cdi || return 0
	run cri_run runc localhost/seen:1 "$(cri_cdi nvidia.com/gpu=1) $(other)" /seen
	is_seen_cdi "${ONE[@]}"
}
