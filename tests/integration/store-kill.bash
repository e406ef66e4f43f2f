# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Runs of the tool's writing verbs that something happens to, at each of their system calls. To be loaded after helpers and gpu.

# sweep_setup: SWEEP/{conf,whole,bin}: a store with two drivers, the libraries of a third one and two toolkits, and archives of a fourth.
sweep_setup() {
	export SWEEP=$BATS_FILE_TMPDIR
	mkdir -p "$SWEEP/bin"
	fakehost_conf "$SWEEP" "$SWEEP/now/nvidia" "$SWEEP/now/cuda" log-file="$SWEEP/log" >"$SWEEP/conf"
	mkdir -p "$SWEEP/proc"
	cc -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -I"$NVC_TESTS/../lib" -o "$SWEEP/bin/killat" "$NVC_LIB/killat.c" \
		"$NVCOREOS_BUILD/libnvcoreos.a" || return
	gpu_archives "$SWEEP" 535.98 12.4.1
	gpu_archives "$SWEEP" 550.10 12.9.1
	gpu_archives "$SWEEP" 560.1
	gpu_archives "$SWEEP" 570.1
	gpu_nvcoreos "$SWEEP" install --use "$SWEEP"/archives/{libraries,tools}-550.10.tar.gz "$SWEEP/archives/cuda-12.4.1.tar.gz"
	gpu_nvcoreos "$SWEEP" install --use "$SWEEP"/archives/{libraries,tools}-535.98.tar.gz
	gpu_nvcoreos "$SWEEP" install "$SWEEP/archives/cuda-12.9.1.tar.gz" "$SWEEP/archives/libraries-570.1.tar.gz"
	mv "$SWEEP/now" "$SWEEP/whole"
}

# What a user sees of the store, without what a killed run may leave beside.
sweep_state() {
	(cd "$SWEEP/now" && readlink nvidia/current cuda/current && jq -cS . nvidia/state.json && find nvidia cuda \( -name start.json -o -path '*/bin/nvidia-smi' \) ! -path '*/.*' ! -path '*/views/*' | sort) 2>&1
}

# sweep_ok: every tree that is there is whole, and the links lead to trees.
sweep_ok() {
	gpu_nvcoreos "$SWEEP" verify --quiet && [ -e "$SWEEP/now/nvidia/current/start.json" ] && [ -e "$SWEEP/now/cuda/current/start.json" ]
}

sweep_fresh() {
	rm -rf "$SWEEP/now"
	cp -al "$SWEEP/whole" "$SWEEP/now"
	# What is replaced by rename needs no copy of its own; the locks do.
	rm -f "$SWEEP"/now/*/.lock
}

sweep_fail() {
	printf 'call %s: %s\n' "$1" "$2"
	[ ! -e "$SWEEP/said" ] || cat "$SWEEP/said"
	return 1
}

# sweep_rerun N ARG...: the command once more comes to the same as without an accident, and leaves nothing.
sweep_rerun() {
	local n=$1
	shift
	# What is removed already cannot be removed once more; such a run too clears away what the first one has left.
	gpu_nvcoreos "$SWEEP" "$@" >"$SWEEP/said" 2>&1 || [ "$(sweep_state)" = "$SWEEP_NEW" ] || sweep_fail "$n" 'a rerun fails' || return
	[ "$(sweep_state)" = "$SWEEP_NEW" ] || sweep_fail "$n" "a rerun comes to: $(sweep_state)" || return
	sweep_ok || sweep_fail "$n" 'after a rerun something is damaged' || return
	[ -z "$(find "$SWEEP/now" -maxdepth 2 -name '.*' ! -name .lock)" ] || sweep_fail "$n" "left: $(find "$SWEEP/now" -maxdepth 2 -name '.*')"
}

# sweep_point N OPTIONS ARG...: one run with an accident at its Nth call.
sweep_point() {
	local n=$1 options=$2 rc=0 state
	shift 2
	sweep_fresh
	# shellcheck disable=SC2086 # options
	"$SWEEP/bin/killat" --at "$n" $options "$NVCOREOS_BUILD/nvcoreos" --config "$SWEEP/conf" "$@" >"$SWEEP/said" 2>&1 || rc=$?
	[ $rc != 124 ] || sweep_fail "$n" 'does not end' || return
	state=$(sweep_state)
	case $rc:$state in
	*:"$SWEEP_NEW") ;;
	0:*) sweep_fail "$n" "success, but: $state" || return ;;
	*:"$SWEEP_OLD") ;;
	*) sweep_between "$state" || sweep_fail "$n" "neither old nor new: $state" || return ;;
	esac
	sweep_ok || sweep_fail "$n" 'something is damaged' || return
	sweep_rerun "$n" "$@"
}

# sweep_between STATE: a command of two steps (state.json, then current; one tree, then the next) may be between them: every part is
# one of the old or of the new ones.
sweep_between() {
	local line
	while read -r line; do
		grep -qxF -- "$line" <<<"$SWEEP_OLD"$'\n'"$SWEEP_NEW" || return
	done <<<"$1"
}

# sweep STEP OPTIONS ARG...: each STEPth call from the STORE_FIRSTth.
sweep() {
	local step=$1 options=$2 n calls points=0 STORE_FIRST=${STORE_FIRST:-1}
	shift 2
	sweep_fresh
	SWEEP_OLD=$(sweep_state)
	calls=$("$SWEEP/bin/killat" --count "$NVCOREOS_BUILD/nvcoreos" --config "$SWEEP/conf" "$@" 2>&1 >/dev/null | tail -n 1)
	SWEEP_NEW=$(sweep_state)
	[ "$SWEEP_OLD" != "$SWEEP_NEW" ]
	[ "$calls" -gt 20 ]
	for ((n = STORE_FIRST; n <= calls; n += step)); do
		sweep_point "$n" "$options" "$@" || return
		points=$((points + 1))
	done
	echo "# $1: $points of $calls calls, ${options:-killed}" >&3
}
