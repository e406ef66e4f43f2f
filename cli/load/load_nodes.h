/* SPDX-License-Identifier: Apache-2.0 */
/* The device nodes that the modules leave to user space. */
#ifndef NVCOREOS_CLI_LOAD_NODES_H
#define NVCOREOS_CLI_LOAD_NODES_H

#include "base/err.h"
#include "host/inventory.h"

/*
 * Makes in dev-root the nodes of all that inv and proc show (GPUs, control, unified memory, modeset, capabilities, NVSwitches) and of
 * the configuration's IMEX channels, and char/<major>:<minor> links to them. A node with the right number is left as it is, whatever
 * its mode; another one is replaced. Returns how many were made, or -errno with ERR_NODE or ERR_HOST. A link that cannot be made is
 * only logged.
 */
int load_nodes_make(const struct hostroot *root, const struct config *conf, const struct inventory *inv,
		    struct err *err) must_check;

#endif
