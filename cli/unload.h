/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's modules out of the running kernel, and others into it. */
#ifndef NVCOREOS_CLI_UNLOAD_H
#define NVCOREOS_CLI_UNLOAD_H

#include "base/proc.h"
#include "cli.h"

/*
 * Unloads them, by nvcoreos-load, unless a process holds a device open. -EBUSY with ERR_BUSY naming who uses them, ERR_UNLOAD,
 * ERR_HOST, ERR_USAGE with --root. What it printed is in *ret.
 */
int unload_modules(const struct cli *cli, struct proc_result *ret, struct err *err) must_check;

#endif
