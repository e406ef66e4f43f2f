/* SPDX-License-Identifier: Apache-2.0 */
#include "yamldoc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

/* The value as one line of JSON, or why it is refused. */
static char *as_json(const char *yaml, size_t len)
{
	char why[256] = "";
	cleanup_json struct json *j = yamldoc_read(yaml, len, why, sizeof(why));

	return j ? json_dump(j, 0) : mem_strdup(why);
}

TEST(reads)
{
	static const struct {
		const char *yaml, *json;
	} cases[] = {
		{ "a: 1\nb: \"1\"\nc: '1'\nd: x\ne: true\nf: -7\n",
		  "{\"a\":1,\"b\":\"1\",\"c\":\"1\",\"d\":\"x\",\"e\":true,\"f\":-7}" },
		{ "a:\n- b: {c: [1, two]}\n-   - x\n", "{\"a\":[{\"b\":{\"c\":[1,\"two\"]}},[\"x\"]]}" },
		{ "# note\n---\na: |\n  two\n  lines\nb: \"\\u0041\"\n...\n",
		  "{\"a\":\"two\\nlines\\n\",\"b\":\"A\"}" },
		{ "a: ~\nb: null\nc:\nd: \"\"\n", "{\"d\":\"\"}" },
		{ "a: 007\nb: -0\nc: 1.5\nd: 99999999999999999999\ne: yes\n",
		  "{\"a\":\"007\",\"b\":\"-0\",\"c\":\"1.5\",\"d\":\"99999999999999999999\",\"e\":\"yes\"}" },
		{ "{\"a\": [1, \"b\", true, {}]}", "{\"a\":[1,\"b\",true,{}]}" },
		{ "&x a: &y 1\n", "{\"a\":1}" },
		{ "plain\n", "\"plain\"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *got = as_json(cases[i].yaml, strlen(cases[i].yaml));

		CHECK_STR(got, cases[i].json);
	}
}

TEST(refuses)
{
	static const struct {
		const char *yaml, *why;
	} cases[] = {
		{ "", "line 1: there is nothing in it" },
		{ "~\n", "line 2: there is nothing in it" },
		{ "a: &x 1\nb: *x\n", "line 2: aliases are not read" },
		{ "a: !!binary aGk=\n", "line 2: tags are not read" },
		{ "a: !x {}\n", "line 1: tags are not read" },
		{ "a: !x []\n", "line 1: tags are not read" },
		{ "a: 1\nb: 2\na: 3\n", "line 3: a key stands twice" },
		{ "a: 1\n---\nb: 2\n", "line 2: a second document" },
		{ "? {a: 1}\n: 2\n", "line 1: a key that is no plain string" },
		{ "? [a]\n: 2\n", "line 1: a key that is no plain string" },
		{ "- ~\n", "line 2: null in a list" },
		{ "a: \"\\0\"\n", "line 2: a zero byte" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *got = as_json(cases[i].yaml, strlen(cases[i].yaml));
		const char *want = strchr(cases[i].why, ':');

		/* Which line the parser stands at is its own affair. */
		CHECK_STR(strchr(got, ':') ? strchr(got, ':') : got, want);
	}
	for (size_t i = 0; i < 2; i++) {
		static const char *const bad[] = { "a: [1\nb: 2\n", "a: \xff\xfe\n" };
		char why[256] = "";

		CHECK(!yamldoc_read(bad[i], strlen(bad[i]), why, sizeof(why)));
		CHECK(str_starts(why, "line "));
	}
}

TEST(is_bounded_in_depth)
{
	for (unsigned depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
		cleanup_strbuf struct strbuf b = STRBUF_INIT;
		char why[256] = "";

		for (unsigned i = 0; i < depth; i++)
			strbuf_putc(&b, '[');
		strbuf_puts(&b, "1");
		for (unsigned i = 0; i < depth; i++)
			strbuf_putc(&b, ']');
		cleanup_json struct json *j = yamldoc_read(b.buf, b.len, why, sizeof(why));

		CHECK((j != NULL) == (depth == JSON_DEPTH_MAX));
	}
}

TEST(writes_what_is_read_again)
{
	static const char text[] =
		"{\"a\":[\"0\",\"0:1\",\"1.5\",\"\",\"yes\",\"N\",\"true\",\"null\",\"~\",\"a: b\",\"- a\",\"#x\",\"two\\nlines\",\" x \",\"*a\",\"&a\","
		"\"!a\",\"\\u00e9\",\"\\u0007\",\"a'b\\\"c\",\"0x10\",\"1e3\",\".inf\",\"2026-01-01\"],\"0\":{\"b\":[],\"c\":{}},\"d\":true,\"e\":-5,\"f\":false}";
	char why[256] = "";
	cleanup_json struct json *j = json_parse(text, strlen(text), why, sizeof(why));
	cleanup_strbuf struct strbuf out = STRBUF_INIT;
	cleanup_free char *before = NULL, *after = NULL;

	REQUIRE(j);
	REQUIRE(yamldoc_write(j, &out) == 0);
	before = json_dump(j, 0);
	after = as_json(out.buf, out.len);
	CHECK_STR(after, before);
	CHECK(strstr(out.buf, "- \"0\"\n") && strstr(out.buf, "- \"0:1\"\n") && strstr(out.buf, "- \"yes\"\n"));
}
