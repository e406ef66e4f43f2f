/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which names may stand in an archive: paths that stay inside, links that stay inside, each name once, nothing below what
 * is no directory. Text only: nothing is looked up on disk.
 */
#ifndef NVCOREOS_STORE_NAMES_H
#define NVCOREOS_STORE_NAMES_H

#include <stdbool.h>

#include "base/attr.h"

enum names_type { NAMES_FILE, NAMES_DIR, NAMES_SYMLINK, NAMES_HARDLINK };

/* What one archive has held so far. */
struct names;
struct names *names_new(void) must_check;
/* NULL is allowed. */
void names_free(struct names *n);

/*
 * Takes the next entry: `path` and, of a link, `target` as they stand in the archive. Both are trimmed in place ("./" at the
 * beginning, slashes at the end of a directory). NULL where it may be made; else why not, in words that live for ever. A
 * path that trims to nothing, the top directory itself, is no error: *path is '\0' then.
 */
const char *names_add(struct names *n, enum names_type type, char *path, char *target) must_check;

/* How deep a path may be, and what all names of an archive may take together: far more than any driver has. */
#define NAMES_DEPTH_MAX 64
#define NAMES_BYTES_MAX (64u << 20)

/* Whether a path may be made below a tree: relative, of plain names without "..", not too deep. */
bool names_path_ok(const char *path);
/* Whether a symlink at `path` that says `target` stays inside, as text. */
bool names_link_ok(const char *path, const char *target);

#endif
