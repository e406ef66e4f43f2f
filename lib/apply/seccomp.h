/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System call filters: those of the hook, one inside the other (design rule 7), and that of the tool's child which unpacks
 * archives. Each only takes away. A call outside the
 * filter kills the process: the programs are static, so their calls are known.
 */
#ifndef NVCOREOS_APPLY_SECCOMP_H
#define NVCOREOS_APPLY_SECCOMP_H

#include "base/err.h"

enum seccomp_phase {
	SECCOMP_LOAD, /* only where modules must be loaded: what neither the hook nor nvcoreos-load ever calls is gone */
	SECCOMP_HOOK, /* a list of what the hook calls: no program and no process is started */
	/* These two only take something from what SECCOMP_HOOK or SECCOMP_HERE, which come before them, have left: short, as each start loads them. */
	SECCOMP_INSIDE, /* in the container's mount namespace: no other namespace, no new source, no plain open */
	SECCOMP_FILES,	/* the mounts are made: only files in the container's root are written */
	SECCOMP_DECODE, /* the child that unpacks an archive: reads and writes what is open, and opens nothing */
	SECCOMP_HERE, /* a hook that starts in the container's own namespaces: as SECCOMP_HOOK, but it enters no namespace and asks no bpf */
};

/*
 * Makes and loads the filter of a phase; no_new_privs must be set, and a phase once entered never comes back. -errno with
 * ERR_KERNEL. The hook's own are made when it is built, see apply/filter.h.
 */
int seccomp_enter(enum seccomp_phase phase, struct err *err) must_check;
/* Writes the filter of a phase to fd as the kernel takes it: an array of struct sock_filter. 0 or -errno. */
int seccomp_write(enum seccomp_phase phase, int fd) must_check;

#endif
