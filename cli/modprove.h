/* SPDX-License-Identifier: Apache-2.0 */
/* The modules of a tree against a kernel, before they are loaded. */
#ifndef NVCOREOS_CLI_MODPROVE_H
#define NVCOREOS_CLI_MODPROVE_H

#include <stdbool.h>

#include "base/err.h"
#include "kernelsyms.h"
#include "store/modcheck.h"

/*
 * Reads all modules in the directory `dir` (<tree>/modules, or modules-open where `open`) and the kernel, and checks the one
 * against the other. 1 with *ret, whose modcheck_free is due; 0 where there is no such directory; -errno with ERR_LOAD or
 * ERR_HOST.
 */
int modprove_dir(struct modcheck *ret, const char *dir, bool open, const struct kernelsyms_source *src,
		 struct err *err) must_check;

#endif
