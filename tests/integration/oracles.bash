# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What must hold whatever a container's image contains. Each oracle prints "O<n>: ..." for what does not hold, and fails.
#   O1 nothing of the host has changed           O2 its mounts have not, meanwhile or afterwards
#   O3 every system call has its shape           O4 each mount that the container got shows the store, a node, or a file system of ours
#   O5 exit 0, or 1 and one line                 O6 of the container's files only those of ours have changed
#   O7 nothing is left: process, descriptor, temporary file
# RECORD is what tests/lib/oracle-host.sh and tests/lib/hook-recorder.sh have written, and what a test has put there for them:
#   guarded      paths that nobody may change      rootfs       the container's root, as the host has it
#   alias        FROM=TO: what the container has at FROM is what it calls TO, by a link of its image
#   dev          another directory of the host's nodes
#   ours         an expression for other names below the root that may change

# oracle_snapshot PATH...: a line for each file below: nothing can change one without a trace in it (the time of change tells of
# content and attributes too). Logs are no state.
oracle_snapshot() {
	find "$@" ! -name '*.log' -printf '%p %y %m %U:%G %n %s %T@ %C@ %i %l\n' | sort
}

# oracle_same N FILE FILE WHAT
oracle_same() {
	local changed
	changed=$(diff "$2" "$3" 2>&1 | grep -v '^[0-9]' | head -n 5)
	[ -n "$changed" ] || return 0
	printf '%s: %s:\n%s\n' "$1" "$4" "$changed"
	return 1
}

# oracle_guard RECORD WHEN: the guarded paths' snapshot.
oracle_guard() {
	local guarded
	mapfile -t guarded <"$1/guarded"
	oracle_snapshot "${guarded[@]}" >"$1/guarded.$2"
}

# oracle_host RECORD: O1. With RECORD/only-hook it is the hook that is watched, not the runtime, which may have faults of its own.
oracle_host() {
	local before=before after=after
	if [ -e "$1/only-hook" ]; then
		before=hook-before after=hook-after
		[ -e "$1/guarded.$after" ] || return 0
	else
		oracle_guard "$1" after
	fi
	oracle_same O1 "$1/guarded.$before" "$1/guarded.$after" 'the host has changed'
}

# oracle_mounts RECORD: O2
oracle_mounts() {
	local rc=0
	# A mount point that somebody else removes takes its mount away here too.
	oracle_same O2 <(grep -Fxf "$1/host.after" "$1/host.before") "$1/host.after" "the host's mounts have changed" || rc=1
	[ ! -e "$1/host.hook-after" ] ||
		oracle_same O2 <(grep -Fxf "$1/host.hook-after" "$1/host.hook-before") "$1/host.hook-after" "the hook has changed the host's mounts" || rc=1
	return $rc
}

# oracle_shape RECORD CANARY [NAMES]: O3, where a trace was wanted.
oracle_shape() {
	local found
	[ -e "$1/want-trace" ] || return 0
	# A trace that ends before the process does has been cut off.
	if ! grep -q 'exited with\|killed by' "$1/trace"; then
		echo 'O3: there is no whole trace'
		return 1
	fi
	found=$(awk -f "$NVC_LIB/trace-shape.awk" -v canary="$2" -v names="${3:-}" "$1/trace" | head -n 5)
	[ -z "$found" ] || {
		printf '%s\n' "$found"
		return 1
	}
}

# oracle_place PATH: "MAJ:MIN ROOT" of PATH, as mountinfo would show a bind mount of it.
oracle_place() {
	local device root target
	read -r device root target < <(findmnt -nro MAJ:MIN,FSROOT,TARGET -T "$1")
	[ "$root" != / ] || root=
	[ "$target" != / ] || target=
	printf '%s %s\n' "$device" "$root${1#"$target"}"
}

# oracle_sources RECORD HOST: O4. HOST is that of gpu_host: HOST/store, HOST/cuda-store, HOST/host/dev.
oracle_sources() {
	local found root dev alias=
	[ -e "$1/mounts.after" ] || return 0
	root=$(cat "$1/rootfs")
	[ ! -e "$1/alias" ] || alias=$(cat "$1/alias")
	dev=$2/host/dev
	[ ! -e "$1/dev" ] || dev=$(cat "$1/dev")
	found=$(
		awk 'NR == FNR { known[$1]; next } !($1 in known)' "$1/mounts.before" "$1/mounts.after" |
			awk -v rootfs="$root" -v alias="$alias" -v store="$(oracle_place "$2/store")" -v cuda="$(oracle_place "$2/cuda-store")" \
				-v dev="$(oracle_place "$dev")" '
			function below(top) { return index($3 " " $4, top "/") == 1 }
			function has(list) { return $6 ~ "(^|,)" list "(,|$)" }
			{
				target = substr($5, length(rootfs) + 1)
				if (split(alias, a, "=") == 2 && index(target, a[1] "/") == 1) target = a[2] substr(target, length(a[1]) + 1)
				why = ""
				if (index($5, rootfs "/") != 1) why = "outside the container"
				else if (target ~ "^/dev/(nvidia|dri/)[^/]*(/[^/]*)?$")
					why = below(dev) ? has("ro") && has("nosuid") && has("noexec") ? "" : "with too few flags" : "not of the host\047s nodes"
				else if (target == "/usr/local/nvidia") why = below(store) ? "" : "not of the store"
				else if (target == "/usr/local/cuda") why = below(cuda) ? "" : "not of the store"
				else if (target == "/proc/driver/nvidia") why = / - tmpfs / ? "" : "not of ours"
				else why = "in no place of ours"
				if (why == "" && target !~ "^/dev/" && !(has("ro") && has("nosuid") && has("nodev"))) why = "with too few flags"
				if (why == "" && / shared:/) why = "shared with the host"
				if (why != "") print "O4: a mount " why ": " $0
			}' | head -n 5
	)
	[ -z "$found" ] || {
		printf '%s\n' "$found"
		return 1
	}
}

