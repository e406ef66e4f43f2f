#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Docker of three Debian releases with each way of asking for a GPU: rows of the engines' table. Their versions stand in the output; runc
# is this machine's.
bats_require_minimum_version 1.5.0

load helpers
load gpu
load seen
load engines
load matrix-docker

setup_file() {
	matrix_able || return "$SKIPPED"
	matrix_setup
}

teardown_file() {
	matrix_clean
}

setup() {
	skip_file
}

# --- bookworm -----------------------------------------------------------------

@test "docker bookworm: --runtime" {
	docker_of bookworm
	by_runtime
}

@test "docker bookworm: --gpus" {
	docker_of bookworm
	by_gpus
}

@test "docker bookworm: --device of CDI is refused" {
	docker_of bookworm
	run ! docker_knows_cdi
	no_cdi
}

@test "docker bookworm: who asks for nothing gets nothing" {
	docker_of bookworm
	asks_nothing
}

# --- trixie -------------------------------------------------------------------

@test "docker trixie: --runtime" {
	docker_of trixie
	by_runtime
}

@test "docker trixie: --gpus" {
	docker_of trixie
	by_gpus
}

@test "docker trixie: --device of CDI" {
	docker_of trixie
	docker_knows_cdi
	by_cdi
}

@test "docker trixie: who asks for nothing gets nothing" {
	docker_of trixie
	asks_nothing
}

# --- forky --------------------------------------------------------------------

@test "docker forky: --runtime" {
	docker_of forky
	by_runtime
}

@test "docker forky: --gpus" {
	docker_of forky
	by_gpus
}

@test "docker forky: --device of CDI" {
	docker_of forky
	docker_knows_cdi
	by_cdi
}

@test "docker forky: who asks for nothing gets nothing" {
	docker_of forky
	asks_nothing
}

# --- CDI, and who switches it on ---------------------------------------------

@test "docker trixie: without configure's --cdi it knows no CDI" {
	have_docker trixie
	docker_start "$BASE/docker-plain-trixie"
	run ! docker_knows_cdi
	no_cdi
}

@test "docker forky: it knows CDI without configure's --cdi too" {
	have_docker forky
	docker_start "$BASE/docker-plain-forky"
	docker_knows_cdi
	ask nvidia0 --device nvidia.com/gpu=1 seen:1 /seen
	gets as_cdi "${ONE[@]}"
}
