/* SPDX-License-Identifier: Apache-2.0 */
/* What the makers of CDI specifications share, for lib/plan/cdi*.c alone. */
#ifndef NVCOREOS_PLAN_CDI_PARTS_H
#define NVCOREOS_PLAN_CDI_PARTS_H

#include "conf/config.h"
#include "oci/json.h"

/* Adds a string to the array of that name, which is made where it is not there. */
void cdi_add_string(struct json *object, const char *key, const char *value);
/* A device node by its name below dev_root, without numbers. The caller frees what these return. */
struct json *cdi_node(const char *dev_root, const char *name) must_check;
/* The hook that does what a specification cannot say. config_file: as in cdi_input. */
struct json *cdi_hook(const struct config *conf, const char *config_file) must_check;
/* "NVIDIA_DRIVER_CAPABILITIES=compute,utility" */
char *cdi_capability_variable(unsigned set) must_check;

#endif
