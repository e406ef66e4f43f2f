/* SPDX-License-Identifier: Apache-2.0 */
/* /etc/ld.so.cache of a container: read, merged in memory, replaced by one rename. */
#ifndef NVCOREOS_APPLY_LDSO_H
#define NVCOREOS_APPLY_LDSO_H

#include <stddef.h>

#include "apply/container.h"
#include "base/err.h"
#include "plan/plan.h"

/*
 * Reads the container's cache. *ret, which the caller frees, is NULL where there is none, or what is no regular file. -errno with ERR_ROOTFS, ERR_PRIVILEGE.
 */
int ldso_read(const struct container *c, char **ret, size_t *ret_len, struct err *err) must_check;
/*
 * Applies plan->cache to what ldso_read read (NULL: nothing was there), and writes the result; nothing is written where nothing
 * changes. -errno with ERR_WRITE, ERR_FOREIGN_MOUNT.
 */
int ldso_replace(const struct container *c, const struct plan *plan, const char *old, size_t old_len,
		 struct err *err) must_check;
/* Both together. */
int ldso_update(const struct container *c, const struct plan *plan, struct err *err) must_check;

#endif
