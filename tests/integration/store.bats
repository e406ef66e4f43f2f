# SPDX-License-Identifier: Apache-2.0
# The verbs that switch and take away trees, on archives made up here.

bats_require_minimum_version 1.5.0
load helpers
load gpu

setup_file() {
	need_build nvcoreos || return "$SKIPPED"
	need_root gcc || return "$SKIPPED"
	local driver
	for driver in 535.98 550.10 560.1; do
		"$NVC_TESTS/fixtures/sample-driver/build.sh" "$BATS_FILE_TMPDIR/archives" "$driver" >/dev/null || return
	done
}

setup() {
	skip_file
	HOST=$BATS_TEST_TMPDIR/host
	mkdir -p "$HOST/etc" "$HOST/proc"
	printf 'ID=flatcar\nVERSION_ID=3975.2.0\n' >"$HOST/etc/os-release"
	local driver
	for driver in 535.98 550.10 560.1; do
		nvc install --use "$BATS_FILE_TMPDIR/archives/libraries-$driver".tar.gz >/dev/null
	done
	STORE=$HOST/opt/nvidia
}

teardown() {
	[ -z "${B:-}" ] || bundle_clean "$B"
}

nvc() {
	"$NVCOREOS_BUILD/nvcoreos" --root "$HOST" "$@"
}

@test "rollback swaps selected and previous, and current follows" {
	[ "$(readlink "$STORE/current")" = 560.1/3975.2.0 ]
	nvc rollback
	[ "$(readlink "$STORE/current")" = 550.10/3975.2.0 ]
	[ "$(jq -r '.selected + " " + .previous' "$STORE/state.json")" = '550.10 560.1' ]
	nvc rollback
	[ "$(readlink "$STORE/current")" = 560.1/3975.2.0 ]
}

@test "rollback without a previous driver: one sentence, nothing changes" {
	rm "$STORE/state.json"
	run nvc rollback
	[ "$status" -eq 1 ]
	[[ "$output" = *'E53: '*'no driver was selected before this one'* ]]
	[ "${#lines[@]}" -eq 1 ]
	[ ! -e "$STORE/state.json" ]
}

@test "rollback to a damaged tree is refused" {
	: >"$STORE/550.10/3975.2.0/start.json"
	run nvc rollback
	[ "$status" -eq 1 ]
	[ "$(readlink "$STORE/current")" = 560.1/3975.2.0 ]
	[ "$(jq -r .selected "$STORE/state.json")" = 560.1 ]
}

@test "remove takes a tree away, and refuses one that is needed" {
	nvc remove 535.98
	[ ! -e "$STORE/535.98" ]
	run nvc remove --yes 560.1
	[ "$status" -eq 1 ]
	[[ "$output" = *'E54: '*560.1/3975.2.0* ]]
	run nvc remove 550.10
	[ "$status" -eq 1 ]
	[ -e "$STORE/550.10/3975.2.0/start.json" ]
	[ -z "$(find "$STORE" -maxdepth 1 -name '.removed-*')" ]
}

@test "prune: --dry-run takes nothing, --keep and keep-trees count what is needed" {
	run nvc prune --keep 2 --dry-run
	[ "$status" -eq 0 ]
	[[ "$output" = *'would go: 535.98/3975.2.0'* ]]
	[ -e "$STORE/535.98" ]
	nvc prune --keep 3
	[ -e "$STORE/535.98" ]
	[ "$(nvc prune --keep 0 --json | jq -r '.removed[].tree')" = 535.98/3975.2.0 ]
	[ ! -e "$STORE/535.98" ]
	[ -e "$STORE/550.10" ]
	[ -e "$STORE/560.1" ]
}

@test "the next writer clears away what a killed one left" {
	mv "$STORE/535.98/3975.2.0" "$STORE/.removed-535.98-3975.2.0"
	ln -sfn 550.10/3975.2.0 "$STORE/current"
	nvc use 560
	[ -z "$(find "$STORE" -maxdepth 1 -name '.removed-*')" ]
	[ "$(readlink "$STORE/current")" = 560.1/3975.2.0 ]
}

@test "a tree that a running container has mounted stays, and goes when it has ended" {
	need_root runc || skip
	need_cgroups || skip
	have_root bookworm
	B=$BATS_TEST_TMPDIR/b
	run_host=$BATS_TEST_TMPDIR/run
	mkdir "$run_host"
	gpu_host "$run_host" 535.261.03
	gpu_archives "$run_host" 550.163.01 12.9.1
	gpu_nvcoreos "$run_host" install "$run_host/archives/cuda-12.9.1.tar.gz"
	bundle_make "$B" "$ROOT"
	bundle_env "$B" NVIDIA_VISIBLE_DEVICES=all NVCOREOS_CUDA=12.4.1
	gpu_sh "$B" 'sleep 60'
	gpu_start "$run_host" "$B"
	pid=$(cat "$B/pid")
	ln -s "/proc/$pid" "$run_host/host/proc/$pid"
	gpu_nvcoreos "$run_host" use cuda/12.9.1
	run -1 gpu_nvcoreos "$run_host" remove --yes cuda/12.4.1
	echo "$output"
	[[ $output == *"E54: in use: cuda/12.4.1: it is mounted for process $pid"* ]]
	run -0 gpu_nvcoreos "$run_host" prune --keep 0
	[[ $output == *"kept: cuda/12.4.1: it is mounted for process $pid"* ]]
	bundle_clean "$B"
	rm "$run_host/host/proc/$pid"
	run -0 gpu_nvcoreos "$run_host" prune --keep 0
	[[ $output == *'removed: cuda/12.4.1 '* ]]
	gpu_clean "$run_host"
}

@test "with a state that cannot be read nothing is removed, and use mends a damaged one" {
	echo '{' >"$STORE/state.json"
	run -1 nvc prune --keep 0
	[[ $output == *"E52: "*"state.json: what is selected is not known"* ]]
	run -1 nvc remove --yes 535.98
	[ -d "$STORE/535.98" ]
	run -0 nvc use 550.10
	run -0 nvc remove --yes 535.98
}

@test "prune keeps what the other OS slot and the next OS version need" {
	for os in 3900.0.0 3941.1.0 4000.0.0; do
		printf 'ID=flatcar\nVERSION_ID=%s\n' $os >"$HOST/etc/os-release"
		nvc install "$BATS_FILE_TMPDIR/archives/libraries-560.1.tar.gz"
	done
	printf 'ID=flatcar\nVERSION_ID=3975.2.0\n' >"$HOST/etc/os-release"
	run -0 nvc prune --keep 0
	echo "$output"
	[ "$(cd "$STORE/560.1" && echo *)" = '3941.1.0 3975.2.0 4000.0.0' ]
	[[ $output == *'kept: 560.1/3941.1.0: it is selected, and this host may boot its OS version'* ]]
}
