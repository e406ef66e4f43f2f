#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# scene.sh make DIR     what bench.py measures: images with few and many libraries, hosts with few and many GPUs and libraries of the driver
# scene.sh remove DIR
# hosts/full has a real driver with all its libraries, where the archive gives one; the hosts' GPUs are stand-ins.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/helpers.bash
. "$here/../integration/helpers.bash"
# shellcheck source=tests/integration/gpu.bash
. "$here/../integration/gpu.bash"
driver=535.261.03
small=(cc)
if command -v musl-gcc >/dev/null; then
	small=(musl-gcc -idirafter /usr/include -idirafter "/usr/include/$(cc -print-multiarch)")
fi

# program NAME: static, so that its peak is its own, and with the C library that hook and shim have.
program() {
	"${small[@]}" -O2 -D_GNU_SOURCE -I"$here/../../lib" -static -o "$scene/$1" "$here/$1.c"
}

# libraries FROM DIR PREFIX SUFFIX N: copies of that library, each with a SONAME of its own, which has the length of the one in FROM.
libraries() {
	local n name
	for ((n = 0; n < $5; n++)); do
		name=$(printf '%s%03d' "$3" "$n")
		LC_ALL=C sed "s/${3}000\\.so/$name.so/" "$1" >"$2/$name.so$4"
	done
}

# one_library FILE SONAME
one_library() {
	echo 'int bench_library(void) { return 0; }' | cc -x c -shared -fPIC -nostdlib -o "$1" -Wl,-soname,"$2" - && strip "$1"
}

# As `make install` copies them: what a linker has written lies in the page cache in smaller pieces, which take longer to map.
programs() {
	mkdir "$scene/bin"
	install -m 0755 "$NVCOREOS_BUILD"/nvcoreos{,-hook,-runtime,-load} "$scene/bin"
	NVCOREOS_BUILD=$scene/bin
}

# --- images ---

image_small() {
	mkdir -p "$scene/images"
	ln -s "$("$NVC_LIB/roots.sh" bookworm)" "$scene/images/small"
}

# As a machine-learning image has them: about 600.
image_big() {
	local big=$scene/images/big into=$scene/images/big/usr/lib/x86_64-linux-gnu
	cp -a --reflink=auto "$scene/images/small/." "$big"
	mkdir -p "$into"
	one_library "$scene/one.so" libbench000.so.1
	libraries "$scene/one.so" "$into" libbench .1 530
	/sbin/ldconfig -r "$big"
}

# --- hosts ---

# host NAME GPUS: the host without a driver's tree.
host() {
	local dir=$scene/hosts/$1 conf
	mkdir -p "$dir"
	fakehost_make "$dir/host" "$2" "$driver"
	fakehost_dri "$dir/host" "$2"
	for conf in runc crun "$scene/idle"; do
		fakehost_conf "$dir/host" "$dir/store" "$dir/cuda-store" |
			sed "s#^low-level-runtimes=.*#low-level-runtimes=$conf#" >"$dir/conf-${conf##*/}"
	done
	mv "$dir/conf-runc" "$dir/conf"
}

# host_driver NAME N: the sample driver, with libraries up to N.
host_driver() {
	local dir=$scene/hosts/$1 more=$scene/more-$1 n
	gpu_archives "$dir" "$driver"
	mkdir "$more"
	tar -C "$more" -xzf "$dir/archives/libraries-$driver.tar.gz"
	n=$(find "$more" -name 'lib*' | wc -l)
	one_library "$scene/driver.so" libnvidia-bench000.so.1
	libraries "$scene/driver.so" "$more" libnvidia-bench ".$driver" $(($2 - n))
	tar -C "$more" -czf "$dir/archives/libraries-$driver.tar.gz" .
	gpu_nvcoreos "$dir" --quiet install --use "$dir"/archives/{libraries,tools}-"$driver.tar.gz"
	rm -rf "$more"
}

host_full() {
	local real
	if [ "${BENCH_DRIVER:-}" != sample ] && real=$("$NVC_LIB/realdriver.sh" --full bookworm); then
		driver=$("$NVC_LIB/realdriver.sh" --full --version bookworm)
		host full 1
		gpu_nvcoreos "$scene/hosts/full" --quiet import --use "$real"
	else
		echo 'the sample driver, with 40 libraries, in place of a real one' >&2
		host full 1
		host_driver full 40
	fi
}

