/* SPDX-License-Identifier: Apache-2.0 */
/* What an ELF file says of itself; every offset in it is hostile. */
#ifndef NVCOREOS_HOST_ELF_H
#define NVCOREOS_HOST_ELF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

#define ELF_NAME_MAX 256

struct elf_facts {
	uint8_t class;		   /* 32 or 64 */
	uint16_t machine;	   /* EM_* */
	uint16_t type;		   /* ET_* */
	bool executable;	   /* ET_EXEC, or ET_DYN with an interpreter */
	char soname[ELF_NAME_MAX]; /* DT_SONAME, "" where it has none */
};

/*
 * Reads the headers of an open regular file. 0; -ENOEXEC where it is no ELF file of this byte order; -EBADMSG
 * where it is one but damaged (truncated, offsets that leave the file, a SONAME that is no plain file name);
 * -errno of reading. Never reads more than a few pages.
 */
int elf_read(int fd, struct elf_facts *ret) must_check;
/* The same on a mapped file, for tests and fuzzing. */
int elf_parse(const void *data, uint64_t len, struct elf_facts *ret) must_check;

#endif
