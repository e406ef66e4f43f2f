/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVML, NVIDIA's library, asked for what /proc does not tell: UUIDs before a card's first use, brand,
 * compute capability, MIG devices. It is loaded by a child that gives up its rights before the first call,
 * and that is killed at a deadline: the driver may block.
 */
#ifndef NVCOREOS_CLI_NVML_H
#define NVCOREOS_CLI_NVML_H

#include <stddef.h>

#include "base/err.h"

#define NVML_TIMEOUT_S 10
#define NVML_TEXT_MAX (1u << 20)

/*
 * Asks `library` (a path, or a name for the loader's search). *ret_text, which the caller frees, is the
 * text of inventory.json. -errno with ERR_NOT_LOADED where the library or the driver is missing, ERR_HOST
 * where it fails or answers too late.
 */
int nvml_query(const char *library, unsigned timeout_s, char **ret_text, size_t *ret_len, struct err *err) must_check;

#endif
