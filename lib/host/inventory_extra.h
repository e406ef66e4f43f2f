/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices of other drivers that containers with a GPU may ask for: nvidia-fs, InfiniBand's verbs, gdrdrv, NVSwitches.
 * Read only for who asks: a start that does not is no slower.
 */
#ifndef NVCOREOS_HOST_INVENTORY_EXTRA_H
#define NVCOREOS_HOST_INVENTORY_EXTRA_H

#include "base/err.h"
#include "host/hostroot.h"
#include "host/inventory.h"

#define INVENTORY_EXTRA_MAX 256

/*
 * Adds to inv (already read) the devices of these features (REQUEST_* bits) that have a node in dev-root and a number
 * that the kernel tells, by feature and number. -errno with ERR_HOST.
 */
int inventory_extra_read(struct inventory *inv, const struct hostroot *root, unsigned features,
			 struct err *err) must_check;

#endif
