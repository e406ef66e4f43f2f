/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan carried out in a container's namespaces (design rules 2 and 3). The order: every source is cloned as a
 * detached mount in the host's namespace; then the container's mount namespace is entered, for good; every
 * target is resolved below the container's root, or made; mounts are moved; files are renamed into place. A death at any
 * point leaves the host as it was, and an error the container's root too: what was made there is taken away again, but
 * for directories that something of ours is mounted on by then and files that were replaced.
 */
#ifndef NVCOREOS_APPLY_APPLY_H
#define NVCOREOS_APPLY_APPLY_H

#include <stdbool.h>

#include "apply/container.h"
#include "base/err.h"
#include "host/hostroot.h"
#include "host/rootfacts.h"
#include "plan/plan.h"

struct apply_input {
	const struct hostroot *host;
	const struct plan *plan;
	const struct rootfacts *facts;
	const struct container *container;
	bool loader_only; /* only the loader's files and links: the mounts are somebody else's (CDI) */
	bool last;	  /* the process ends after this, and so may its fds */
};
/*
 * Carries the plan out; afterwards the process stays in the container's mount namespace. -errno with ERR_MOUNT,
 * ERR_NODE, ERR_TARGET, ERR_FOREIGN_MOUNT, ERR_WRITE.
 */
int apply_plan(const struct apply_input *in, struct err *err) must_check;

#endif
