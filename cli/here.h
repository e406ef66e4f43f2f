/* SPDX-License-Identifier: Apache-2.0 */
/* What touches the kernel, or runs a program that the configuration names, is for the running host. */
#ifndef NVCOREOS_CLI_HERE_H
#define NVCOREOS_CLI_HERE_H

#include "cli.h"

/* Refuses --root for `what`, with `why` as what to do. 0; -EINVAL with ERR_USAGE. */
int here_only(const struct cli *cli, const char *what, const char *why, struct err *err) must_check;

#endif
