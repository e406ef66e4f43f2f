/* SPDX-License-Identifier: Apache-2.0 */
#include "store/loaded.h"

#include "base/mem.h"
#include "tap.h"

TEST(texts)
{
	static const struct {
		const char *text, *version;
	} cases[] = {
		{ "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.261.03  Sat Jun 14\nGCC version: gcc 12.2.0\n",
		  "535.261.03" },
		{ "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  535.261.03  Release Build  (x)\n",
		  "535.261.03" },
		{ "NVRM version: something else\nModule 12.2.0\n", NULL },
		{ "", NULL },
	};
	char buf[LOADED_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_STR(loaded_parse(cases[i].text, buf), cases[i].version);
}

TEST(files)
{
	const char *dir = tap_tmpdir();
	char buf[LOADED_MAX];

	CHECK_STR(loaded_driver(dir, buf), NULL);
	tap_write(dir, "driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.10  x\n");
	CHECK_STR(loaded_driver(dir, buf), "470.10");
}
