#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Hostile inputs 25 to 33: values that an image brings. Each goes to the hook and through the shim. E: refused, nothing granted;
# S: exactly what was named; N: no GPU asked, nothing touched. What needs no process stands in tests/unit/test_request*.c.

load helpers
load gpu
load box

setup_file() {
	need_root cc findmnt jq || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	box_setup
	# The runtime that the shim becomes says only that it was reached.
	# shellcheck disable=SC2016
	printf '#!/bin/sh\necho reached >"$0.ran"\n' >"$BOX/bin/runc" && chmod 755 "$BOX/bin/runc"
	sed "s|^low-level-runtimes=.*|low-level-runtimes=$BOX/bin/runc|" "$BOX/conf" >"$BOX/shim.conf"
	UVM=$(gpu_uvm "$BOX")
	export UVM
}

teardown_file() {
	box_teardown
}

setup() {
	skip_file
	box_root
	box_inputs
	SHIM=$BATS_TEST_TMPDIR/shim
	mkdir "$SHIM"
}

# shim TITLE EXPECT VARIABLE...: the same by nvcoreos-runtime. E: config.json as it was, no runtime reached; N: as it was.
shim() {
	local title=$1 want=$2 rc=0 status=0 err
	shift 2
	box_plain_config "$@"
	cp "$BOX/bundle/config.json" "$SHIM/config.json"
	rm -f "$BOX/bin/runc.ran"
	"$NVCOREOS_BUILD/nvcoreos-runtime" --nvcoreos-config "$BOX/shim.conf" create --bundle "$SHIM" x >"$BOX/shim.out" 2>"$BOX/shim.err" </dev/null || status=$?
	err=$(<"$BOX/shim.err")
	BOX_RAN=$((${BOX_RAN:-0} + 1))
	case $want in
	E*) [[ $status = 1 && $err =~ ^nvcoreos-runtime:\ ($want)[0-9]*:\ [[:print:]]+$ && ! -e $BOX/bin/runc.ran ]] && cmp -s "$SHIM/config.json" "$BOX/bundle/config.json" || rc=1 ;;
	N) [[ $status = 0 && -z $err && -e $BOX/bin/runc.ran ]] && cmp -s "$SHIM/config.json" "$BOX/bundle/config.json" || rc=1 ;;
	S) [[ $status = 0 && -z $err && -e $BOX/bin/runc.ran ]] && ! cmp -s "$SHIM/config.json" "$BOX/bundle/config.json" || rc=1 ;;
	esac
	if [ $rc = 0 ]; then
		echo "$want ${BATS_TEST_NUMBER:-0}: shim: $title" >>"$BOX/cases"
	else
		BOX_FAILED=$((${BOX_FAILED:-0} + 1))
		echo "FAILED shim: $title: wanted $want, status $status: ${err:0:300}"
	fi
}

# rules: what the shim allows: "c 195:0 rw" and the like, in order, on one line.
rules() {
	jq -r '[.linux.resources.devices[]? | select(.allow) | "\(.major):\(.minor)"] | sort | join(" ")' "$SHIM/config.json"
}

# nodes: what the hook mounted in /dev.
nodes() {
	sed -n 's|^[^ ]* [^ ]* [^ ]* [^ ]* [^ ]*/rootfs/dev/\([^ ]*\) .*|\1|p' "$BOX/out/new" | sort | tr '\n' ' '
}

