/* SPDX-License-Identifier: Apache-2.0 */
/* What a tree takes of the disk, and what of it other trees (or the host) have too: by hard links. */
#ifndef NVCOREOS_STORE_USAGE_H
#define NVCOREOS_STORE_USAGE_H

#include <stdint.h>

struct usage {
	uint64_t freed;	 /* on disk, of files that no link outside of the tree holds: what removing it would free */
	uint64_t shared; /* bytes of the other files */
};

/* Reads the directory `path`, as far as it can be read. */
struct usage usage_of(const char *path);

#endif
