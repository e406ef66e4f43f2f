#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Hostile inputs 1 to 24: the state on stdin, the command line, the bundle, config.json. E: refused, nothing changed;
# S: served safely; N: no GPU asked, nothing touched.

load helpers
load gpu
load box

setup_file() {
	need_root cc findmnt jq setpriv || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook || return "$SKIPPED"
	box_setup
}

teardown_file() {
	box_teardown
}

setup() {
	skip_file
	box_root
	box_inputs
}

# state FILTER [JQ_OPTION...]: a state, edited.
state() {
	local filter=$1
	shift
	printf '{"ociVersion":"1.0.2","id":"box","status":"created","pid":4000000,"bundle":"@BUNDLE@"}' | jq -c "$filter" "$@" | sed 's/4000000/@PID@/'
}

# config FILTER [JQ_OPTION...]: a config.json that asks for all, edited.
config() {
	local filter=$1
	shift
	jq -c "$filter" "$@" <"$BOX/good.json"
}

good() {
	box_options
	box_config
	cp "$BOX/bundle/config.json" "$BOX/good.json"
}

@test "1 E, 3 E, 4 E, 5 E, 6 E, 7 E: states" {
	good
	: | box_input 1-empty E10 state
	echo | box_input 1-newline E10 state
	head -c 10485760 /dev/zero | tr '\0' ' ' | box_input 3-10MiB E10 state
	{ state . | head -c -2 && printf ',"annotations":{"a":"' && head -c 1048576 /dev/zero | tr '\0' a && echo '"}}'; } | box_input 3-over E10 state
	for pid in 0 -1 '"1"' 1.5 2147483648 1 null true '[]' 99999999999999999999 1e3 -0 '"@PID@"' 4194305; do
		box_turn 2 || continue
		state '.pid = 4000001' | sed "s/4000001/$pid/" | box_input "4-pid-${pid//[^a-z0-9A-Z]/_}" E10 state
	done
	state 'del(.pid)' | box_input 4-missing E10 state
	state '.pid = 4194000' | box_input 4-nobody E30 state
	for bundle in / // /. /a/.. rootfs ./x '' 'a\u0000b' '/tmp\u0000/x'; do
		box_turn 2 || continue
		state '.bundle = "BUNDLE"' | sed "s|BUNDLE|${bundle//\\/\\\\}|" | box_input "5-bundle-${bundle//[^a-z0-9A-Z]/_}" E10 state
	done
	state 'del(.bundle)' | box_input 5-missing E10 state
	state '.bundle = 7' | box_input 5-number E10 state
	state '.bundle = "/" + "x" * 5000' | box_input 6-long E10 state
	state '.bundle = "/" + "./" * 2047 + "tmp"' | box_input 6-long-dots E10 state
	state '.bundle = "/nowhere"' | box_input 6-nowhere E12 state
	state '.bundle = "/etc/passwd"' | box_input 6-file E12 state
	state '.bundle = "/dev/null"' | box_input 6-device E12 state
	for version in '"2.0"' '"0.9"' '"1x"' '""' 1 1.0 null '"10.0"' '" 1.0"' '"1,0"'; do
		box_turn 2 || continue
		state '.ociVersion = 7' | sed "s/\"ociVersion\":7/\"ociVersion\":$version/" | box_input "7-version-${version//[^a-z0-9A-Z]/_}" E10 state
	done
	for text in '[]' null 7 '"x"' '{' '{}}' '{}{}'; do
		echo "$text" | box_input "1-text-$(printf %s "$text" | od -An -tx1 | tr -d ' ')" E10 state
	done
	box_many states
	box_done "$(box_size 35 50)"
}

@test "2 E: stdin is never closed; within three seconds" {
	mkfifo "$BOX/fifo"
	start=$EPOCHREALTIME
	box_case 'never closed' E10 -x "exec <>$BOX/fifo; $BOX_HOOK"
	# shellcheck disable=SC2016
	box_case 'state, but never closed' E10 -x "exec <>$BOX/fifo; echo '{\"ociVersion\":\"1.0.2\",\"id\":\"box\",\"pid\":'\$BOX_PID',\"bundle\":\"$BOX/bundle\"}' >$BOX/fifo; $BOX_HOOK"
	[ $(((${EPOCHREALTIME/./} - ${start/./}) / 1000)) -lt 8000 ]
	rm "$BOX/fifo"
	box_case 'closed stdin' E10 -x "exec <&-; $BOX_HOOK"
	box_case 'a directory' E10 -x "exec </; $BOX_HOOK"
	box_case 'write-only' E10 -x "exec 0>/dev/null; $BOX_HOOK"
	box_done 5
}

