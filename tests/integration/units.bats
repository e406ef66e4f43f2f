#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What systemd reads: units, users, directories as `make install` puts them, judged by systemd's own tools on a root of their own; and
# its generator, run as systemd does. What they do at a boot is boot.slow.bats's.

bats_require_minimum_version 1.5.0
load helpers

setup() {
	need_root make systemctl systemd-analyze systemd-sysusers systemd-tmpfiles chroot
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime nvcoreos-load nvcoreos-generator
	R=$BATS_TEST_TMPDIR/root
	install_to "$R"
}

# Everything is built: `all` is taken as done, whatever PREFIX is.
install_to() {
	local dir=$1
	shift
	make -s -C "$NVC_TESTS/.." -o all BUILD="$NVCOREOS_BUILD" DESTDIR="$dir" "$@" install
}

shared() {
	echo "$R/opt/nvcoreos/share/nvcoreos"
}

@test "systemd finds nothing to say about the units" {
	mkdir -p "$R/etc/systemd" "$R/usr/lib/systemd" "$R/opt/nvidia/current/bin"
	cp -r "$(shared)/systemd" "$R/etc/systemd/system"
	cp -r /lib/systemd/system "$R/usr/lib/systemd/"
	for name in nvidia-persistenced nv-fabricmanager; do
		install -m 0755 /bin/true "$R/opt/nvidia/current/bin/$name"
	done
	printf '[Service]\nExecStart=/opt/nvidia/current/bin/nvidia-persistenced\n' >"$R/etc/systemd/system/kubelet.service"
	run -0 systemd-analyze verify --man=no --root="$R" "$R"/etc/systemd/system/*.service
	[[ $output != *"$R"* && $output != *nvcoreos* && $output != *nvidia* ]] || {
		echo "$output"
		return 1
	}
}

@test "what the units wait for, and what waits for them" {
	local units
	units=$(shared)/systemd
	grep -qx 'RequiresMountsFor=/opt/nvcoreos' "$units/nvcoreos-nodes@.service"
	grep -qx 'RequiresMountsFor=/opt/nvcoreos' "$units/nvcoreos.service"
	[ "$(grep ^Before= "$units/nvidia-fabricmanager.service")" = "$(grep ^Before= "$units/nvcoreos.service")" ]
	# load-timeout is the loader's to keep; nothing ends one that hangs in the kernel, and the engines wait for it no longer than this.
	[ "$(grep -h ^TimeoutStartSec= "$units"/nvcoreos*.service | sort -u)" = TimeoutStartSec=600 ]
	[ "$(grep -h ^TimeoutStopSec= "$units"/nvcoreos*.service | sort -u)" = TimeoutStopSec=10 ]
}

@test "the user of the persistence daemon, made once" {
	mkdir -p "$R/etc/sysusers.d"
	cp "$(shared)/sysusers.d/nvcoreos.conf" "$R/etc/sysusers.d/"
	run -0 systemd-sysusers --root="$R" nvcoreos.conf
	[[ $(cat "$R/etc/passwd") == nvidia-persistenced:x:*:NVIDIA\ persistence\ daemon:/:*nologin ]]
	run -0 systemd-sysusers --root="$R" nvcoreos.conf
	[ "$(wc -l <"$R/etc/passwd")" = 1 ]
}

@test "the directory of the next boot is root's" {
	mkdir -p "$R/etc/tmpfiles.d"
	cp "$(shared)/tmpfiles.d/nvcoreos.conf" "$R/etc/tmpfiles.d/"
	run -0 systemd-tmpfiles --root="$R" --create nvcoreos.conf
	[ "$(stat -c '%a %u:%g' "$R/run/nvcoreos")" = '755 0:0' ]
}

@test "another PREFIX stands in all of them, and uninstall leaves none" {
	install_to "$R/other" PREFIX=/srv/nvc
	run -1 grep -rl /opt/nvcoreos "$R/other/srv/nvc/share"
	grep -qx 'ExecStart=/srv/nvc/bin/nvcoreos load' "$R/other/srv/nvc/share/nvcoreos/systemd/nvcoreos.service"
	make -s -C "$NVC_TESTS/.." DESTDIR="$R/other" PREFIX=/srv/nvc uninstall
	[ -z "$(find "$R/other" ! -type d)" ]
	[ ! -e "$R/other/srv/nvc" ]
}

# generate: as systemd calls it, on the host R; what it printed and made.
generate() {
	rm -rf "$R/g" && mkdir -p "$R"/g/{normal,early,late}
	run -0 chroot "$R" /opt/nvcoreos/libexec/nvcoreos/nvcoreos-generator "$@"
	[ -z "$output" ]
	made=$(cd "$R/g" && find . -type l -printf '%P -> %l')
}

@test "the generator: the alias with a tree for this OS version alone; silent and successful whatever there is" {
	printf 'ID=flatcar\nVERSION_ID=3975.2.0\n' >"$R/etc/os-release"
	mkdir -p "$R/etc/systemd/system"
	cp "$(shared)/systemd/nvcoreos.service" "$R/etc/systemd/system/"
	generate /g/normal /g/early /g/late
	[ -z "$made" ]
	mkdir -p "$R/opt/nvidia/535.261.03/3975.2.0/modules"
	touch "$R/opt/nvidia/535.261.03/3975.2.0/modules/nvidia.ko"
	echo '{}' >"$R/opt/nvidia/535.261.03/3975.2.0/start.json"
	ln -s 535.261.03/3975.2.0 "$R/opt/nvidia/current"
	# It is not enabled, and the OS's own stays.
	generate /g/normal /g/early /g/late
	[ -z "$made" ]
	systemctl --root="$R" enable nvcoreos.service
	generate /g/normal /g/early /g/late
	[ "$made" = 'normal/nvidia.service -> /etc/systemd/system/nvcoreos.service' ]
	printf 'ID=flatcar\nVERSION_ID=4081.2.0\n' >"$R/etc/os-release"
	generate /g/normal /g/early /g/late
	[ -z "$made" ]
	printf 'ID=flatcar\nVERSION_ID=3975.2.0\n' >"$R/etc/os-release"
	generate /no/such /no/early /no/late
	generate
	[ -z "$made" ]
	echo 'no-such-key=1' >"$R/etc/nvcoreos/nvcoreos.conf"
	generate /g/normal /g/early /g/late
	[ -z "$made" ]
}
