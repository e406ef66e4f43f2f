/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts of all processes of the host, and overlays over directories of it: the one user of libmount. */
#ifndef NVCOREOS_CLI_MOUNTS_H
#define NVCOREOS_CLI_MOUNTS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* What is mounted, in every mount namespace, of a file system's directories (a bind mount, not a whole file system). */
struct mounts;

/*
 * Reads <proc_root>/<pid>/mountinfo once for each mount namespace. A process that ends meanwhile is passed over; -errno
 * with ERR_HOST where one cannot be read: nobody knows then what is in use. The caller frees it.
 */
int mounts_read(struct mounts **ret, const char *proc_root, struct err *err) must_check;
/*
 * The process in whose namespace the directory `path` of this host, or something below it, is mounted, or lies below an
 * overlay; 0: none. -errno
 * with ERR_HOST where it is not known in which file system the path is.
 */
int mounts_user(const struct mounts *m, const char *path, pid_t *ret, struct err *err) must_check;
void mounts_free(struct mounts *m);

/* An overlay over a directory: `lower` is shown first, then the directory itself. */
struct mounts_overlay {
	const char *target, *lower; /* host paths; lower NULL: none */
	const char *upper, *work;   /* on a file system that can be written; NULL: it is read-only */
};
/* Mounts it in this process's namespace; -errno with ERR_MOUNT. Paths with commas, colons, quotes or backslashes are refused. */
int mounts_overlay(const struct mounts_overlay *o, struct err *err) must_check;
/*
 * Takes overlays away that mounts_overlay put over `target`, be they in use: who has files of them open keeps those. None is no
 * error; -errno with ERR_BUSY where something else lies over them, ERR_MOUNT.
 */
int mounts_uncover(const char *target, struct err *err) must_check;
/* Whether one is there. */
bool mounts_is_covered(const char *target);

#endif
