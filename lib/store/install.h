/* SPDX-License-Identifier: Apache-2.0 */
/* Archives, .run files and directories to trees. */
#ifndef NVCOREOS_STORE_INSTALL_H
#define NVCOREOS_STORE_INSTALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/config.h"
#include "store/build.h"

struct install_tree {
	const char *driver, *os; /* or */
	const char *cuda;
	bool already; /* it was there, with the same content */
};

struct install_result {
	struct arena arena;
	struct install_tree *trees;
	size_t n_trees;
	struct strlist ignored; /* "<tree>: <file>": left out, no part of a driver */
};

/* How far it is: `done` of `total` bytes of all sources are unpacked, now those of `name`. */
struct install_progress {
	const char *name;
	uint64_t done, total;
};

struct install_options {
	const struct config *conf;
	const char *root;						/* of the host */
	void (*progress)(void *data, const struct install_progress *p); /* NULL: nobody wants to know */
	void *data;
	const struct guard *guard; /* guard.h; NULL: none */
};

/*
 * Installs sources (source.h); all of one driver make one tree for each OS version of its
 * modules, or for that of the host where there are none. A tree that is there already, made of the same sources, is verified
 * and left alone; a damaged one is made anew. Whether there is room is known before anything is written. Selects nothing. The
 * caller holds the store's lock. On failure the trees that were finished before stay, and are in *ret; install_free is due
 * either way. -errno with ERR_SOURCE, ERR_ARCHIVE, ERR_STORE.
 */
int install_run(struct install_result *ret, const struct install_options *o, char *const *sources, size_t n,
		struct err *err) must_check;
void install_free(struct install_result *r);

#endif
