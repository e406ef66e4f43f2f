/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "oci/splice.h"
#include "tap.h"

static struct strbuf buffer(const char *text)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_puts(&b, text);
	return b;
}

static bool span_is(const struct strbuf *b, struct splice_span s, const char *want)
{
	return s.end - s.start == strlen(want) && memcmp(b->buf + s.start, want, strlen(want)) == 0;
}

TEST(members_are_found)
{
	cleanup_strbuf struct strbuf b =
		buffer(" {\"a\" : \"}\\\"]\", \"b\":[1,{\"c\":2}] ,\"d\\u0065\\/\":null,\"\":-1.5e3}\n");
	struct splice_span root, s;

	REQUIRE(splice_root(&b, &root) == 0);
	CHECK(splice_member(&b, root, "a", &s) == 1 && span_is(&b, s, "\"}\\\"]\""));
	CHECK(splice_member(&b, root, "b", &s) == 1 && span_is(&b, s, "[1,{\"c\":2}]"));
	CHECK_INT(splice_member(&b, s, "b", &s), -EINVAL);
	CHECK(splice_member(&b, root, "de/", &s) == 1 && span_is(&b, s, "null"));
	CHECK(splice_member(&b, root, "", &s) == 1 && span_is(&b, s, "-1.5e3"));
	CHECK_INT(splice_member(&b, root, "c", &s), 0);
	CHECK_INT(splice_member(&b, root, "d", &s), 0);
}

TEST(items_are_listed)
{
	cleanup_strbuf struct strbuf b = buffer("[ 1 , \"a,b\",[2,3], {\"x\": 4} ]");
	cleanup_free struct splice_span *items = NULL, *members = NULL;
	struct splice_span root;
	size_t n;

	REQUIRE(splice_root(&b, &root) == 0 && splice_items(&b, root, &items, &n) == 0);
	REQUIRE(n == 4);
	CHECK(span_is(&b, items[0], "1") && span_is(&b, items[1], "\"a,b\"") && span_is(&b, items[2], "[2,3]"));
	REQUIRE(splice_items(&b, items[3], &members, &n) == 0 && n == 1);
	CHECK(span_is(&b, members[0], "\"x\": 4"));
}

