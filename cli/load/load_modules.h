/* SPDX-License-Identifier: Apache-2.0 */
/* Which modules are loaded, and from where. */
#ifndef NVCOREOS_CLI_LOAD_MODULES_H
#define NVCOREOS_CLI_LOAD_MODULES_H

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/config.h"
#include "host/inventory.h"

struct load_modules {
	struct arena arena;
	const char *from;	 /* the directory, or "the kernel's own modules" */
	struct strlist names;	 /* what this run has put into the kernel, or taken out of it */
	struct strlist warnings; /* what could not be loaded but is not needed by all */
};

/* Whether sys-root lacks one of the modules that load_modules_insert would try. */
bool load_modules_lack(const struct config *conf);
/*
 * Loads nvidia and nvidia-uvm, and where it can nvidia-modeset, nvidia-drm and, as `peermem` says, nvidia-peermem: from the tree of
 * the loaded driver, else of `current`, else of the selected driver, if it has modules for this OS version; else from the running
 * kernel's own. Where inv shows the first two, what goes wrong is a warning. -errno with ERR_LOAD, ERR_NO_TREE or ERR_STORE: what was
 * loaded then is out again, and the hint names what is not; load_modules_free is due either way.
 */
int load_modules_insert(struct load_modules *ret, const struct config *conf, const struct inventory *inv,
			struct err *err) must_check;
/* The same from the running kernel's own alone, whatever the store has. */
int load_modules_insert_own(struct load_modules *ret, const struct config *conf, const struct inventory *inv,
			    struct err *err) must_check;
/*
 * Whether those of `driver`'s tree for this OS version, of the flavour that would be loaded, are whole and fit the running kernel; none
 * is loaded. 0; -errno with ERR_LOAD, ERR_NO_TREE or ERR_STORE; load_modules_free is due either way.
 */
int load_modules_prove(struct load_modules *ret, const struct config *conf, const char *driver,
		       struct err *err) must_check;
/*
 * Takes all of them out of the kernel, in the order in which they stand on each other; ret->names are those that were there.
 * -errno with ERR_BUSY or ERR_UNLOAD: what went before is gone then, and the hint names it. load_modules_free is due either way.
 */
int load_modules_remove(struct load_modules *ret, struct err *err) must_check;
void load_modules_free(struct load_modules *m);
#define cleanup_load_modules cleanup(load_modules_free)

#endif
