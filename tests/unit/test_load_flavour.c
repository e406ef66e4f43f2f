/* SPDX-License-Identifier: Apache-2.0 */
#include "../../cli/load/load_flavour.h"

#include <stdio.h>

#include "base/mem.h"
#include "tap.h"

enum {
	P100 = 0x15f8,
	V100 = 0x1db4,
	T4 = 0x1eb8,
	A100 = 0x20b0,
	H100 = 0x2330,
	GH200 = 0x2342,
	L4 = 0x27b8,
	B200 = 0x2901,
	RTX5090 = 0x2b85
};

TEST(by_generation_and_driver)
{
	static const struct {
		const char *driver;
		uint32_t ids[2];
		size_t n;
		bool open;
	} rows[] = {
		{ "535.261.03", { A100 }, 1, false },
		{ "550.163.01", { T4, L4 }, 2, false },
		{ "560.28.03", { T4, L4 }, 2, true },
		{ "575.57.08", { H100 }, 1, true },
		/* What has no choice. */
		{ "575.57.08", { V100 }, 1, false },
		{ "575.57.08", { P100 }, 1, false },
		{ "550.163.01", { GH200 }, 1, true },
		{ "550.163.01", { B200 }, 1, true },
		{ "550.163.01", { A100, RTX5090 }, 2, true },
		/* Old and new: the old ones decide, wherever they stand. */
		{ "575.57.08", { V100, B200 }, 2, false },
		{ "575.57.08", { B200, V100 }, 2, false },
		{ "575.57.08", { 0 }, 0, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!CHECK_INT(load_flavour_open_first(rows[i].driver, rows[i].ids, rows[i].n), rows[i].open))
			printf("# row %zu\n", i);
}
