/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seals what only the start writes: addresses, tables of functions. musl leaves that to its dynamic loader, and a static program without one
 * would keep all of it writable (ELF's PT_GNU_RELRO).
 */
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>

/* The linker's: where the file's first byte lies in memory. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));

/* NOLINTBEGIN(performance-no-int-to-ptr): the kernel gives addresses as numbers. */
__attribute__((constructor)) static void seal(void)
{
	const ElfW(Phdr) *p = (const ElfW(Phdr) *)getauxval(AT_PHDR);
	const uintptr_t page = getauxval(AT_PAGESZ);

	for (size_t n = getauxval(AT_PHNUM); n > 0; n--, p++) {
		const uintptr_t at = (uintptr_t)__ehdr_start + p->p_vaddr;
		const uintptr_t from = at & -page, to = (at + p->p_memsz) & -page;

		if (p->p_type == PT_GNU_RELRO && mprotect((void *)from, to - from, PROT_READ) < 0)
			abort();
	}
}
/* NOLINTEND(performance-no-int-to-ptr) */
