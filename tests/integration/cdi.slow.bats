#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What nvcoreos cdi writes, against CDI's own schema, and applied by Podman, for root and without rights.
bats_require_minimum_version 1.5.0

load helpers
load gpu
load seen
load engines

TWO=(nvidia-uvm nvidia-uvm-tools nvidia0 nvidia1 nvidiactl)
ONE=(nvidia-uvm nvidia-uvm-tools nvidia1 nvidiactl)

setup_file() {
	need_root podman runc crun jq cc python3 || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	have_root bookworm || return "$SKIPPED"
	export ROOT
	engines_setup
	podman_conf "$BASE"
	tar -C "$IMAGE" -c . | podman --root "$BASE/pod" --runroot "$BASE/podrun" --tmpdir "$BASE/podtmp" import -q \
		-c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin NVIDIA_VISIBLE_DEVICES=all' - localhost/seen:1 3>&-
	# Podman knows one place for them: it gets one of its own.
	mkdir "$BASE/etc" && mount -t tmpfs tmpfs "$BASE/etc" && mkdir -p "$BASE/etc/up/cdi" "$BASE/etc/work"
	gpu_nvcoreos "$HOST" cdi generate >"$BASE/etc/up/cdi/nvcoreos.yaml"
}

teardown_file() {
	podman_root_end
	engines_clean
}

setup() {
	skip_file
}