TEST(append_and_remove_are_inverse)
{
	static const char *const rows[][2] = {
		{ "[]", "[9]" },	  { "[ \n]", "[9 \n]" }, { "[1]", "[1,9]" }, { "[1, 2 ]", "[1, 2,9 ]" },
		{ "[ [] ]", "[ [],9 ]" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_strbuf struct strbuf b = buffer(rows[i][0]);
		cleanup_free struct splice_span *items = NULL;
		struct splice_span root;
		bool gone[8] = { false };
		size_t n;

		REQUIRE(splice_root(&b, &root) == 0);
		splice_append(&b, root, "9");
		CHECK_STR(b.buf, rows[i][1]);
		REQUIRE(splice_root(&b, &root) == 0 && splice_items(&b, root, &items, &n) == 0);
		gone[n - 1] = true;
		splice_remove(&b, items, gone, n);
		CHECK_STR(b.buf, rows[i][0]);
	}
}

TEST(remove_keeps_the_others)
{
	static const struct {
		unsigned gone;
		const char *want;
	} rows[] = { { 0, "[ 1 ,2, 3 ]" }, { 1, "[ 2, 3 ]" }, { 2, "[ 1, 3 ]" }, { 4, "[ 1 ,2 ]" },
		     { 5, "[ 2 ]" },	   { 3, "[ 3 ]" },    { 7, "[  ]" } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_strbuf struct strbuf b = buffer("[ 1 ,2, 3 ]");
		cleanup_free struct splice_span *items = NULL;
		bool gone[3] = { rows[i].gone & 1, rows[i].gone & 2, rows[i].gone & 4 };
		struct splice_span root;
		size_t n;

		REQUIRE(splice_root(&b, &root) == 0 && splice_items(&b, root, &items, &n) == 0);
		splice_remove(&b, items, gone, n);
		CHECK_STR(b.buf, rows[i].want);
	}
}

TEST(paths)
{
	static const struct {
		const char *text, *made; /* made: NULL where what stands in the way is of the wrong type */
		const char *what;
		int found;
	} rows[] = {
		{ "{}", "{\"a\":{\"b\":{\"c\":[]}}}", NULL, 0 },
		{ "{ }", "{\"a\":{\"b\":{\"c\":[]}} }", NULL, 0 },
		{ "{\"x\":1}", "{\"x\":1,\"a\":{\"b\":{\"c\":[]}}}", NULL, 0 },
		{ "{\"a\":null , \"x\":1}", "{\"a\":{\"b\":{\"c\":[]}} , \"x\":1}", NULL, 0 },
		{ "{\"a\":{\"b\":{\"c\": null}}}", "{\"a\":{\"b\":{\"c\": []}}}", NULL, 0 },
		{ "{\"a\":{\"b\":{\"c\":[7]}}}", "{\"a\":{\"b\":{\"c\":[7]}}}", NULL, 1 },
		{ "{\"\\u0061\":{\"b\":{}}}", "{\"\\u0061\":{\"b\":{\"c\":[]}}}", NULL, 0 },
		{ "[]", NULL, "no JSON object", -EINVAL },
		{ "", NULL, "no JSON object", -EINVAL },
		{ "{\"a\":[]}", NULL, "a is no object", -EINVAL },
		{ "{\"a\":{\"b\":7}}", NULL, "a.b is no object", -EINVAL },
		{ "{\"a\":{\"b\":{\"c\":{}}}}", NULL, "a.b.c is no array", -EINVAL },
		{ "{\"a\":{\"b\":{\"c\":\"x\"}}}", NULL, "a.b.c is no array", -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_strbuf struct strbuf b = buffer(rows[i].text);
		struct err err = ERR_INIT;
		struct splice_span s, again;

		CHECK_INT(splice_find(&b, "a.b.c", '[', &s, &err), rows[i].found);
		CHECK_STR(b.buf, rows[i].text);
		CHECK_INT(splice_make(&b, "a.b.c", '[', &s, &err), rows[i].made ? 1 : -EINVAL);
		if (!rows[i].made) {
			CHECK_STR(err.what, rows[i].what);
			continue;
		}
		CHECK_STR(b.buf, rows[i].made);
		CHECK_INT(splice_find(&b, "a.b.c", '[', &again, &err), 1);
		CHECK(again.start == s.start && again.end == s.end);
	}
}

TEST(rubbish_stays_inside)
{
	static const char *const bad[] = {
		"{",	    "{\"",	   "{\"a",	"{\"a\"",    "{\"a\":",
		"{\"a\":{", "{\"a\":\"\\", "{a:1}",	"{\"a\" 1}", "{\"a\":1 \"b\":2}",
		"{,}",	    "{]",	   "{\"a\":1]", "}",	     "\"\\",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cleanup_strbuf struct strbuf b = buffer(bad[i]);
		struct err err = ERR_INIT;
		struct splice_span s;

		CHECK_INT(splice_make(&b, "a.b", '{', &s, &err), -EINVAL);
		CHECK_INT(err.code, ERR_SPEC);
	}
}

TEST(strain)
{
	static const struct splice_kept of_b[] = { { .member = "c", .word = "yes", .open = '[' }, { 0 } };
	static const struct splice_kept few[] = { { .member = "a" }, { .member = "b", .below = of_b }, { 0 } };
	static const struct splice_kept rest[] = { { .member = "b", .below = of_b }, { .member = SPLICE_REST }, { 0 } };
	static const struct {
		const char *text, *few, *rest;
	} rows[] = {
		{ "{}", "{}", "{}" },
		{ " { \"a\" : [ 1 ] , \"x\":{\"a\":2} } ", "{\"a\":[ 1 ]} ", "{\"a\":[ 1 ],\"x\":{\"a\":2}} " },
		{ "{\"x\":\"}\",\"b\":{\"a\":1,\"c\":2},\"a\":3}", "{\"b\":{\"c\":2},\"a\":3}",
		  "{\"x\":\"}\",\"b\":{\"c\":2},\"a\":3}" },
		{ "{\"b\":[{\"a\":1},7,{\"c\":1},[{\"a\":1}]]}", "{\"b\":[{},7,{\"c\":1},[{\"a\":1}]]}", NULL },
		{ "{\"b\":{\"c\":[\"no\",{}]}}", "{\"b\":{}}", NULL },
		{ "{\"b\":{\"c\":[\"yes\"]}}", "{\"b\":{\"c\":[\"yes\"]}}", NULL },
		{ "{\"b\":{\"c\":[\"\\u0079es\"]}}", "{\"b\":{\"c\":[\"\\u0079es\"]}}", NULL },
		{ "{\"b\":{\"c\":{\"d\":1}}}", "{\"b\":{\"c\":{\"d\":1}}}", NULL },
		{ "{\"a\":1,\"b\":7}}", "{\"a\":1,\"b\":7}}", NULL },
		{ "{\"aa\":1,\"\":2}", "{}", "{\"aa\":1,\"\":2}" },
	};
	static const char *const bad[] = { "",
					   "[]",
					   "7",
					   "x{}",
					   "{\"\\u0062\":{\"d\":1},\"b\":null}",
					   "{\"a\":1,\"a\":2}",
					   "{\"b\":{\"c\":[],\"c\":[]}}",
					   "{\"b\":{\"\\u0063\":1}}",
					   "{",
					   "{\"a\":1",
					   "{\"b\":{\"c\":[}",
					   "{\"x\":1 \"a\":2}",
					   "{\"b\":[{\"c\" 1}]}" };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_strbuf struct strbuf b = buffer(rows[i].text), of_few = STRBUF_INIT, of_rest = STRBUF_INIT;

		CHECK_INT(splice_strain(&b, few, &of_few), 0);
		CHECK_STR(of_few.buf, rows[i].few);
		CHECK_INT(splice_strain(&b, rest, &of_rest), 0);
		CHECK_STR(of_rest.buf, rows[i].rest ? rows[i].rest : rows[i].few);
		CHECK_STR(b.buf, rows[i].text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cleanup_strbuf struct strbuf b = buffer(bad[i]), out = STRBUF_INIT;

		CHECK_INT(splice_strain(&b, few, &out), -EINVAL);
		CHECK_INT(out.len, 0);
	}
}

TEST(strain_by_words)
{
	static const struct splice_kept all[] = { { .member = SPLICE_REST }, { 0 } };
	static const struct splice_kept kept[] = {
		{ .member = "list", .below = all, .word = "yes", .open = '{' },
		{ .member = "text", .word = "yes", .open = '"' },
		{ .member = "n" },
		{ .member = "two", .word = "yes", .other = "perhaps", .open = '"' },
		{ 0 },
	};
	static const char *const rows[][2] = {
		{ "{\"list\":[{\"a\":\"no\"},{\"b\":\"yes\"},7,\"no\",[\"no\"],{\"a\":\"\\u0079es\"}]}",
		  "{\"list\":[{},{\"b\":\"yes\"},7,\"no\",[\"no\"],{\"a\":\"\\u0079es\"}]}" },
		{ "{\"list\":{\"a\":\"no\"},\"n\":1}", "{\"list\":{\"a\":\"no\"},\"n\":1}" },
		{ "{\"text\":\"no\",\"n\":1}", "{\"n\":1}" },
		{ "{\"n\":1,\"text\":\"no\"}", "{\"n\":1}" },
		{ "{\"text\":\"a yes\"}", "{\"text\":\"a yes\"}" },
		{ "{\"text\":[\"no\"]}", "{\"text\":[\"no\"]}" },
		{ "{\"text\":null}", "{\"text\":null}" },
		{ "{\"two\":\"no\",\"n\":1}", "{\"n\":1}" },
		{ "{\"two\":\"a yes\",\"n\":1}", "{\"two\":\"a yes\",\"n\":1}" },
		{ "{\"two\":\"perhaps\",\"n\":1}", "{\"two\":\"perhaps\",\"n\":1}" },
	};
	static const char *const bad[] = { "{\"text\":\"no", "{\"list\":[{\"a\":1]}", "{\"list\":[{\"a\":1}" };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_strbuf struct strbuf b = buffer(rows[i][0]), out = STRBUF_INIT;

		CHECK_INT(splice_strain(&b, kept, &out), 0);
		CHECK_STR(out.buf, rows[i][1]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cleanup_strbuf struct strbuf b = buffer(bad[i]), out = STRBUF_INIT;

		CHECK_INT(splice_strain(&b, kept, &out), -EINVAL);
		CHECK_INT(out.len, 0);
	}
}
