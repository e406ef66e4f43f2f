# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Starts of the hook without a runtime, in milliseconds: tests/lib/box.c stands for runc, and what a start must never do is
# asked after each. To be loaded after helpers and gpu.
#
#   setup_file:     box_setup [KEY=VALUE...]           a host with two GPUs, canaries, a template of a small root
#   a case:         box_root; (make it hostile); box_case TITLE EXPECT [OPTION...] [-- CMD...]
#   end of a test:  box_done
#   teardown_file:  box_teardown
#
# EXPECT is E (refused: one line with a code, nothing changed), S (served, and only what is ours was added), N (no GPU
# asked: nothing at all happened), EE for "E with a certain code" as E33, or several of them with | between.

# --- the scene ----------------------------------------------------------------

# box_build DIR: DIR/box, DIR/snap and DIR/probe, static.
box_build() {
	local flags=(-D_GNU_SOURCE -O1 -Wall -Wextra -static)
	mkdir -p "$1" && cc "${flags[@]}" -o "$1/box" "$NVC_LIB/box.c" "$NVC_LIB/boxlib.c" &&
		cc "${flags[@]}" -o "$1/snap" "$NVC_LIB/snap.c" && cc "${flags[@]}" -o "$1/probe" "$NVC_TESTS/integration/probe.c"
}

# box_template DIR: what decides for the hook in a small root of glibc's kind. Every file of it has content.
box_template() {
	mkdir -p "$1"/{bin,dev,etc/ld.so.conf.d,lib64,lib/x86_64-linux-gnu,proc,run,sbin,sys,tmp,usr/bin,usr/lib,usr/local/bin,usr/share,var}
	cp "$BOX/bin/probe" "$1/probe"
	echo loader >"$1/lib64/ld-linux-x86-64.so.2"
	echo libc >"$1/lib/x86_64-linux-gnu/libc.so.6"
	echo ldconfig >"$1/sbin/ldconfig"
	echo 'include /etc/ld.so.conf.d/*.conf' >"$1/etc/ld.so.conf"
	echo /usr/local/lib >"$1/etc/ld.so.conf.d/libc.conf"
	echo root:x:0:0:root:/:/bin/sh >"$1/etc/passwd"
	chmod 1777 "$1/tmp"
}

# box_setup [KEY=VALUE...]: all of it below BOX, a tmpfs that other users can pass, which bats's directories are not. The keys
# go to nvcoreos.conf.
box_setup() {
	BOX=$(mktemp -d "${TMPDIR:-/tmp}/nvcoreos-box.XXXXXX") || return
	export BOX
	mount -t tmpfs -o mode=755,nr_inodes=0 tmpfs "$BOX" || return
	mkdir -p "$BOX"/{bin,bundle,canary/dir,out,volumes,log}
	box_build "$BOX/bin" && gpu_host "$BOX" 535.261.03 device-cgroup=none "log-file=$BOX/log/nvcoreos.log" "$@" || return
	box_template "$BOX/template"
	echo canary >"$BOX/canary/file"
	echo canary >"$BOX/canary/dir/file"
	chmod 644 "$BOX/canary/file"
	export BOX_HOOK="exec $NVCOREOS_BUILD/nvcoreos-hook --config $BOX/conf prestart"
	: >"$BOX/cases"
	box_sources >"$BOX/sources"
}

# The places that mounts may come from, as mountinfo writes them: "MAJOR:MINOR ROOT" a line.
box_sources() {
	local dir
	for dir in "$BOX/store" "$BOX/cuda-store" "$BOX/host/dev" "$BOX/host/run"; do
		findmnt -no MAJ:MIN,FSROOT,TARGET -T "$dir" | {
			read -r dev root target
			root=${root%/}
			[ "$target" = / ] && target=
			echo "$dev $root${dir#"$target"}"
		}
	done
}

box_teardown() {
	[ -n "${BOX:-}" ] && [ -d "$BOX" ] || return 0
	[ ! -s "$BOX/cases" ] || printf '# cases: %d (E %d, S %d, N %d)\n' "$(wc -l <"$BOX/cases")" "$(grep -c ^E "$BOX/cases")" \
		"$(grep -c ^S "$BOX/cases")" "$(grep -c ^N "$BOX/cases")" >&3
	gpu_clean "$BOX" && cleanup_umount "$BOX" && cleanup_remove "$BOX"
}

