/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loader's files for libraries that an engine has mounted into a container one by one, as NVIDIA's CDI specifications
 * have it (update-ldcache, enable-cuda-compat). No ldconfig is run: the cache is merged natively, as it is for our own driver.
 */
#ifndef NVCOREOS_APPLY_CDILOADER_H
#define NVCOREOS_APPLY_CDILOADER_H

#include "apply/cdilibs.h"
#include "apply/container.h"
#include "base/err.h"
#include "base/str.h"
#include "host/rootfacts.h"

/* Before what images have themselves, and the first before the second. */
#define CDILOADER_COMPAT_FILE "/etc/ld.so.conf.d/00-compat-nvcoreos.conf"
#define CDILOADER_FILE "/etc/ld.so.conf.d/00-nvcoreos-cdi.conf"
#define CDILOADER_COMPAT_DIR "/usr/local/cuda/compat"

struct cdiloader {
	struct cdilibs libs, compat;
	struct strlist added; /* folders that the loader does not search yet, or by an earlier call of ours alone */
	bool had_file;	      /* CDILOADER_FILE is there */
};

/*
 * What is in these folders (absolute, normalized, printable), and in the directory of CDILOADER_COMPAT_FILE. Where an entry of the
 * container's own cache lies in a folder, the loader searches it already, and its place in the order stays the image's. Writes
 * nothing. -errno with ERR_ROOTFS, ERR_KERNEL, ERR_PRIVILEGE; cdiloader_free is due either way.
 */
int cdiloader_look(struct cdiloader *ret, const struct container *c, const struct strlist *folders,
		   struct err *err) must_check;
/*
 * Writes what was found: CDILOADER_FILE, the cache, where the libraries win over all of their SONAME and those of compat over them, and as
 * an ldconfig would the link of each SONAME that leads nowhere yet. What lies in a volume or on a read-only root is left out, and
 * the log says so. Nothing where the root has no glibc. -errno with ERR_WRITE, ERR_ROOTFS, ERR_PRIVILEGE.
 */
int cdiloader_update(const struct cdiloader *l, const struct container *c, const struct rootfacts *facts,
		     struct err *err) must_check;
void cdiloader_free(struct cdiloader *l);

/* The version in libcuda.so.<version> in `dir` of the container, the newest; NULL where there is none. In the arena of `l`. */
int cdiloader_find_compat(struct cdilibs *l, const struct container *c, const char *dir, const char **ret,
			  struct err *err) must_check;
/*
 * Names `dir` in CDILOADER_COMPAT_FILE; NULL: an earlier start's is emptied, and none is made. -errno with ERR_WRITE,
 * ERR_ROOTFS, ERR_PRIVILEGE.
 */
int cdiloader_name_compat(const struct container *c, const struct rootfacts *facts, const char *dir,
			  struct err *err) must_check;

#endif
