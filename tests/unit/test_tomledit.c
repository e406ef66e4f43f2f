/* SPDX-License-Identifier: Apache-2.0 */
/* TOML: what is read, what is refused, and edits that can be taken back byte for byte. */
#include "tomledit.h"

#include <stdio.h>

#include "tap.h"

static void set(struct strbuf *b, const char *text)
{
	strbuf_free(b);
	strbuf_puts(b, text);
}

TEST(reads)
{
	static const struct {
		const char *text, *json;
	} cases[] = {
		{ "", "{}" },
		{ "\xef\xbb\xbf"
		  "a = 1\r\n[b.'c.d']\r\ne = [true, \"x\\u00e9\"]\r\n",
		  "{\"a\":1,\"b\":{\"c.d\":{\"e\":[true,\"x\xc3\xa9\"]}}}" },
		{ "[b.c]\nx = 1\n[b]\ny = 0x10\n", "{\"b\":{\"c\":{\"x\":1},\"y\":16}}" },
		{ "a = \"\"\"\\\n\xc2\xa7\"\"\"\n", "{\"a\":\"\xc2\xa7\"}" },
		{ "a = { b = 1 }\nc.d = 1979-05-27\n", "{\"a\":{\"b\":1},\"c\":{\"d\":\"1979-05-27\"}}" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_strbuf struct strbuf b = STRBUF_INIT;
		struct err err = ERR_INIT;
		cleanup_json struct json *facts = NULL;
		cleanup_free char *text = NULL;

		set(&b, cases[i].text);
		facts = tomledit_facts(&b, "f", &err);
		text = json_dump(facts, 0);
		CHECK_STR(text, cases[i].json);
	}
}

static void refuse(const struct strbuf *b, const char *why)
{
	struct err err = ERR_INIT;

	CHECK(tomledit_facts(b, "the.file", &err) == NULL);
	CHECK_INT(err.code, ERR_ENGINE);
	CHECK(strstr(err.what, "the.file: ") && strstr(err.what, why));
}

TEST(refuses)
{
	static const char *const cases[] = {
		"a",
		"a = 1\na = 2\n",
		"[a]\n[a]\n",
		"a = {b = 1}\n[a.c]\n",
		"\xff = 1",
		"\xd2\x8d = 1\n",
		"a = \"\xff\"",
		"a = \"\\u0000",
		"{\"json\": true}",
		"a = 1\rb = 2",
		"a = [1",
		"[#",
		"[ #x]\na = 1\n",
	};
	cleanup_strbuf struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		set(&b, cases[i]);
		refuse(&b, "");
	}
	strbuf_free(&b);
	strbuf_add(&b, "a = 1\0b = 2\n", 12);
	refuse(&b, "");
}

