/* SPDX-License-Identifier: Apache-2.0 */
/* The device nodes of modules that are gone. */
#ifndef NVCOREOS_CLI_LOAD_FORGET_H
#define NVCOREOS_CLI_LOAD_FORGET_H

#include "host/inventory.h"

/* Takes out of `inv` the majors that `now` has too: their modules have stayed. */
void load_forget_keep(struct inventory *inv, const struct inventory *now);

/*
 * Takes out of the directory `dev` the nodes whose majors the kernel chose when the modules came, and their links in char/: the next
 * driver gets these majors, and the nodes are open to all. `inv` was read before the modules went; only what has a name and a number
 * that load_nodes_make gives goes. Those of major 195, which is NVIDIA's for ever, stay. What cannot be removed is logged.
 */
void load_forget_nodes(int dev, const struct inventory *inv);

#endif
