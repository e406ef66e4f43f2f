#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# layers.sh: each layer includes only those before it, each library has one file that knows it, and no banned function is called.
set -u
cd "$(dirname "$0")/../.." || exit 1
failed=0

bad() {
	printf '%s\n' "$*"
	failed=1
}

# base <- conf <- oci <- host <- store <- plan <- apply <- {hook, cli}
rank() {
	case $1 in
	base) echo 0 ;;
	conf) echo 1 ;;
	oci) echo 2 ;;
	host) echo 3 ;;
	store) echo 4 ;;
	plan) echo 5 ;;
	apply) echo 6 ;;
	hook | cli) echo 7 ;;
	*) echo 99 ;;
	esac
}

layer_of() {
	local rest=${1#lib/}
	echo "${rest%%/*}"
}

check_layer() {
	local file=$1 layer mine theirs header
	layer=$(layer_of "$file")
	mine=$(rank "$layer")
	while read -r header; do
		case $header in
		hook/* | cli/* | */hook/* | */cli/*) bad "$file: includes $header: hook and cli are no library" ;;
		../*)
			# The tool's sub-programs share files of the tool.
			[[ $file == cli/*/* ]] || bad "$file: includes $header: name it from lib/"
			;;
		*/*)
			theirs=$(rank "${header%%/*}")
			if [ "$theirs" = 99 ]; then
				[ -e "$(dirname "$file")/$header" ] || bad "$file: includes $header: no such layer"
			elif [ "$theirs" -gt "$mine" ]; then
				bad "$file: includes $header: ${header%%/*} comes after $layer"
			fi
			;;
		# Made by the Makefile from files that people read.
		driver-files.inc | filters.inc) ;;
		*) [ -e "$(dirname "$file")/$header" ] || bad "$file: includes $header, which is not beside it" ;;
		esac
	done < <(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$file")
}

check_pure() {
	local header
	while read -r header; do
		case $header in
		unistd.h | fcntl.h | sys/*) bad "$1: includes <$header>: the planner makes no system calls" ;;
		esac
	done < <(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*<\([^>]*\)>.*/\1/p' "$1")
}

# one_owner HEADER FILE...
one_owner() {
	local header=$1 file owner
	shift
	while read -r file; do
		for owner; do
			[ "$file" != "$owner" ] || continue 2
		done
		bad "$file: includes <$header>, which only $* may"
	done < <(grep -lE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]${header}[>\"]" "${files[@]}")
}

# Prints "FUNCTION CALLED" for each call of one of the names in REGEX. The compiler takes the comments out; openat from nowhere is open,
# for which musl makes two calls of it.
calls() {
	"${CC:-cc}" -fpreprocessed -dD -E -P -x c "$1" 2>/dev/null | sed 's/"\([^"\\]\|\\.\)*"/""/g' |
		sed -zE 's/\bopenat[[:space:]]*\([[:space:]]*AT_FDCWD[[:space:]]*,/open(/g' |
		awk -v names="$2" '
			/^[A-Za-z_].*\(/ && !/;[ \t]*$/ { fn = $0; sub(/\(.*/, "", fn); sub(/.*[ *]/, "", fn) }
			{
				line = $0
				while (match(line, "(^|[^A-Za-z0-9_.>])(" names ")[ \t]*\\(")) {
					name = substr(line, RSTART, RLENGTH)
					gsub(/[^A-Za-z0-9_]/, "", name)
					print fn, name
					line = substr(line, RSTART + RLENGTH)
				}
			}'
}

banned='open|mount|umount|umount2|realpath|chroot|system|popen|strcpy|strcat|sprintf|vsprintf|atoi|atol|strtol|strtoul|strtoll|strtoull|fgets|gets|alloca|getenv|tmpnam|mktemp'
# Below apply a path is a container's: path_open and single components on the fd that it gave, nothing else.
banned_apply='openat|mkdir|mkdirat|symlink|link|unlink|rename|mknod|stat|lstat|access|chown|chmod'

# FILE:FUNCTION:CALLED, each with its reason.
allowed() {
	grep -v '^[[:space:]]*\(#\|$\)' contrib/lint/allowed | sed 's/[[:space:]].*//' | grep -qxF "$1"
}

check_calls() {
	local file=$1 names=$banned fn name
	[[ $file != lib/apply/* ]] || names="$banned|$banned_apply"
	while read -r fn name; do
		allowed "$file:$fn:$name" || bad "$file: $fn calls $name()"
	done < <(calls "$file" "$names")
}

mapfile -t files < <(find lib hook cli -name '*.[ch]' -o -name '*.cc' | sort)
for file in "${files[@]}"; do
	check_layer "$file"
	case $file in lib/plan/*.c) check_pure "$file" ;; esac
	case $file in *.c) check_calls "$file" ;; esac
done
one_owner jansson.h lib/oci/json_plain.h
one_owner oci/json_plain.h lib/oci/json.c lib/oci/json_plain.c
one_owner yaml.h cli/yamldoc.c
one_owner seccomp.h lib/apply/seccomp.c
one_owner sys/capability.h lib/apply/caps.c
one_owner libkmod.h cli/kmod.c cli/kmodfile.c
one_owner libmount.h cli/mounts.c
one_owner 'libmount/libmount.h' cli/mounts.c
one_owner 'toml\+\+/toml\.hp*' cli/toml.cc
one_owner archive.h lib/store/decoder.c
one_owner archive_entry.h lib/store/decoder.c
one_owner nettle/base16.h lib/store/digest.c
one_owner nettle/sha2.h lib/store/digest.c
one_owner nettle/md5.h lib/store/digest.c
one_owner curl/curl.h cli/download.c
exit $failed
