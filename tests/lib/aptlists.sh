# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced. Private apt lists of one Debian suite: own sources, lists, cache and
# status below $NVCOREOS_CACHE/apt/SUITE; the machine's apt state is only read.
# Return codes: 0 done, 1 failed, 3 this machine or its mirror cannot give it.

aptlists_cache() {
	printf '%s\n' "${NVCOREOS_CACHE:-${HOME:-/root}/.cache/nvcoreos}"
}

aptlists_say() {
	printf '%s\n' "$*" >&2
}

# The label tells the main archive from Debian-Security on the same host.
aptlists_mirror_from_lists() {
	# shellcheck disable=SC2016 # apt expands it
	apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' 2>/dev/null | sed -n '1s,/*$,,p'
}

# Images ship without lists, but their sources still say where the mirror is.
aptlists_mirror_from_sources() {
	local codename
	# shellcheck source=/dev/null
	codename=$(. /etc/os-release && [ "$ID" = debian ] && printf '%s' "$VERSION_CODENAME") || return 1
	apt-get --print-uris update 2>/dev/null |
		sed -n "s,^'\(.*\)/dists/$codename/InRelease'.*,\1,p" | sed -n '1s,/*$,,p'
}

# aptlists_mirror: prints the Debian mirror that this machine is set up with.
aptlists_mirror() {
	local mirror=${NVCOREOS_DEBIAN_MIRROR:-}
	[ -n "$mirror" ] || mirror=$(aptlists_mirror_from_lists)
	[ -n "$mirror" ] || mirror=$(aptlists_mirror_from_sources)
	if [ -z "$mirror" ]; then
		aptlists_say "no Debian mirror in this machine's apt configuration (set NVCOREOS_DEBIAN_MIRROR)"
		return 3
	fi
	printf '%s\n' "$mirror"
}

# aptlists_keyring: prints the Debian archive keyring.
aptlists_keyring() {
	local keyring
	for keyring in /usr/share/keyrings/debian-archive-keyring.gpg /usr/share/keyrings/debian-archive-keyring.pgp; do
		[ -r "$keyring" ] && printf '%s\n' "$keyring" && return 0
	done
	aptlists_say 'no Debian archive keyring in /usr/share/keyrings (install debian-archive-keyring)'
	return 3
}

# aptlists_has SUITE: 0 if the mirror has it, 3 if it says that it has not, 1 if it cannot be asked.
aptlists_has() {
	local mirror tmp out rc=0
	mirror=$(aptlists_mirror) || return
	tmp=$(mktemp -d) || return 1
	out=$(/usr/lib/apt/apt-helper -o APT::Sandbox::User=root -o Acquire::Retries=3 \
		download-file "$mirror/dists/$1/InRelease" "$tmp/r" 2>&1) || rc=1
	rm -rf "$tmp"
	[ $rc = 0 ] && return 0
	case $out in
	*' 404 '* | *'File not found'*)
		aptlists_say "the mirror no longer has the Debian release '$1'"
		return 3
		;;
	esac
	aptlists_say "cannot ask the mirror for '$1': $out"
	return 1
}

# Read with -c, thus after the machine's own files: its proxies stay, its hooks
# (an image's docker-clean would delete the machine's archives) and pins go.
aptlists_conf() {
	cat <<-EOF
		Dir::Etc::sourcelist "$1/sources.list";
		Dir::Etc::sourceparts "$1/empty";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "$1/empty";
		Dir::State::lists "$1/lists";
		Dir::State::status "$1/status";
		Dir::State::extended_states "$1/extended_states";
		Dir::Cache "$1/cache";
		APT::Sandbox::User "root";
		APT::Default-Release "";
		Acquire::Retries "3";
		Acquire::Languages "none";
		Acquire::Check-Valid-Until "false";
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		#clear DPkg::Post-Invoke;
	EOF
}

aptlists_dir() {
	printf '%s/apt/%s\n' "$(aptlists_cache)" "$1"
}

aptlists_retry() {
	local pause
	for pause in 2 5 0; do
		"$@" && return 0
		[ $pause = 0 ] || sleep $pause
	done
	return 1
}

aptlists_apt() {
	local conf prog=$1
	conf=$(aptlists_dir "$2")/apt.conf
	shift 2
	DEBIAN_FRONTEND=noninteractive "$prog" -c "$conf" "$@"
}

# aptlists_get SUITE ARG...: apt-get on the private lists.
aptlists_get() {
	aptlists_apt apt-get "$@"
}

# aptlists_query SUITE ARG...: apt-cache on the private lists.
aptlists_query() {
	aptlists_apt apt-cache "$@"
}

aptlists_fresh() {
	[ "$(cat "$1/sources.list" 2>/dev/null)" = "$2" ] &&
		[ -n "$(find "$1/updated" -mmin "-${NVCOREOS_APT_MINUTES:-720}" 2>/dev/null)" ]
}

aptlists_refresh() (
	suite=$1 dir=$2 line=$3
	mkdir -p "$dir/empty" "$dir/lists/partial" "$dir/cache/archives/partial" || exit 1
	exec 9>"$dir/lock"
	flock 9 || exit 1
	aptlists_fresh "$dir" "$line" && exit 0
	rm -f "$dir/updated"
	: >"$dir/status"
	aptlists_conf "$dir" >"$dir/apt.conf"
	printf '%s\n' "$line" >"$dir/sources.list"
	# Without Error-Mode=any apt-get update answers 0 with old or missing lists.
	aptlists_retry aptlists_get "$suite" -qq -o APT::Update::Error-Mode=any update >&2 || exit 1
	: >"$dir/updated"
)

# aptlists_update SUITE COMPONENT...: makes or refreshes the lists (kept for NVCOREOS_APT_MINUTES, 720).
aptlists_update() {
	local suite=$1 mirror keyring line dir
	shift
	mirror=$(aptlists_mirror) && keyring=$(aptlists_keyring) || return
	line="deb [signed-by=$keyring] $mirror $suite $*"
	dir=$(aptlists_dir "$suite")
	aptlists_fresh "$dir" "$line" && return 0
	aptlists_has "$suite" && aptlists_refresh "$suite" "$dir" "$line"
}

# aptlists_names SUITE NAME...: those of the names that the suite has, one a line.
aptlists_names() {
	local suite=$1
	shift
	aptlists_query "$suite" show --no-all-versions "$@" 2>/dev/null | sed -n 's/^Package: //p'
}

# aptlists_download SUITE DIR PKG...: the newest .deb of each into DIR.
aptlists_download() (
	suite=$1 dir=$2
	shift 2
	lists=$(aptlists_dir "$suite")
	mkdir -p "$dir" && cd "$dir" || exit 1
	exec 9>"$lists/lock"
	flock 9 || exit 1
	aptlists_retry aptlists_get "$suite" -qq download "$@" >&2
)
