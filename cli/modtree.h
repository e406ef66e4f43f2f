/* SPDX-License-Identifier: Apache-2.0 */
/* Which flavours of modules a tree has: what decides whether its modules are the ones to load. */
#ifndef NVCOREOS_CLI_MODTREE_H
#define NVCOREOS_CLI_MODTREE_H

#include <stdbool.h>

#include "conf/config.h"

struct modtree {
	bool proprietary, open; /* <tree>/modules and <tree>/modules-open hold a module */
};

/* An empty directory, or one that cannot be read, has none. */
struct modtree modtree_look(const char *tree);
/* Whether there is something of that flavour; of either where it is auto. */
bool modtree_has(const struct modtree *m, enum config_flavour flavour);

#endif
