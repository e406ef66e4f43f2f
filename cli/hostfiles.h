/* SPDX-License-Identifier: Apache-2.0 */
/* The host sees the driver by files in its /etc: the loader's configuration, and the PATH of login shells. */
#ifndef NVCOREOS_CLI_HOSTFILES_H
#define NVCOREOS_CLI_HOSTFILES_H

#include "cli.h"
#include "hoststate.h"

/*
 * Notes the files in s, and what is written to them, writes them and runs the host's ldconfig. They name the link `current`, so they are the same whatever
 * driver is selected. One that somebody has changed meanwhile stays as it is. -errno with ERR_HOST where the loader's configuration does not read ld.so.conf.d, or without ldconfig.
 */
int hostfiles_apply(const struct cli *cli, struct hoststate *s, struct err *err) must_check;
/* Whether hostfiles_apply could: the loader reads what it would write, and no file of somebody else's, or that somebody has changed, stands there. */
int hostfiles_check(const struct cli *cli, const struct hoststate *s, struct err *err) must_check;
/*
 * Removes those that s names, but those that somebody has changed, and runs ldconfig where there were any, or removes the
 * loader's cache where there was none before; that this fails is said and no error.
 */
int hostfiles_remove(const struct cli *cli, struct hoststate *s, struct err *err) must_check;

#endif