# Each library by its name in a container, for the variant that mounts them one by one.
host_libraries() {
	local file
	mkdir "$1/libraries"
	for file in "$1"/store/*/*/lib64/lib*.so.*; do
		[ -L "$file" ] || ln "$file" "$1/libraries/"
	done
}

hosts() {
	local n full_driver
	host_full
	full_driver=$driver
	host_libraries "$scene/hosts/full"
	for n in 40 400; do
		host driver$n 1
		host_driver driver$n $n
	done
	for n in 1 8 64; do
		host gpus$n $n
		host_driver gpus$n 40
	done
	driver=$full_driver
}

# Where they are in the cache already: NVIDIA's five modules, for the kernel that they were built for, as Debian's packages have both.
host_modules() {
	local first kernel release driver os dir=$scene/hosts/modules
	first=$(find ~/.cache/nvcoreos/vm -path '*.nvidia/*/proprietary/nvidia.ko' 2>/dev/null | sort | head -n 1)
	[ -n "$first" ] || return 0
	kernel=${first%%.nvidia/*}
	release=$(cat "$kernel/release")
	driver=$(modinfo -F version "$first")
	os=debian-12-$release
	host modules 1
	gpu_archives "$dir" "$driver"
	find "${first%/*}" -name '*.ko' -print0 |
		tar --transform 's,^.*/,,' -P --null -czf "$dir/archives/modules-$os-$driver.tar.gz" -T -
	gpu_nvcoreos "$dir" --quiet install "$dir"/archives/{libraries,tools,"modules-$os"}-"$driver.tar.gz"
	printf '%s\n' verify --kernel "$kernel/headers/usr/src/linux-headers-$release/Module.symvers" "$driver/$os" |
		jq -Rn '[inputs]' >"$scene/verify.json"
}

# --- all of it ---

facts() {
	local full=$scene/hosts/full
	jq -n --arg scene "$scene" --arg runc "$(command -v runc)" --arg crun "$(command -v crun)" --arg strace "$(command -v strace)" --arg build "$NVCOREOS_BUILD" --arg driver "$driver" \
		--argjson verify "$(cat "$scene/verify.json" 2>/dev/null || echo '[]')" --argjson libraries "$(find "$full/libraries" -type f | wc -l)" --argjson bursts "${BURSTS:-20}" \
		'{runc: $runc, driver: $driver, libraries: $libraries, bursts: $bursts, idle: ($scene + "/idle"), rusage: ($scene + "/rusage"),
		floor: ($scene + "/floor"), nvcoreos: ($build + "/nvcoreos"), hook: ($build + "/nvcoreos-hook"), runtime: ($build + "/nvcoreos-runtime"), strace: $strace, again: ($scene + "/again"),
		tool: (($build + "/nvcoreos") as $tool | ["--config", $scene + "/hosts/full/conf"] as $conf | {
			"plan of one GPU": ([$tool] + $conf + ["plan", "--env", "NVIDIA_VISIBLE_DEVICES=0", "--rootfs", $scene + "/images/small"]),
			"load, nothing to do (the boot unit)": ([$tool] + $conf + ["load"]),
			"gpus": ([$tool] + $conf + ["gpus"]),
			"verify of the files": ([$tool] + $conf + ["verify"])}
			+ if $verify == [] then {} else {
				"verify of NVIDIA\u0027s modules, by symvers": ([$tool, "--config", $scene + "/hosts/modules/conf"] + $verify)} end)}
		+ if $crun == "" then {} else {crun: $crun} end' >"$scene/scene.json"
}

case ${1-} in
make)
	scene=${2:?directory}
	mkdir -p "$scene"
	scene=$(cd "$scene" && pwd)
	program idle
	program again
	program rusage
	program floor
	programs
	image_small
	image_big
	hosts
	host_modules
	facts
	;;
remove)
	cleanup_umount "${2:?directory}"
	cleanup_remove "$2"
	;;
*)
	echo 'usage: scene.sh make|remove DIR' >&2
	exit 2
	;;
esac
