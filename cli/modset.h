/* SPDX-License-Identifier: Apache-2.0 */
/* The module files of a directory, each opened once: what was looked at is what is loaded. */
#ifndef NVCOREOS_CLI_MODSET_H
#define NVCOREOS_CLI_MODSET_H

#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"

struct modset_file {
	const char *name; /* without suffix: "nvidia-uvm" */
	const char *file; /* "nvidia-uvm.ko.xz" */
	int fd;
};

struct modset {
	struct arena arena;
	const char *dir;
	struct modset_file *v; /* by name */
	size_t n;
};
#define MODSET_INIT \
	{ \
		.arena = ARENA_INIT \
	}

/*
 * Opens all modules in the directory `dir` (<tree>/modules or modules-open): *.ko, *.ko.xz, *.ko.zst. 1; 0 where there is no such
 * directory; -errno with ERR_LOAD. modset_close is due in each case.
 */
int modset_open(struct modset *ret, const char *dir, struct err *err) must_check;
/* The file of that name, '-' and '_' being one; NULL: none. */
const struct modset_file *modset_find(const struct modset *s, const char *name);
void modset_close(struct modset *s);
#define cleanup_modset cleanup(modset_close)

#endif
