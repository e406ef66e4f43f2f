/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The modules of a tree against a kernel, before they are loaded. libkmod reads them in a child process: it ends over some damaged
 * files, and a small one may unpack to any size, which then is an error that names the file. What it has read whole there can be
 * given to libkmod again.
 */
#ifndef NVCOREOS_CLI_MODPROVE_H
#define NVCOREOS_CLI_MODPROVE_H

#include <stdbool.h>

#include "base/err.h"
#include "kernelsyms.h"
#include "modset.h"
#include "store/modcheck.h"

/*
 * Checks a set of modules, which are of the open flavour where `open` and of that origin, against the kernel. 0 with *ret, whose
 * modcheck_free is due; -errno with ERR_LOAD (a file that is no module); -ENODATA with ERR_HOST where nothing is known of the kernel:
 * *ret has what the modules say of themselves then (whose they are, of what driver, for what release), and modcheck_free is due too.
 */
int modprove_set(struct modcheck *ret, const struct modset *set, bool open, const struct modcheck_origin *origin,
		 const struct kernelsyms_source *src, struct err *err) must_check;
/*
 * The same for all modules in the directory `dir` (<tree>/modules, or modules-open where `open`). 1 with *ret; 0 where there are
 * none; or as above.
 */
int modprove_dir(struct modcheck *ret, const char *dir, bool open, const struct modcheck_origin *origin,
		 const struct kernelsyms_source *src, struct err *err) must_check;

#endif