# oracle_result RECORD STATUS: O5
oracle_result() {
	local rc lines
	rc=$(cat "$1/rc" 2>/dev/null) || {
		echo 'O5: the hook was not reached'
		return 1
	}
	case $rc in
	0) [ ! -s "$1/stderr" ] || {
		echo "O5: success, and on stderr: $(head -c 300 "$1/stderr")"
		return 1
	} ;;
	1)
		# The log has the line too, for a hook that had no stderr.
		[ "$(cat "$1/want-closed" 2>/dev/null)" != 2 ] || return 0
		mapfile -t lines <"$1/stderr"
		if [ ${#lines[@]} != 1 ] || ! [[ ${lines[0]} =~ ^nvcoreos-hook:\ E[0-9]{2}:\ [^:]+:\ .+:\ [^:]+ ]]; then
			echo "O5: not one line of error: $(head -c 300 "$1/stderr")"
			return 1
		fi
		if [ "$2" = 0 ]; then
			echo 'O5: the hook has failed, the container has started'
			return 1
		fi
		;;
	*)
		echo "O5: the hook ended with $rc"
		return 1
		;;
	esac
}

# What the hook may make or replace in a container's root, and the directories on the way.
ORACLE_OURS='^(|dev|dev/(nvidia.*|dri.*)|usr|usr/bin|usr/bin/nvidia-[^/]*|usr/local|usr/local/(nvidia|cuda)|usr/share(/.*)?|etc|etc/ld\.so\.(cache|conf)|etc/ld\.so\.conf\.d|etc/ld\.so\.conf\.d/(00-nvcoreos|zz-nvcoreos-cuda)\.conf|etc/OpenCL(/.*)?) '

# oracle_root RECORD: O6. RECORD/ours, an expression, names what a test's links make of these names.
oracle_root() {
	local found ours=$ORACLE_OURS from='//' to='//'
	[ -e "$1/root.after" ] || return 0
	[ ! -e "$1/ours" ] || ours="$ours|$(cat "$1/ours")"
	[ ! -e "$1/alias" ] || IFS='=' read -r from to <"$1/alias"
	found=$(diff "$1/root.before" "$1/root.after" | sed -n "s/^[<>] //p" | sed "s,^${from#/}\([/ ]\),${to#/}\1," | grep -Ev "$ours" | head -n 5)
	[ -n "$found" ] || return 0
	printf 'O6: not a file of ours in the container:\n%s\n' "$found"
	return 1
}

# oracle_left RECORD PROGRAM: O7
oracle_left() {
	local rc=0 found
	found=$(find /proc -maxdepth 2 -name exe -lname "$2" 2>/dev/null) && [ -n "$found" ] && {
		echo "O7: a process is left: $found"
		rc=1
	}
	[ ! -e "$1/fds.after" ] || oracle_same O7 "$1/fds.before" "$1/fds.after" "the descriptors of the container's init have changed" || rc=1
	found=$(grep -E '(^|/)\.(nvcoreos-[^/ ]*|[^/ ]*\.[0-9a-f]+-[0-9a-f]+) ' "$1/root.after" 2>/dev/null) && {
		printf 'O7: a temporary file is left:\n%s\n' "$found"
		rc=1
	}
	return $rc
}

# oracle_all RECORD HOST BUILD STATUS [NAMES]: every one of them, after a start that ended with STATUS.
oracle_all() {
	local rc=0
	oracle_host "$1" || rc=1
	oracle_mounts "$1" || rc=1
	oracle_shape "$1" "$2/canary" "${5:-}" || rc=1
	oracle_sources "$1" "$2" || rc=1
	oracle_result "$1" "$4" || rc=1
	oracle_root "$1" || rc=1
	oracle_left "$1" "$3/nvcoreos-hook" || rc=1
	return $rc
}

# As a program: oracles.bash FUNCTION ARG... (bats traces what it runs itself, which takes longer than all of this).
if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	NVC_LIB=$(cd "$(dirname "$0")/../lib" && pwd)
	"$@"
fi
