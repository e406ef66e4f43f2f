/* SPDX-License-Identifier: Apache-2.0 */
/* Which trees prune takes away: a decision alone, nothing is read or written. */
#ifndef NVCOREOS_STORE_PRUNE_H
#define NVCOREOS_STORE_PRUNE_H

#include <stdbool.h>
#include <stddef.h>

struct prune_tree {
	const char *why; /* why it may not go, NULL: it may */
	bool goes;	 /* the answer */
};

/*
 * Sets `goes` of n trees, which stand newest first: `keep` of them stay. One that may not go stays always and is one of
 * those; the newest of the others fill up.
 */
void prune_decide(struct prune_tree *trees, size_t n, size_t keep);

#endif
