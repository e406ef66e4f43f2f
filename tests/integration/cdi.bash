# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2016 # for jq
# CDI specifications as engines apply them. To be loaded after helpers and gpu.

# cdi_apply SPEC CONFIG NAME...: that config.json with the edits of these devices, as CDI's library makes them: a node's numbers
# are those of the host's, a path that stands twice counts once, of two variables the later one replaces the earlier.
cdi_apply() {
	local spec=$1 config=$2 nodes
	shift 2
	nodes=$(jq -r '.devices[].containerEdits.deviceNodes[]? | .hostPath // .path' "$spec" | sort -u | while read -r path; do
		stat -c '{"%n": {"major": %Hr, "minor": %Lr}}' "$path"
	done | jq -s add)
	jq --slurpfile spec "$spec" --argjson numbers "$nodes" '
		def merge(e):
			reduce (e.env // [])[] as $v (.; .process.env |= (map(select(startswith($v | split("=")[0] + "=") | not)) + [$v]))
			| reduce (e.deviceNodes // [])[] as $n (.;
				($numbers[$n.hostPath // $n.path] + {path: $n.path, type: "c"}) as $d
				| .linux.devices |= (map(select(.path != $n.path)) + [$d])
				| .linux.resources.devices += [{allow: true, type: "c", major: $d.major, minor: $d.minor, access: $n.permissions}])
			| .mounts += [(e.mounts // [])[] | {destination: .containerPath, source: .hostPath, type: "bind", options}]
			| reduce (e.hooks // [])[] as $h (.; .hooks[$h.hookName] += [$h | del(.hookName)]);
		.linux.devices |= (. // [])
		| reduce $ARGS.positional[] as $name (.; merge($spec[0].devices[] | select(.name == $name) | .containerEdits))
		| merge($spec[0].containerEdits)' --args "$@" <"$config"
}