# box_root: a new root from the template, at BOX/rootfs.
box_root() {
	rm -rf --one-file-system "$BOX/rootfs" && cp -a "$BOX/template" "$BOX/rootfs"
	# shellcheck disable=SC2034 # for the test
	R=$BOX/rootfs
}

# --- bundles ------------------------------------------------------------------

# box_quote WORD: sets REPLY to a JSON string.
box_quote() {
	local s=${1//\\/\\\\} c
	s=${s//\"/\\\"}
	case $s in *[[:cntrl:]]*)
		for c in 1 2 3 4 5 6 7 8 9 a b c d e f 10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f; do
			printf -v c '%b' "\\x$c"
			case $s in *"$c"*) printf -v REPLY '\\u%04x' "'$c" && s=${s//"$c"/$REPLY} ;; esac
		done
		;;
	esac
	REPLY="\"$s\""
}

# box_config: config.json of what the arrays BOX_ENV and BOX_VOLUMES and the words BOX_USERS, BOX_DEV, BOX_PROC say.
box_config() {
	local env='' mounts='' users='' word source target
	for word in "${BOX_ENV[@]}"; do
		box_quote "$word"
		env+=,$REPLY
	done
	[ -z "$BOX_PROC" ] || mounts+=',{"destination":"/proc","type":"proc","source":"proc"}'
	[ -z "$BOX_DEV" ] || mounts+=',{"destination":"/dev","type":"tmpfs","source":"tmpfs"}'
	for word in "${BOX_VOLUMES[@]}"; do
		source=${word%%:*} target=${word#*:}
		box_quote "${target%%:*}"
		target=$REPLY
		box_quote "$source"
		case $source in
		=*) mounts+=",{\"destination\":$target,\"type\":\"${source#=}\",\"source\":\"${source#=}\"}" ;;
		*) mounts+=",{\"destination\":$target,\"type\":\"bind\",\"source\":$REPLY,\"options\":[\"rbind\"]}" ;;
		esac
	done
	if [ -n "$BOX_USERS" ]; then
		users="{\"containerID\":0,\"hostID\":${BOX_USERS%:*},\"size\":${BOX_USERS#*:}}"
		users=",\"uidMappings\":[$users],\"gidMappings\":[$users]"
	fi
	printf '{"ociVersion":"1.0.2","process":{"args":["/probe"],"cwd":"/","env":[%s]},"root":{"path":"%s"},"mounts":[%s],"linux":{"namespaces":[{"type":"mount"},{"type":"pid"}%s]%s}}\n' \
		"${env#,}" "$BOX/rootfs" "${mounts#,}" "${users:+,{\"type\":\"user\"\}}" "$users" >"$BOX/bundle/config.json"
}

# box_plain_config VARIABLE...: config.json of a plain container with just these variables.
box_plain_config() {
	BOX_ENV=("$@") BOX_VOLUMES=() BOX_USERS='' BOX_DEV=1 BOX_PROC=1
	box_config
}

# HOSTILE_ALL=1 asks for the whole of each loop; else every test is made on a sample of it.

# box_turn N: whether it is this one's turn, of N; all have theirs with HOSTILE_ALL.
box_turn() {
	BOX_TURN=$((${BOX_TURN:-0} + 1))
	[ "${HOSTILE_ALL:-0}" = 1 ] || [ $((BOX_TURN % $1)) = 0 ]
}

# box_size FEW MANY: how many.
box_size() {
	[ "${HOSTILE_ALL:-0}" = 1 ] && echo "$2" || echo "$1"
}

# --- one start ----------------------------------------------------------------

