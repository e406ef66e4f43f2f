/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the driver's modules can go, all of them, before the first one does. */
#ifndef NVCOREOS_CLI_LOAD_BUSY_H
#define NVCOREOS_CLI_LOAD_BUSY_H

#include "base/err.h"
#include "base/str.h"

/* The driver's modules in the order in which they go, ended by NULL: the last stands on nothing, each before it on those behind. */
extern const char *const load_busy_order[];

/*
 * Looks in sys_root for modules of others that stand on ours, and for users of ours: what a module counts beyond those that stand on
 * it. -EBUSY with ERR_BUSY naming them.
 */
int load_busy_check(const char *sys_root, struct err *err) must_check;

/* "nvidia_uvm, nvidia" in the arena. */
const char *load_busy_join(struct arena *a, const struct strlist *names);

#endif
