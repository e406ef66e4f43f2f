/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One plan as a CDI specification: a device whose edits give exactly what the plan gives. What CDI has words for stands there:
 * nodes, mounts, variables. The rest (links, the loader's files, /proc/driver/nvidia) is done by the hook, which makes the same plan
 * again from the nodes and variables, and finds the mounts done. Pure.
 */
#ifndef NVCOREOS_PLAN_CDI_PLAN_H
#define NVCOREOS_PLAN_CDI_PLAN_H

#include "conf/config.h"
#include "oci/json.h"
#include "plan/plan.h"

#define CDI_PLAN_NAME "plan" /* of the device */

struct cdi_plan_input {
	const struct plan *plan;
	const struct config *conf; /* hook-path */
	const char *dev_root;	   /* where engines find the nodes */
	const char *config_file;   /* what the hook is to read, absolute; NULL: the default file */
	const char *root;	   /* what host paths in the plan begin with, and engines do not see: --root; "" */
	const char *library_path;  /* the container's own LD_LIBRARY_PATH, which an engine would replace; NULL: none */
};

/* The caller frees it. */
struct json *cdi_plan_make(const struct cdi_plan_input *in) must_check;

#endif
