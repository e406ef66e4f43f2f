/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The libraries in directories of a container, as an ldconfig there would find them: by what each ELF file says of itself.
 * Files and directories are the container's own or mounted into it, and hostile; nothing in them is executed.
 */
#ifndef NVCOREOS_APPLY_CDILIBS_H
#define NVCOREOS_APPLY_CDILIBS_H

#include <stdbool.h>
#include <stddef.h>

#include "apply/container.h"
#include "base/err.h"
#include "base/mem.h"

#define CDILIBS_MAX 4096    /* libraries in all */
#define CDILIBS_NAMES 65536 /* names that are looked at in one directory */

struct cdilibs_lib {
	const char *folder, *name; /* the regular file folder/name */
	const char *soname;	   /* its own, or its name where it has none */
	unsigned class, machine;
};

struct cdilibs {
	struct arena arena;
	struct cdilibs_lib *v;
	size_t n;
};

/*
 * Adds the libraries of `folder` (absolute, normalized), the newest of several versions first. Without `own` only those that are
 * mounted there, one by one or with their directory: what lies on the root's own mount is the image's, and in its cache. A folder that
 * is not there, and a file that is no library or a damaged one, adds nothing; the log names damaged ones. Regular
 * files alone are opened. -errno with ERR_ROOTFS, ERR_KERNEL.
 */
int cdilibs_add(struct cdilibs *l, const struct container *c, const char *folder, bool own, struct err *err) must_check;
void cdilibs_free(struct cdilibs *l);

#endif
