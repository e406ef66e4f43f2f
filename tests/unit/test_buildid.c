/* SPDX-License-Identifier: Apache-2.0 */
#include "host/buildid.h"

#include <stdlib.h>

#include "base/mem.h"
#include "tap.h"

/* Notes as the kernel shows them: sizes of name and content, type, then both padded. */
#define XEN "\4\0\0\0\5\0\0\0\6\0\0\0Xen\0abcde\0\0\0"
#define ID "\4\0\0\0\3\0\0\0\3\0\0\0GNU\0\x01\xab\xff"

static bool parse(const char *notes, size_t len, char hex[BUILDID_HEX])
{
	/* Of that size exactly, so that a sanitizer sees what is read behind it. */
	cleanup_free char *copy = mem_alloc(len + (len == 0));

	memcpy(copy, notes, len);
	return buildid_parse(copy, len, hex);
}

TEST(found_wherever_it_stands)
{
	static const char alone[] = ID, behind[] = XEN ID, padded[] = ID "\0" XEN;
	char hex[BUILDID_HEX] = "";

	CHECK(parse(alone, sizeof(alone) - 1, hex));
	CHECK_STR(hex, "01abff");
	CHECK(parse(behind, sizeof(behind) - 1, hex));
	CHECK_STR(hex, "01abff");
	CHECK(parse(padded, sizeof(padded) - 1, hex));
	CHECK_STR(hex, "01abff");
}

TEST(what_is_none)
{
	static const char all[] = XEN ID;
	static const char other_type[] = "\4\0\0\0\3\0\0\0\4\0\0\0GNU\0\1\2\3\0";
	static const char other_name[] = "\4\0\0\0\3\0\0\0\3\0\0\0gnu\0\1\2\3\0";
	static const char no_content[] = "\4\0\0\0\0\0\0\0\3\0\0\0GNU\0";
	static const char long_name[] = "\xff\xff\xff\xff\3\0\0\0\3\0\0\0GNU\0\1\2\3\0";
	static const char long_content[] = "\4\0\0\0\xff\xff\xff\xff\3\0\0\0GNU\0\1\2\3\0";
	char hex[BUILDID_HEX] = "";

	/* Cut anywhere. */
	for (size_t n = 0; n < sizeof(all) - 1; n++)
		CHECK(!parse(all, n, hex));
	CHECK(!parse(other_type, sizeof(other_type) - 1, hex));
	CHECK(!parse(other_name, sizeof(other_name) - 1, hex));
	CHECK(!parse(no_content, sizeof(no_content) - 1, hex));
	CHECK(!parse(long_name, sizeof(long_name) - 1, hex));
	CHECK(!parse(long_content, sizeof(long_content) - 1, hex));
	CHECK_STR(hex, "");
}

TEST(no_longer_than_there_is_room)
{
	char note[16 + 65] = "\4\0\0\0\x41\0\0\0\3\0\0\0GNU", hex[BUILDID_HEX] = "";

	CHECK(!parse(note, sizeof(note), hex));
	note[4] = 64;
	CHECK(parse(note, sizeof(note) - 1, hex));
	CHECK_INT(strlen(hex), 128);
}

TEST(of_a_host)
{
	const char *dir = tap_tmpdir();
	char hex[BUILDID_HEX];

	CHECK(!buildid_read(dir, hex));
	tap_write(dir, "kernel/notes", "short");
	CHECK(!buildid_read(dir, hex));
}

TEST(texts)
{
	CHECK(buildid_is("01abff"));
	CHECK(!buildid_is("") && !buildid_is("01abf") && !buildid_is("01ABFF") && !buildid_is("0x01"));
}
