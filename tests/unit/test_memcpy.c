/* SPDX-License-Identifier: Apache-2.0 */
/* The file itself, with a memcpy in the place of musl's: it is linked into hook and shim alone. */
#include "../../hook/musl/memcpy.c"

#include "tap.h"

static size_t left_to_musl;

void *__real_memcpy(void *restrict to, const void *restrict from, size_t n)
{
	left_to_musl++;
	return memmove(to, from, n);
}

TEST(each_length_is_copied_whole_and_no_more)
{
	enum { MARGIN = 16, LONGEST = SHORT_MAX + 40 };
	unsigned char from[LONGEST + 2 * MARGIN], to[LONGEST + 2 * MARGIN];

	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (unsigned char)(i % 255 + 1);
	for (size_t n = 0; n <= LONGEST; n++)
		for (size_t at = 0; at < MARGIN; at++) {
			unsigned char *start = to + MARGIN / 2 + at % 5;
			size_t outside = 0;

			memset(to, 0, sizeof(to));
			if (!CHECK(__wrap_memcpy(start, from + at, n) == start) ||
			    !CHECK(memcmp(start, from + at, n) == 0))
				return;
			for (size_t i = 0; i < sizeof(to); i++)
				outside += (to + i < start || to + i >= start + n) && to[i];
			if (!CHECK_INT(outside, 0))
				return;
		}
#if defined(__x86_64__) && defined(__OPTIMIZE__)
	CHECK_INT(left_to_musl, 40 * MARGIN);
#endif
}