@test "4 E: the pid of the hook itself, of a thread, of another container's process that has ended" {
	cat >"$BOX/thread.c" <<-EOF
		#include <pthread.h>
		#include <unistd.h>
		static void *wait(void *p) { pause(); return p; }
		int main(void) { pthread_t t; pthread_create(&t, 0, wait, 0); pause(); }
	EOF
	cc -static -o "$BOX/bin/thread" "$BOX/thread.c" -lpthread
	send='printf "{\"ociVersion\":\"1.0.2\",\"id\":\"box\",\"status\":\"created\",\"pid\":%d,\"bundle\":\"%s\"}" "$pid"'
	box_case 'own pid' E30 -x "pid=\$\$; $send $BOX/bundle >$BOX/state; exec <$BOX/state; $BOX_HOOK"
	[[ $BOX_ERR == *'shares the host'* ]]
	box_case 'thread id' E30 -C "$BOX/bin/thread & sleep 0.1" -x "child=\$(cat /proc/\$BOX_PID/task/\$BOX_PID/children | cut -d' ' -f1)
		for pid in \$(ls /proc/\$child/task); do [ \$pid = \$child ] || break; done; [ \$pid != \$child ] || exit 7
		$send $BOX/bundle >$BOX/state; exec <$BOX/state; $BOX_HOOK"
	box_case 'ended' E30 -x "sleep 0 & pid=\$!; wait; $send $BOX/bundle >$BOX/state; exec <$BOX/state; $BOX_HOOK"
	box_case 'a zombie' E30 -C 'sh -c "exit 0" & exec 2>/dev/null; sleep 0.1' -x "(sleep 0 & echo \$! >$BOX/zombie; exec sleep 1) & sleep 0.2; pid=\$(cat $BOX/zombie)
		$send $BOX/bundle >$BOX/state; ${BOX_HOOK#exec } <$BOX/state; r=\$?; wait; exit \$r"
	box_done 4
}

@test "6 S: a bundle by a link, or closed to all others, is the engine's own; 7 S: versions and states of every runtime" {
	good
	ln -s bundle "$BOX/bundle-link"
	state ".bundle = \"$BOX/bundle-link\"" >"$BOX/state"
	box_case 'by a link' S -s "$BOX/state"
	chmod 000 "$BOX/bundle" && chown 65534:65534 "$BOX/bundle"
	box_case 'closed' S -k
	chmod 755 "$BOX/bundle" && chown 0:0 "$BOX/bundle"
	for version in 1.0 1.0.0-rc5 1.0.2-dev 1.3 1 1.99.99; do
		for status in creating created running stopped whatever ''; do
			[ "$version" = 1.0 ] || [ "$status" = created ] || continue
			box_turn 2 || continue
			state ".ociVersion = \"$version\" | .status = \"$status\" | .bundle = \"$BOX/bundle\"" >"$BOX/state"
			box_case "version $version, status $status" S -s "$BOX/state"
		done
	done
	state "del(.status, .id, .ociVersion) | .annotations = {\"a\": 1} | .unknown = [[[]]] | .bundle = \"$BOX/bundle\"" >"$BOX/state"
	box_case 'more and less' S -s "$BOX/state"
	box_done "$(box_size 8 14)"
}

@test "8 E: words on the command line; --help and --version touch nothing" {
	hook="exec $NVCOREOS_BUILD/nvcoreos-hook"
	for args in '' prestar 'prestart createRuntime' createContainer startContainer '--conf x prestart' '--config' '--config=' \
		"--config $BOX/conf" '-x prestart' '--device-cgroup=all prestart' "--config $BOX/conf -- prestart" 'prestart extra' "''" 'PRESTART' \
		"$(printf 'x%.0s' {1..4000})"; do
		box_case "args ${args:0:40}" 'E02|E03' -x "$hook $args"
	done
	box_case 'unknown option with newline' E02 -x "$hook '--a
b' prestart"
	box_case 'verbs for nothing' N -x "$hook poststop"
	for args in --help -h version --version; do
		box_start -x "$hook $args"
		[ "$BOX_STATUS" = 0 ] && [ -s "$BOX/out/stdout" ] && [ -z "$BOX_ERR" ]
		box_o1_host && box_o2_mounts && box_o6_root E && [ ! -s "$BOX/out/new" ]
	done
	run env -i strace -f -e trace=file,network,mount,setns "$NVCOREOS_BUILD/nvcoreos-hook" --version
	[[ $output != *mount* && $output != *setns* && $output != *"$BOX"* ]]
	box_done 18
}

@test "9 E: run by hand, as another user" {
	chmod 644 "$BOX/conf"
	cp "$NVCOREOS_BUILD/nvcoreos-hook" "$BOX/bin/hook"
	box_case 'as nobody' E07 -x "exec setpriv --reuid 65534 --regid 65534 --clear-groups $BOX/bin/hook --config $BOX/conf prestart"
	box_case 'without capabilities' E07 -x "exec setpriv --bounding-set -all --inh-caps -all $BOX/bin/hook --config $BOX/conf prestart"
	box_case 'without one of them' E07 -x "exec setpriv --bounding-set -sys_admin $BOX/bin/hook --config $BOX/conf prestart"
	[[ $BOX_ERR == *cap_sys_admin* ]]
	box_case 'no verb' E02 -x "exec setpriv --reuid 65534 --regid 65534 --clear-groups $BOX/bin/hook"
	box_case 'by hand' E10 -x "exec $BOX/bin/hook --config $BOX/conf prestart </dev/null"
	box_done 5
}

@test "10 E: config.json is missing, a directory, FIFO, device, socket, link" {
	good
	file=$BOX/bundle/config.json
	rm "$file"
	box_case missing E11 -k
	mkdir "$file"
	box_case directory E11 -k
	rmdir "$file" && mkfifo "$file"
	box_case FIFO E11 -k
	for device in 'c 1 3' 'c 1 5' 'b 7 0' 'c 5 0'; do
		rm "$file"
		# shellcheck disable=SC2086
		mknod "$file" $device
		box_case "device $device" E11 -k
	done
	rm "$file" && ln -s "$BOX/good.json" "$file"
	box_case link E11 -k
	rm "$file" && ln -s config.json "$file"
	box_case loop E11 -k
	rm "$file" && cp "$BOX/good.json" "$file" && chmod 000 "$file"
	box_case 'without mode, root reads it' S -k
	box_done 10
}

@test "11 E: empty, truncated at every byte, garbage behind, BOM, UTF-16" {
	good
	whole=$(<"$BOX/good.json")
	for ((n = 0; n < ${#whole}; n++)); do
		box_turn 16 || continue
		# Cut before the request there is nothing to be found: such a file asks for nothing.
		if [[ ${whole:0:n} == *'"NVIDIA_VISIBLE_DEVICES='* ]]; then expect=E11; else expect=N; fi
		printf '%s' "${whole:0:n}" | box_input "11-cut-$n" $expect config.json
	done
	printf '%s garbage' "$whole" | box_input 11-garbage E11 config.json
	printf '%s\0' "$whole" | box_input 11-nul-behind E11 config.json
	printf '%s%s' "$whole" "$whole" | box_input 11-twice E11 config.json
	printf '\xef\xbb\xbf%s' "$whole" | box_input 11-bom E11 config.json
	printf '%s' "$whole" | iconv -t UTF-16 | box_input 11-utf16 N config.json
	printf '%s' "$whole" | iconv -t UTF-16BE | box_input 11-utf16be N config.json
	box_many config.json
	box_done "$(box_size 22 300)"
}

@test "12 E, 13 E, 14 E, 15 E, 16 E, 18 E, 20 E: what config.json may not hold" {
	good
	{ config . | head -c -2 && printf ',"x":"' && head -c 17000000 /dev/zero | tr '\0' a && echo '"}'; } | box_input 12-17MB E11 config.json
	truncate -s 1T "$BOX/sparse"
	mkdir "$BOX/inputs/12-sparse" && ln "$BOX/sparse" "$BOX/inputs/12-sparse/config.json" && echo E11 >"$BOX/inputs/12-sparse/expect"
	for c in '[' '{"a":'; do
		{ config . | head -c -2 && printf ',"x":' && for i in {1..100}; do printf '%s' "${c}${c}${c}${c}${c}${c}${c}${c}${c}${c}"; done; } | box_input "13-deep-${#c}" E11 config.json
	done
	{ config . | head -c -2 && printf ',"x":' && head -c 100000 /dev/zero | tr '\0' '['; } | box_input 13-100k E11 config.json
	{ config . | head -c -2 && printf ',"x":' && head -c 64 /dev/zero | tr '\0' '[' && head -c 64 /dev/zero | tr '\0' ']' && echo '}'; } | box_input 13-65 E11 config.json
	for key in process root linux ociVersion mounts; do
		{ config . | head -c -2 && echo ",\"$key\":{}}"; } | box_input "14-twice-$key" E11 config.json
	done
	sed 's/"cwd":/"env":[],"cwd":/' "$BOX/good.json" | box_input 14-twice-env E11 config.json
	sed 's/"path":/"path":"x","path":/' "$BOX/good.json" | box_input 14-twice-path E11 config.json
	for bad in '\u0000' '\ud800' '\udc00x' $'\xff' $'\xc0\xaf' $'\xed\xa0\x80' $'\xf4\x90\x80\x80' $'\x01' $'\n' '\x41'; do
		bad=${bad//\\/\\\\}
		name=$(printf %s "$bad" | od -An -tx1 | tr -d ' ')
		sed "s|=all|=a${bad/$'\n'/\\$'\n'}ll|" "$BOX/good.json" | box_input "15-env-$name" 'E11|E13' config.json
		sed "s|$BOX/rootfs|&${bad/$'\n'/\\$'\n'}|" "$BOX/good.json" | box_input "15-root-$name" 'E11|E31' config.json
	done
	sed 's/=all/=all\x00/' "$BOX/good.json" | box_input 15-raw-nul E11 config.json
	for n in 1e999 -0 18446744073709551616 1.5 -1 '"0"' 4294967296 null '{}' 1e3; do
		# No number of config.json is asked for: they can only stand where something else should.
		sed "s|\"path\":\"$BOX/rootfs\"|\"path\":$n|" "$BOX/good.json" | box_input "16-number-${n//[^a-z0-9A-Z]/_}" 'E11|E31' config.json
	done
	config '.process.env += [7]' | box_input 18-env-number E11 config.json
	config '.process.env += [null]' | box_input 18-env-null E11 config.json
	config '.process.env = {"NVIDIA_VISIBLE_DEVICES=all": 1}' | box_input 18-env-object E11 config.json
	config '.process.env = "NVIDIA_VISIBLE_DEVICES=all"' | box_input 18-env-string E11 config.json
	for path in / // /.. /a/.. '' ../nowhere /proc/self/root /proc/1/root /proc/thread-self/root /proc/self/cwd /dev/fd/3 /nowhere /etc/passwd \
		/dev/null "$BOX/../../.." "$BOX/bundle/../../.." "$(printf '/x%.0s' {1..2100})"; do
		box_turn 2 || continue
		config '.root.path = $path' --arg path "$path" | box_input "20-root-$(printf %.40s "$path" | od -An -tx1 | tr -d ' \n')" 'E11|E31' config.json
	done
	config 'del(.root)' | box_input 20-root-missing E11 config.json
	config '.root.path = 7' | box_input 20-root-number E11 config.json
	box_many config.json
	rm "$BOX/sparse"
	box_done "$(box_size 50 65)"
}

@test "12 E, 17 S or E: large and many" {
	good
	n=$(box_size 5000 200000)
	config '.process.env += [range($n) | "A\(.)=x"]' --argjson n "$n" >"$BOX/bundle/config.json"
	box_case "$n variables" S -k
	[ "${HOSTILE_ALL:-0}" != 1 ] || {
		config '.process.env = [range(1600000) | "A\(.)=x"] + .process.env' >"$BOX/bundle/config.json"
		box_case '1,600,000 variables, more than 16 MiB' E11 -k
	}
	config '.process.env += ["A=" + "x" * 1048576]' >"$BOX/bundle/config.json"
	box_case 'a value of 1 MiB' S -k
	config '.process.env += ["NVIDIA_VISIBLE_DEVICES=" + "0," * 524288 + "0"]' >"$BOX/bundle/config.json"
	box_case 'a request of 1 MiB' E13 -k
	n=$(box_size 2000 50000)
	config '.mounts += [range($n) | {destination: "/m\(.)", source: "/x", type: "bind"}]' --argjson n "$n" >"$BOX/bundle/config.json"
	box_case "$n mounts" S -k -t 10
	config '.annotations = ([range($n) | {key: "a\(.)", value: "x"}] | from_entries)' --argjson n "$n" >"$BOX/bundle/config.json"
	box_case "$n annotations" S -k -t 10
	box_done 5
}

@test "18 N, 23 N: nothing asked; 19 S: the last of two equal variables" {
	good
	for filter in 'del(.process)' '.process = null' 'del(.process.env)' '.process.env = []' '.process.env = null' '.process.env = ["NVIDIA_VISIBLE_DEVICES"]' \
		'.process.env = ["XNVIDIA_VISIBLE_DEVICES=all", " NVIDIA_VISIBLE_DEVICES=all", "nvidia_visible_devices=all", "=all", ""]' \
		'.process.env = ["A=NVIDIA_VISIBLE_DEVICES=all"]' '.process.env += ["NVIDIA_VISIBLE_DEVICES=void"]' '.process.env += ["NVIDIA_VISIBLE_DEVICES="]' \
		'.windows = {} | .process.env = []' '.vm = {} | .process.env = []' '.zos = {} | .process.env = []' \
		'.process.env = [] | .hostname = "NVIDIA_VISIBLE_DEVICES=all"' '.process.args = ["NVIDIA_VISIBLE_DEVICES=all"] | .process.env = []'; do
		config "$filter" | box_input "18-$(printf %s "$filter" | cksum | cut -d' ' -f1)" N config.json
	done
	box_many 'nothing asked'
	config '.process.env = ["NVIDIA_VISIBLE_DEVICES=7", "NOTHING", "NVIDIA_VISIBLE_DEVICES=0"]' >"$BOX/bundle/config.json"
	box_case 'the last wins' S -k -- /probe stat /dev/nvidia1
	[ "$BOX_OUTPUT" = ENOENT ]
	config '.process.env = ["NVIDIA_VISIBLE_DEVICES=0", "NVIDIA_VISIBLE_DEVICES=7"]' >"$BOX/bundle/config.json"
	box_case 'the last is wrong' E14 -k
	config '.windows = {} | .vm = {"x": 1} | .zos = 7 | .x = [1e99]' >"$BOX/bundle/config.json"
	box_case 'sections of other systems beside' S -k
	box_done 18
}

@test "20 S: root.path relative, by links, with dots; 21 S: root.readonly" {
	good
	ln -s rootfs "$BOX/root-link"
	for path in ../rootfs ./../rootfs "$BOX/./rootfs/" "$BOX//rootfs/." "$BOX/rootfs/etc/.." "$BOX/root-link" ../root-link; do
		config '.root.path = $path' --arg path "$path" >"$BOX/bundle/config.json"
		box_case "root.path $path" S -k
	done
	config '.root.path = "."' >"$R/config.json"
	box_case 'root.path .' S -b "$R"
	config '.root.path = ".."' >"$R/etc/config.json"
	box_case 'root.path ..' S -b "$R/etc"
	config '.root.readonly = true' >"$BOX/bundle/config.json"
	box_case 'readonly to come' S -k
	box_done 10
}

@test "22 E: no mount namespace of its own, whatever config.json says" {
	good
	send="printf '{\"ociVersion\":\"1.0.2\",\"id\":\"box\",\"status\":\"created\",\"pid\":%d,\"bundle\":\"$BOX/bundle\"}' \$pid >$BOX/state; ${BOX_HOOK#exec } <$BOX/state; r=\$?; kill \$pid; wait; exit \$r"
	for filter in . '.linux.namespaces = []' '.linux.namespaces = null' 'del(.linux)' '.linux.namespaces = [{type: "mount", path: "/proc/1/ns/mnt"}]'; do
		config "$filter" >"$BOX/bundle/config.json"
		box_case "host's namespace, $filter" E30 -k -x "sleep 60 & pid=\$!; $send"
		box_case "own namespace, $filter" S -k
	done
	box_done 10
}

@test "24 S: config.json changes while it is read: one of the two, never a mixture" {
	good
	config '.process.env = ["NVIDIA_VISIBLE_DEVICES=0"]' >"$BOX/one.json"
	config '.process.env = ["NVIDIA_VISIBLE_DEVICES=1"]' >"$BOX/two.json"
	cp "$BOX/one.json" "$BOX/bundle/config.json"
	for i in {1..6}; do
		box_root
		# The churn is in the bundle, so what changes there says nothing.
		box_start -k -x "( while :; do cp $BOX/one.json $BOX/bundle/new; mv $BOX/bundle/new $BOX/bundle/config.json; cp $BOX/two.json $BOX/bundle/new; mv $BOX/bundle/new $BOX/bundle/config.json; done ) &
			churn=\$!; ${BOX_HOOK#exec }; r=\$?; kill \$churn; wait; sleep 0.2; exit \$r"
		[ "$BOX_STATUS" = 0 ]
		[ "$(grep -c '/dev/nvidia[01] ' "$BOX/out/new")" = 1 ]
		box_o2_mounts && box_o4_sources && box_o6_root S && box_o7_left
		echo "S 24: $i" >>"$BOX/cases"
	done
}
