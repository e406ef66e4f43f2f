/* SPDX-License-Identifier: Apache-2.0 */
/* Where a file of a driver's archive goes, by its name. */
#include "conf/capability.h"
#include "fuzz.h"
#include "store/classify.h"
#include "store/tree.h"

FUZZ(classify)
{
	struct fuzz_input in = { data, size };
	unsigned flags = fuzz_byte(&in);
	cleanup_free char *name = fuzz_line(&in), *soname = fuzz_line(&in);
	struct elf_facts elf = { .class = flags & 1 ? 32 : 64, .machine = 62, .executable = flags & 2 };
	const struct classify_input file = { .name = name,
					     .driver = "535.261.03",
					     .elf = flags & 4 ? &elf : NULL,
					     .from_tools = flags & 8,
					     .modules_dir = flags & 16 ? "modules-open" : NULL };
	struct classify c;

	if (strlen(soname) < sizeof(elf.soname))
		memcpy(elf.soname, soname, strlen(soname) + 1);
	/* Archives' names that are none are refused before. */
	if (!tree_is_file_name(name) || !classify_file(&file, &c))
		return;
	MUST(fuzz_matches(c.dir,
			  "^(lib64|lib32|bin|modules-open|firmware/nvidia/535\\.261\\.03|share/[A-Za-z_./]+)?$"));
	MUST(!strstr(c.dir, ".."));
	MUST(c.kind == MANIFEST_HOST || tree_is_relative(c.dir));
	MUST(!c.link_dir || fuzz_matches(c.link_dir, "^/(usr/share|etc)/[A-Za-z_./]+$"));
	MUST(!c.link_dir || fuzz_is_normal(c.link_dir));
	MUST((c.link_dir != NULL) <= (c.kind == MANIFEST_SHARE));
	MUST(!(c.capability & ~(unsigned)CAP_ALL));
	MUST(!c.compat || c.kind == MANIFEST_LIBRARY);
}
