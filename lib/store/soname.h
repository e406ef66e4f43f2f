/* SPDX-License-Identifier: Apache-2.0 */
/* The names under which a driver's libraries are opened: symlinks beside the files, on disk and in the manifest. */
#ifndef NVCOREOS_STORE_SONAME_H
#define NVCOREOS_STORE_SONAME_H

#include "base/err.h"
#include "store/manifest.h"

/* A link that an archive holds, by the last components of its path and of what it points to. */
struct soname_hint {
	const char *name, *target;
};

/*
 * Makes in the tree `dir` a link for each SONAME that is not its file's own name, then those of `hints` whose
 * target is a library of the tree, then the aliases of classify.h. What stands there already stays. -errno with
 * ERR_STORE.
 */
int soname_links(int dir, struct manifest *m, const struct soname_hint *hints, size_t n_hints,
		 struct err *err) must_check;

#endif
