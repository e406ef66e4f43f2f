/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's capabilities: a file in proc for each, and a device node that stands for it (MIG, fabric and IMEX management). */
#ifndef NVCOREOS_CLI_LOAD_CAPS_H
#define NVCOREOS_CLI_LOAD_CAPS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/mem.h"

struct load_cap {
	uint32_t minor; /* of nvidia-caps */
	mode_t mode;
};

struct load_caps {
	struct load_cap *v;
	size_t n;
};

/*
 * Reads all below proc_root's driver/nvidia/capabilities and driver/nvidia-nvlink/capabilities, into the arena. What says no minor is
 * passed over; without such directories there are none. -errno with ERR_HOST.
 */
int load_caps_read(struct load_caps *ret, struct arena *a, int proc_root, struct err *err) must_check;

#endif
