#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Every way to ask this machine's containerd for a GPU: ctr, and as Kubernetes does. Other releases: matrix-containerd.slow.bats.

load helpers
load gpu
load seen
load engines
load containerd

setup_file() {
	need_root containerd ctr runc jq cc curl protoc nsenter || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	have_root bookworm || return "$SKIPPED"
	export ROOT
	ctrd_setup
	ctrd_use installed default --cdi
	cri_run runc localhost/seen:1 "" true || skip_or_fail 'no plain pod runs under containerd here' || return "$SKIPPED"
}

teardown_file() {
	ctrd_clean
}

setup() {
	skip_file
}

teardown() {
	[ -e "$BATS_FILE_TMPDIR/why-not" ] || engines_unchanged
}

@test "containerd installed: ctr run --runc-binary: environment, image, annotation" {
	ctr_by_environment installed
}

@test "containerd installed: CRI, handler nvcoreos: environment, image" {
	cri_by_environment installed
}

@test "containerd installed: CRI, a second program in the container" {
	cri_second_program installed
}

@test "containerd installed: CRI, CDI field and annotation, handlers runc and nvcoreos" {
	ctrd_use installed default --cdi
	if ctrd_has_cdi; then
		cri_by_cdi_field installed
		cri_by_cdi_annotation installed
	else
		cri_cdi_unknown installed
	fi
}

@test "containerd installed: CRI, a device plugin's list of mounts" {
	cri_by_mounts installed
}

@test "containerd installed: CRI, pod sandboxes stay as they are" {
	cri_sandbox_untouched installed
}

@test "containerd installed: CRI, --set-as-default: nothing by environment alone, privileged pods all" {
	cri_as_default installed
}

@test "containerd installed: CRI, --set-as-default: no GPU on the host, a plain start" {
	cri_no_gpu installed
}
