/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "oci/json.h"
#include "tap.h"

static struct json *parse(const char *text)
{
	char why[256] = "";
	struct json *j = json_parse(text, strlen(text), why, sizeof(why));

	CHECK(!!j != !!why[0]);
	return j;
}

TEST(what_is_no_json_is_refused)
{
	static const struct {
		const char *text;
		size_t len; /* 0: strlen */
	} bad[] = {
		{ "", 0 },
		{ " ", 0 },
		{ "{", 0 },
		{ "[1,]", 0 },
		{ "{}{}", 0 },
		{ "1 2", 0 },
		{ "nul", 0 },
		{ "'a'", 0 },
		{ "{\"a\":1,\"a\":2}", 0 },
		{ "{\"a\":1,\"\\u0061\":2}", 0 },
		{ "{\"\\u0000\":1}", 0 },
		{ "\"a\0b\"", 5 },
		{ "1\0", 2 },
		{ "[1\0,2]", 6 },
		{ "\0", 1 },
		{ "\"\xff\"", 0 },
		{ "\"\xc0\xaf\"", 0 },
		{ "\"\xed\xa0\x80\"", 0 },
		{ "\"\\ud800\"", 0 },
		{ "\"\\udc00\\ud800\"", 0 },
		{ "\xef\xbb\xbf{}", 0 },
		{ "{\0}\0", 4 },
		{ "1e999", 0 },
		{ "01", 0 },
		{ "-", 0 },
		{ "-01", 0 },
		{ "+1", 0 },
		{ "1.", 0 },
		{ ".5", 0 },
		{ "0x10", 0 },
		{ "NaN", 0 },
		{ "99999999999999999999x", 0 },
		{ "\"\\", 0 },
		{ "\"\\\"", 0 },
		{ "\"a\nb\"", 0 },
		{ "]", 0 },
		{ "// x\n1", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char why[64] = "";
		size_t len = bad[i].len ? bad[i].len : strlen(bad[i].text);
		/* On the heap and without a NUL, so that a sanitizer sees a byte too many. */
		cleanup_free char *copy = mem_alloc(len);
		cleanup_json struct json *j = NULL;

		memcpy(copy, bad[i].text, len);
		j = json_parse(copy, len, why, sizeof(why));
		if (!CHECK(!j))
			CHECK_STR(bad[i].text, "refused");
		CHECK(why[0]);
	}
}

TEST(depth_is_bounded)
{
	enum { LEVELS = 100000 };
	cleanup_free char *text = mem_alloc(2 * LEVELS);
	char why[64];
	struct json *j;

	memset(text, '[', LEVELS);
	memset(text + LEVELS, ']', LEVELS);
	CHECK(!json_parse(text, 2 * LEVELS, why, sizeof(why)));
	CHECK_STR(why, "nested deeper than 64");
	j = json_parse(text + LEVELS - JSON_DEPTH_MAX, 2 * JSON_DEPTH_MAX, why, sizeof(why));
	CHECK(json_is_array(j));
	json_free(j);
	CHECK(!json_parse(text + LEVELS - JSON_DEPTH_MAX - 1, 2 * JSON_DEPTH_MAX + 2, why, sizeof(why)));
	/* Brackets in strings are no nesting. */
	memset(text, '[', 200);
	text[0] = text[199] = '"';
	j = json_parse(text, 200, why, sizeof(why));
	CHECK(json_is_string(j));
	json_free(j);
}

TEST(numbers)
{
	cleanup_json struct json *j =
		parse("[18446744073709551615, 9007199254740993, 9223372036854775807, -9223372036854775808,"
		      "-9223372036854775809, 1.5, 1e3, -0, 5.0, -7, \"8\", 123456789012345678901234567890]");
	int64_t v = 1;

	REQUIRE(json_len(j) == 12);
	CHECK(json_is_number(json_at(j, 0)) && !json_int(json_at(j, 0), 0, INT64_MAX, &v));
	/* Next to a number that is too large, the others stay exact. */
	CHECK(json_int(json_at(j, 1), 0, INT64_MAX, &v));
	CHECK_INT(v, 9007199254740993);
	CHECK(json_int(json_at(j, 2), 0, INT64_MAX, &v) && v == INT64_MAX);
	CHECK(json_int(json_at(j, 3), INT64_MIN, 0, &v) && v == INT64_MIN);
	for (size_t i = 4; i < 9; i++)
		CHECK(json_is_number(json_at(j, i)) && !json_int(json_at(j, i), INT64_MIN, INT64_MAX, &v));
	CHECK(!json_int(json_at(j, 9), -6, 6, &v));
	CHECK(json_int(json_at(j, 9), -7, -7, &v) && v == -7);
	CHECK(!json_int(json_at(j, 10), 0, 9, &v));
	CHECK(!json_int(NULL, 0, 9, &v));
	CHECK(json_is_number(json_at(j, 11)) && json_is_number(json_at(j, 9)));
}

TEST(readers_take_anything)
{
	cleanup_json struct json *j = parse("{\"b\":true,\"a\":[1,\"x\"],\"n\":null,\"s\":\"t\\/u\",\"f\":false}");
	const char *key;
	struct json *value;
	void *iter = NULL;
	char order[8] = "";

	CHECK(json_is_object(j) && !json_is_array(j) && !json_is_string(j) && !json_is_number(j) && !json_is_null(j));
	CHECK(json_is_null(json_get(j, "n")));
	CHECK(!json_is_null(json_get(j, "absent")));
	CHECK_STR(json_get_str(j, "s", "-"), "t/u");
	CHECK_STR(json_get_str(j, "b", "-"), "-");
	CHECK_STR(json_get_str(NULL, "b", "-"), "-");
	CHECK(json_bool(json_get(j, "b"), false) && json_bool(json_get(j, "s"), true) && !json_bool(NULL, false));
	CHECK(!json_bool(json_get(j, "f"), true));
	CHECK(!json_str(j) && !json_at(j, 0) && !json_get(json_get(j, "a"), "x") && !json_at(json_get(j, "a"), 2));
	CHECK_INT(json_len(j), 0);
	CHECK_INT(json_len(NULL), 0);
	while (json_next(j, &iter, &key, &value))
		strncat(order, key, 1);
	CHECK_STR(order, "bansf");
	iter = NULL;
	CHECK(!json_next(NULL, &iter, &key, &value));
	json_free(NULL);
}

TEST(writers)
{
	cleanup_json struct json *j = json_new_object(), *copy = NULL;
	struct json *a = json_new_array();
	cleanup_free char *line = NULL, *pretty = NULL, *whole = NULL, *none = NULL;

	json_set_str(j, "z", "a/b\"\n");
	json_set_int(j, "i", INT64_MIN);
	json_set_bool(j, "t", true);
	json_append(a, json_new_string("\xff!"));
	json_append(a, json_new_bool(false));
	json_set(j, "\xfe", a);
	json_set_int(j, "gone", 1);
	json_remove(j, "gone");
	json_remove(j, "never");
	line = json_dump(j, 0);
	CHECK_STR(line,
		  "{\"z\":\"a/b\\\"\\n\",\"i\":-9223372036854775808,\"t\":true,\"\\\\xfe\":[\"\\\\xff!\",false]}");
	copy = json_clone(j);
	CHECK(json_same(j, copy));
	CHECK(!json_same(j, NULL) && !json_same(NULL, NULL));
	json_set_int(j, "z", 1);
	CHECK(!json_same(j, copy));
	pretty = json_dump(copy, 2);
	CHECK(str_starts(pretty, "{\n  \"z\": \"a/b\\\"\\n\",\n") && str_ends(pretty, "\n}"));
	whole = json_dump(json_get(j, "z"), 0);
	CHECK_STR(whole, "1");
	none = json_dump(NULL, 2);
	CHECK_STR(none, "null");
}
