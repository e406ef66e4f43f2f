/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's directory: which trees there are, state.json (selected, previous: the one truth) and the symlink
 * `current`. Readers take no lock: every change is one rename. Writers hold the lock.
 */
#ifndef NVCOREOS_STORE_STORE_H
#define NVCOREOS_STORE_STORE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "conf/config.h"

struct store_driver {
	const char *driver, *os; /* /opt/nvidia/<driver>/<os>, with a start.json in it */
};

struct store {
	struct arena arena;
	const char *driver_path, *cuda_path; /* as configured */
	struct store_driver *drivers;	     /* by driver version, then OS version, ascending */
	size_t n_drivers;
	const char **toolkits; /* versions in the CUDA store, ascending */
	size_t n_toolkits;
	const char *selected, *previous; /* drivers, NULL where there is none */
	int state_error; /* -errno: state.json could not be read, -EBADMSG: it is damaged; neither of them is known then */
	const char *
		current; /* what the link says: "<driver>/<os>", NULL where it is absent or no relative two-part link */
	const char *current_cuda; /* likewise in the CUDA store: "<version>" */
};

/*
 * Lists both stores; a store that is absent is empty. Names that are no names, and directories without
 * start.json, are passed over. -errno with ERR_STORE.
 */
int store_read(struct store *ret, const struct config *conf, struct err *err) must_check;
/*
 * Of all that what a start needs while it goes by the loaded driver: the toolkits. No drivers, nothing selected, no current.
 * The same errors.
 */
int store_read_toolkits(struct store *ret, const struct config *conf, struct err *err) must_check;
/* Whether the driver has such a directory in the store, which is no link; whether it is a tree shows when it is read. */
bool store_has_driver(const struct store *s, const char *driver, const char *os);
/*
 * What containers are given must be root's alone to change: refuses a store that others may write to, or that is another user's, and a
 * symlink. One that is not there is passed over. -EPERM, -ENOTDIR with ERR_STORE.
 */
int store_check_rights(const struct store *s, struct err *err) must_check;
/* The same for all drivers' directories, trees and toolkits in them: what a start need not pay for, and no bad one may cost the others. */
int store_check_trees(const struct store *s, struct err *err) must_check;
/*
 * Whether a tree may be made at <store>/<parent>/<name>, or <store>/<name> (parent NULL): links are not followed, and the
 * directory of a driver must be root's alone. -EPERM, -ENOTDIR with ERR_STORE.
 */
int store_check_place(const char *store, const char *parent, const char *name, struct err *err) must_check;
void store_free(struct store *s);

/* What TREE on a command line names. */
struct store_tree {
	bool is_cuda;
	const char *driver, *os; /* or */
	const char *cuda;
	const char *path; /* host path; lives in the store's arena */
};
/*
 * Finds TREE: "535.261.03" (for os), "535.261.03/3975.2.0", "535" (newest of the branch), "cuda/12.4.1",
 * "cuda/12" (newest of it). -ENOENT with ERR_TREE_NAME.
 */
int store_find(struct store *s, const char *name, const char *os, struct store_tree *ret, struct err *err) must_check;

/* The tree of that driver for that OS version: an entry of s->drivers, or NULL. */
const struct store_driver *store_tree_of(const struct store *s, const char *driver, const char *os);
/*
 * The tree whose modules are loaded while no driver is: `current` where it is for this OS version, else the selected driver's.
 * An entry of s->drivers, or NULL.
 */
const struct store_driver *store_to_load(const struct store *s, const char *os);

/* Takes the writers' lock of the store (made where it is absent): an fd to close. -EWOULDBLOCK with ERR_BUSY. */
int store_lock(const struct config *conf, struct err *err) must_check;
/*
 * Makes `driver` the selected one (the old one becomes previous, unless it is the same) and lets `current`
 * follow: to <driver>/<os> where that tree is there, else it stays. The caller holds the lock.
 */
int store_select(struct store *s, const char *driver, const char *os, struct err *err) must_check;
/*
 * Makes selected, previous (either NULL) and `current` what they were: `before` was read, by store_read, before they were changed.
 * The caller holds the lock. -errno with ERR_STORE.
 */
int store_restore(struct store *s, const struct store *before, struct err *err) must_check;
/* Points current of the CUDA store at a version. The caller holds the lock. */
int store_select_cuda(struct store *s, const char *version, struct err *err) must_check;

#endif
