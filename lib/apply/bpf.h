/* SPDX-License-Identifier: Apache-2.0 */
/* The five things that nvcoreos asks of bpf(2), all about device programs of cgroup v2. They need CAPS_BPF. */
#ifndef NVCOREOS_APPLY_BPF_H
#define NVCOREOS_APPLY_BPF_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

/* One cgroup holds no more (BPF_CGROUP_MAX_PROGS); in force may be that many of each cgroup above it too. */
#define BPF_ATTACHED_MAX 64
#define BPF_EFFECTIVE_MAX 1024

struct bpf_attached {
	uint32_t ids[BPF_EFFECTIVE_MAX];
	uint32_t n;
	uint32_t flags; /* BPF_F_ALLOW_MULTI, BPF_F_ALLOW_OVERRIDE, 0: how they were attached */
};

/* The device programs attached to a cgroup (a directory fd) itself; with `effective` all that hold there. 0 or -errno. */
int bpf_query(int cgroup, bool effective, struct bpf_attached *ret) must_check;
/* The program with this id as an fd. -ENOENT when it is gone. */
int bpf_open(uint32_t id) must_check;
/*
 * The instructions of a device program as the kernel gives them back; the caller frees *ret. 0; -EOPNOTSUPP where it
 * gives none (bpf_jit_harden); -EINVAL for a program of another type; -E2BIG; -errno.
 */
int bpf_read(int prog, struct bpf_insn **ret, size_t *ret_n) must_check;
/* Loads a device program: fd or -errno (-EACCES, -EINVAL, -E2BIG: the verifier). */
int bpf_load(const struct bpf_insn *insns, size_t n) must_check;
/*
 * Puts `prog` in the place of `old`, which is attached to the cgroup with BPF_F_ALLOW_MULTI, in one step. -ENOENT where
 * `old` is not attached, or by a link.
 */
int bpf_replace(int cgroup, int prog, int old) must_check;

#endif
