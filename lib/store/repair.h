/* SPDX-License-Identifier: Apache-2.0 */
/* What a writer does before anything else: the lock, then what a run that was killed has left behind is put right. */
#ifndef NVCOREOS_STORE_REPAIR_H
#define NVCOREOS_STORE_REPAIR_H

#include "base/err.h"
#include "conf/config.h"
#include "store/guard.h"

/* How the name of a tree begins that is being removed; its own name follows. */
#define REPAIR_REMOVED ".removed-"

/*
 * Takes the writers' lock (store_lock) and repairs both stores: staging directories, half removed trees and temporary
 * files go, but what the guard (NULL: none) says is in use stays for a later run; `current` follows state.json to the tree for the OS version of the host at `root` where it is absent,
 * leads nowhere or is of another driver than the selected one. Without a selected driver `current` is left alone. What
 * cannot be repaired is logged and stops nothing. An fd to close, or -errno as store_lock and store_check_rights.
 */
int repair_lock(const struct config *conf, const char *root, const struct guard *guard, struct err *err) must_check;
/*
 * After a boot into another OS version: `current` goes to the selected driver's tree for the one that runs, where there is one; with
 * the lock, and all that repair_lock does. 0, or -errno as repair_lock or with ERR_HOST or ERR_STORE.
 */
int repair_follow_os(const struct config *conf, const char *root, const struct guard *guard,
		     struct err *err) must_check;

#endif