# by_cdi RUNTIME NAMES ARG...: podman run with these names ("0,1"), where /etc/cdi is the test's.
by_cdi() {
	local runtime=$1 name args=()
	for name in ${2//,/ }; do
		args+=(--device "nvidia.com/gpu=$name")
	done
	shift 2
	PODMAN_IGNORE_CGROUPSV1_WARNING=1 cgroup_view "$(podman_view "$runtime")" sh -c '
		mount -t overlay -o "lowerdir=/etc,upperdir=$0/up,workdir=$0/work" overlay /etc && exec "$@"' "$BASE/etc" \
		podman --root "$BASE/pod" --runroot "$BASE/podrun" --tmpdir "$BASE/podtmp" --runtime "$runtime" \
		run --rm "${args[@]}" "$@" </dev/null 3>&-
}

# same ANSWER NODE...: as other starts, but for the nodes, which are the engine's own.
same() {
	local answer=$1
	shift
	diff <(seen_expected EPERM "$@" | sed '/^node /d') <(sed '/^node /d' <<<"$answer")
}

podman_serves() {
	local runtime=$1
	run by_cdi "$runtime" 1 -v "$HOST/host/dev/nvidia0:/other" localhost/seen:1 /seen
	echo "$output"
	[ "$status" = 0 ]
	same "$output" "${ONE[@]}"
	run by_cdi "$runtime" 0,1 -v "$HOST/host/dev/nvidia-modeset:/other" localhost/seen:1 /seen
	echo "$output"
	[ "$status" = 0 ]
	same "$output" "${TWO[@]}"
	run by_cdi "$runtime" all -v "$HOST/host/dev/nvidia-modeset:/other" localhost/seen:1 /seen
	same "$output" "${TWO[@]}"
	run by_cdi "$runtime" 0-utility localhost/seen:1 sh -c 'ls /dev | grep ^nvidia; printenv NVIDIA_DRIVER_CAPABILITIES NVIDIA_VISIBLE_DEVICES'
	echo "$output"
	[ "$output" = $'nvidia0\nnvidiactl\nutility\nvoid' ]
	run by_cdi "$runtime" 7 localhost/seen:1 /seen
	[ "$status" != 0 ]
	engines_unchanged
}

@test "podman, runc" {
	podman_serves runc
}

@test "podman, crun" {
	podman_serves crun
}

@test "podman, nvcoreos-runtime: the shim leaves it to the specification" {
	run by_cdi "$BIN/nvcoreos-runtime" 1 -v "$HOST/host/dev/nvidia0:/other" localhost/seen:1 /seen
	echo "$output"
	[ "$status" = 0 ]
	same "$output" "${ONE[@]}"
}

# judged NAME: whether the engine, and whether the tool takes the file that defines it. Podman says of any that it does not take
# that the name is unresolvable.
judged() {
	local name=$1 engine=taken ours=taken
	by_cdi runc '' --device "v.com/card=$name" localhost/seen:1 true >"$BASE/said" 2>&1 || engine=refused
	grep -q . "$BASE/said" && ! grep -q 'unresolvable CDI devices' "$BASE/said" && engine=broken
	gpu_nvcoreos "$HOST" cdi list --spec-dir "$BASE/etc/up/cdi" | grep -q "^v.com/card=$name " || ours=refused
	echo "$engine $ours"
}

# verdict WANT FILE NAME TEXT: both say so.
verdict() {
	local want=$1 dir=$BASE/etc/up/cdi got
	rm -f "$dir"/* "$dir"/.??*
	printf '%b' "$4" >"$dir/$2"
	got=$(judged "$3")
	[ "$got" = "$want $want" ] || {
		echo "engine and check: $got, and not $want: $2"
		printf '%b\n' "$4"
		cat "$BASE/said"
		return 1
	}
}

@test "what check says of a file is what the engine makes of it" {
	local head='cdiVersion: 0.5.0\nkind: v.com/card\ndevices:\n' edits='  containerEdits:\n    env: [A=b]\n' keep=$BASE/keep
	local a="$head- name: a\n$edits"
	mv "$BASE/etc/up/cdi" "$keep" && mkdir "$BASE/etc/up/cdi"
	verdict taken a.yaml a "$a"
	verdict taken .a.yaml a "$a"
	verdict taken a.json a "$a"
	verdict refused a.yml a "$a"
	verdict taken a.json 0 '{"cdiVersion":"0.5.0","kind":"v.com/card","devices":[{"name":0,"containerEdits":{"env":["A=b"]}}]}'
	verdict taken a.yaml 7 "$head- name: 007\n$edits"
	verdict taken a.yaml 16 "$head- name: 0x10\n$edits"
	verdict taken a.yaml true "$head- name: yes\n$edits"
	verdict taken a.yaml 0 "$head- name: !!str 0\n$edits"
	verdict taken a.yaml b "$head- name: a\n  containerEdits: &e\n    env: [A=b]\n- name: b\n  containerEdits: *e\n"
	verdict taken a.yaml b "$head- name: a\n  containerEdits: &e\n    env: [A=b]\n- name: b\n  containerEdits:\n    <<: *e\n"
	verdict taken a.yaml a "CDIVersion: 0.5.0\nKIND: v.com/card\ndevices:\n- name: a\n$edits"
	verdict taken a.yaml a "$a---\nfoo: 1\n"
	verdict taken a.yaml a "$a...\n{{{\n"
	verdict refused a.yaml b "$a---\n${head}- name: b\n$edits"
	verdict taken a.yaml a "$a    mounts:\n    - {hostPath: tmpfs, containerPath: /tmp, type: tmpfs}\n"
	verdict taken a.yaml a "$a    deviceNodes:\n    - {path: /dev/null, fileMode: 0666}\n"
	verdict refused a.yaml a "foo: 1\n$a"
	verdict refused a.yaml a "$a    foo: 1\n"
	verdict refused a.yaml a "$a  name: a\n"
	verdict refused a.yaml a "$head- name: a\n"
	verdict refused a.yaml a "$head- name: a\n  containerEdits:\n    env: [A]\n"
	verdict refused a.yaml a "$head- name: a\n  containerEdits:\n    env: [=b]\n"
	verdict refused a.yaml a "$a    hooks:\n    - {hookName: start, path: /bin/true}\n"
	verdict refused a.yaml a "$a    hooks:\n    - {hookName: prestart}\n"
	verdict refused a.yaml a "$a    mounts:\n    - {hostPath: /tmp}\n"
	verdict refused a.yaml a "$a    deviceNodes:\n    - {path: /dev/null, permissions: rx}\n"
	verdict refused a.yaml a "$a    deviceNodes:\n    - {path: /dev/null, type: d}\n"
	verdict refused a.yaml a "$a    deviceNodes:\n    - {path: /dev/null, uid: -1}\n"
	verdict refused a.yaml a "$a    deviceNodes:\n    - {type: c}\n"
	verdict refused a.yaml a "cdiVersion: 9.0.0\nkind: v.com/card\ndevices:\n- name: a\n$edits"
	rm -r "$BASE/etc/up/cdi" && mv "$keep" "$BASE/etc/up/cdi"
}

# The package of the schema, as Debian 13 and 12 call it.
schema_package() {
	local name
	for name in golang-tags.cncf-container-device-interface-dev golang-github-container-orchestrated-devices-container-device-interface-dev; do
		(cd "$1" && apt-get download "$name" 2>/dev/null) && return 0
	done
	return 1
}

@test "CDI's own schema takes what is written" {
	local dir=$BASE/schema file wrong
	python3 -c 'import jsonschema, yaml' 2>/dev/null || skip_or_fail 'python3-jsonschema and python3-yaml are not installed'
	mkdir "$dir"
	schema_package "$dir" || skip_or_fail 'no package of the schema'
	dpkg-deb -x "$dir"/*.deb "$dir/x"
	file=$(find "$dir/x" -path '*/schema/schema.json')
	gpu_nvcoreos "$HOST" cdi generate >"$dir/gpu.yaml"
	gpu_nvcoreos "$HOST" cdi generate --device-name-strategy type-index --format json >"$dir/gpu.json"
	gpu_nvcoreos "$HOST" plan --env NVIDIA_VISIBLE_DEVICES=all --cdi >"$dir/of-a-plan.yaml"
	cp "$NVC_TESTS"/golden/cdi/*.yaml "$NVC_TESTS"/golden/cdi/*.json "$dir"
	cat >"$dir/check.py" <<-'EOF'
		import json, sys, jsonschema, yaml
		schema = json.load(open(sys.argv[1]))
		resolver = jsonschema.RefResolver("file://" + sys.argv[1], schema)
		for name in sys.argv[2:]:
		    document = yaml.safe_load(open(name))
		    jsonschema.validate(document, schema, resolver=resolver)
		    # The schema of 0.5.2 forgets these.
		    jsonschema.validate(document.get("containerEdits", {}), {"$ref": "defs.json#/definitions/containerEdits"}, resolver=resolver)
		    print("ok", document["cdiVersion"], document["kind"], len(document["devices"]))
	EOF
	run -0 python3 -W ignore "$dir/check.py" "$file" "$dir"/*.yaml "$dir"/*.json
	echo "$output"
	[ "${#lines[@]}" = 10 ]
	# It does refuse what is wrong.
	for wrong in '.containerEdits.hooks[0].path = 7' 'del(.devices[0].containerEdits.deviceNodes[0].path)' '.kind = {}'; do
		jq "$wrong" "$dir/gpu.json" >"$dir/bad.json"
		run ! python3 -W ignore "$dir/check.py" "$file" "$dir/bad.json"
		[[ $output == *ValidationError* ]]
	done
}
