/* SPDX-License-Identifier: Apache-2.0 */
/* A tree against its manifest: every file, every link, every view. */
#ifndef NVCOREOS_STORE_VERIFY_H
#define NVCOREOS_STORE_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"

/* How many findings are kept; the rest is only counted. */
#define VERIFY_FINDINGS_MAX 100

struct verify {
	struct arena arena;
	struct strlist findings; /* "lib64/libcuda.so.535.98: its content differs" */
	size_t n_findings, files;
	uint64_t bytes; /* read */
};

/*
 * Checks the tree in the directory `path`: type, size, SHA-256 and mode of each file of manifest.json, the text of each
 * link, that nothing else is there, that start.json says what the manifest does, and that each view holds the tree's own
 * files. Follows no link. What is wrong, or cannot be read, is a finding. verify_free is due.
 */
void verify_tree(struct verify *ret, const char *path);
void verify_free(struct verify *v);
/* Whether verify_tree finds nothing. */
bool verify_is_whole(const char *path);
/*
 * Whether an open file or directory (O_PATH will do) has owner, mode and capabilities as everything in a tree: root's alone to write,
 * all may read it, and run it where that is what it is for.
 */
bool verify_is_fit(int fd, const struct stat *st, bool executable);

#endif
