# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2016 # what looks like shell variables belongs to jq
# The scene for measuring: a host with one GPU, drivers and images of a given number of libraries, a container as Docker has
# it. To be loaded after helpers and gpu. What decides for the hook is all here and made here, so that it is the same everywhere.

# scene_host DIR: the host, its configuration, an empty store of toolkits, the programs of this directory.
scene_host() {
	mkdir -p "$1"/{bin,canary,archives,store,cuda-store} && fakehost_make "$1/host" 1 535.261.03 && fakehost_dri "$1/host" 1 &&
		fakehost_conf "$1/host" "$1/store" "$1/cuda-store" load-modules=yes >"$1/conf" &&
		sed -i '/^load-modules=no$/d' "$1/conf" &&
		sed "s|^low-level-runtimes=.*|low-level-runtimes=$1/bin/nothing|" "$1/conf" >"$1/conf.cpu" || return
	scene_gpus >"$1/host/run/inventory.json"
	scene_build "$1" && scene_config >"$1/config.json" &&
		jq -c 'del(.process.env[2])' "$1/config.json" >"$1/plain.json"
}

# What nvcoreos gpus --refresh writes.
scene_gpus() {
	printf '{"format":1,"driver":"535.261.03","gpus":[{"pci":"%s","uuid":"%s","brand":"Tesla","arch":"8.0","mig":[]}]}\n' \
		"$(fakehost_bdf 0)" "$(fakehost_uuid 0)"
}

scene_build() {
	echo 'int main(void) { return 0; }' | cc -O1 -static -x c -o "$1/bin/nothing" - &&
		cc -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static -I"$NVC_LIB" -o "$1/bin/cost" "$NVC_TESTS/bench/cost.c"
}

