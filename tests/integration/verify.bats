#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What verify finds in a tree that somebody has changed: each kind of damage is named, and nothing is found in a whole tree.

bats_require_minimum_version 1.5.0
load helpers
load gpu

setup_file() {
	need_build nvcoreos || return "$SKIPPED"
	need_root gcc jq xz zstd || return "$SKIPPED"
	export HOST=$BATS_FILE_TMPDIR
	fakehost_conf "$HOST" "$HOST/store" "$HOST/cuda-store" >"$HOST/conf"
	gpu_archives "$HOST" 535.98 12.9.1
	gpu_nvcoreos "$HOST" install "$HOST"/archives/{libraries,tools}-535.98.tar.gz "$HOST/archives/cuda-12.9.1.tar.gz"
	cp -a "$HOST/store" "$HOST/store.whole"
	cp -a "$HOST/cuda-store" "$HOST/cuda-store.whole"
}

setup() {
	skip_file
	rm -rf "$HOST/store" "$HOST/cuda-store"
	cp -a "$HOST/store.whole" "$HOST/store"
	cp -a "$HOST/cuda-store.whole" "$HOST/cuda-store"
	T=$(echo "$HOST"/store/535.98/*)
}

verify() {
	gpu_nvcoreos "$HOST" verify "$@"
}

@test "whole trees: exit 0, and each is named" {
	run -0 verify
	echo "$output"
	[ "${#lines[@]}" = 3 ]
	[[ ${lines[0]} == 535.98/*': whole ('*' files)' ]]
	[[ ${lines[1]} == 535.98/*': has no modules' ]]
	[[ ${lines[2]} == 'cuda/12.9.1: whole ('*' files)' ]]
	run -0 verify cuda/12
	[ "${#lines[@]}" = 1 ]
	run -0 verify --quiet
	[ -z "$output" ]
	[ "$(verify --json | jq -c '[.trees[].whole]')" = '[true,true]' ]
	run -1 verify --kernel "$BATS_TEST_TMPDIR/nonexistent"
	[[ $output == *"E26: "*"$BATS_TEST_TMPDIR/nonexistent: No such file or directory: name the headers' directory of the kernel, "* ]]
	run -1 verify 999.1
	[[ $output == *E53* ]]
}

# damage WORDS SCRIPT: the script breaks the tree; verify must say these words, and exit 1 with E24.
damage() {
	local words=$1
	rm -rf "$HOST/store"
	cp -a "$HOST/store.whole" "$HOST/store"
	(cd "$T" && eval "$2")
	run verify 535.98
	echo "--- $2: wanted: $words"
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"$words"* ]]
	[[ ${lines[-1]} == *'E24: '* ]]
}

@test "each kind of damage to a driver's tree is named" {
	library=lib64/libcuda.so.535.98
	damage "$library: its content is not what was installed" "printf x | dd of=$library bs=1 seek=64 conv=notrunc status=none"
	damage "$library: has 3 bytes, not " "echo xy >$library"
	damage "$library: is missing" "rm $library"
	damage 'lib64/extra: is no part of the tree' 'echo x >lib64/extra'
	damage 'new/x: is no part of the tree' 'mkdir new; echo x >new/x'
	damage 'lib64/libcuda.so.1: leads to /etc/passwd, not to libcuda.so.535.98' 'ln -sf /etc/passwd lib64/libcuda.so.1'
	damage "$library: is a link, not a file" "ln -sf libcuda.so.1 $library"
	damage 'lib64/libcuda.so.1: is a file, not a link' 'rm lib64/libcuda.so.1; echo x >lib64/libcuda.so.1'
	damage "$library: is neither file nor link" "rm $library; mkfifo $library"
	damage 'bin/nvidia-smi: has mode 4755' 'chmod u+s bin/nvidia-smi'
	damage "$library: has mode 0666" "chmod 666 $library"
	damage 'lib64: has mode 0777' 'chmod 777 lib64'
	damage "$library: belongs to user 65534" "chown 65534 $library"
	damage "$library: has mode 0000" "chmod 0 $library"
	damage 'bin/nvidia-smi: has mode 0644' 'chmod 644 bin/nvidia-smi'
	damage 'views: has mode 0700' 'chmod 700 views'
	damage '.: has mode 0700' 'chmod 700 .'
	! command -v setcap >/dev/null || damage 'bin/nvidia-smi: has file capabilities' 'setcap cap_sys_admin+ep bin/nvidia-smi'
	damage 'views/utility/bin/nvidia-smi: is missing' 'rm views/utility/bin/nvidia-smi'
	damage 'views/utility/lib64/extra: is no part of the tree' 'echo x >views/utility/lib64/extra'
	damage 'views/utility/bin/nvidia-smi: its content is not what was installed' \
		'rm views/utility/bin/nvidia-smi; tr a b <bin/nvidia-smi >views/utility/bin/nvidia-smi'
	damage 'views/compute/lib: leads to /usr/lib, not to lib64' 'ln -sfn /usr/lib views/compute/lib'
	damage 'empty: is no part of the tree' 'mkdir empty'
	damage 'views/utility/empty: is no part of the tree' 'mkdir views/utility/empty'
	damage 'views/other: is no part of the tree' 'mkdir views/other'
	damage "$library: is a directory, not a file" "rm $library; mkdir $library"
	damage 'lib64/a\x0ab\x1b: is no part of the tree' 'echo x >"lib64/$(printf "a\nb\033")"'
	damage 'manifest.json: has mode 0666' 'chmod 666 manifest.json'
	damage 'start.json: ' 'echo "{" >start.json'
	[[ $output != *views/* ]]
	damage 'start.json: is not what the manifest says' 'sed -i s/nvidia-smi/nvidia-smj/ start.json'
	damage 'manifest.json: ' 'echo "{" >manifest.json'
	damage 'manifest.json: ' "sed -i 's,\"path\":\"lib64/libcuda,\"path\":\"../lib64/libcuda,; s,\"path\": \"lib64/libcuda,\"path\": \"../lib64/libcuda,' manifest.json"
}

@test "a view that holds copies of the files is whole" {
	cp --remove-destination "$T/bin/nvidia-smi" "$T/views/utility/bin/nvidia-smi.new"
	mv "$T/views/utility/bin/nvidia-smi.new" "$T/views/utility/bin/nvidia-smi"
	run -0 verify 535.98
}

@test "a toolkit whose start.json gives the loader no directory" {
	jq '.dirs = [] | .libraries = []' "$HOST/cuda-store.whole/12.9.1/start.json" >"$HOST/cuda-store/12.9.1/start.json"
	run -1 verify cuda/12
	echo "$output"
	[[ $output == *'start.json: is not what the manifest says'* ]]
}

@test "a toolkit with a changed file, and only that tree" {
	file=$(cd "$HOST/cuda-store/12.9.1" && find . -type f -name 'lib*' | head -n 1)
	printf x >>"$HOST/cuda-store/12.9.1/$file"
	run -1 verify --json
	json=$(sed '/^nvcoreos: /d' <<<"$output")
	[ "$(jq -c '[.trees[].whole]' <<<"$json")" = '[true,false]' ]
	[ "$(jq -r '.trees[1].found[0]' <<<"$json" | cut -d: -f1)" = "${file#./}" ]
}

# with_modules FILE...: the tree anew, with these modules, for the OS version that runs.
with_modules() {
	local os
	# shellcheck source=/dev/null
	os=$(. /etc/os-release && echo "$ID-$VERSION_ID-$(uname -r)")
	rm -rf "$HOST/store"
	tar -C "$BATS_TEST_TMPDIR" -czf "$BATS_TEST_TMPDIR/modules-$os-535.98.tar.gz" "$@"
	gpu_nvcoreos "$HOST" install "$HOST/archives/libraries-535.98.tar.gz" "$BATS_TEST_TMPDIR/modules-$os-535.98.tar.gz" || return
	T=$(echo "$HOST"/store/535.98/*)
	printf '0x12345678\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n' >"$BATS_TEST_TMPDIR/symvers"
}

# module FILE ENTRY...: an object file that needs printk (or what is in NEEDS) and whose .modinfo has these entries. With CRC it has the
# version of printk that it was built against.
module() {
	local file=$BATS_TEST_TMPDIR/$1 entry
	shift
	{
		printf '.data\n'
		# shellcheck disable=SC2086 # one symbol a word
		printf '.quad %s\n' ${NEEDS:-printk}
		printf '.section .modinfo,"a"\n'
		for entry; do printf '.asciz "%s"\n' "$entry"; done
		[ -z "${CRC-}" ] || printf '.section __versions,"a"\n.quad %s\n.asciz "printk"\n.balign 64\n' "$CRC"
	} | gcc -c -x assembler -o "$file" -
}

# other_module FILE: this one in the place of the installed one, and the manifest says so.
other_module() {
	local file=$T/modules/$1
	cp "$BATS_TEST_TMPDIR/$1" "$file"
	jq --arg path "modules/$1" --arg sum "$(sha256sum <"$file" | cut -d' ' -f1)" --argjson size "$(stat -c %s "$file")" \
		'(.files[] | select(.path == $path)) |= (.sha256 = $sum | .size = $size)' "$T/manifest.json" >"$BATS_TEST_TMPDIR/manifest"
	cp "$BATS_TEST_TMPDIR/manifest" "$T/manifest.json"
}

# pack SUFFIX: nvidia.ko beside itself.
pack() {
	if [ "$1" = xz ]; then
		xz -kf -0 "$BATS_TEST_TMPDIR/nvidia.ko"
	else
		zstd -qf "$BATS_TEST_TMPDIR/nvidia.ko"
	fi
}

# no_module FILE: the tree is whole, and verify says that this file in it is no module.
no_module() {
	run -1 verify --kernel "$BATS_TEST_TMPDIR/symvers" 535.98
	echo "$output"
	[[ $output == *': whole ('* && $output == *": $1: no module, or damaged"* && $output != *Assertion* ]]
	[[ ${lines[-1]} == *'E58: '*'do not fit the kernel'* ]]
}

@test "a file among the modules that is none is named, and the rest is checked all the same" {
	echo 'no module' >"$BATS_TEST_TMPDIR/nvidia.ko"
	with_modules nvidia.ko
	run -1 verify
	echo "$output"
	[[ $output == *": nvidia.ko: no module, or damaged: Exec format error"* ]]
	[[ $output == *': whole ('* ]]
	[[ $output == *'E58: '*'do not fit the kernel'* ]]
}

@test "a module that was damaged after it was installed is not parsed" {
	module nvidia.ko name=nvidia license=NVIDIA
	with_modules nvidia.ko
	run -0 verify --kernel "$BATS_TEST_TMPDIR/symvers" 535.98
	[[ $output == *'its modules fit the kernel'* ]]
	printf '\377' | dd of="$T/modules/nvidia.ko" bs=1 seek=62 conv=notrunc status=none
	run -1 verify --kernel "$BATS_TEST_TMPDIR/symvers" 535.98
	echo "$output"
	[[ $output == *'modules/nvidia.ko: its content is not what was installed'* ]]
	[[ $output == *'its modules are not proven: the tree is damaged'* ]]
	[[ ${lines[-1]} == *'E24: '* ]]
}

@test "a packed module whose headers make no sense, or that unpacks to more than any module, is no module" {
	module nvidia.ko name=nvidia license=NVIDIA
	module nvidia-uvm.ko name=nvidia_uvm
	zstd -qk "$BATS_TEST_TMPDIR/nvidia-uvm.ko"
	with_modules nvidia.ko nvidia-uvm.ko.zst
	truncate -s 600M "$BATS_TEST_TMPDIR/nvidia-uvm.ko"
	zstd -qf "$BATS_TEST_TMPDIR/nvidia-uvm.ko"
	other_module nvidia-uvm.ko.zst
	no_module nvidia-uvm.ko.zst
	module nvidia-uvm.ko name=nvidia_uvm
	xz -k "$BATS_TEST_TMPDIR/nvidia-uvm.ko"
	with_modules nvidia.ko nvidia-uvm.ko.xz
	# Where the names of the sections stand: an index beyond all of them.
	printf '\377' | dd of="$BATS_TEST_TMPDIR/nvidia-uvm.ko" bs=1 seek=62 conv=notrunc status=none
	xz -f "$BATS_TEST_TMPDIR/nvidia-uvm.ko"
	other_module nvidia-uvm.ko.xz
	no_module nvidia-uvm.ko.xz
}

# not_installed FILE WHY
not_installed() {
	run -1 with_modules "$1"
	echo "$output"
	[[ ${lines[-1]} == *"E50: archive refused: "*": $1: $2"* ]]
	[ -z "$(find "$HOST/store" -name 'nvidia*.ko*')" ]
}

@test "a packed module is installed as what it unpacks to: not where it is damaged, too large, or of another driver" {
	local pack
	for pack in xz zst; do
		rm -f "$BATS_TEST_TMPDIR"/nvidia.ko*
		module nvidia.ko name=nvidia version=535.98 license=NVIDIA
		pack "$pack"
		with_modules "nvidia.ko.$pack"
		[ "$(jq -r '.modules[] | .name + " " + .version' "$T/manifest.json")" = 'nvidia 535.98' ]
		run -0 verify --kernel "$BATS_TEST_TMPDIR/symvers" 535.98
		head -c 100 "$BATS_TEST_TMPDIR/nvidia.ko.$pack" >"$BATS_TEST_TMPDIR/half" && mv "$BATS_TEST_TMPDIR/half" "$BATS_TEST_TMPDIR/nvidia.ko.$pack"
		not_installed "nvidia.ko.$pack" 'damaged kernel module'
		module nvidia.ko name=nvidia version=550.163.01 license=NVIDIA
		pack "$pack"
		not_installed "nvidia.ko.$pack" 'of driver 550.163.01, not 535.98'
		printf x >>"$BATS_TEST_TMPDIR/nvidia.ko.$pack"
		not_installed "nvidia.ko.$pack" 'damaged kernel module'
		truncate -s 300M "$BATS_TEST_TMPDIR/nvidia.ko"
		pack "$pack"
		not_installed "nvidia.ko.$pack" 'damaged kernel module'
	done
	mv "$BATS_TEST_TMPDIR/nvidia.ko.zst" "$BATS_TEST_TMPDIR/nvidia.ko.xz"
	not_installed nvidia.ko.xz 'damaged kernel module'
}

@test "of a kernel that tells nothing, what a module says of itself is looked at all the same" {
	module nvidia.ko name=nvidia version=535.98 license=NVIDIA
	with_modules nvidia.ko
	run verify 535.98
	echo "$output"
	# That is no success.
	[ -e "/lib/modules/$(uname -r)" ] || [[ $status = 1 && $output == *': its modules are not proven: '*' tell no symbol'* &&
		${lines[-1]} == "nvcoreos: E59: modules are not proven: 535.98/"*": name the kernel's headers with --kernel" ]]
	# A release that differs tells enough where no version of a symbol counts.
	module nvidia.ko name=nvidia version=535.98 license=NVIDIA 'vermagic=4.0.0 SMP mod_unload '
	other_module nvidia.ko
	run -1 verify 535.98
	echo "$output"
	[[ $output == *': nvidia: is built for "4.0.0 SMP mod_unload ", and this kernel is "'* && ${lines[-1]} == *'E58: '* ]]
	module nvidia.ko name=nvidia version=550.163.01 license=NVIDIA
	other_module nvidia.ko
	run -1 verify 535.98
	echo "$output"
	[[ $output == *': whole ('*': nvidia: is of driver 550.163.01, not 535.98'* ]]
	[ -e "/lib/modules/$(uname -r)" ] || [[ $output == *': its modules are not proven: '*' tell no symbol'* ]]
	[[ ${lines[-1]} == *'E58: '*'do not fit the kernel'* ]]
	run -1 verify --json 535.98
	[ "$(sed '/^nvcoreos: /d' <<<"$output" | jq -c '.trees[0].modules | [.fit, .found]')" = \
		'[false,["nvidia: is of driver 550.163.01, not 535.98"]]' ]
}

@test "of many findings each module has its first, and the rest is counted" {
	NEEDS=$(seq -f 'missing%g' 30)
	module nvidia.ko name=nvidia license=NVIDIA
	module nvidia-uvm.ko name=nvidia_uvm
	with_modules nvidia.ko nvidia-uvm.ko
	run -1 verify --kernel "$BATS_TEST_TMPDIR/symvers" 535.98
	echo "$output"
	[[ $output == *': nvidia: needs missing1, '* && $output == *': nvidia_uvm: needs missing1, '* ]]
	[[ $output == *': and 20 more about its modules'* ]]
	run -1 verify --json --kernel "$BATS_TEST_TMPDIR/symvers" 535.98
	[ "$(sed '/^nvcoreos: /d' <<<"$output" | jq -c '.trees[0].modules | [.findings, (.found | length)]')" = '[60,40]' ]
}

@test "what a module says of itself makes it no other, and reaches no terminal" {
	module nvidia.ko 'name=x\033[2J' license=NVIDIA
	module nvidia-uvm.ko name=nvidia-uvm
	with_modules nvidia.ko nvidia-uvm.ko
	run -1 verify --kernel "$BATS_TEST_TMPDIR/symvers" 535.98
	echo "$output"
	[[ $output == *': nvidia: calls itself x\x1b[2J'* && $output != *$'\033'* ]]
	[[ $output != *': nvidia_uvm: '* ]]
}

# headers DIR RELEASE CONFIG...: a kernel's headers, with these lines in their configuration.
headers() {
	local dir=$1 release=$2
	shift 2
	mkdir -p "$dir/include/generated" "$dir/include/config"
	printf '#define UTS_RELEASE "%s"\n' "$release" >"$dir/include/generated/utsrelease.h"
	echo "$release" >"$dir/include/config/kernel.release"
	printf 'CONFIG_%s=y\n' X86_64 SMP MODULE_UNLOAD "$@" >"$dir/include/config/auto.conf"
	printf '0x12345678\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n' >"$dir/Module.symvers"
}

@test "vermagic is told by a kernel's headers, wherever they are named" {
	local dir=$BATS_TEST_TMPDIR
	CRC=0x12345678 module nvidia.ko name=nvidia license=NVIDIA 'vermagic=6.1.0-7 SMP mod_unload modversions '
	with_modules nvidia.ko
	headers "$dir/linux-headers" 6.1.0-9 MODVERSIONS PREEMPT_BUILD
	mkdir -p "$dir/lib/6.1.0-9"
	ln -s "$dir/linux-headers" "$dir/lib/6.1.0-9/build"
	for kernel in linux-headers linux-headers/ linux-headers/Module.symvers lib/6.1.0-9 lib/6.1.0-9/build/ lib/6.1.0-9/build/Module.symvers; do
		run -1 verify --kernel "$dir/$kernel" 535.98
		echo "$kernel: $output"
		[[ $output == *': nvidia: is built for "6.1.0-7 SMP mod_unload modversions ", and this kernel is "6.1.0-9 SMP preempt mod_unload modversions "'* ]]
	done
	# Versions decide, not the release.
	headers "$dir/linux-headers" 6.1.0-9 MODVERSIONS
	run -0 verify --kernel "$dir/linux-headers" 535.98
	[[ $output == *'its modules fit the kernel (1 symbols, 1 of them with versions)' ]]
	[ "$(verify --json --kernel "$dir/linux-headers" 535.98 | jq .trees[0].modules.vermagic)" = true ]
	headers "$dir/linux-headers" 6.1.0-9 MODVERSIONS MODULE_SIG_FORCE
	run -1 verify --kernel "$dir/linux-headers" 535.98
	[[ $output == *': nvidia: has no signature, and the kernel takes signed modules only (CONFIG_MODULE_SIG_FORCE)'* ]]
	# A list of symbols alone says nothing of it.
	run -0 verify --kernel "$dir/symvers" 535.98
	echo "$output"
	[[ $output == *"with versions; vermagic is not proven: this kernel's is not known here)" ]]
	[ "$(verify --json --kernel "$dir/symvers" 535.98 | jq .trees[0].modules.vermagic)" = false ]
}

@test "modules without versions fit a kernel of their release, whatever its directory is called" {
	local dir=$BATS_TEST_TMPDIR
	module nvidia.ko name=nvidia license=NVIDIA 'vermagic=6.11.4-fc41 SMP preempt mod_unload '
	with_modules nvidia.ko
	headers "$dir/headers" 6.11.4-fc41 PREEMPT_BUILD
	sed -i s/0x12345678/0x00000000/ "$dir/headers/Module.symvers" "$dir/symvers"
	mkdir -p "$dir/lib"
	ln -s ../headers "$dir/lib/build"
	for kernel in headers headers/ headers/Module.symvers lib lib/ lib/build lib/build/; do
		run -0 verify --kernel "$dir/$kernel" 535.98
		echo "$kernel: $output"
		[[ $output == *'its modules fit the kernel (1 symbols, 0 of them with versions)' ]]
	done
	headers "$dir/headers" 6.11.5-fc41 PREEMPT_BUILD
	run -1 verify --kernel "$dir/headers" 535.98
	[[ $output == *', and this kernel is "6.11.5-fc41 SMP preempt mod_unload "'* ]]
	# Of a list of symbols without versions nothing is known but their names.
	run -1 verify --kernel "$dir/symvers" 535.98
	echo "$output"
	[[ $output == *': its modules are not proven: neither a version of a symbol nor the release tells'* && $output != *' fit the '* ]]
	[[ ${lines[-1]} == *'E59: '* ]]
	run -1 verify --json --kernel "$dir/symvers" 535.98
	[ "$(sed '/^nvcoreos: /d' <<<"$output" | jq -c '.trees[0] | [.modules.fit, .unproven != null]')" = '[false,true]' ]
	# A kernel that has versions takes none without.
	sed -i s/0x00000000/0x12345678/ "$dir/symvers"
	run -1 verify --kernel "$dir/symvers" 535.98
	echo "$output"
	[[ $output == *', without versions, and this kernel has them'* ]]
}

# symvers_of EXPORT: what Module.symvers says of dma_buf_get behind its name.
symvers_of() {
	printf '0x12345678\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n0x23456789\tdma_buf_get\t%b\n' "$1" >"$BATS_TEST_TMPDIR/headers/Module.symvers"
}

@test "symbols for GPL-compatible modules alone, and namespaces, by Module.symvers" {
	local dir=$BATS_TEST_TMPDIR line
	NEEDS='printk dma_buf_get' module nvidia.ko name=nvidia license=NVIDIA import_ns=DMA_BUF
	with_modules nvidia.ko
	headers "$dir/headers" 6.1.0-9 MODVERSIONS
	symvers_of 'vmlinux\tEXPORT_SYMBOL\tDMA_BUF'
	run -0 verify --kernel "$dir/headers" 535.98
	# The first as Linux before 5.6 writes it.
	for line in 'OTHER\tvmlinux\tEXPORT_SYMBOL' 'vmlinux\tEXPORT_SYMBOL\tOTHER'; do
		symvers_of "$line"
		run -1 verify --kernel "$dir/headers" 535.98
		echo "$output"
		[[ $output == *': nvidia: needs dma_buf_get of the namespace OTHER, which it does not import'* ]]
		[ "$(grep -c ': nvidia: ' <<<"$output")" = 1 ]
	done
	echo CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS=y >>"$dir/headers/include/config/auto.conf"
	run -0 verify --kernel "$dir/headers" 535.98
	for line in 'vmlinux\tEXPORT_SYMBOL_GPL\tDMA_BUF' 'DMA_BUF\tvmlinux\tEXPORT_SYMBOL_GPL' 'vmlinux\tEXPORT_SYMBOL_GPL'; do
		symvers_of "$line"
		run -1 verify --kernel "$dir/headers" 535.98
		echo "$output"
		[[ $output == *': nvidia: needs dma_buf_get, which this kernel gives to GPL-compatible modules alone (its license: "NVIDIA")'* ]]
		[ "$(grep -c ': nvidia: ' <<<"$output")" = 1 ]
	done
}
