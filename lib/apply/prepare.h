/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one road from a request to a plan, for hook, shim and tool: inventory, trees, root facts, planner.
 * Changes nothing.
 */
#ifndef NVCOREOS_APPLY_PREPARE_H
#define NVCOREOS_APPLY_PREPARE_H

#include <stdbool.h>

#include "base/err.h"
#include "conf/config.h"
#include "host/hostroot.h"
#include "host/inventory.h"
#include "host/rootfacts.h"
#include "oci/request.h"
#include "oci/spec.h"
#include "plan/plan.h"
#include "store/store.h"
#include "store/tree.h"

struct prepare_input {
	const struct config *conf;
	const struct hostroot *host;
	struct inventory *seen; /* of load_missing, taken over; NULL: read anew */
	const struct spec *spec;
	const struct request *request; /* wanted */
	int rootfd;		       /* the container's root, or -EBADF: assumed from the spec */
	const char *os_root;	       /* where os-release is read; "" for this host */
	bool nodes_only; /* of the plan no more is asked than its nodes, its LD_LIBRARY_PATH, and whether there is one */
};

struct prepared {
	struct inventory inventory;
	struct store store;
	struct tree driver, toolkit;
	bool has_toolkit;
	struct rootfacts facts;
	struct plan plan;
	bool no_gpu_ignored; /* no GPU here and no-gpu=ignore: nothing is to be done, the plan is empty */
};

/*
 * Fills in all of it; the plan has passed plan_check. -errno with the error of the part that failed;
 * prepare_free is due either way.
 */
int prepare_plan(struct prepared *ret, const struct prepare_input *in, struct err *err) must_check;
void prepare_free(struct prepared *p);

#endif