# scene_config: config.json of `docker run --runtime=nvcoreos -e NVIDIA_VISIBLE_DEVICES=all`, as Docker writes it.
scene_config() {
	jq -cn '
		def caps: ["CHOWN","DAC_OVERRIDE","FSETID","FOWNER","MKNOD","NET_RAW","SETGID","SETUID","SETFCAP","SETPCAP",
			"NET_BIND_SERVICE","SYS_CHROOT","KILL","AUDIT_WRITE"] | map("CAP_" + .);
		def mount($to; $type; $from; $options): {destination: $to, type: $type, source: $from, options: $options};
		def volume($name): mount("/etc/" + $name; "bind"; "/var/lib/docker/containers/0123456789abcdef/" + $name; ["rbind", "rprivate"]);
		def rule($allow; $type; $major; $minor; $access): {allow: $allow, type: $type, major: $major, minor: $minor, access: $access};
		{
			ociVersion: "1.0.2-dev",
			process: {
				user: {uid: 0, gid: 0, additionalGids: [0, 1, 2, 3, 4, 6, 10, 11, 20, 26, 27]},
				args: ["nvidia-smi"],
				env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=0123456789ab",
					"NVIDIA_VISIBLE_DEVICES=all", "LANG=C.UTF-8"],
				cwd: "/",
				capabilities: {bounding: caps, effective: caps, permitted: caps},
				apparmorProfile: "docker-default",
				oomScoreAdj: 0
			},
			root: {path: "root"},
			hostname: "0123456789ab",
			mounts: [
				mount("/proc"; "proc"; "proc"; ["nosuid", "noexec", "nodev"]),
				mount("/dev"; "tmpfs"; "tmpfs"; ["nosuid", "strictatime", "mode=755", "size=65536k"]),
				mount("/dev/pts"; "devpts"; "devpts"; ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
				mount("/sys"; "sysfs"; "sysfs"; ["nosuid", "noexec", "nodev", "ro"]),
				mount("/sys/fs/cgroup"; "cgroup"; "cgroup"; ["ro", "nosuid", "noexec", "nodev"]),
				mount("/dev/mqueue"; "mqueue"; "mqueue"; ["nosuid", "noexec", "nodev"]),
				mount("/dev/shm"; "tmpfs"; "shm"; ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"]),
				volume("resolv.conf"), volume("hostname"), volume("hosts")
			],
			hooks: {prestart: [{path: "/proc/4242/exe", args: ["libnetwork-setkey", "-exec-root=/var/run/docker", "0123456789abcdef", "d5d0f5ac8a2b"]}]},
			linux: {
				resources: {
					devices: [rule(false; "a"; -1; -1; "rwm"), rule(true; "c"; 1; 5; "rwm"), rule(true; "c"; 1; 3; "rwm"),
						rule(true; "c"; 1; 9; "rwm"), rule(true; "c"; 1; 8; "rwm"), rule(true; "c"; 5; 0; "rwm"),
						rule(true; "c"; 5; 1; "rwm"), rule(false; "c"; 10; 229; "rwm")],
					memory: {}, cpu: {shares: 0}, blockIO: {weight: 0}
				},
				cgroupsPath: "/docker/0123456789abcdef",
				namespaces: ["mount", "network", "uts", "pid", "ipc"] | map({type: .}),
				seccomp: {
					defaultAction: "SCMP_ACT_ERRNO", architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
					syscalls: [{names: [range(350) | "system_call_\(.)"], action: "SCMP_ACT_ALLOW"}]
				},
				maskedPaths: ["/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
					"/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"],
				readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
			}
		}'
}

# scene_library DIR: DIR/one.so, whose SONAME has a number of four digits; the others differ from it by that alone.
scene_library() {
	echo 'int number_0000;' | cc -shared -nostdlib -fPIC -Wl,-soname,libnvidia-n0000.so.1,-s -x c -o "$1/one.so" -
}

# scene_libraries DIR STEM ENDING N: copies of one.so with the SONAMEs STEM0001.so.1 and so on, and their links; the stem is as
# long as libnvidia-n.
scene_libraries() {
	local n name
	mkdir -p "$1"
	for ((n = 1; n <= $4; n++)); do
		printf -v name '%s%04d' "$2" "$n"
		sed "s/libnvidia-n0000/$name/g" "$SCENE/one.so" >"$1/$name.so.$3"
		ln -s "$name.so.$3" "$1/$name.so.1"
	done
}

# scene_driver DIR N: the sample driver with as many libraries as make N in all, selected.
scene_driver() {
	local more=$1/archives/more.$2 have
	gpu_archives "$1" 535.261.03 || return
	mkdir "$more" && tar -C "$more" -xf "$1/archives/libraries-535.261.03.tar.gz" || return
	have=$(find "$more" -name '*.so.*' | wc -l)
	scene_libraries "$more" libnvidia-n 535.261.03 $(($2 - have))
	rm "$more"/libnvidia-n*.so.1
	mkdir "$more.d" && tar -C "$more" -czf "$more.d/libraries-535.261.03.tar.gz" . &&
		gpu_nvcoreos "$1" install --use "$more.d/libraries-535.261.03.tar.gz" "$1/archives/tools-535.261.03.tar.gz" >/dev/null
}

# scene_image DIR N: what decides for the hook in a root like Debian's, and a cache with N entries.
scene_image() {
	local link
	mkdir -p "$1"/{dev,etc/ld.so.conf.d,opt,proc,run,sys,tmp,usr/bin,usr/sbin,usr/lib/x86_64-linux-gnu,usr/lib64,usr/local/bin,usr/local/lib,usr/share,var}
	for link in bin sbin lib lib64; do
		ln -s "usr/$link" "$1/$link"
	done
	ln -s ../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 "$1/usr/lib64/ld-linux-x86-64.so.2"
	echo loader >"$1/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
	echo ldconfig >"$1/usr/sbin/ldconfig"
	echo 'include /etc/ld.so.conf.d/*.conf' >"$1/etc/ld.so.conf"
	printf '/usr/local/lib\n/usr/local/lib/x86_64-linux-gnu\n' >"$1/etc/ld.so.conf.d/libc.conf"
	printf '/lib/x86_64-linux-gnu\n/usr/lib/x86_64-linux-gnu\n' >"$1/etc/ld.so.conf.d/x86_64-linux-gnu.conf"
	touch "$1"/etc/{resolv.conf,hostname,hosts}
	scene_libraries "$1/usr/lib/x86_64-linux-gnu" libimage-pn 1.2.3 "$2"
	ldconfig -r "$1"
}

# scene_all: in SCENE the hosts d40 and d400 and the images i72 and i600, by their numbers of libraries.
scene_all() {
	local n
	mkdir -p "$SCENE" && scene_library "$SCENE" || return
	for n in 40 400; do
		scene_host "$SCENE/d$n" && scene_driver "$SCENE/d$n" $n || return
	done
	for n in 72 600; do
		scene_image "$SCENE/i$n" $n || return
	done
}

scene_clean() {
	local host
	for host in "$SCENE"/d*; do
		gpu_clean "$host"
	done
}

# --- in a virtual machine whose clock counts instructions ---------------------

# The release of its system, which names the tree there.
scene_os=3975.2.0

# scene_guest GUEST: what is in SCENE, for a guest of vm_pack: the hosts d*, the images i*, our programs.
scene_guest() {
	local host tree
	mkdir -p "$1"/{scene,opt,var,usr,build,etc} && cp -a "$SCENE"/[di]* "$1/scene/" && rm -rf "$1"/scene/d*/archives &&
		cp "$NVCOREOS_BUILD"/nvcoreos-{hook,runtime} "$1/build/" && strip "$1"/build/* &&
		mkdir -p "$1/usr/sbin" && cp "$SCENE/d40/bin/nothing" "$1/usr/sbin/runc" &&
		printf 'ID=flatcar\nVERSION_ID=%s\n' "$scene_os" >"$1/etc/os-release" || return
	for host in "$1"/scene/d*; do
		tree=$(readlink "$host/store/current")
		mv "$host/store/$tree" "$host/store/${tree%/*}/$scene_os" && ln -sfn "${tree%/*}/$scene_os" "$host/store/current" &&
			sed -i "s|\"os\":\"${tree#*/}\"|\"os\":\"$scene_os\"|" "$host/store/current/start.json" || return
	done
}

# scene_script: what the guest runs: each line is one figure, "SCENE shim|hook WHAT N".
scene_script() {
	cat <<-EOF
		modprobe overlay && mkdir -p $SCENE && mv /scene/* $SCENE/ || exit
		cd /
		cost() {
			scene=\$1 driver=\$2 image=\$3
			shift 3
			$SCENE/d\$driver/bin/cost --dir $SCENE/d\$driver --lower $SCENE/i\$image --bin /build --runs 5 "\$@" >/tmp/said || exit
			sed "s,^,\$scene ," /tmp/said
		}
		cost start 40 72
		cost driver-400 400 72
		cost image-600 40 600
		cost no-shim 40 72 --alone
		cost nothing 40 72 --nothing
	EOF
}
