/* SPDX-License-Identifier: Apache-2.0 */
/* Taking a tree away. */
#ifndef NVCOREOS_STORE_REMOVE_H
#define NVCOREOS_STORE_REMOVE_H

#include <stdint.h>

#include "base/err.h"
#include "store/guard.h"
#include "store/store.h"

/* A tree's name on a command line: "535.98/3975.2.0", "cuda/12.4.1"; lives in the arena. */
const char *remove_name(struct arena *a, const struct store_tree *t) must_check;
/*
 * Takes the tree away by one rename inside its store, which is synced, then deletes what it holds; its driver's
 * directory goes too when it is empty. Files that other trees share stay theirs. *ret_freed (or NULL) gets the bytes
 * that no other link holds. Whether the tree may go is the caller's question, who holds the lock. -errno with
 * ERR_STORE, or the guard's; after a failure the tree is there as it was, or no longer a tree and deleted by the next writer, when
 * nobody uses it any more.
 */
int remove_tree(struct store *s, const struct store_tree *t, const struct guard *guard, uint64_t *ret_freed,
		struct err *err) must_check;

#endif
