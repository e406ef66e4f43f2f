/* SPDX-License-Identifier: Apache-2.0 */
/* What the headers that a kernel's modules are built with say of it beside Module.symvers. */
#ifndef NVCOREOS_CLI_KERNELHEADERS_H
#define NVCOREOS_CLI_KERNELHEADERS_H

#include "base/mem.h"
#include "store/modcheck.h"

/*
 * Reads the headers in a directory ("/usr/src/linux-headers-6.1.0-50-amd64") into *ret: its release, vermagic, whether it takes
 * signed modules only, and whether modules must import namespaces. What they do not say stays as it is in *ret; a directory that holds no headers changes nothing. Text lives
 * in the arena.
 */
void kernelheaders_read(struct arena *a, struct modcheck_kernel *ret, const char *dir);

#endif
