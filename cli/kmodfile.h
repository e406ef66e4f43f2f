/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a module's file says, read by libkmod (which unpacks .ko.xz and .ko.zst): the other user of it beside kmod.h. A file
 * that is damaged may end the process: modprove.h has a child for it.
 */
#ifndef NVCOREOS_CLI_KMODFILE_H
#define NVCOREOS_CLI_KMODFILE_H

#include "base/err.h"
#include "base/mem.h"
#include "modset.h"
#include "store/modcheck.h"

struct kmodfile;
/* A reader for many files. The caller closes it. -errno with ERR_LOAD. */
int kmodfile_open(struct kmodfile **ret, struct err *err) must_check;
void kmodfile_close(struct kmodfile *k);
static inline void cleanup_kmodfile_p(struct kmodfile **k)
{
	if (*k)
		kmodfile_close(*k);
}
#define cleanup_kmodfile cleanup(cleanup_kmodfile_p)

/* Reads a module's file; what is in *ret lives in the arena. -errno with ERR_LOAD where it is none. */
int kmodfile_read(struct kmodfile *k, const struct modset_file *file, struct arena *a, struct modcheck_module *ret,
		  struct err *err) must_check;
/*
 * Calls fn for each symbol that the module was built against, with its CRC: what a kernel's own modules know of the kernel.
 * The vermagic goes to `vermagic` (of `size` bytes). A file that is none, or knows no CRCs, is passed over: negative.
 */
typedef void kmodfile_version_fn(void *data, const char *name, uint64_t crc);
int kmodfile_versions(struct kmodfile *k, const char *path, char *vermagic, size_t size, kmodfile_version_fn *fn,
		      void *data);

#endif
