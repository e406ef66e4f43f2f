#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# deps.sh list|install|has [build] [demo] [check] [fuzz] [slow] [lint] [gpu] [bench]
# The Debian packages for building nvcoreos, for its demo, its tests, its fuzzing, its slow tests, its lint, its test on a GPU and its
# measurements; without a group the first three.
# `install` asks apt-get only for what is missing, and changes nothing where nothing is; `has` says by its exit status
# whether nothing is missing.
set -eu

usage() {
	echo 'usage: deps.sh list|install|has [build] [demo] [check] [fuzz] [slow] [lint] [gpu] [bench]' >&2
	exit 2
}

packages() {
	case $1 in
	build) echo gcc g++ libc6-dev make pkgconf libjansson-dev libcap-dev libseccomp-dev libarchive-dev nettle-dev libkmod-dev libmount-dev libtomlplusplus-dev libyaml-dev musl-tools ;;
	demo) echo gcc libc6-dev mount runc jq docker.io docker-cli containerd ;;
	check) echo qemu-system-x86 cpio libelf-dev binutils openssl kmod systemd strace bats mount git runc crun jq busybox-static musl gcc-multilib mmdebstrap debian-archive-keyring docker.io docker-cli containerd curl protobuf-compiler podman uidmap bzip2 xz-utils zstd e2fsprogs erofs-utils fuse-overlayfs python3 ;;
	bench) echo jq runc crun gcc musl-tools libc6-dev mount python3 strace kmod e2fsprogs mmdebstrap debian-archive-keyring ;;
	fuzz) echo clang clang-runtime ;;
	slow) echo makeself patch rootlesskit slirp4netns python3-jsonschema python3-yaml xfsprogs btrfs-progs squashfs-tools ;;
	gpu) echo bats jq runc mount ;;
	lint) echo shellcheck clang-format clang-tidy cppcheck ;;
	*) usage ;;
	esac
}

# What may well have come from elsewhere (docker-ce, a static binary) is known by its program.
program() {
	case $1 in
	docker.io) echo dockerd ;;
	docker-cli) echo docker ;;
	protobuf-compiler) echo protoc ;;
	runc | crun | podman | containerd | curl | jq | bats | shellcheck | clang | clang-format | clang-tidy | cppcheck | mmdebstrap | make) echo "$1" ;;
	esac
}

# Whether clang links a program with libFuzzer and the sanitizers.
has_runtime() {
	echo 'int LLVMFuzzerTestOneInput(const char *p, unsigned long n); int LLVMFuzzerTestOneInput(const char *p, unsigned long n) { return !p && n; }' |
		"${FUZZ_CC:-clang}" -fsanitize=fuzzer,address,undefined -x c -o /dev/null - 2>/dev/null
}

there() {
	[ "$1" != clang-runtime ] || {
		has_runtime
		return
	}
	program=$(program "$1")
	if [ -n "$program" ] && command -v "$program" >/dev/null; then
		return 0
	fi
	# shellcheck disable=SC2016 # dpkg-query expands it
	[ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null)" = 'ii ' ]
}

missing() {
	for package; do
		there "$package" || printf '%s ' "$package"
	done
}

# clang's runtime is a package that carries clang's version; before there was one, it came with clang.
runtime() {
	version=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' | head -n 1)
	package=libclang-rt-$version-dev
	! apt-cache show "$package" >/dev/null 2>&1 || printf '%s ' "$package"
}

# Names as this release has them. Until Debian 12 the client came with docker.io.
known() {
	for package; do
		case $package in
		clang-runtime) runtime ;;
		docker-cli) ! apt-cache show docker-cli >/dev/null 2>&1 || printf 'docker-cli ' ;;
		*) printf '%s ' "$package" ;;
		esac
	done
}

# Without an init, in a chroot or a container, no package may start its daemon.
hold_daemons() {
	policy=/usr/sbin/policy-rc.d
	[ ! -d /run/systemd/system ] && [ ! -e $policy ] || return 0
	trap 'rm -f $policy' EXIT
	trap 'exit 1' HUP INT TERM
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
}

apt() {
	DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 "$@" </dev/null
}

install() {
	# shellcheck disable=SC2046 # lists of names
	set -- $(missing "$@")
	[ $# -gt 0 ] || return 0
	command -v apt-get >/dev/null || {
		echo "deps.sh: no apt-get here; needed are: $*" >&2
		exit 3
	}
	[ "$(id -u)" = 0 ] || {
		echo "deps.sh: needs root to install: $*" >&2
		exit 1
	}
	hold_daemons
	apt update
	# shellcheck disable=SC2046
	set -- $(known "$@")
	[ $# -eq 0 ] || apt install -y --no-install-recommends "$@"
}

[ $# -ge 1 ] || usage
verb=$1
shift
[ $# -gt 0 ] || set -- build demo check
wanted=
for group; do
	wanted="$wanted $(packages "$group")" || exit
done
wanted=$(printf '%s\n' "$wanted" | tr -s ' ' '\n' | sed '/^$/d' | sort -u)
# shellcheck disable=SC2086 # lists of names
case $verb in
list) known $wanted | tr ' ' '\n' ;;
install) install $wanted ;;
has) [ -z "$(missing $wanted)" ] ;;
*) usage ;;
esac
