/* SPDX-License-Identifier: Apache-2.0 */
/* Which flavour of modules the GPUs want, by their PCI device ids. */
#ifndef NVCOREOS_CLI_LOAD_FLAVOUR_H
#define NVCOREOS_CLI_LOAD_FLAVOUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Whether the open modules are to be tried first: GPUs before Turing work with the proprietary ones only, Grace Hopper and those from
 * Blackwell on with the open ones only; for those between, the open ones are NVIDIA's choice since driver 560. Where GPUs of both kinds
 * are in one machine the old ones decide. `driver` is a version, such as "570.86.15".
 */
bool load_flavour_open_first(const char *driver, const uint32_t *ids, size_t n);

#endif
