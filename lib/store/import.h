/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver that an OS installed itself (Debian's and Ubuntu's packages, Flatcar's service, a plain /usr/lib64),
 * taken into the store.
 */
#ifndef NVCOREOS_STORE_IMPORT_H
#define NVCOREOS_STORE_IMPORT_H

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "conf/config.h"
#include "store/build.h"

struct import_result {
	struct arena arena;
	const char *driver, *os;
	size_t files; /* without links */
	bool already; /* the tree was there, with the same content */
};

struct import_from {
	const char *dir;	   /* the root directory to look below; "" or "/": this host */
	const char *host;	   /* the root of the host whose OS version the tree is for */
	const char *loaded;	   /* the driver of the loaded module where dir is that host's, else NULL */
	const struct guard *guard; /* guard.h; NULL: none */
};

/*
 * Looks below `dir` and makes the tree <driver>/<OS version> by hard links, shared blocks or copies. The caller
 * holds the store's lock; import_free is due either way. -errno with ERR_SOURCE naming where it looked,
 * ERR_UNDECIDED naming the versions, ERR_STORE.
 */
int import_run(struct import_result *ret, const struct config *conf, const struct import_from *from,
	       struct err *err) must_check;
void import_free(struct import_result *r);

#endif
