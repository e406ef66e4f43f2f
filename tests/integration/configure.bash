# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# `nvcoreos configure` on a private root directory, and what the engine itself says of the result.

OURS=/opt/nvcoreos/bin/nvcoreos-runtime

# configure_host: an empty host where nvcoreos is installed, in HOST.
configure_host() {
	HOST=$BATS_TEST_TMPDIR/host
	mkdir -p "$HOST/opt/nvcoreos/bin"
	: >"$HOST$OURS"
}

# configure ENGINE ARG...
configure() {
	"$NVCOREOS_BUILD/nvcoreos" --root "$HOST" configure "$@"
}

# toml_dump CONTAINERD FILE: all that this containerd would go by.
toml_dump() {
	"$1" --config "$2" config dump 2>"$BATS_TEST_TMPDIR/said" || {
		cat "$BATS_TEST_TMPDIR/said" >&2
		return 1
	}
}

# toml_kept CONTAINERD BEFORE AFTER: whatever this containerd knew before it knows now, but for what was asked to change, and for
# what it spells out of its built-in runc alone: zero values, and a sandbox_mode that 1.7 takes for any runtime without one.
toml_kept() {
	local lost
	toml_dump "$1" "$2" >"$BATS_TEST_TMPDIR/dump-before" && toml_dump "$1" "$3" >"$BATS_TEST_TMPDIR/dump-after" || return
	lost=$(diff "$BATS_TEST_TMPDIR/dump-before" "$BATS_TEST_TMPDIR/dump-after" |
		grep '^<' | grep -vE "imports = |default_runtime_name = |enable_cdi = false| = (''|\"\"|0|false)\$|sandbox_mode = \"podsandbox\"|^< *\$") || :
	[ -z "$lost" ] || {
		printf 'lost:\n%s\n' "$lost" >&2
		return 1
	}
}

# toml_has NAME: the dump of toml_kept has our runtime, which is what runc was, and it is the default.
toml_has() {
	local dump=$BATS_TEST_TMPDIR/dump-after
	grep -qE "default_runtime_name = ['\"]$1['\"]" "$dump" || return
	grep -qE "runtimes\.$1\.options\]" "$dump" || return
	grep -qE "BinaryName = ['\"]${OURS}['\"]" "$dump" || return
	grep -qE 'runtimes\.runc\]' "$dump"
}

# toml_there_and_back CONTAINERD FILE: FILE (which need not be there) as the host's config.toml.
toml_there_and_back() {
	local toml=$HOST/etc/containerd/config.toml before=$2
	rm -rf "${HOST:?}/etc"
	mkdir -p "$HOST/etc/containerd"
	[ ! -e "$2" ] || cp "$2" "$toml"
	[ -e "$2" ] || before=/dev/null
	configure containerd --set-as-default --cdi >"$BATS_TEST_TMPDIR/out" || return
	toml_kept "$1" "$before" "$toml" && toml_has nvcoreos || return
	cp "$toml" "$BATS_TEST_TMPDIR/once"
	configure containerd >"$BATS_TEST_TMPDIR/out" && cmp "$toml" "$BATS_TEST_TMPDIR/once" || return
	grep -q '^nothing to change' "$BATS_TEST_TMPDIR/out" || return
	configure containerd --remove >"$BATS_TEST_TMPDIR/out" || return
	if [ -e "$2" ]; then
		cmp "$toml" "$2" || return
	fi
	[ "$(find "$HOST/etc" -type f | wc -l)" = "$([ -e "$2" ] && echo 1 || echo 0)" ]
}

# systemd_cgroup: a default file as hosts with systemd have it.
systemd_cgroup() {
	sed 's/SystemdCgroup = false/SystemdCgroup = true/'
}

# kill_everywhere CHECK ARG...: configure ARG... is killed at each of its system calls from the lock on, on a host that is made
# anew each time; CHECK then looks at what is there.
kill_everywhere() {
	local check=$1 bin=$BATS_TEST_TMPDIR/killat was=$BATS_TEST_TMPDIR/as-it-was first n rc
	shift
	[ -x "$bin" ] ||
		cc -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -I"$NVC_LIB" -o "$bin" "$NVC_LIB/killat.c" "$NVCOREOS_BUILD/libnvcoreos.a"
	rm -rf "$was" && cp -a "$HOST" "$was"
	# 73 is flock.
	first=$("$bin" --list "$NVCOREOS_BUILD/nvcoreos" --root "$HOST" configure "$@" 2>&1 >/dev/null | awk '$2 == 73 { print $1; exit }')
	[ -n "$first" ]
	for ((n = first; ; n++)); do
		rm -rf "${HOST:?}" && cp -a "$was" "$HOST"
		rc=0
		"$bin" --at "$n" "$NVCOREOS_BUILD/nvcoreos" --root "$HOST" configure "$@" >"$BATS_TEST_TMPDIR/out" 2>&1 || rc=$?
		[ "$rc" != 125 ] || break
		[ "$rc" = 137 ]
		"$check" || {
			echo "killed at call $n of $first to the end"
			find "$HOST/etc" -type f -exec grep -H . {} +
			return 1
		}
	done
	echo "killed at $((n - first)) calls"
	[ $((n - first)) -gt 50 ]
}
