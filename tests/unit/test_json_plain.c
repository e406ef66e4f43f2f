/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "oci/json.h"
#include "oci/json_plain.h"
#include "tap.h"

/* On the heap and without a NUL, so that a sanitizer sees a byte too many. */
static json_t *plain(const char *text, size_t len)
{
	cleanup_free char *copy = mem_alloc(len + !len);

	memcpy(copy, text, len);
	return json_plain(copy, len);
}

/* jansson's word on the same text. */
static bool is_same(const json_t *j, const char *text)
{
	json_t *want = json_loads(text, JSON_PLAIN_FLAGS, NULL);
	cleanup_free char *is = json_dumps(j, JSON_ENCODE_ANY), *was = json_dumps(want, JSON_ENCODE_ANY);
	bool same = want && json_equal(j, want) && str_eq(is, was);

	json_decref(want);
	return same;
}

TEST(what_machines_write_is_read_as_jansson_reads_it)
{
	static const char *const texts[] = {
		"{}",
		"[]",
		"\"\"",
		"\"a b~\"",
		"0",
		"-1",
		"999999999999999999",
		"-999999999999999999",
		"true",
		"false",
		"null",
		" \t\r\n[ 1 , 2 ]\n ",
		"{\"b\":{\"c\":[1,true,null,\"x\"]},\"a\":[[],{}],\"\":false}",
		"{ \"b\" : 1 ,\n\"a\" : [ ] }",
		"{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9,\"j\":10}",
		/* These strings jansson reads, each alone. */
		"[\"a\\\\\",\"\\\"\",\"\\u00e9\\n\",\"b\",\"\\u0000\"]",
		"[\"\xc3\xa9\",\"\x7f\",{\"k\":\"\xe2\x82\xac\"}]",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		json_t *j = plain(texts[i], strlen(texts[i]));

		if (!CHECK(j && is_same(j, texts[i])))
			CHECK_STR(texts[i], "read");
		json_decref(j);
	}
}

TEST(what_it_does_not_know_it_leaves_to_jansson)
{
	static const char *const texts[] = {
		"1.5",
		"1e3",
		"-0",
		"0.0",
		"1000000000000000000",
		"[9223372036854775807]",
		"{\"\\u0061\":1}",
		"{\"\xc3\xa9\":1}",
	};
	cleanup_strbuf struct strbuf key = STRBUF_INIT;
	char why[64];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		cleanup_json struct json *j = json_parse(texts[i], strlen(texts[i]), why, sizeof(why));

		if (!CHECK(!plain(texts[i], strlen(texts[i])) && j))
			CHECK_STR(texts[i], "left");
	}
	for (size_t n = 100; n < 200; n++) {
		json_t *j;

		key.len = 0;
		strbuf_printf(&key, "{\"%0*d\":1}", (int)n, 7);
		j = plain(key.buf, key.len);
		CHECK(j ? n < 128 && is_same(j, key.buf) : n >= 128);
		json_decref(j);
	}
}

TEST(what_is_no_json_it_does_not_take)
{
	static const char *const texts[] = {
		"",
		" ",
		"{",
		"[",
		"[1",
		"[1,",
		"[1,]",
		"[,1]",
		"[1 2]",
		"{\"a\"",
		"{\"a\":",
		"{\"a\":1",
		"{\"a\":1,",
		"{\"a\":1,}",
		"{a:1}",
		"{\"a\" 1}",
		"{\"a\":1 \"b\":2}",
		"{\"a\":}",
		"{1:2}",
		"{\"a\":1]",
		"[1}",
		"]",
		"}",
		"\"",
		"\"a",
		"\"a\\",
		"\"\\\"",
		"\"a\nb\"",
		"\"\xff\"",
		"\"\\x\"",
		"\"\\ud800\"",
		"tru",
		"truE",
		"truee",
		"nul",
		"-",
		"01",
		"-01",
		"+1",
		"1.",
		"1 2",
		"{}{}",
		"\"a\"\"b\"",
		"{\"a\":1,\"a\":2}",
		"/**/1",
		"[1]x",
		"\xef\xbb\xbf{}",
		"{\"a",
		"{\"a\\",
		"{\"a\nb\":1}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (!CHECK(!plain(texts[i], strlen(texts[i]))))
			CHECK_STR(texts[i], "not taken");
	CHECK(!plain("1\0", 2) && !plain("\0", 1) && !plain("\"a\0b\"", 5) && !plain("{\"a\0\":1}", 8));
}

TEST(depth_is_bounded)
{
	enum { DEPTH = JSON_DEPTH_MAX };
	char text[2 * DEPTH + 2];
	json_t *j;

	memset(text, '[', DEPTH);
	memset(text + DEPTH, ']', DEPTH);
	j = plain(text, 2 * DEPTH);
	CHECK(j);
	json_decref(j);
	memset(text, '[', DEPTH + 1);
	memset(text + DEPTH + 1, ']', DEPTH + 1);
	CHECK(!plain(text, 2 * DEPTH + 2));
}
