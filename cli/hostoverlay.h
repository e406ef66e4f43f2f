/* SPDX-License-Identifier: Apache-2.0 */
/* The host sees the driver by overlays over its own, read-only directories. */
#ifndef NVCOREOS_CLI_HOSTOVERLAY_H
#define NVCOREOS_CLI_HOSTOVERLAY_H

#include "cli.h"
#include "hoststate.h"

/*
 * Covers the libraries' and programs' directories with the tree's own, and the running kernel's modules directory with one that
 * holds links to the tree's modules and an index that depmod makes. The tree is the loaded driver's for the running OS version,
 * else the selected one's. What lay there before of ours is taken away first. -errno with ERR_HOST where /usr can be written
 * (what packages put there would be lost to sight), ERR_NO_TREE, ERR_MOUNT.
 */
int hostoverlay_apply(const struct cli *cli, struct hoststate *s, struct err *err) must_check;
/* Whether hostoverlay_apply could: nothing is made. The same errors. */
int hostoverlay_check(const struct cli *cli, struct hoststate *s, struct err *err) must_check;
/* Takes them away. -errno with ERR_BUSY where something else lies over one, ERR_MOUNT. */
int hostoverlay_remove(const struct cli *cli, struct hoststate *s, struct err *err) must_check;

#endif
