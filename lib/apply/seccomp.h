/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System call filters of the hook, one inside the other (design rule 7): each only takes away. A call outside the
 * filter kills the process: the programs are static, so their calls are known.
 */
#ifndef NVCOREOS_APPLY_SECCOMP_H
#define NVCOREOS_APPLY_SECCOMP_H

#include "base/err.h"

enum seccomp_phase {
	SECCOMP_START, /* everything but what neither the hook nor nvcoreos-load ever calls */
	SECCOMP_APPLY, /* the modules are loaded: no program and no process is started any more */
	SECCOMP_FILES, /* the mounts are made: only files in the container's root are written */
};

/* Loads the filter of a phase; no_new_privs must be set. -errno with ERR_KERNEL. */
int seccomp_enter(enum seccomp_phase phase, struct err *err) must_check;

#endif
