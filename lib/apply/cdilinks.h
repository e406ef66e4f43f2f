/* SPDX-License-Identifier: Apache-2.0 */
/* The links that a CDI specification of NVIDIA's tools asks for (create-symlinks), in a container's root. */
#ifndef NVCOREOS_APPLY_CDILINKS_H
#define NVCOREOS_APPLY_CDILINKS_H

#include <stddef.h>
#include <stdint.h>

#include "apply/container.h"
#include "base/err.h"

struct cdilinks_link {
	const char *target; /* the link's text: whatever stands there, it is not resolved here */
	const char *path;   /* absolute and normalized; not "/" */
};

/*
 * Makes each of them. What stands at its place is replaced, by one rename; one that is there already is left, and so is one
 * whose place is not the container's own, in a volume or where something is mounted, or cannot be written to, on a root that is
 * read-only; the log says so. Below /dev, which is a file system of the container's own (`own_dev`, as in rootfacts; 0: there is
 * none), what stands there stays. -errno with ERR_TARGET, ERR_WRITE, ERR_PRIVILEGE.
 */
int cdilinks_make(const struct container *c, const struct cdilinks_link *links, size_t n, uint64_t own_dev,
		  struct err *err) must_check;

#endif
