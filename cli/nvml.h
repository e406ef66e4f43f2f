/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVML, NVIDIA's library, asked for what /proc does not tell: UUIDs before a card's first use, brand,
 * compute capability, MIG devices. A child gives up its rights and then loads it, and is killed at a deadline:
 * the driver may block, even so that nothing ends the child; then it is left behind.
 */
#ifndef NVCOREOS_CLI_NVML_H
#define NVCOREOS_CLI_NVML_H

#include <stddef.h>

#include "base/err.h"

#define NVML_CONTROL "/dev/nvidiactl"
#define NVML_TIMEOUT_S 10
#define NVML_TEXT_MAX (1u << 20)

/*
 * Asks `library` (a path, the file of which everybody may read, or a name for the loader's search); the child keeps the group of `control`, the node
 * that NVML opens first, where that one is for a group. *ret_text, which the caller frees, is the
 * text of inventory.json. -errno with ERR_NOT_LOADED where the library or the driver is missing, ERR_HOST
 * where it fails, may not open the node, or answers too late.
 */
int nvml_query(const char *library, const char *control, unsigned timeout_s, char **ret_text, size_t *ret_len,
	       struct err *err) must_check;

#endif
