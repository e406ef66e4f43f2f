/* SPDX-License-Identifier: Apache-2.0 */
/* What a kernel exports to modules, with the versions of it, on a machine that has no kernel headers too. */
#ifndef NVCOREOS_CLI_KERNELSYMS_H
#define NVCOREOS_CLI_KERNELSYMS_H

#include "base/err.h"
#include "base/mem.h"
#include "kmodfile.h"
#include "store/modcheck.h"

struct kernelsyms_source {
	const char *root;		  /* of the host */
	const char *proc_root, *sys_root; /* the running kernel's */
	const char *
		kernel; /* another: a Module.symvers, or a directory with one in it (headers), or one of modules; NULL: the running */
};

/*
 * Reads it into *ret, what is in it lives in the arena. From a Module.symvers: all names and versions; from the headers that it lies
 * in, and from the modules beside it, release and vermagic. Else from the modules directory (<root>/lib/modules/<release>): the
 * versions that the kernel's own modules were built against, of those symbols that `wanted` names (all modules are to be read only
 * where need be); names also from modules.symbols and, of the running kernel, from kallsyms. -errno with ERR_HOST where there is
 * none of that.
 */
int kernelsyms_read(struct arena *a, struct modcheck_kernel *ret, struct kmodfile *k,
		    const struct kernelsyms_source *src, const struct modcheck_module *wanted, size_t n_wanted,
		    struct err *err) must_check;
/* Gives an error of src->kernel the advice what that may be; returns -errno again, as err_hint. */
int kernelsyms_hint(struct err *err);
/* What is known of it without reading any of that: its release, and whether it wants signatures. -errno with ERR_HOST. */
int kernelsyms_name(struct arena *a, struct modcheck_kernel *ret, const struct kernelsyms_source *src,
		    struct err *err) must_check;

#endif
