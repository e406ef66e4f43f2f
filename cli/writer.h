/* SPDX-License-Identifier: Apache-2.0 */
/* What verbs that change the store begin with: the lock, the repair, what is there, and the OS version that runs. */
#ifndef NVCOREOS_CLI_WRITER_H
#define NVCOREOS_CLI_WRITER_H

#include "cli.h"
#include "store/store.h"

struct writer {
	int lock;
	struct store store;
	const char *os; /* of the host at --root; lives in the store's arena */
};

/* Takes the lock (repair_lock) and reads; writer_end is due after 0. -errno with ERR_BUSY, ERR_STORE, ERR_PRIVILEGE, ERR_HOST. */
int writer_begin(struct writer *w, const struct cli *cli, struct err *err) must_check;
void writer_end(struct writer *w);
/* Whether a tree can be started with. -errno with ERR_TREE. */
int writer_check(const struct store_tree *t, struct err *err) must_check;
/*
 * Selects TREE as a user names it, once it is known to be whole, and prints what came of it, as JSON with --json. -errno with
 * ERR_TREE_NAME, ERR_TREE, ERR_STORE.
 */
int writer_use(struct writer *w, struct cli *cli, const char *name, struct err *err) must_check;
/* What is selected now, as JSON. */
void writer_print_json(const struct store *s);

#endif
