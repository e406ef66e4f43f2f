/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel modules put into the running kernel. The one user of libkmod; modprobe.d has no say here. */
#ifndef NVCOREOS_CLI_KMOD_H
#define NVCOREOS_CLI_KMOD_H

#include <stdbool.h>

#include "base/err.h"
#include "modset.h"

struct kmod;

/* Looks at the running kernel's own /lib/modules. The caller closes it. -errno with ERR_LOAD. */
int kmod_open(struct kmod **ret, struct err *err) must_check;
void kmod_close(struct kmod *k);
static inline void cleanup_kmod_p(struct kmod **k)
{
	if (*k)
		kmod_close(*k);
}
#define cleanup_kmod cleanup(cleanup_kmod_p)

/* What the functions below return where there is no module of that name to load; err is untouched. */
#define KMOD_ABSENT 1

/* Whether a module is in the kernel, be it that another loader is still bringing it up. */
bool kmod_is_loaded(struct kmod *k, const char *name);
/*
 * Loads a file of the set with parameters ("" for none), and before it what its `depends` names and the set has not, from the
 * kernel's own directory. A module that is there already is fine. 0, or -errno with ERR_LOAD: "NAME: why".
 */
int kmod_load_file(struct kmod *k, const struct modset *set, const struct modset_file *file, const char *params,
		   struct err *err) must_check;
/*
 * The same for a module that the kernel's own directory has, with its dependencies: "FILE: why". These are loaded as modprobe would
 * with an empty configuration, so that the kernel's command line has its say; the module itself too, if params is NULL.
 */
int kmod_load_own(struct kmod *k, const char *name, const char *params, struct err *err) must_check;
/* The version that the kernel's own module of that name says it has, for the caller to free; NULL: no such module, or it says none. */
char *kmod_own_version(struct kmod *k, const char *name);

/*
 * Takes a module out of the kernel, if nobody uses it. 0, KMOD_ABSENT where it is not loaded; -errno with ERR_BUSY (and the
 * modules that use it, where there are any) or ERR_UNLOAD.
 */
int kmod_remove(struct kmod *k, const char *name, struct err *err) must_check;

/* What an errno of loading the module `name` means and what to do about it. `hint` may come back NULL: the table's. */
const char *kmod_reason(int errnum, const char *name, const char **hint);

#endif
