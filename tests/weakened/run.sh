#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [NAME...]: shows that the tests of hostile images can fail. Each patch here takes one rule out of a copy of the tree, in
# build/weakened/NAME; the tests that its head names must then fail, and say what it says. Without a name: all patches, and that
# every test of cve-*.bats passes on the build as it is, and fails for at least one patch.
# The head of a patch:
#   Rule: what is taken out
#   Test: FILE BEGINNING-OF-TITLE      as often as need be; of tests/integration/FILE.bats
#   With: VARIABLE=VALUE               for these tests
#   Says: EXPRESSION                   what each of these says when it fails
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
build=${BUILD:-build}
out=$build/weakened

head_of() {
	sed -n '/^--- /q; s/^'"$2"': *//p' "$1"
}

# escape TEXT: as a part of an extended expression, in which a slash means nothing.
escape() {
	printf '%s' "$1" | sed 's/[][\.*^$+?(){}|]/\\&/g'
}

# The timestamps are kept, so that make builds only what a patch changes.
copy_tree() {
	local tree=$1
	mkdir -p "$tree/build/obj/tests" && cp -a Makefile lib hook cli config "$tree/" && cp -a "$build"/obj/{lib,hook,cli} "$tree/build/obj/" &&
		{ [ ! -d "$build/obj-musl" ] || cp -a "$build/obj-musl" "$tree/build/"; } &&
		cp -a "$build"/libnvcoreos*.a "$build"/{flags,hook-libc} "$build"/nvcoreos{,-hook,-runtime,-load} "$tree/build/" || return
	[ ! -e config.mak ] || cp -a config.mak "$tree/"
}

# build_tree PATCH TREE LOG
build_tree() {
	rm -rf "$2"
	copy_tree "$2" || return
	patch -d "$2" -p1 -s --no-backup-if-mismatch <"$1" || {
		echo 'the patch does not apply'
		return 1
	}
	make -C "$2" --no-print-directory -s BUILD=build build/nvcoreos-hook build/nvcoreos-runtime 2>&1 || {
		echo 'it does not build'
		return 1
	}
}

# notices TREE FILE TITLE SAYS WITH: whether every test of FILE whose title begins so fails on that build, and says so.
notices() {
	local log=$1/log title
	title=$(escape "$3")
	env ${5:+"$5"} NVCOREOS_BUILD="$PWD/$1/build" bats --tap -f "^$title" "$here/../integration/$2.bats" >"$log" 2>&1 </dev/null
	if ! grep -q '^not ok [0-9]* '"$title" "$log" || grep -q '^ok ' "$log"; then
		echo "not noticed by $2: $3"
	elif ! grep -Eq "$4" "$log"; then
		echo "noticed by $2: $3, but for another reason than: $4"
	else
		return 0
	fi
	sed 's/^/    /' "$log"
	return 1
}

# one PATCH: 0 and a line where it is noticed.
one() {
	local name tree rule says test file rc=0
	name=$(basename "$1" .patch)
	tree=$out/$name
	rule=$(head_of "$1" Rule) says=$(head_of "$1" Says)
	if [ -z "$rule" ] || [ -z "$says" ] || [ -z "$(head_of "$1" Test)" ]; then
		echo "FAILED $name: its head has no Rule, Test or Says"
		return 1
	fi
	build_tree "$1" "$tree" >"$tree.log" 2>&1 || {
		echo "FAILED $name: $(tail -n 1 "$tree.log")"
		sed 's/^/    /' "$tree.log"
		return 1
	}
	while read -r file test; do
		notices "$tree" "$file" "$test" "$says" "$(head_of "$1" With)" >>"$tree.log" 2>&1 || rc=1
	done < <(head_of "$1" Test)
	if [ $rc = 0 ]; then
		echo "noticed $name: $rule"
		rm -rf "$tree"
	else
		echo "FAILED $name: $rule"
		sed 's/^/    /' "$tree.log"
	fi
	return $rc
}

# covered FILE TITLE: whether some patch names this test.
covered() {
	local file test
	while read -r file test; do
		[ "$file" = "$1" ] && [[ $2 == "$test"* ]] && return 0
	done < <(for patch in "$here"/*.patch; do head_of "$patch" Test; done)
	return 1
}

# Every test has its weakening.
cover() {
	local path title rc=0
	for path in tests/integration/cve-*.bats; do
		[[ $path != *.slow.bats ]] || continue
		while IFS= read -r title; do
			covered "$(basename "$path" .bats)" "$title" || {
				echo "no weakening for $(basename "$path" .bats): $title"
				rc=1
			}
		done < <(sed -n 's/^@test "\(.*\)" {$/\1/p' "$path")
	done
	return $rc
}

# as_it_is: what fails on the product itself shows nothing.
as_it_is() {
	local files
	mapfile -t files < <(printf '%s\n' tests/integration/cve-*.bats | grep -v '\.slow\.')
	NVCOREOS_BUILD=$PWD/$build TALLY='' tests/lib/run-bats.sh "${files[@]}" >"$out/as-it-is.log" 2>&1 && return
	cat "$out/as-it-is.log"
	return 1
}

if [ "${1-}" = --one ]; then
	one "$2"
	exit
fi
mkdir -p "$out"
failed=0 patches=()
for name; do
	patches+=("$here/$name.patch")
done
if [ $# = 0 ]; then
	patches=("$here"/*.patch)
	cover || failed=1
	as_it_is || failed=1
fi
# Each has mounts of its own: the tests watch the host's.
printf '%s\0' "${patches[@]}" | xargs -0 -n 1 -P "${JOBS:-$(nproc)}" unshare -m --propagation private "$0" --one >"$out/log" || failed=1
cat "$out/log"
noticed=$(grep -c '^noticed ' "$out/log")
[ -z "${TALLY:-}" ] || echo "$noticed $((${#patches[@]} - noticed)) 0" >>"$TALLY"
echo "weakened: ${#patches[@]} weakenings, $noticed noticed"
[ $failed = 0 ] && [ "$noticed" = ${#patches[@]} ]
