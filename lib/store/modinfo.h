/* SPDX-License-Identifier: Apache-2.0 */
/* The .modinfo section of a kernel module; every offset in it is hostile. */
#ifndef NVCOREOS_STORE_MODINFO_H
#define NVCOREOS_STORE_MODINFO_H

#include "base/attr.h"

struct modinfo {
	char name[64], version[64], vermagic[160],
		depends[256]; /* "" where the module does not say; cut where longer */
};

/*
 * Reads an open regular file. 0; -ENOEXEC where it is no 64-bit relocatable ELF file of this byte order (a
 * compressed module is none); -EBADMSG where it is one but without .modinfo, or damaged: each section must have a name and lie in the
 * file; -errno of reading.
 */
int modinfo_read(int fd, struct modinfo *ret) must_check;

#endif
