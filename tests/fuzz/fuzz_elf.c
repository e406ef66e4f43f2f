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

FUZZ(modinfo)
{
	struct modinfo m;
	int r = modinfo_read(fuzz_file(data, size), &m);

	MUST(r == 0 || r == -ENOEXEC || r == -EBADMSG);
	MUST(strlen(m.name) < sizeof(m.name) && strlen(m.version) < sizeof(m.version));
	MUST(strlen(m.vermagic) < sizeof(m.vermagic) && strlen(m.depends) < sizeof(m.depends));
}
