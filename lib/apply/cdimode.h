/* SPDX-License-Identifier: Apache-2.0 */
/* The mode of directories that an engine has made for device nodes (chmod of NVIDIA's CDI hook). */
#ifndef NVCOREOS_APPLY_CDIMODE_H
#define NVCOREOS_APPLY_CDIMODE_H

#include <stdint.h>
#include <sys/types.h>

#include "apply/container.h"
#include "base/err.h"
#include "base/str.h"

/*
 * Gives each of these directories (absolute, normalized) the mode. Left as they are, and the log says so: what is not there, what is
 * no directory or a link, what lies neither on the container's own root nor on the file system of its own at /dev (`own_dev`, as in
 * rootfacts; 0: there is none), and all of a root that is read-only. -errno with ERR_WRITE, ERR_KERNEL, ERR_PRIVILEGE.
 */
int cdimode_set(const struct container *c, const struct strlist *paths, mode_t mode, uint64_t own_dev,
		struct err *err) must_check;

#endif