/* What would nest too deep, or is too long, costs nothing. */
TEST(bounds)
{
	static const char ours[] = "too long or too deep", parser[] = "nested value depth";
	static const struct {
		const char *head, *again, *why;
		size_t n;
	} cases[] = {
		{ "a", ".a", ours, 100000 },
		{ "a = ", "[", parser, 100000 },
		{ "[a", ".a", ours, 100000 },
		{ "a = ", "{a=", parser, 50000 },
		{ "#", "#", ours, 300000 },
		{ "a = [", "\n{a.a.a=[", parser, 20000 },
		{ "a", ".a", ours, TOML_DOTS_MAX + 1 },
		{ "a = 1\nb", ".a", "nested deeper", JSON_DEPTH_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_strbuf struct strbuf b = STRBUF_INIT;

		set(&b, cases[i].head);
		for (size_t n = 0; n < cases[i].n; n++)
			strbuf_puts(&b, cases[i].again);
		if (str_eq(cases[i].again, ".a"))
			strbuf_puts(&b, *cases[i].head == '[' ? "]\n" : " = 1\n");
		refuse(&b, cases[i].why);
	}
}

static const char *const table[] = { "p", "x.y", "c" };
static const char *const sub[] = { "p", "x.y", "c", "r", "n" };

/* The key k of [p."x.y".c] becomes "n", and [p."x.y".c.r.n] comes. */
static int edit(struct strbuf *text, struct err *err)
{
	cleanup_tomledit struct tomledit t = { 0 };
	cleanup_json struct json *members = json_new_object();
	int r = tomledit_start(&t, text, "f", "n", err);

	json_set_str(members, "a", "\"\\");
	json_set_bool(members, "b c", true);
	if (r == 0)
		r = tomledit_strip(&t, err);
	if (r == 0)
		tomledit_table(&t, sub, 5, members);
	if (r == 0)
		r = tomledit_set(&t, table, 3, "k", json_new_string("n"), err);
	if (r == 0)
		r = tomledit_end(&t, err);
	if (r == 0)
		set(text, t.text.buf);
	return r;
}

static void strip(struct strbuf *text)
{
	cleanup_tomledit struct tomledit t = { 0 };
	struct err err = ERR_INIT;

	CHECK_INT(tomledit_start(&t, text, "f", "n", &err), 0);
	CHECK_INT(tomledit_strip(&t, &err), 0);
	set(text, t.text.buf ? t.text.buf : "");
}

#define BLOCK "# nvcoreos: begin n\n[p.\"x.y\".c.r.n]\na = \"\\\"\\\\\"\n\"b c\" = true\n"
#define KEY "[p.\"x.y\".c]\nk = \"n\"\n"
#define END_OF_BLOCK "# nvcoreos: end n\n"

TEST(there_and_back)
{
	static const struct {
		const char *before, *want; /* NULL: whatever it is */
	} cases[] = {
		{ "", BLOCK KEY END_OF_BLOCK },
		{ "a = 1\n", "a = 1\n" BLOCK KEY END_OF_BLOCK },
		{ "a = 1", "a = 1\n" BLOCK KEY "# nvcoreos: end n" },
		{ "[p.'x.y'.c]\n  k\t= 'old' # why\nz = 1\n",
		  "[p.'x.y'.c]\n# nvcoreos: n: the next line was:  k\t= 'old' # why\n  k = \"n\"\nz = 1\n" BLOCK
			  END_OF_BLOCK },
		{ "[p.'x.y'.c]\nk='old'",
		  "[p.'x.y'.c]\n# nvcoreos: n: the next line was:k='old'\nk = \"n\"\n" BLOCK "# nvcoreos: end n" },
		{ "[ p . 'x.y' . c ] # = head\n",
		  "[ p . 'x.y' . c ] # = head\n# nvcoreos: n: the next line is new\nk = \"n\"\n" BLOCK END_OF_BLOCK },
		{ "[p.'x.y'.c]",
		  "[p.'x.y'.c]\n# nvcoreos: n: the next line is new\nk = \"n\"\n" BLOCK "# nvcoreos: end n" },
		/* The table has no header of its own. */
		{ "[p.'x.y'.c.d]\nk = 1\n", "[p.'x.y'.c.d]\nk = 1\n" BLOCK KEY END_OF_BLOCK },
		/* It says so already. */
		{ "[p.'x.y'.c]\nk = 'n'\n", "[p.'x.y'.c]\nk = 'n'\n" BLOCK END_OF_BLOCK },
		{ "\xef\xbb\xbf# BOM\r\n[p.'x.y'.c]\r\nk = 1\r\n\r\n", NULL },
		{ "[p.'x.y'.c]\r\nk = 1", NULL },
		{ "[p.'x.y'.c]\r\nk = 1\nz = 2\r\n", NULL },
		{ "[p.'x.y'.c]\nz = '''\n[p.'x.y'.c]\nk = 1\n'''\nk = 2", NULL },
		{ "# nvcoreos: begin other\n[q]\n# nvcoreos: end other\n", NULL },
		{ "# nvcoreos: begin nn\n# nvcoreos: end n n\n# nvcoreos: nn: the next line is new\n", NULL },
		{ "\n\n\n", NULL },
		{ "# only\r\n", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_strbuf struct strbuf b = STRBUF_INIT, once = STRBUF_INIT;
		struct err err = ERR_INIT;

		set(&b, cases[i].before);
		CHECK_INT(edit(&b, &err), 0);
		if (cases[i].want)
			CHECK_STR(b.buf, cases[i].want);
		set(&once, b.buf);
		CHECK_INT(edit(&b, &err), 0);
		CHECK_STR(b.buf, once.buf);
		strip(&b);
		CHECK_STR(b.buf ? b.buf : "", cases[i].before);
	}
}

/* Whatever it is, it is not changed to something that was not meant. */
TEST(cannot_be_changed)
{
	static const char *const cases[] = {
		"p = 1\n",
		"p.'x.y'.c = [1]\n",
		"p = { 'x.y' = { c = { k = 1 } } }\n",
		"[p.'x.y']\nc = { k = 1 }\n",
		"[p.'x.y'.c]\nr = { m = 1 }\n",
		"[p.'x.y'.c]\n'k' = 1\n",
		"[p.'x.y'.c]\nk = '''\nlong'''\n",
		"[p.'x.y'.c]\nk = [\n1]\n",
		/* What would be left of it says something else. */
		"[p.'x.y'.c]\nk = \"\"\"\nz = 1\n#\"\"\"\n",
		"p.'x.y'.c.k = 1\n",
		"[p]\n'x.y'.c.k = 1\n",
		"[[p.'x.y'.c]]\nz = 1\n",
		"[p.'x.y'.c.r.n]\na = 1\n",
		"# nvcoreos: begin n\n",
		"# nvcoreos: begin n\n# nvcoreos: begin n\n# nvcoreos: end n\n",
		"# nvcoreos: n: the next line was:",
		"# nvcoreos: n: the next line is new",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_strbuf struct strbuf b = STRBUF_INIT;
		struct err err = ERR_INIT;

		set(&b, cases[i]);
		if (!(edit(&b, &err) < 0))
			printf("# %s\n", cases[i]);
		CHECK(err.code == ERR_ENGINE && *err.hint);
		CHECK_STR(b.buf, cases[i]);
	}
}
