/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that hold NVIDIA's device nodes open: while there is one, the modules cannot go. */
#ifndef NVCOREOS_CLI_USERS_H
#define NVCOREOS_CLI_USERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Looks through <proc_root>/<pid>/fd for character devices of these majors. 0 where there is none; -EBUSY with ERR_BUSY that
 * names the first few ("nvidia-persistenced (812), python3 (4711)"); -errno with ERR_HOST where proc_root cannot be read. A
 * process whose fds are not shown is passed over: the kernel has the last word.
 */
int users_check(const char *proc_root, const uint32_t *majors, size_t n, struct err *err) must_check;

#endif
