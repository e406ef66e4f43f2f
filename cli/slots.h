/* SPDX-License-Identifier: Apache-2.0 */
/* The OS versions that this host may boot beside the one that runs: what an update has put aside, or will boot next. */
#ifndef NVCOREOS_CLI_SLOTS_H
#define NVCOREOS_CLI_SLOTS_H

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

/*
 * Reads the os-release of each ostree deployment below <root>/ostree/deploy, and of the partitions USR-A and USR-B (Flatcar,
 * Container Linux) below <dev_root>/disk/by-partlabel that are not in use, which are mounted
 * nowhere for that (device.h). Their OS versions, named as trees are, go to *ret; none on other systems, where what may boot
 * is not told apart so. -errno with ERR_HOST where a slot is there and cannot be read.
 */
int slots_read(struct arena *a, const char *root, const char *dev_root, struct strlist *ret,
	       struct err *err) must_check;

#endif
