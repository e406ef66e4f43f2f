/* SPDX-License-Identifier: Apache-2.0 */
/* What ELF files say of themselves: in memory, from a file, and a module's .modinfo. */
#include <elf.h>
#include <errno.h>

#include "fuzz.h"
#include "host/elf.h"
#include "store/modinfo.h"

FUZZ(elf)
{
	struct elf_facts facts = { 0 }, again = { 0 };
	int r = elf_parse(data, size, &facts);

	MUST(r == 0 || r == -ENOEXEC || r == -EBADMSG);
	MUST(elf_read(fuzz_file(data, size), &again) == r);
	if (r < 0)
		return;
	MUST(memcmp(&facts, &again, sizeof(facts)) == 0);
	MUST(facts.class == 32 || facts.class == 64);
	MUST(!facts.soname[0] || fuzz_matches(facts.soname, "^[!-.0-~]{1,255}$"));
	MUST(!str_eq(facts.soname, ".") && !str_eq(facts.soname, ".."));
	MUST(facts.type == ET_EXEC ? facts.executable : facts.type == ET_DYN || !facts.executable);
}

/* What libkmod takes on trust of what it is given: where the sections lie, and that their names end. */
static void check_sections(const uint8_t *data, size_t size)
{
	Elf64_Ehdr h;

	memcpy(&h, data, sizeof(h));
	MUST(h.e_shstrndx < h.e_shnum && h.e_shoff <= size && h.e_shnum * sizeof(Elf64_Shdr) <= size - h.e_shoff);
	for (size_t i = 0; i < h.e_shnum; i++) {
		Elf64_Shdr s, names;

		memcpy(&s, data + h.e_shoff + i * sizeof(s), sizeof(s));
		memcpy(&names, data + h.e_shoff + h.e_shstrndx * sizeof(names), sizeof(names));
		MUST(names.sh_offset < size && names.sh_size <= size - names.sh_offset && s.sh_name < names.sh_size);
		MUST(memchr(data + names.sh_offset + s.sh_name, '\0', names.sh_size - s.sh_name));
		if (s.sh_type != SHT_NULL && s.sh_type != SHT_NOBITS)
			MUST(s.sh_offset <= size && s.sh_size <= size - s.sh_offset);
	}
}

FUZZ(modinfo)
{
	struct modinfo m;
	int r = modinfo_read(fuzz_file(data, size), &m);

	MUST(r == 0 || r == -ENOEXEC || r == -EBADMSG);
	MUST(strlen(m.name) < sizeof(m.name) && strlen(m.version) < sizeof(m.version));
	MUST(strlen(m.vermagic) < sizeof(m.vermagic) && strlen(m.depends) < sizeof(m.depends));
	if (r == 0)
		check_sections(data, size);
}
