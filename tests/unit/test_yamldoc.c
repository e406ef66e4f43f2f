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
		/* Numbers and words of YAML 1.1. */
		{ "a: 007\nb: -0\nc: 1.5\nd: 99999999999999999999\ne: yes\n",
		  "{\"a\":7,\"b\":0,\"c\":\"1.5\",\"d\":\"99999999999999999999\",\"e\":true}" },
		{ "[0666, 0x1F, 0b101, 0o17, +5, -0x10, 08, 0x, 0b, 0:1, 1-2, '5', 0b-1, Off, n, No, yEs]",
		  "[438,31,5,15,5,-16,\"08\",\"0x\",\"0b\",\"0:1\",\"1-2\",\"5\",\"0b-1\",false,false,false,\"yEs\"]" },
		{ "{\"a\": [1, \"b\", true, {}]}", "{\"a\":[1,\"b\",true,{}]}" },
		{ "&x a: &y 1\n", "{\"a\":1}" },
		{ "plain\n", "\"plain\"" },
		{ "a: &x 1\nb: *x\nc: &x {d: ~, e: [two]}\nf: [*x, *x]\n",
		  "{\"a\":1,\"b\":1,\"c\":{\"e\":[\"two\"]},\"f\":[{\"e\":[\"two\"]},{\"e\":[\"two\"]}]}" },
		{ "a: &x ~\nb: *x\nc: &y {d: 1}\ne: {f: 2, <<: *y}\n", "{\"c\":{\"d\":1},\"e\":{\"f\":2,\"d\":1}}" },
		{ "a: !!str 0\nb: !!map {c: !!seq [!!str ~]}\n\"<<\": 1\n",
		  "{\"a\":\"0\",\"b\":{\"c\":[\"~\"]},\"<<\":1}" },
		{ "{\n\t\"a\":\t[\n\t\t\"b\\/\\u0041\"\n\t]\n}\n", "{\"a\":[\"b/A\"]}" },
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
		{ "a: *x\n", "line 2: an alias of nothing" },
		{ "a: &x [*x]\n", "line 2: an alias within what it stands for" },
		{ "a: &x {b: 1}\nc: {b: 2, <<: *x}\n", "line 3: a key stands twice" },
		{ "a: &x 1\nc: {<<: *x}\n", "line 3: a merge of what is no object" },
		{ "a: {<<: {b: 1}}\n", "line 3: a merge of what is no alias" },
		{ "a: &x 1\n*x : 2\n", "line 3: a key that is no plain string" },
		{ "a: !!binary aGk=\n", "line 2: a tag that is not read" },
		{ "a: !x {}\n", "line 1: a tag that is not read" },
		{ "a: !x []\n", "line 1: a tag that is not read" },
		{ "a: 1\nb: 2\na: 3\n", "line 3: a key stands twice" },
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

/* Readers stop behind the first document, whatever follows. */
TEST(reads_the_first_document)
{
	static const char *const texts[] = { "a: 1\n---\nb: 2\n", "a: 1\n...\n{{{\n", "a: 1\n---\n" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char why[256] = "";
		cleanup_json struct json *j = yamldoc_read(texts[i], strlen(texts[i]), why, sizeof(why));

		CHECK(j && json_get(j, "a") && !json_get(j, "b"));
		CHECK(strstr(why, ": what follows the first document is not read"));
	}
}

/* Each is ten times the one before: little text, and more of value than any memory. */
TEST(aliases_are_bounded)
{
	cleanup_strbuf struct strbuf b = STRBUF_INIT, deep = STRBUF_INIT, many = STRBUF_INIT;
	char why[256] = "";

	strbuf_puts(&b, "a0: &a0 xxxxxxxxxx\n");
	for (unsigned i = 1; i < 12; i++) {
		strbuf_printf(&b, "a%u: &a%u [", i, i);
		for (unsigned k = 0; k < 10; k++)
			strbuf_printf(&b, "*a%u,", i - 1);
		strbuf_puts(&b, "]\n");
	}
	CHECK(!yamldoc_read(b.buf, b.len, why, sizeof(why)));
	CHECK(strstr(why, "its aliases make too much of it"));
	strbuf_puts(&deep, "a0: &a0 [x]\n");
	for (unsigned i = 1; i < JSON_DEPTH_MAX; i++)
		strbuf_printf(&deep, "a%u: &a%u [*a%u]\n", i, i, i - 1);
	CHECK(!yamldoc_read(deep.buf, deep.len, why, sizeof(why)));
	CHECK(strstr(why, "nested too deep"));
	for (unsigned i = 0; i < 300; i++)
		strbuf_printf(&many, "a%u: &a%u x\n", i, i);
	CHECK(!yamldoc_read(many.buf, many.len, why, sizeof(why)));
	CHECK(strstr(why, "too many anchors"));
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
		"\"!a\",\"\\u00e9\",\"\\u0007\",\"a'b\\\"c\",\"0x10\",\"1e3\",\".inf\",\"2026-01-01\",\"0xfe\",\"0o7\",\"+0\"],\"0\":{\"b\":[],\"c\":{}},\"d\":true,\"e\":-5,\"f\":false}";
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
