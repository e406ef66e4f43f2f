/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration files of a host below a root directory: read, replaced, removed, linked; nothing leaves the root. */
#ifndef NVCOREOS_CLI_ROOTFILE_H
#define NVCOREOS_CLI_ROOTFILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

struct rootfile {
	const char *path; /* absolute, below the root; the caller's */
	bool exists;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	struct strbuf text;
};

/* The root directory itself: an fd, or -errno with ERR_IO. "" is this host's. */
int rootfile_open_root(const char *root, struct err *err) must_check;
/*
 * Waits, ten seconds at most, until nobody else has such a lock below this root, and has it until the fd is closed. -errno
 * with ERR_BUSY or ERR_IO.
 */
int rootfile_lock(int rootfd, struct err *err) must_check;
/*
 * Reads path; a file that is absent is no error. -errno with `code`; a symlink is refused with -ELOOP. Freed by
 * rootfile_free.
 */
int rootfile_read(int rootfd, const char *path, enum err_code code, struct rootfile *ret, struct err *err) must_check;
/* The same for a file that is only read: a symlink is followed, below the root. */
int rootfile_read_through(int rootfd, const char *path, enum err_code code, struct rootfile *ret,
			  struct err *err) must_check;
/*
 * Adds the names in the directory `path` to the list, hidden ones excepted, in any order; a directory that is absent is empty.
 * -errno with ERR_ENGINE.
 */
int rootfile_names(int rootfd, const char *path, struct arena *arena, struct strlist *names,
		   struct err *err) must_check;
/*
 * Puts the text there by one rename, synced, with the mode and owner that f names; makes the directory. -errno
 * with ERR_IO.
 */
int rootfile_write(int rootfd, const struct rootfile *f, const struct strbuf *text, struct err *err) must_check;
/* Removes it, and tidies; absent is fine. -errno with ERR_IO. */
int rootfile_remove(int rootfd, const char *path, struct err *err) must_check;
/* Takes away what a killed run of rootfile_write has left of this file; nobody else may be writing it. */
void rootfile_tidy(int rootfd, const char *path);
void rootfile_free(struct rootfile *f);

/* Makes path a symlink to target. -errno with ERR_IO. */
int rootfile_link(int rootfd, const char *path, const char *target, struct err *err) must_check;
/* What stands at path: NULL for nothing, a symlink's target, "" for anything else. The caller frees it. */
char *rootfile_target(int rootfd, const char *path) must_check;
/* Whether files could be made in the directory `path`, which need not be there yet. */
bool rootfile_can_make(int rootfd, const char *path);

#endif
