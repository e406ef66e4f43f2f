/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts of all processes of the host: the one user of libmount. */
#ifndef NVCOREOS_CLI_MOUNTS_H
#define NVCOREOS_CLI_MOUNTS_H

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
 * The process in whose namespace the directory `path` of this host, or something below it, is mounted; 0: none. -errno
 * with ERR_HOST where it is not known in which file system the path is.
 */
int mounts_user(const struct mounts *m, const char *path, pid_t *ret, struct err *err) must_check;
void mounts_free(struct mounts *m);

#endif
