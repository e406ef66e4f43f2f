/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device programs of cgroup v2 (BPF_PROG_TYPE_CGROUP_DEVICE) as data: ours is a prefix before an engine's own
 * program. The prefix returns 1 for exactly its character devices, read and write, never mknod; for everything
 * else the original runs as it was, with its context in r1. Pure: no system call.
 *
 *   r5 = DEVPROG_MARK, r5 = number of rules     so that a later run knows its own prefix again
 *   r2 = type, r3 = access, r4 = major, r5 = minor
 *   no character device, or access beyond read|write: to the original
 *   a rule, four instructions: r4 is not MAJOR: next; r5 is not MINOR: next; r0 = 1; exit
 *   the original
 */
#ifndef NVCOREOS_APPLY_DEVPROG_H
#define NVCOREOS_APPLY_DEVPROG_H

#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define DEVPROG_MARK 0x6e76636f
#define DEVPROG_HEAD 11 /* instructions before the rules */
#define DEVPROG_PER_RULE 4
#define DEVPROG_RULES_MAX 4096 /* jumps over them are 16 bits wide */
#define DEVPROG_INSNS_MAX 65536

struct devprog_rule {
	uint32_t major, minor; /* of a character device */
};

/*
 * The rules of the prefix that a program begins with: their number, 0 where it has none of ours. `ret` (NULL: only
 * count) has room for DEVPROG_RULES_MAX.
 */
size_t devprog_rules(const struct bpf_insn *insns, size_t n, struct devprog_rule *ret);

/*
 * Whether a program lets everything pass whatever is asked, as an engine's for a privileged container does: it takes no
 * branch and returns 1.
 */
int devprog_allows_all(const struct bpf_insn *insns, size_t n);

/*
 * Makes the program that allows `rules` and else does what `insns` do, which are as the kernel gave them back. A prefix of
 * ours is not put before another one: its rules and the new ones become one prefix. 1: *ret_insns (the caller
 * frees) and *ret_n are it; 0: there is nothing to do, all rules are there or everything is allowed. -errno with
 * ERR_CGROUP: -EOPNOTSUPP for a program that cannot be loaded again from what the kernel gives back (it calls helpers or
 * uses maps), -E2BIG beyond the limits above, -EINVAL for a rule whose numbers no device can have.
 */
int devprog_prepend(const struct bpf_insn *insns, size_t n, const struct devprog_rule *rules, size_t n_rules,
		    struct bpf_insn **ret_insns, size_t *ret_n, struct err *err) must_check;

#endif
