/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include <string.h>

#include "tap.h"

#define MIB (1u << 20)

TEST(a_line)
{
	const struct install_progress half = { "libraries-535.98.tar.zst", 50 * MIB, 100 * MIB };
	char text[512];

	progress_text(&half, 2000, 0, text, sizeof(text));
	CHECK_STR(text, "libraries-535.98.tar.zst: 50%  50.0/100.0 MiB  25.0 MiB/s  0:02 left");
}

TEST(a_bar_of_any_width)
{
	const struct install_progress cases[] = {
		{ "libraries-535.98.tar.zst", 0, 100 * MIB },
		{ "libraries-535.98.tar.zst", 50 * MIB, 100 * MIB },
		{ "libraries-535.98.tar.zst", 100 * MIB, 100 * MIB },
		{ "libraries-535.98.tar.zst", 200 * MIB, 100 * MIB },
		{ "x", 0, 0 },
		{ "x", 5ull << 40, 6ull << 40 },
	};
	char text[512];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (unsigned columns = 1; columns < 300; columns++) {
			progress_text(&cases[i], 1000, columns, text, sizeof(text));
			CHECK(strlen(text) < columns);
		}
	progress_text(&cases[1], 1000, 120, text, sizeof(text));
	CHECK_STR(
		text,
		"[####################....................] 50%  50.0/100.0 MiB  50.0 MiB/s  0:01 left  libraries-535.98.tar.zst");
	/* No time has passed: no rate, and no division by it. */
	progress_text(&cases[1], 0, 0, text, sizeof(text));
	CHECK(strstr(text, "0.0 MiB/s  0:00 left") != NULL);
}
