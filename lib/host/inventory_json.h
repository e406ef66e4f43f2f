/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run-dir/inventory.json: what only NVML knows, written down by `nvcoreos gpus --refresh`:
 * {"format":1,"driver":"535.261.03","gpus":[{"pci":"0000:01:00.0","uuid":"GPU-...","brand":"tesla","arch":"9.0",
 *   "mig":[{"uuid":"MIG-...","index":0,"gi":1,"ci":0}]}]}; uuid, brand, arch and mig may be absent or null.
 */
#ifndef NVCOREOS_HOST_INVENTORY_JSON_H
#define NVCOREOS_HOST_INVENTORY_JSON_H

#include "host/inventory.h"

#define INVENTORY_JSON_FILE "inventory.json"
#define INVENTORY_JSON_MAX (1u << 20)
#define INVENTORY_JSON_FORMAT 1

/*
 * Fills in what inv (already read from proc-root) lacks. All of the text is checked before anything is taken.
 * 0, or -EINVAL with a sentence in why where it is not valid, or tells of another driver than inv->driver.
 */
int inventory_json_apply(struct inventory *inv, const char *text, size_t len, char *why, size_t size) must_check;

#endif
