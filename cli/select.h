/* SPDX-License-Identifier: Apache-2.0 */
/* What install, import and use share: selecting a tree and saying what that came to. */
#ifndef NVCOREOS_CLI_SELECT_H
#define NVCOREOS_CLI_SELECT_H

#include <stdbool.h>

#include "cli.h"
#include "store/store.h"

struct select_tree {
	const char *driver, *os; /* or */
	const char *cuda;
};

/* Selects the tree, whatever was selected before, and prints what it did. The caller holds the lock. */
int select_tree(struct cli *cli, struct store *s, const struct select_tree *t, struct err *err) must_check;
/*
 * After an installation: selects the tree where `use`, or where nothing is selected yet; else prints the command
 * that would. The caller holds the lock.
 */
int select_installed(struct cli *cli, const struct select_tree *t, bool use, struct err *err) must_check;

#endif
