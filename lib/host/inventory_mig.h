/* SPDX-License-Identifier: Apache-2.0 */
/* MIG instances and the minors of their capabilities, from proc-root. */
#ifndef NVCOREOS_HOST_INVENTORY_MIG_H
#define NVCOREOS_HOST_INVENTORY_MIG_H

#include "host/inventory.h"
#include "host/inventory_text.h"

#define INVENTORY_MIG_MAX 64

/* Fills in every GPU's instances, by (gi, ci). -errno with ERR_HOST. */
int inventory_mig_read(struct inventory *inv, const struct inventory_dir *proc, struct err *err) must_check;
/* Fills in mig_config_minor and mig_monitor_minor. -errno with ERR_HOST. */
int inventory_mig_read_admin(struct inventory *inv, const struct inventory_dir *proc, struct err *err) must_check;

#endif
