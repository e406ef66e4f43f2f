/* SPDX-License-Identifier: Apache-2.0 */
/*
 * views/ of a driver tree: for each set of capabilities that differs, the files that it shows, as hard links
 * (of symlinks too). In lib64/glibc-hwcaps/x86-64-v2 to -v4 of each view every library stands once more under
 * its SONAME: after an ldconfig in a container a stale copy in such a directory of the image would otherwise
 * win.
 */
#ifndef NVCOREOS_STORE_VIEW_H
#define NVCOREOS_STORE_VIEW_H

#include "base/err.h"
#include "store/manifest.h"
#include "store/tree.h"

/*
 * Makes views/ in the tree `dir`, which must not have one. Copies where the file system has no hard links.
 * -errno with ERR_STORE.
 */
int view_make(int dir, const struct manifest *m, const struct tree *t, struct err *err) must_check;

/*
 * What every view must hold: `to`, a path in the view `view`, is the tree's file or link `from`; `from` NULL: the link "lib" to
 * "lib64". Not 0 ends view_each, which returns it.
 */
typedef int view_entry_fn(void *data, const char *view, const char *from, const char *to);
int view_each(const struct manifest *m, const struct tree *t, view_entry_fn *tell, void *data) must_check;

/*
 * Puts `to` in to_dir for `from` in from_dir, neither followed: a hard link, or a copy where that cannot be. 0
 * or -errno.
 */
int view_link(int from_dir, const char *from, int to_dir, const char *to) must_check;
/*
 * Fills the empty file `out` with what `in` holds from its offset on: shares blocks where the file system can. 0
 * or -errno.
 */
int view_copy(int in, int out) must_check;

#endif
