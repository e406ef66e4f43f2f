/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/str.h"
#include "tap.h"

TEST(numbers_are_strict)
{
	static const char *const bad[] = { "",	  "0x1", "1 ", " 1",	       "+1",  "-1",
					   "1e3", "01",	 "00", "\xef\xbc\x91", "1\n", "1.0" };
	uint64_t v = 7;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_INT(str_to_u64(bad[i], UINT64_MAX, &v), -EINVAL);
	CHECK_INT(v, 7);
	CHECK_INT(str_to_u64("0", 0, &v), 0);
	CHECK_INT(v, 0);
	CHECK_INT(str_to_u64("18446744073709551615", UINT64_MAX, &v), 0);
	CHECK(v == UINT64_MAX);
	CHECK_INT(str_to_u64("18446744073709551616", UINT64_MAX, &v), -ERANGE);
	CHECK_INT(str_to_u64("4294967296", UINT32_MAX, &v), -ERANGE);
	CHECK_INT(str_to_u64("256", 255, &v), -ERANGE);
	CHECK_INT(str_to_u64("255", 255, &v), 0);
	CHECK_INT(str_to_hex("00fF", 0xff, &v), 0);
	CHECK_INT(v, 0xff);
	CHECK_INT(str_to_hex("g", 0xff, &v), -EINVAL);
}

TEST(names)
{
	char long_name[70];

	memset(long_name, 'a', sizeof(long_name));
	long_name[65] = '\0';
	CHECK(!str_is_name(long_name));
	long_name[64] = '\0';
	CHECK(str_is_name(long_name));
	CHECK(str_is_name("debian-12-6.1.0-50-amd64"));
	CHECK(str_is_name("a+b_c"));
	CHECK(!str_is_name(""));
	CHECK(!str_is_name("."));
	CHECK(!str_is_name(".."));
	CHECK(!str_is_name("a/b"));
	CHECK(!str_is_name("a b"));
	CHECK(!str_is_name("\xc3\xa9"));
}

TEST(versions)
{
	CHECK(str_is_version("535"));
	CHECK(str_is_version("535.261.03"));
	CHECK(!str_is_version("535."));
	CHECK(!str_is_version(".535"));
	CHECK(!str_is_version("1..2"));
	CHECK(!str_is_version("1.2.3.4.5"));
	CHECK(!str_is_version("1.2a"));
	CHECK_INT(str_version_cmp("12.4", "12.10"), -1);
	CHECK_INT(str_version_cmp("12.4.0", "12.4"), 0);
	CHECK_INT(str_version_cmp("535.261.03", "535.261.3"), 0);
	CHECK_INT(str_version_cmp("550", "535.261.03"), 1);
	CHECK_INT(str_version_cmp("", "0"), 0);
}

TEST(escaping_keeps_lines_whole)
{
	char buf[64], small[8];

	str_escape("a\nb\x1b[0m\xff", buf, sizeof(buf));
	CHECK_STR(buf, "a\\x0ab\\x1b[0m\\xff");
	str_escape("0123456789", small, sizeof(small));
	CHECK_STR(small, "0123...");
	str_escape("0123456", small, sizeof(small));
	CHECK_STR(small, "0123456");
}

TEST(distance)
{
	CHECK_INT(str_distance("log-level", "log-level"), 0);
	CHECK_INT(str_distance("loglevel", "log-level"), 1);
	CHECK_INT(str_distance("", "abc"), 3);
}

TEST(lists)
{
	struct arena a = ARENA_INIT;
	struct strlist l = { 0 };

	strlist_split(&a, &l, ",a,,b,", ",", false);
	CHECK_INT(l.n, 2);
	CHECK_STR(l.v[0], "a");
	CHECK_STR(l.v[1], "b");
	strlist_split(&a, &l, "x,", ",", true);
	CHECK_INT(l.n, 4);
	CHECK_STR(l.v[3], "");
	CHECK(strlist_has(&l, "x"));
	CHECK(!strlist_has(&l, "y"));
	for (int i = 0; i < 1000; i++)
		strlist_add(&a, &l, "many");
	CHECK_INT(l.n, 1004);
	CHECK_STR(l.v[2], "x");
	arena_free(&a);
}

TEST(buffer)
{
	struct strbuf b = STRBUF_INIT;
	char *s;

	for (int i = 0; i < 100; i++)
		strbuf_printf(&b, "%d,", i);
	CHECK_INT(b.len, 290);
	s = strbuf_steal(&b);
	CHECK(str_starts(s, "0,1,2,") && str_ends(s, "98,99,"));
	free(s);
	s = strbuf_steal(&b);
	CHECK_STR(s, "");
	free(s);
}
