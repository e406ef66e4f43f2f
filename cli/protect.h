/* SPDX-License-Identifier: Apache-2.0 */
/* Which trees may not be taken away, and why. */
#ifndef NVCOREOS_CLI_PROTECT_H
#define NVCOREOS_CLI_PROTECT_H

#include "cli.h"
#include "store/guard.h"
#include "store/store.h"

struct protect;

/*
 * Reads what is in use: loaded, mounted in any mount namespace (<proc-root>/<pid>), selected, previous, current. `os` is
 * the OS version that runs; it and the store must outlive *ret, which is the caller's to free. -errno with ERR_HOST or
 * ERR_STORE where that is not known: nothing may be removed then.
 */
int protect_read(struct protect **ret, const struct cli *cli, const struct store *s, const char *os,
		 struct err *err) must_check;
/*
 * *ret: why a tree may not go, in words such as "its modules are loaded", which live as long as p; NULL: it may. -errno with
 * ERR_HOST where that is not known: then it may not either.
 */
int protect_why(struct protect *p, const struct store_tree *t, const char **ret, struct err *err) must_check;
void protect_free(struct protect *p);
/*
 * Whether a tree may go now, with everything read anew: to be asked right before it is taken away. -EBUSY with ERR_BUSY
 * naming why not, or an error of protect_read.
 */
int protect_check(const struct cli *cli, const struct store *s, const char *os, const struct store_tree *t,
		  struct err *err) must_check;
/* For what replaces or deletes a tree: not while a container has it mounted. ERR_BUSY then. `cli` must outlive it. */
struct guard protect_guard(const struct cli *cli);

#endif
