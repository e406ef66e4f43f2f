#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# CRI-O, which is in no Debian release: what configure writes for it, read by another parser and held against CRI-O's schema, its order
# of files, and what it looks for when it starts.

load helpers
load configure

FILE=/etc/crio/crio.conf.d/50-nvcoreos.conf

setup() {
	need_build nvcoreos
	command -v python3 >/dev/null || skip_or_fail 'not installed: python3'
	configure_host
	mkdir -p "$HOST/etc/crio/crio.conf.d"
}

# program PATH...: programs of the host.
program() {
	local path
	for path; do
		install -D -m 755 /dev/null "$HOST$path"
	done
}

# A distribution's CRI-O: everything on its PATH, all in crio.conf.
distribution() {
	program /usr/bin/conmon /usr/bin/crun /usr/sbin/runc
	printf '[crio]\nroot = "/var/lib/containers/storage"\n[crio.runtime]\ndefault_runtime = "runc"\ncgroup_manager = "systemd"\nhooks_dir = ["/usr/share/containers/oci/hooks.d"]\n[crio.runtime.runtimes.runc]\nruntime_path = ""\nruntime_type = "oci"\nruntime_root = "/run/runc"\nmonitor_path = ""\nmonitor_cgroup = "system.slice"\nmonitor_env = ["PATH=/usr/bin:/bin"]\nallowed_annotations = []\nprivileged_without_host_devices = false\n[crio.network]\nplugin_dirs = ["/opt/cni/bin/"]\n' >"$HOST/etc/crio/crio.conf"
}

# The packages of CRI-O's own project: nothing on its PATH.
project() {
	program /usr/libexec/crio/conmon /usr/libexec/crio/crun /usr/libexec/crio/runc
	cat >"$HOST/etc/crio/crio.conf.d/10-crio.conf" <<-EOT
		[crio.image]
		signature_policy = "/etc/crio/policy.json"
		[crio.runtime]
		default_runtime = "crun"
		[crio.runtime.runtimes.crun]
		runtime_path = "/usr/libexec/crio/crun"
		runtime_root = "/run/crun"
		monitor_path = "/usr/libexec/crio/conmon"
		container_min_memory = "500KiB"
		allowed_annotations = ["io.containers.trace-syscall", "io.kubernetes.cri-o.Devices"]
		[crio.runtime.runtimes.runc]
		runtime_path = "/usr/libexec/crio/runc"
		runtime_root = "/run/runc"
		monitor_path = "/usr/libexec/crio/conmon"
	EOT
}

# No file at all: crun is built in.
nothing() {
	program /usr/bin/conmon /usr/bin/crun
}

# crio: what all files come to.
crio() {
	python3 "$NVC_TESTS/integration/crio.py" "$HOST" "$FILE"
}

# there_and_back: as a runtime, as the default, and away; what was there before is there in each.
there_and_back() {
	local before after
	cp -a "$HOST/etc" "$BATS_TEST_TMPDIR/etc"
	before=$(crio)
	configure crio
	after=$(crio)
	echo "$after"
	diff <(echo "$before") <(grep -v '^nvcoreos ' <<<"$after")
	grep -q "^nvcoreos .*runtime_path=$OURS runtime_.*type=oci" <<<"$after"
	configure crio --set-as-default
	diff <(echo "${after%default *}default nvcoreos") <(crio)
	configure crio --remove
	diff -r "$BATS_TEST_TMPDIR/etc/crio" "$HOST/etc/crio"
	[ "$(crio)" = "$before" ]
}

@test "crio, a distribution's: all that was there stays, ours is as the default runtime is, all goes back" {
	distribution
	there_and_back
	configure crio
	[[ $(crio) == *"nvcoreos monitor_cgroup=system.slice monitor_env=['PATH=/usr/bin:/bin'] runtime_path=$OURS runtime_root=/run/runc runtime_type=oci"* ]]
}

@test "crio, its project's packages: conmon that is not on the PATH is found, and what else must be told is told" {
	project
	there_and_back
	configure crio >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err"
	run crio
	[[ $output == *"nvcoreos allowed_annotations=['io.containers.trace-syscall', 'io.kubernetes.cri-o.Devices'] monitor_path=/usr/libexec/crio/conmon runtime_path=$OURS runtime_root=/run/crun runtime_type=oci"* ]]
	# nvcoreos-runtime needs one that it knows.
	cat "$BATS_TEST_TMPDIR/err"
	grep -q '^nvcoreos: .*low-level-runtimes=/usr/libexec/crio/crun' "$BATS_TEST_TMPDIR/err"
	program /usr/bin/crun
	configure crio 2>"$BATS_TEST_TMPDIR/err"
	[ ! -s "$BATS_TEST_TMPDIR/err" ]
}

@test "crio without a file: the built-in runtime stays, and the default" {
	nothing
	there_and_back
}

@test "crio: the order of files: ours comes behind crio.conf and lower names; a higher name that says otherwise is refused" {
	distribution
	printf '[crio.runtime]\ndefault_runtime = "runc"\n' >"$HOST/etc/crio/crio.conf.d/40-other"
	configure crio --set-as-default
	[[ $(crio) == *'default nvcoreos' ]]
	configure crio --remove
	mv "$HOST/etc/crio/crio.conf.d/40-other" "$HOST/etc/crio/crio.conf.d/60-other"
	run configure crio --set-as-default
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == 'nvcoreos: E55: '*'crio.conf.d: a later file makes runc the default_runtime'* ]]
	[[ $(crio) == *'default runc' ]]
}

@test "crio: this test refuses a key, a type and a program that CRI-O does not know" {
	project
	configure crio
	cp "$HOST$FILE" "$BATS_TEST_TMPDIR/good"
	crio
	while read -r wrong says; do
		sed "$wrong" "$BATS_TEST_TMPDIR/good" >"$HOST$FILE"
		run crio
		echo "$wrong: $output"
		[ "$status" = 1 ]
		[[ $output == *"$says"* ]]
	done <<-'EOT'
		s/^runtime_root/root/ no such key: root
		s/"oci"/"oc"/ no such runtime_type
		s/^runtime_root.*/runtime_root=7/ runtime_root is of another type
		/^monitor_path/d no conmon : CRI-O does not start
		1a[crio.image] says more than
		1a[crio.runtime]\ndefault_runtime="none" which has no table
		1a[crio.runtime]\ndefault_runtime="nvcoreos"\nhooks_dir=[] says more than
	EOT
}

@test "crio: hooks.d: the file is one of version 1.0.0, for its default directory too" {
	run jq -c '[.version, (.hook | keys), (.hook.path | startswith("/")), .when, (.stages - ["prestart", "createRuntime"])]' \
		"$NVC_TESTS/../config/hooks.d/90-nvcoreos.json"
	echo "$output"
	[ "$output" = '["1.0.0",["args","env","path"],true,{"always":true},[]]' ]
	# Nothing of ours turns that directory to another.
	distribution
	configure crio
	[ "$(grep -c hooks_dir "$HOST$FILE")" = 0 ]
}
