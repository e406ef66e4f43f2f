/* SPDX-License-Identifier: Apache-2.0 */
/* The device nodes that the modules leave to user space. */
#ifndef NVCOREOS_CLI_LOAD_NODES_H
#define NVCOREOS_CLI_LOAD_NODES_H

#include "base/err.h"
#include "base/mem.h"
#include "host/inventory.h"

struct load_nodes_done {
	int made;
	int mended; /* their owner or mode was another */
};

/*
 * Makes in dev-root the nodes of all that inv and proc show (GPUs, control, unified memory, modeset, capabilities, NVSwitches) and of
 * the configuration's IMEX channels, and char/<major>:<minor> links to them. What is no node with the right number is replaced. One
 * that is keeps its owner and mode, unless `mend` is true and the driver tells which they are to be. 0, or -errno with ERR_NODE or
 * ERR_HOST. A link that cannot be made is only logged.
 */
int load_nodes_make(const struct hostroot *root, const struct config *conf, const struct inventory *inv, bool mend,
		    struct load_nodes_done *ret, struct err *err) must_check;

struct load_node {
	const char *name;  /* below dev-root: "nvidia-caps/nvidia-cap1" */
	bool there;	   /* with the right number, reached through no link */
	const char *wrong; /* NULL, or what is wrong with it: "/dev/nvidia0 is missing or wrong" */
};

struct load_nodes {
	struct load_node *v; /* in the order in which they are made */
	size_t n;
};

/* Looks at the same nodes, into the arena, and changes nothing. Nobody owns what they do in a user namespace: there only modes count. */
int load_nodes_look(struct load_nodes *ret, struct arena *a, const struct hostroot *root, const struct config *conf,
		    const struct inventory *inv, struct err *err) must_check;

#endif