# value EXPECT VARIABLE...: for box_many, and through the shim at once.
value() {
	local want=$1
	shift
	box_turn 5 || return 0
	box_plain_config "$@"
	VALUE_N=$((${VALUE_N:-0} + 1))
	box_input "$VALUE_N-$(printf %.30s "${*//[^a-zA-Z0-9_=,.-]/_}")" "$want" config.json <"$BOX/bundle/config.json"
	shim "$(printf %.60q "$*")" "$want" "$@"
}

# exactly VALUE RULES NODE...: both grant just that.
exactly() {
	local value=$1 rules=$2 got
	shift 2
	box_case "$value" S -e "NVIDIA_VISIBLE_DEVICES=$value" -e NVIDIA_DRIVER_CAPABILITIES=utility
	got=$(nodes)
	[ "$got" = "$*${*:+ }" ] || { echo "FAILED $value: nodes $got" && BOX_FAILED=$((${BOX_FAILED:-0} + 1)); }
	shim "$value" S "NVIDIA_VISIBLE_DEVICES=$value" NVIDIA_DRIVER_CAPABILITIES=utility
	got=$(rules)
	[ "$got" = "$rules" ] || { echo "FAILED $value: rules $got" && BOX_FAILED=$((${BOX_FAILED:-0} + 1)); }
}

@test "25 S: exactly the devices named, by nodes and by rules; none is none" {
	exactly all '195:0 195:1 195:255' nvidia0 nvidia1 nvidiactl
	exactly 0 '195:0 195:255' nvidia0 nvidiactl
	exactly 1 '195:1 195:255' nvidia1 nvidiactl
	exactly 0,1 '195:0 195:1 195:255' nvidia0 nvidia1 nvidiactl
	exactly 1,0 '195:0 195:1 195:255' nvidia0 nvidia1 nvidiactl
	exactly "$(fakehost_uuid 1)" '195:1 195:255' nvidia1 nvidiactl
	exactly "$(fakehost_uuid 0),1" '195:0 195:1 195:255' nvidia0 nvidia1 nvidiactl
	exactly "$(fakehost_bdf 1)" '195:1 195:255' nvidia1 nvidiactl
	exactly "$(fakehost_uuid 0 | cut -c1-12)" '195:0 195:255' nvidia0 nvidiactl
	exactly none ''
	box_done 20
}

@test "25 N: empty, void and words that only look like a request" {
	for v in '' void; do
		value N "NVIDIA_VISIBLE_DEVICES=$v"
		value N NVIDIA_VISIBLE_DEVICES=all "NVIDIA_VISIBLE_DEVICES=$v"
		value N "NVIDIA_VISIBLE_DEVICES=$v" NVIDIA_DRIVER_CAPABILITIES=nonsense 'NVIDIA_REQUIRE_CUDA=cuda>=99' NVCOREOS_CUDA=../x
	done
	value N NVIDIA_VISIBLE_DEVICE=all
	value N NVIDIA_VISIBLE_DEVICES_=all
	value N NVIDIA_VISIBLE_DEVICES
	value N 'NVIDIA_VISIBLE_DEVICES =all'
	value N CUDA_VERSION=
	value N CUDA_VERSION=nonsense
	value N CUDA_VERSION=../12.4
	box_many 'no request'
	box_done "$(box_size 3 24)"
}

@test "26 E, 27 E: values that are none: refused whole, nothing granted" {
	local all=() v
	# shellcheck disable=SC1003,SC2054 # these are values
	all=(../../dev/sda /dev/sda 0/../1 '$(x)' '`x`' '%s%n' '%s%s%s%s' '0 1' ' 0' '0 ' $'0\t1' $'0\n1' $'0\n' '0,,1' ,0 0, , ,, '0,0' '0,00' 00 -1 +1 -0 0x0 \
		4294967296 4294967295 18446744073709551616 18446744073709551615 99999999999999999999999999 ٣ １ '0;1' '0|1' '0:' ':0' 0:0:0 0:-1 '0:99999999999' 1e0 0.0
		'0,x' 'x,0' '0,GPU-' 'GPU-' 'MIG-' 'GPU-zzzzzzzz' 'MIG-GPU-x/0/0' "MIG-$(fakehost_uuid 0)/0" "MIG-$(fakehost_uuid 0)/../0" "$(fakehost_uuid 0)x"
		"$(fakehost_uuid 0) " all,0 0,all all,all none,0 void,0 'all ' ' all' All ALL None nONE null true yes '*' '?' '[0]' '0-1' '{0,1}' '0..1' \
		nvidia.com/gpu=0,1/../2 nvidia.com/gpu= nvidia.com/gpu nvidia.com/gpu=all,0 'nvidia.com/gpu=0 ' $'\e[31m0' '"' "'" '\' '\u0030' '\n' '😀'
		0000:01:00.8 0000:01:20.0 0000:01:00 0000:0100.0 1:00.0 00000000000:01:00.0 '0000:01:00.0/' '0000:01:00.0:0' '..' '.' '/' '~' '#0' '0#')
	for v in "${all[@]}"; do
		value 'E' "NVIDIA_VISIBLE_DEVICES=$v"
	done
	value E13 "NVIDIA_VISIBLE_DEVICES=$(head -c 65536 /dev/zero | tr '\0' 0)"
	value E13 "NVIDIA_VISIBLE_DEVICES=$(printf '%d,' {0..9999})0"
	value E13 "NVIDIA_VISIBLE_DEVICES=$(printf '%d,' {0..900})0"
	for v in 7 2 2147483647 0:0 1:1 GPU-ffffffff "GPU-deadbeef-1d2e-3f40-5162-738495a6b7c8" MIG-deadbeef-1d2e-3f40-5162-738495a6b7c8 0000:0a:00.0 0,7 "0,GPU-ffffffff"; do
		value 'E14|E13' "NVIDIA_VISIBLE_DEVICES=$v"
	done
	box_many 'not a device'
	box_case 'named' E14 -e NVIDIA_VISIBLE_DEVICES=0,7
	[[ $BOX_ERR == *': 7:'* ]]
	box_case 'named' E14 -e NVIDIA_VISIBLE_DEVICES=GPU-deadbeef
	[[ $BOX_ERR == *GPU-deadbeef* ]]
	box_done "$(box_size 40 220)"
}

@test "28 E, 29 E, 30 E: capabilities, requirements, CUDA versions" {
	local v
	for v in computex 'compute,' 'compute utility' 'Compute' 'compute;utility' '../x' '%n' "$(printf 'compute,%.0s' {1..2000})" $'compute\n' none void '*' 'compute,x' $'\e[0m'; do
		[ "$v" = 'compute,' ] || value 'E' NVIDIA_VISIBLE_DEVICES=0 "NVIDIA_DRIVER_CAPABILITIES=$v"
	done
	for v in 'cuda>=' 'cuda' '>=12' 'cuda==12' 'cuda=>12' 'cuda>=12;id' 'foo>=1' 'cuda>=x' 'cuda>=(12' 'cuda>=12)' '((((' 'brand>tesla' \
		'cuda>=９' 'cuda>=-1' 'cuda>=1e3' 'cuda >= 1' $'cuda>=1\n' 'driver>=999999999999999999999' '%s%n=1' 'arch=x' \
		"cuda>=$(head -c 5000 /dev/zero | tr '\0' 9)" "$(head -c 1048576 /dev/zero | tr '\0' x)" "$(printf 'cuda>=99 %.0s' {1..9000})"; do
		value 'E' NVIDIA_VISIBLE_DEVICES=0 "NVIDIA_REQUIRE_CUDA=$v"
	done
	value E NVIDIA_VISIBLE_DEVICES=0 NVIDIA_REQUIRE_X=y
	value E NVIDIA_VISIBLE_DEVICES=0 'NVIDIA_REQUIRE_=cuda>=99'
	value E13 NVIDIA_VISIBLE_DEVICES=0 NVIDIA_DISABLE_REQUIRE=maybe
	local many=()
	for v in {1..200}; do many+=("NVIDIA_REQUIRE_A$v=cuda>=1"); done
	value E13 NVIDIA_VISIBLE_DEVICES=0 "${many[@]}"
	for v in ../x /etc .. . 12.4/../.. 12.4.1/ '12.4.1 ' 12.4.1x current '*' '%n' "$(head -c 300 /dev/zero | tr '\0' 1)" $'12.4\n' 99.9 12.5 v12 -1 '12,4'; do
		value E18 NVIDIA_VISIBLE_DEVICES=0 "NVCOREOS_CUDA=$v"
	done
	for v in 1 Config 'all,' 0 ALL all; do
		value 'E13|E17' NVIDIA_VISIBLE_DEVICES=0 "NVIDIA_MIG_CONFIG_DEVICES=$v"
		value 'E13|E17' NVIDIA_VISIBLE_DEVICES=0 "NVIDIA_MIG_MONITOR_DEVICES=$v"
	done
	for v in 1048576 -1 0,0 x 0x1 '0 1' 99999999999 '../0' ''$'\n' "$(printf '%d,' {0..64})99"; do
		value 'E' NVIDIA_VISIBLE_DEVICES=0 "NVIDIA_IMEX_CHANNELS=$v"
	done
	box_many values
	# These NVIDIA's tool takes as well; what a value says decides, and it grants nothing by itself.
	for v in 'cuda>=12,,driver>=5' 'cuda>=12 ,' 'cuda>=1..2' 'brand=../x' 'cuda!12'; do
		box_case "$v" 'S|E16' -e NVIDIA_VISIBLE_DEVICES=0 -e "NVIDIA_REQUIRE_CUDA=$v"
	done
	box_case 'defaults' S -e NVIDIA_VISIBLE_DEVICES=0 -e NVIDIA_DRIVER_CAPABILITIES=
	grep -q '/views/compute+utility ' "$BOX/out/new"
	box_case 'defaults too' S -e NVIDIA_VISIBLE_DEVICES=0 -e NVIDIA_DRIVER_CAPABILITIES=' , ,'
	box_done "$(box_size 30 160)"
}

@test "31 E: names of CDI devices in annotations and mounts" {
	local v
	box_options
	box_config
	cp "$BOX/bundle/config.json" "$BOX/plain.json"
	for v in nvidia.com/gpu=../0 nvidia.com/gpu=/0 nvidia.com/../gpu=0 'nvidia.com/gpu=' nvidia.com/gpu 'nvidia.com/gpu=0=1' '=nvidia.com/gpu=0' 'nvidia.com/gpu=0,,nvidia.com/gpu=1' \
		'nvidia.com/gpu=0 ,x' $'nvidia.com/gpu=0\n' 'nvidia.com/gpu=7' 'nvidia.com/gpu=%n' 'nvidia.com/gpu=0,nvidia.com/gpu=0' 'nvidia.com/gpu=-1' 'nvidia.com//gpu=0' 'nvidia.com/gpu=0/' \
		"nvidia.com/gpu=$(head -c 65536 /dev/zero | tr '\0' 0)"; do
		jq '.process.env = [] | .annotations = {"cdi.k8s.io/x": $v}' --arg v "$v" <"$BOX/plain.json" | box_input "31-annotation-$(printf %.30s "${v//[^a-z0-9=.]/_}")" 'E13|E14' config.json
	done
	for v in ../x 0/.. 7 'cdi/nvidia.com/gpu/../0' cdi/nvidia.com/gpu=x/y cdi/x cdi/../../etc 'a b' '%n' $'0\n' .. 'cdi/nvidia.com/gpu=='; do
		jq '.process.env = [] | .mounts += [{destination: ("/var/run/nvidia-container-devices/" + $v), source: "/dev/null", type: "bind"}]' --arg v "$v" <"$BOX/plain.json" |
			box_input "31-mount-$(printf %.30s "${v//[^a-z0-9=.]/_}")" 'E13|E14|N' config.json
	done
	box_many names
	jq '.process.env = [] | .annotations = {"cdi.k8s.io/x": "nvidia.com/gpu=1"}' <"$BOX/plain.json" >"$BOX/bundle/config.json"
	box_case 'a good one' S -k
	[[ $(nodes) == *nvidia1* && $(nodes) != *nvidia0* ]]
	jq '.process.env = [] | .annotations = {"cdi.k8s.io/../../x": "nvidia.com/gpu=1", "x": "../../nvidia.com/gpu=0", "cdi.k8s.io/y": "acme.com/x=../.."}' <"$BOX/plain.json" >"$BOX/bundle/config.json"
	box_case 'keys are only names' S -k
	[[ $(nodes) == *nvidia1* && $(nodes) != *nvidia0* ]]
	box_done 30
}

@test "32 S, 33 S: ids and values in the log and on stderr are escaped and cut; no file is named by them" {
	local id
	: >"$BOX/log/nvcoreos.log"
	for id in ../../x '/etc/x' '%s%n%s%n' '%99999999d' $'a\nb' $'\e[31mred' $'a\rb' '' . .. "$(head -c 65536 /dev/zero | tr '\0' i)" $'\x7f\x80' 'ä' '$(id)'; do
		box_quote "$id"
		printf '{"ociVersion":"1.0.2","id":%s,"pid":@PID@,"bundle":"%s"}' "$REPLY" "$BOX/bundle" | { iconv -c -t UTF-8 || :; } >"$BOX/state"
		box_case "id $(printf '%.20q' "$id")" 'S|E10' -s "$BOX/state"
		box_case "id $(printf '%.20q' "$id"), refused" 'E13|E10' -s "$BOX/state" -e $'NVIDIA_VISIBLE_DEVICES=\e]0;x\a\nnvcoreos-hook: info: all is well\r%n'
	done
	[ ! -e "$BOX/x" ] && [ ! -e /etc/x ]
	run env LC_ALL=C grep -av '^20..-..-..T..:..:..Z nvcoreos-hook\[[0-9]*\] [a-z]*: [ -~]*$' "$BOX/log/nvcoreos.log"
	[ -z "$output" ]
	[ "$(wc -L <"$BOX/log/nvcoreos.log")" -lt 4200 ]
	[ "$(ls "$BOX/log")" = nvcoreos.log ]
	box_done 28
}
