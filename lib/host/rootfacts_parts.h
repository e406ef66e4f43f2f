/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the root facts share, for lib/host/rootfacts*.c alone. */
#ifndef NVCOREOS_HOST_ROOTFACTS_PARTS_H
#define NVCOREOS_HOST_ROOTFACTS_PARTS_H

#include <errno.h>
#include <stdbool.h>

#include "host/rootfacts.h"

/* What a name in an image can do to its own resolution; everything else is an error of ours or of the kernel. */
static inline bool rootfacts_blocked(int r)
{
	return r == -ELOOP || r == -EXDEV || r == -ENOTDIR || r == -ENAMETOOLONG || r == -EACCES;
}

static inline int rootfacts_failed(int r, const char *path, struct err *err)
{
	/* EPERM: an outer filter that does not know openat2. */
	if (r == -ENOSYS || r == -EPERM)
		return err_set(err, ERR_KERNEL, -r, "openat2");
	return err_set(err, ERR_ROOTFS, -r, "%s", path);
}

/*
 * Fills libc, lacks_conf, has_cuda (every_toolkit: also where nothing stands at ROOTFACTS_CUDA) and compat, by the paths that are
 * known. -errno with ERR_ROOTFS or ERR_KERNEL.
 */
int rootfacts_image_look(struct rootfacts *facts, int rootfd, bool every_toolkit, struct err *err) must_check;

#endif
