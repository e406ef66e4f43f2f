# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2016,SC2154 # what looks like shell variables belongs to jq; output and lines are what bats' run sets
# Loaded after helpers by suites that run a virtual machine of vm.sh: what is put into it, and what its console says. The guest's script
# writes "NAME| line" for all that a step printed and "NAME= status" at its end.

# vm_install GUEST: our programs and runc, as `make install` has them, with a log that the guest can read.
vm_install() {
	local guest=$1 name
	for name in nvcoreos nvcoreos-hook nvcoreos-runtime; do
		vm_program "$guest" "$NVCOREOS_BUILD/$name" "/opt/nvcoreos/bin/$name" && mkdir -p "$guest/usr/sbin" &&
			ln -s "/opt/nvcoreos/bin/$name" "$guest/usr/sbin/$name" || return
	done
	vm_program "$guest" "$NVCOREOS_BUILD/nvcoreos-load" /opt/nvcoreos/libexec/nvcoreos/nvcoreos-load &&
		vm_program "$guest" "$(command -v runc)" /usr/sbin/runc && mkdir -p "$guest/etc/nvcoreos/nvcoreos.conf.d" &&
		cp "$NVC_TESTS/../config/nvcoreos.conf" "$guest/etc/nvcoreos/" &&
		echo 'log-file=/run/nvcoreos.log' >"$guest/etc/nvcoreos/nvcoreos.conf.d/test.conf"
}

# vm_bundle DIR: DIR/plain.json and DIR/hooked.json: config.json of a container that runs /script, without rights that docker's do not
# have; the guest fills in @ID@ and @ENV@.
vm_bundle() {
	runc spec -b "$1" &&
		bundle_jq "$1" '.process.terminal = false | .root.readonly = false | .process.args = ["/bin/sh", "/script"] | .process.env += ["@ENV@"]
			| .linux.cgroupsPath = "/@ID@"
			| .process.capabilities |= (.bounding = $caps | .effective = $caps | .permitted = $caps | del(.ambient, .inheritable))' \
			--argjson caps "$(bundle_capabilities)" && cp "$1/config.json" "$1/plain.json" &&
		bundle_hook "$1" prestart /opt/nvcoreos/bin/nvcoreos-hook prestart && mv "$1/config.json" "$1/hooked.json"
}

# said STEP: what it printed, and its status.
said() {
	local status
	status=$(sed -n "s/^$1= //p" "$CONSOLE")
	sed -n "s/^$1| //p" "$CONSOLE"
	return "${status:-111}"
}

# step NAME: as `run said NAME`, shown where the test fails.
step() {
	run said "$1"
	printf '%s (%s):\n%s\n' "$1" "$status" "$output"
}

# is STEP STATUS LINE...: exactly these lines, as patterns.
is() {
	local name=$1 expected=$2 i=0 line
	shift 2
	step "$name"
	[ "$status" = "$expected" ] && [ ${#lines[@]} = $# ] || return 1
	for line; do
		# shellcheck disable=SC2053 # patterns
		[[ ${lines[$((i++))]} == $line ]] || return 1
	done
}
