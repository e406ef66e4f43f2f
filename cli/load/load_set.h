/* SPDX-License-Identifier: Apache-2.0 */
/* The modules of a tree: proven, then loaded from the same open files. */
#ifndef NVCOREOS_CLI_LOAD_SET_H
#define NVCOREOS_CLI_LOAD_SET_H

#include "../modset.h"
#include "base/err.h"
#include "conf/config.h"

/*
 * Whether all files are what the manifest of `tree` says, and every module that is needed (nvidia, nvidia-uvm) fits the running
 * kernel; of a kernel of which nothing is known that is only logged, and what they say of themselves must fit all the same. 0, or -errno with ERR_LOAD naming the first that does not, or
 * ERR_TREE. The set is of <tree>/modules, or modules-open where `open`.
 */
int load_set_prove(const struct modset *set, const char *tree, bool open, const struct config *conf,
		   struct err *err) must_check;

#endif
