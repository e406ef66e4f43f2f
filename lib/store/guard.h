/* SPDX-License-Identifier: Apache-2.0 */
/* Who says whether a tree may go: the store does not know what is mounted. */
#ifndef NVCOREOS_STORE_GUARD_H
#define NVCOREOS_STORE_GUARD_H

#include <stdbool.h>

#include "base/err.h"

/*
 * Asked before a tree is taken from its place, and once more when it has been moved to another path, where nobody finds it but who
 * has opened it before; it is deleted after that. 0, or -errno with *err set where it may not go: it is moved back.
 */
struct guard {
	int (*may_go)(void *data, const char *path, bool moved, struct err *err);
	void *data;
};

#endif
