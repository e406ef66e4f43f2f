/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads the hook's system call filters, which libseccomp has made when this was built (see apply/seccomp.h): a start has no
 * time to compile them.
 */
#ifndef NVCOREOS_APPLY_FILTER_H
#define NVCOREOS_APPLY_FILTER_H

#include "apply/seccomp.h"
#include "base/err.h"

/*
 * Loads the filter of a phase, any but SECCOMP_DECODE; no_new_privs must be set, and a phase once entered never comes back.
 * -errno with ERR_KERNEL; -EINVAL for one of the two that take something away, where no list came before.
 */
int filter_enter(enum seccomp_phase phase, struct err *err) must_check;

#endif
