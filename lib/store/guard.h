/* SPDX-License-Identifier: Apache-2.0 */
/* Who says whether a tree may go: the store does not know what is mounted. */
#ifndef NVCOREOS_STORE_GUARD_H
#define NVCOREOS_STORE_GUARD_H

#include "base/err.h"

/*
 * Asked before a tree is taken from its place (`was` NULL), and once more when it has been moved to another path, where nobody finds
 * it but who has opened it before (`was`: the path that it had, which messages name); it is deleted after that. 0, or -errno with *err
 * set where it may not go: it is moved back.
 */
struct guard {
	int (*may_go)(const void *data, const char *path, const char *was, struct err *err);
	const void *data;
};

/* Asks it; no guard (NULL) lets everything go. */
int guard_ask(const struct guard *g, const char *path, const char *was, struct err *err) must_check;
/*
 * What the guard refused could not be moved back to `was` either, and stays at `now`: logs it, and says so in *err, which is the
 * guard's (NULL is allowed).
 */
void guard_stays(struct err *err, const char *was, const char *now, int errnum);

#endif