# box_options OPTION...: of one start. Those of box itself (see box.c), and
#   -e KEY=VALUE   for process.env; NVIDIA_VISIBLE_DEVICES=all where none is given
#   -k             config.json stands there already       -x SCRIPT  in the place of the hook alone
#   -A PATTERN     of files besides ours that may change in the root (extended regular expression, of lines of snap)
#   -E PATTERN     the same after a refusal                -M PATTERN  of mounts besides ours that may come
box_options() {
	BOX_ENV=() BOX_VOLUMES=() BOX_USERS='' BOX_DEV=1 BOX_PROC=1 BOX_KEEP='' BOX_ARGS=() BOX_CMD=() BOX_SCRIPT=$BOX_HOOK
	BOX_ALSO='' BOX_ALSO_E='' BOX_ALSO_MOUNT='' OPTIND=1
	local option
	while getopts 'a:A:b:C:De:E:i:kM:Pp:s:S:t:u:v:x:' option; do
		case $option in
		e) BOX_ENV+=("$OPTARG") ;;
		k) BOX_KEEP=1 ;;
		A) BOX_ALSO=$OPTARG ;;
		E) BOX_ALSO_E=$OPTARG ;;
		M) BOX_ALSO_MOUNT=$OPTARG ;;
		x) BOX_SCRIPT=$OPTARG ;;
		D) BOX_DEV='' BOX_ARGS+=(-D) ;;
		P) BOX_PROC='' BOX_ARGS+=(-P) ;;
		u) BOX_USERS=$OPTARG BOX_ARGS+=(-u "$OPTARG") ;;
		v) BOX_VOLUMES+=("$OPTARG") BOX_ARGS+=(-v "$OPTARG") ;;
		*) BOX_ARGS+=("-$option" "$OPTARG") ;;
		esac
	done
	shift $((OPTIND - 1))
	[ $# = 0 ] || BOX_CMD=(-- "$@")
	[ ${#BOX_ENV[@]} != 0 ] || BOX_ENV=(NVIDIA_VISIBLE_DEVICES=all)
}

# box_watched: what no start may change: everything but the root and the log.
box_watched() {
	"$BOX/bin/snap" -i "$@" "$BOX/canary" "$BOX/store" "$BOX/cuda-store" "$BOX/host" "$BOX/host/dev" "$BOX/bundle" "$BOX/volumes"
}

# What box itself is run by, for hosts that are containers.
BOX_WRAP=()

# box_start OPTION... [-- CMD...]: one start. BOX_STATUS and BOX_ERR are the hook's, BOX_OUTPUT and BOX_EXIT CMD's.
box_start() {
	box_options "$@"
	[ -n "$BOX_KEEP" ] || box_config
	: >"$BOX/out/status"
	box_watched >"$BOX/host.before"
	# shellcheck disable=SC2034 # for the test
	BOX_EXIT=0
	# shellcheck disable=SC2034 # for the test
	BOX_OUTPUT=$("${BOX_WRAP[@]}" "$BOX/bin/box" -o "$BOX/out" -b "$BOX/bundle" -w "cd $BOX/rootfs && exec $BOX/bin/snap . >$BOX/root.before" -x "$BOX_SCRIPT" "${BOX_ARGS[@]}" "$BOX/rootfs" "${BOX_CMD[@]}" \
		2>"$BOX/box.stderr") || BOX_EXIT=$?
	BOX_STATUS='' BOX_ERR=''
	read -r BOX_STATUS <"$BOX/out/status" || :
	IFS= read -rd '' BOX_ERR <"$BOX/out/stderr" || :
	BOX_ERR=${BOX_ERR%$'\n'}
	[ -n "$BOX_STATUS" ] || { echo "no container: $(cat "$BOX/box.stderr")" && return 1; }
}

# --- what is asked after it -----------------------------------------------------

# Each prints what is wrong and returns 1.

# O1: everything outside the root is as it was.
box_o1_host() {
	box_watched -c "$BOX/host.before" || { echo 'O1: the host changed' && return 1; }
}

# O2: so are the host's mounts.
box_o2_mounts() {
	[ ! -s "$BOX/out/leak" ] || { cat "$BOX/out/leak" && echo 'O2: mounts reached the host' && return 1; }
}

# O4: each new mount in the container is one of ours, and those that were there have stayed.
box_o4_sources() {
	local line dev root source ok type
	while read -r line; do
		read -r _ _ dev root _ <<<"$line"
		type=${line#* - }
		ok=
		[[ ${type%% *} != tmpfs || $line != *"/proc/driver/nvidia "* ]] || ok=1
		while read -r source; do
			case "$dev $root" in "$source" | "${source%/}"/*) ok=1 ;; esac
		done <"$BOX/sources"
		[[ -z $BOX_ALSO_MOUNT || ! $line =~ $BOX_ALSO_MOUNT ]] || ok=1
		[ -n "$ok" ] || { echo "O4: a mount from elsewhere: $line" && return 1; }
		[[ $line == *" $BOX/rootfs/"* ]] || { echo "O4: a mount outside the root: $line" && return 1; }
	done <"$BOX/out/new"
	# A shared mount that was made a slave's is still the same mount.
	[ -s "$BOX/out/changed" ] || return 0
	sed -E 's/^[-=] //; s/ (shared|master|propagate_from):[0-9]+//g' "$BOX/out/changed" | sort | uniq -c | awk '$1 % 2' >"$BOX/changed"
	[ ! -s "$BOX/changed" ] || { cat "$BOX/out/changed" && echo 'O4: a mount of the container changed' && return 1; }
}

# O5: a refusal is one line with a code; nothing else is ever printed.
box_o5_result() {
	case $BOX_STATUS in
	0) [ -z "$BOX_ERR" ] ;;
	1) [[ $BOX_ERR =~ ^nvcoreos-hook:\ E[0-9]{2}:\ [[:print:]]+$ && ${#BOX_ERR} -lt 4096 ]] ;;
	*) false ;;
	esac || { echo "O5: status $BOX_STATUS, stderr: ${BOX_ERR:0:300}" && return 1; }
	[ ! -s "$BOX/out/stdout" ] || { echo 'O5: something on stdout' && return 1; }
}

# What the hook may add to a root, as snap writes it: directories, its files, its links, empty files to mount nodes on.
BOX_OURS='^\+ \./(((usr|usr/local|usr/local/(nvidia|cuda)|usr/bin|usr/share|etc|etc/ld\.so\.conf\.d|(usr/share|etc)/[a-z_A-Z.]+(/[a-z_]+\.d)?|dev|dev/nvidia-caps|dev/dri) 040755 OWNER$)|(etc/ld\.so\.(cache|conf)|etc/ld\.so\.conf\.d/(00-nvcoreos|zz-nvcoreos-cuda)\.conf) 100644 OWNER |usr/bin/nvidia-[a-z-]+ 120777 OWNER [0-9]+ -> /usr/local/nvidia/bin/|(usr/share|etc)/[a-zA-Z0-9_./-]+ 120777 OWNER [0-9]+ -> /usr/local/nvidia/share/|dev/(nvidia[a-z0-9-]*|nvidia-caps/nvidia-cap[0-9]+|dri/[a-zA-Z]+[0-9]+) 100644 OWNER 0 )'

# What we replace may have been anybody's, and anything but a directory.
BOX_REPLACED='^- \./((etc/ld\.so\.cache|etc/ld\.so\.conf\.d/(00-nvcoreos|zz-nvcoreos-cuda)\.conf) (10|12|02|06|01|14)|[^ ]+ 120777 [0-9:]+ [0-9]+ -> /usr/local/nvidia/)'

# O6: in the root nothing but ours was added, by its owner; after a refusal nothing at all.
box_o6_root() {
	local owner=0 allowed
	[ -z "$BOX_USERS" ] || owner=${BOX_USERS%:*}
	(cd "$BOX/rootfs" && "$BOX/bin/snap" -c "$BOX/root.before" .) >"$BOX/root.diff" && return
	case $1 in
	S) allowed="${BOX_OURS//OWNER/$owner:$owner}|$BOX_REPLACED${BOX_ALSO:+|$BOX_ALSO}" ;;
	*) allowed=${BOX_ALSO_E:-^$} ;;
	esac
	grep -vE "$allowed" "$BOX/root.diff" >"$BOX/root.wrong" || :
	[ -s "$BOX/root.wrong" ] || return 0
	head -20 "$BOX/root.wrong"
	echo "O6: the root changed"
	return 1
}

# O7: nothing is left running.
box_o7_left() {
	[[ $(<"$BOX/out/left") = 0 ]] || { echo 'O7: a process was left' && return 1; }
}

box_n_untouched() {
	[ ! -s "$BOX/out/changed" ] || { echo 'N: mounts were touched' && return 1; }
}

# box_result: sets REPLY to what happened: E<nn>, S, N or what status there was. N is S with nothing done.
box_result() {
	case $BOX_STATUS in
	0) [ -s "$BOX/out/new" ] && REPLY=S || REPLY=N ;;
	1) REPLY=${BOX_ERR#nvcoreos-hook: } && REPLY=${REPLY%%:*} ;;
	*) REPLY="status $BOX_STATUS" ;;
	esac
}

# box_check EXPECT: all oracles on the last start, and that it came out as expected.
box_check() {
	local want kind rc=1
	box_result
	kind=${REPLY:0:1}
	for want in ${1//|/ }; do
		[ "$REPLY" != "$want" ] && [ "$kind" != "$want" ] || rc=0
	done
	[ $rc = 0 ] || echo "wanted $1, got $REPLY: ${BOX_ERR:0:300}"
	[ "$kind" != N ] || box_n_untouched || rc=1
	box_o1_host && box_o2_mounts && box_o4_sources && box_o5_result && box_o6_root "$kind" && box_o7_left || rc=1
	return $rc
}

# box_case TITLE EXPECT OPTION... [-- CMD...]: one start with all that is asked. What is wrong is printed and remembered.
box_case() {
	local title=$1 expect=$2 said
	shift 2
	BOX_RAN=$((${BOX_RAN:-0} + 1))
	if box_start "$@" >"$BOX/said" && box_check "$expect" >>"$BOX/said"; then
		box_result
		echo "$REPLY ${BATS_TEST_NUMBER:-0}: $title" >>"$BOX/cases"
		return 0
	fi
	said=$(cat "$BOX/said")
	BOX_FAILED=$((${BOX_FAILED:-0} + 1))
	printf 'FAILED %s\n%s\n' "$title" "$said"
}

# box_done [N]: all cases of the test came out as they should, and there were N at least.
box_done() {
	echo "${BOX_RAN:-0} cases, ${BOX_FAILED:-0} failed"
	[ "${BOX_FAILED:-0}" = 0 ] && [ "${BOX_RAN:-0}" -ge "${1:-1}" ]
}

# --- many inputs on one container -----------------------------------------------

# Where each is refused or asks for nothing, all can be tried on one container: what is asked after the last holds for each.

# box_inputs: begins a new set of inputs.
box_inputs() {
	rm -rf "$BOX/inputs" && mkdir "$BOX/inputs"
}

# box_input NAME EXPECT config.json|state: reads the file from stdin. In a state @PID@ and @BUNDLE@ are filled in.
box_input() {
	local dir=$BOX/inputs/$1
	while [ -e "$dir" ]; do
		dir+=+
	done
	mkdir "$dir" && cat >"$dir/$3" && printf '%s' "$2" >"$dir/expect"
}

# box_many TITLE [OPTION...]: runs the hook on each input.
box_many() {
	local title=$1 dir want name
	shift
	cat >"$BOX/many.sh" <<-EOF
		LC_ALL=C
		for dir in "$BOX"/inputs/*/; do
			if [ -e "\$dir/state" ]; then
				sed "s|@PID@|\$BOX_PID|; s|@BUNDLE@|$BOX/bundle|" "\$dir/state"
			else
				echo "{\"ociVersion\":\"1.0.2\",\"id\":\"box\",\"status\":\"created\",\"pid\":\$BOX_PID,\"bundle\":\"\$dir\"}"
			fi | ${BOX_HOOK#exec } >"\$dir/stdout" 2>"\$dir/stderr"
			echo \$? >"\$dir/status"
		done
	EOF
	box_start -t 300 -x "exec sh $BOX/many.sh" "$@" || { BOX_FAILED=$((${BOX_FAILED:-0} + 1)) && return; }
	box_check N || { echo "FAILED $title: all" && BOX_FAILED=$((${BOX_FAILED:-0} + 1)); }
	for dir in "$BOX"/inputs/*/; do
		name=${dir%/} name=${name##*/} want=$(<"$dir/expect")
		BOX_RAN=$((${BOX_RAN:-0} + 1)) BOX_STATUS='' BOX_ERR=''
		read -r BOX_STATUS <"$dir/status" || :
		IFS= read -rd '' BOX_ERR <"$dir/stderr" || :
		BOX_ERR=${BOX_ERR%$'\n'}
		cp "$dir/stdout" "$BOX/out/stdout"
		box_result
		if [[ "|$want|" == *"|$REPLY|"* || "|$want|" == *"|${REPLY:0:1}|"* ]] && box_o5_result; then
			echo "$REPLY ${BATS_TEST_NUMBER:-0}: $title: $name" >>"$BOX/cases"
		else
			echo "FAILED $title: $name: wanted $want, got $REPLY: ${BOX_ERR:0:300}"
			BOX_FAILED=$((BOX_FAILED + 1))
		fi
	done
}
