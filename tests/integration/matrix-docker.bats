#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# This machine's own Docker with each way of asking for a GPU: one row of the engines' table, 20.10 on Debian 12, 26.1 on 13.

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

@test "docker installed: --runtime" {
	docker_of installed
	by_runtime
}

@test "docker installed: --gpus" {
	docker_of installed
	by_gpus
}

@test "docker installed: --device of CDI, where Docker knows it" {
	docker_of installed
	if docker_knows_cdi; then
		by_cdi
	else
		no_cdi
	fi
}

@test "docker installed: who asks for nothing gets nothing" {
	docker_of installed
	asks_nothing
}
