#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Every way to ask containerd for a GPU, in each of Debian's releases. Their versions stand in the output.

load helpers
load gpu
load seen
load engines
load containerd

setup_file() {
	need_root runc jq cc curl protoc nsenter || return "$SKIPPED"
	need_build nvcoreos nvcoreos-hook nvcoreos-runtime || return "$SKIPPED"
	need_cgroups || return "$SKIPPED"
	have_root bookworm || return "$SKIPPED"
	export ROOT
	ctrd_setup
}

teardown_file() {
	ctrd_clean
}

setup() {
	local release=${BATS_TEST_DESCRIPTION#containerd }
	skip_file
	ctrd_programs "${release%%:*}" >/dev/null 2>"$BATS_TEST_TMPDIR/why" || skip_or_fail "$(tail -n 1 "$BATS_TEST_TMPDIR/why")"
}

teardown() {
	[ -e "$BATS_FILE_TMPDIR/why-not" ] || engines_unchanged
}

@test "containerd bookworm: ctr run --runc-binary: environment, image, annotation" {
	ctr_by_environment bookworm
}

@test "containerd bookworm: CRI, handler nvcoreos: environment, image" {
	cri_by_environment bookworm
}

@test "containerd bookworm: CRI, a second program in the container" {
	cri_second_program bookworm
}

@test "containerd bookworm: CRI, neither CDI field nor annotation says anything to it" {
	cri_cdi_unknown bookworm
}

@test "containerd bookworm: CRI, a device plugin's list of mounts" {
	cri_by_mounts bookworm
}

@test "containerd bookworm: CRI, pod sandboxes stay as they are" {
	cri_sandbox_untouched bookworm
}

@test "containerd bookworm: CRI, --set-as-default: nothing by environment alone, privileged pods all" {
	cri_as_default bookworm
}

@test "containerd bookworm: CRI, --set-as-default: no GPU on the host, a plain start" {
	cri_no_gpu bookworm
}

@test "containerd bookworm: CRI, with the package's own file" {
	cri_packaged_file bookworm
}

@test "containerd trixie: ctr run --runc-binary: environment, image, annotation" {
	ctr_by_environment trixie
}

@test "containerd trixie: CRI, handler nvcoreos: environment, image" {
	cri_by_environment trixie
}

@test "containerd trixie: CRI, a second program in the container" {
	cri_second_program trixie
}

@test "containerd trixie: CRI, CDI field, handlers runc and nvcoreos" {
	cri_by_cdi_field trixie
}

@test "containerd trixie: CRI, CDI annotation, handlers runc and nvcoreos" {
	cri_by_cdi_annotation trixie
}

@test "containerd trixie: CRI, a device plugin's list of mounts" {
	cri_by_mounts trixie
}

@test "containerd trixie: CRI, pod sandboxes stay as they are" {
	cri_sandbox_untouched trixie
}

@test "containerd trixie: CRI, --set-as-default: nothing by environment alone, privileged pods all" {
	cri_as_default trixie
}

@test "containerd trixie: CRI, --set-as-default: no GPU on the host, a plain start" {
	cri_no_gpu trixie
}

@test "containerd trixie: CRI, with the package's own file" {
	cri_packaged_file trixie
}

@test "containerd forky: ctr run --runc-binary: environment, image, annotation" {
	ctr_by_environment forky
}

@test "containerd forky: ctr run --device: CDI" {
	ctr_by_cdi forky
}

@test "containerd forky: CRI, handler nvcoreos: environment, image" {
	cri_by_environment forky
}

@test "containerd forky: CRI, a second program in the container" {
	cri_second_program forky
}

@test "containerd forky: CRI, CDI field, handlers runc and nvcoreos" {
	cri_by_cdi_field forky
}

@test "containerd forky: CRI, CDI annotation, handlers runc and nvcoreos" {
	cri_by_cdi_annotation forky
}

@test "containerd forky: CRI, a device plugin's list of mounts" {
	cri_by_mounts forky
}

@test "containerd forky: CRI, pod sandboxes stay as they are" {
	cri_sandbox_untouched forky
}

@test "containerd forky: CRI, --set-as-default: nothing by environment alone, privileged pods all" {
	cri_as_default forky
}

@test "containerd forky: CRI, --set-as-default: no GPU on the host, a plain start" {
	cri_no_gpu forky
}

@test "containerd forky: CRI, with the package's own file" {
	cri_packaged_file forky
}
