/* SPDX-License-Identifier: Apache-2.0 */
/* Which trees may not be taken away, and why. */
#ifndef NVCOREOS_CLI_PROTECT_H
#define NVCOREOS_CLI_PROTECT_H

#include "cli.h"
#include "store/store.h"

struct protect;

/*
 * Reads what is in use: loaded, mounted in any mount namespace (<proc-root>/<pid>), selected, previous, current. *ret is the
 * caller's to free. -errno with ERR_HOST or ERR_STORE where that is not known: nothing may be removed
 * then.
 */
int protect_read(struct protect **ret, const struct cli *cli, const struct store *s, struct err *err) must_check;
/* Why a tree may not go, in words such as "its modules are loaded"; NULL: it may. Lives as long as p. */
const char *protect_why(struct protect *p, const struct store_tree *t);
void protect_free(struct protect *p);

#endif
