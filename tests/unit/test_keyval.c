/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "base/str.h"
#include "conf/keyval.h"
#include "tap.h"

static int collect(void *data, const char *key, const char *value, unsigned line, struct err *err)
{
	if (str_eq(key, "stop"))
		return err_set(err, ERR_VALUE, ENOENT, "stopped");
	strbuf_printf(data, "%u:%s=[%s]\n", line, key, value);
	return 0;
}

/* "" or what was called for; the error's text where it failed. Freed by the caller. */
static char *parsed(const char *text, size_t len)
{
	struct strbuf b = STRBUF_INIT;
	struct err err = ERR_INIT;
	int r = keyval_parse("f", text, len, collect, &b, &err);

	if (r < 0) {
		CHECK_INT(r, -EINVAL);
		CHECK_INT(err.code, ERR_CONF);
		strbuf_free(&b);
		strbuf_printf(&b, "error %s", err.what);
	}
	return strbuf_steal(&b);
}

static void check(const char *text, size_t len, const char *want)
{
	cleanup_free char *got = parsed(text, len);

	CHECK_STR(got, want);
}
#define SAME(text, want) check(text, sizeof(text) - 1, want)

TEST(assignments)
{
	SAME("", "");
	SAME("\n\n# c\n; c=1\n   # c", "");
	SAME("a=1", "1:a=[1]\n");
	SAME("a=1\n", "1:a=[1]\n");
	SAME("\n  a\t=  x y  \r\nb=", "2:a=[x y]\n3:b=[]\n");
	SAME("a=b=c", "1:a=[b=c]\n");
	SAME("a=1 # no comment", "1:a=[1 # no comment]\n");
	SAME("a='x \\ \" $y'", "1:a=[x \\ \" $y]\n");
	SAME("a=\"x \\\\ \\\" \\$ \\` \\n 'q'\"", "1:a=[x \\ \" $ ` \\n 'q']\n");
	SAME("a=\"\"\nb=''", "1:a=[]\n2:b=[]\n");
	SAME("a=\\x", "1:a=[\\x]\n");
	SAME("PRETTY_NAME=\"Flatcar Container Linux by Kinvolk 3975.2.0 (Oklo)\"",
	     "1:PRETTY_NAME=[Flatcar Container Linux by Kinvolk 3975.2.0 (Oklo)]\n");
}

TEST(refused)
{
	SAME("a", "error f:1: = is missing");
	SAME("a=1\n\nb\n", "error f:3: = is missing");
	SAME("=1", "error f:1: a key must stand before =");
	SAME("  =1", "error f:1: a key must stand before =");
	SAME("a b=1", "error f:1: a key is one word without quotes");
	SAME("'a'=1", "error f:1: a key is one word without quotes");
	SAME("a='1", "error f:1: the quote is not closed");
	SAME("a=\"1", "error f:1: the quote is not closed");
	SAME("a=\"1\\\"", "error f:1: the quote is not closed");
	SAME("a=\"1\nb=2\"", "error f:1: the quote is not closed");
	SAME("a='", "error f:1: the quote is not closed");
	SAME("a='1'2", "error f:1: text stands behind the closing quote");
	SAME("a=\"1\" # c", "error f:1: text stands behind the closing quote");
	SAME("a=1'2'", "error f:1: a quote stands inside the value");
	SAME("a=1\nb=\0"
	     "2\n",
	     "error f:2: the line holds a NUL byte");
	SAME("a=1\0", "error f:1: the line holds a NUL byte");
}

TEST(text_need_not_be_terminated)
{
	char *text = mem_alloc(3);

	memcpy(text, "a=1", 3);
	check(text, 3, "1:a=[1]\n");
	memcpy(text, "a='", 3);
	check(text, 3, "error f:1: the quote is not closed");
	memcpy(text, "\"\\\\", 3);
	check(text, 3, "error f:1: = is missing");
	memcpy(text, "a=\\", 3);
	check(text, 3, "1:a=[\\]\n");
	free(text);
}

TEST(callback_ends_it)
{
	struct strbuf b = STRBUF_INIT;
	struct err err = ERR_INIT;
	static const char text[] = "a=1\nstop=1\nb=2\n";

	CHECK_INT(keyval_parse("f", text, strlen(text), collect, &b, &err), -ENOENT);
	CHECK_STR(b.buf, "1:a=[1]\n");
	CHECK_INT(err.code, ERR_VALUE);
	strbuf_free(&b);
}
