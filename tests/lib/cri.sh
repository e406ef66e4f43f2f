# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced. A small kubelet: Kubernetes' Container Runtime Interface, called with curl and protoc (messages as text, cri.proto).
# CRI_SOCKET: the engine's; CRI_DIR: a directory for logs; CRI_CGROUP: the cgroup of all pods.

# cri METHOD [MESSAGE]: calls it and prints the reply; an error of the engine's goes to stderr, with status 1.
cri() {
	local method=$1 service=RuntimeService dir size rc=0
	case $method in *Image*) service=ImageService ;; esac
	dir=$(mktemp -d) || return
	protoc --proto_path="$NVC_LIB" --encode="runtime.v1.${method}Request" cri.proto <<<"${2-}" >"$dir/message" || rc=1
	size=$(printf '%08x' "$(stat -c %s "$dir/message")")
	# Before each message: not compressed, and its length in four bytes.
	# shellcheck disable=SC2001 # of two characters each
	{ printf '\0%b' "$(sed 's/../\\x&/g' <<<"$size")" && cat "$dir/message"; } >"$dir/request"
	[ $rc != 0 ] || cri_post "$dir" "http://localhost/runtime.v1.$service/$method" || rc=1
	[ $rc != 0 ] || tail -c +6 "$dir/reply" | protoc --proto_path="$NVC_LIB" --decode="runtime.v1.${method}Response" cri.proto || rc=1
	rm -rf "$dir"
	return $rc
}

# cri_post DIR URL: DIR/request becomes DIR/reply.
cri_post() {
	local message
	curl -q -sS --noproxy '*' --max-time 60 --http2-prior-knowledge --unix-socket "$CRI_SOCKET" -H 'content-type: application/grpc' -H 'te: trailers' \
		--data-binary "@$1/request" -D "$1/headers" -o "$1/reply" "$2" || return
	grep -q '^grpc-status: 0' "$1/headers" && return 0
	message=$(sed -n 's/\r$//; s/^grpc-message: //p' "$1/headers")
	printf 'cri.sh: %s: %b\n' "${2##*/}" "${message//%/\\x}" >&2
	return 1
}

# cri_field NAME: of a reply on stdin, the first value of that name.
cri_field() {
	sed -n "s/^ *$1: \"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" | head -n 1
}

# cri_text TEXT: a line of text as messages have it.
cri_text() {
	local text=${1//\\/\\\\}
	printf '"%s"' "${text//\"/\\\"}"
}

# cri_env KEY=VALUE..., cri_annotation KEY=VALUE..., cri_cdi NAME..., cri_mount SOURCE TARGET: fields of a container's message.
cri_env() {
	local pair
	for pair; do
		printf 'envs { key: %s value: %s }\n' "$(cri_text "${pair%%=*}")" "$(cri_text "${pair#*=}")"
	done
}

cri_annotation() {
	local pair
	for pair; do
		printf 'annotations { key: %s value: %s }\n' "$(cri_text "${pair%%=*}")" "$(cri_text "${pair#*=}")"
	done
}

cri_cdi() {
	local name
	for name; do
		printf 'CDI_devices { name: %s }\n' "$(cri_text "$name")"
	done
}

cri_mount() {
	printf 'mounts { host_path: %s container_path: %s }\n' "$(cri_text "$1")" "$(cri_text "$2")"
}

# The host's network: no plugin of CNI is needed. CRI_PRIVILEGED=true: the pod and its containers are.
cri_security() {
	printf 'security_context { namespace_options { network: 2 } privileged: %s }' "${CRI_PRIVILEGED:-false}"
}

# cri_sandbox HANDLER [FIELD...]: starts a pod; sets POD, POD_NAME, and POD_CONFIG which its containers have to repeat.
cri_sandbox() {
	local handler=$1
	shift
	POD_NAME=p$$-$RANDOM$RANDOM
	POD_CONFIG="metadata { name: \"$POD_NAME\" uid: \"$POD_NAME\" namespace: \"default\" } log_directory: \"$CRI_DIR\"
		linux { cgroup_parent: \"/$CRI_CGROUP\" $(cri_security) } $*"
	POD=$(cri RunPodSandbox "config { $POD_CONFIG } runtime_handler: \"$handler\"" | cri_field pod_sandbox_id) && [ -n "$POD" ]
}

# cri_container IMAGE FIELDS CMD...: starts one in POD; sets CONTAINER, and LOG to its output.
cri_container() {
	local image=$1 fields=$2 word command=
	shift 2
	for word; do
		command+="command: $(cri_text "$word") "
	done
	LOG=$CRI_DIR/$POD.$RANDOM
	CONTAINER=$(cri CreateContainer "pod_sandbox_id: \"$POD\" sandbox_config { $POD_CONFIG } config { metadata { name: \"c\" }
		image { image: \"$image\" } log_path: \"${LOG##*/}\" linux { $(cri_security) }
		$command $fields }" | cri_field container_id) && [ -n "$CONTAINER" ] &&
		cri StartContainer "container_id: \"$CONTAINER\""
}

# cri_wait: until CONTAINER has ended; its exit status.
cri_wait() {
	local tries=300 status
	while [ $tries -gt 0 ]; do
		status=$(cri ContainerStatus "container_id: \"$CONTAINER\"") || return 125
		if [ "$(cri_field state <<<"$status")" = 2 ]; then
			return "$(cri_field exit_code <<<"$status" | grep . || echo 0)"
		fi
		sleep 0.1
		tries=$((tries - 1))
	done
	echo 'cri.sh: the container does not end' >&2
	return 125
}

# cri_output: what CONTAINER has said.
cri_output() {
	sed 's/^[^ ]* std[a-z]* [FP] //' "$LOG"
}

# cri_exec CMD...: runs one more program in CONTAINER, to its end; its output.
cri_exec() {
	local word command=
	for word; do
		command+="cmd: $(cri_text "$word") "
	done
	# Text has \n for a new line, as printf has.
	printf '%b' "$(cri ExecSync "container_id: \"$CONTAINER\" timeout: 30 $command" | cri_field stdout)"
}

# cri_end: takes POD away with all that is in it.
cri_end() {
	[ -n "${POD:-}" ] || return 0
	cri RemovePodSandbox "pod_sandbox_id: \"$POD\"" && POD=
}

# cri_run HANDLER IMAGE FIELDS CMD...: a pod with one container, to its end; its output and exit status, 125 where it could not start.
cri_run() {
	local rc=0 handler=$1
	shift
	cri_sandbox "$handler" || return 125
	if cri_container "$@"; then
		cri_wait || rc=$?
		cri_output
	else
		rc=125
	fi
	cri_end || rc=125
	return $rc
}
