/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "tap.h"

TEST(the_table_is_whole)
{
	/* Stable: a number that was given out keeps its meaning. */
	static const int given[] = {
		1,  2,	3,  4,	5,  6,	7,  8,	10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 21, 22, 23,
		24, 25, 26, 30, 31, 32, 33, 34, 35, 36, 40, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59
	};
	size_t n = 0;

	for (int code = 0; code < 100; code++) {
		bool there = n < ARRAY_SIZE(given) && given[n] == code;

		CHECK_INT(err_code_what((enum err_code)code) != NULL, there);
		CHECK_INT(err_code_hint((enum err_code)code) != NULL, there);
		if (there) {
			CHECK(err_code_what((enum err_code)code)[0] && err_code_hint((enum err_code)code)[0]);
			n++;
		}
	}
	CHECK_INT(n, ARRAY_SIZE(given));
	CHECK_INT(ERR_VALUE, 13);
	CHECK_INT(ERR_ENGINE, 55);
}

TEST(sentences)
{
	struct err err = ERR_INIT;
	char line[1500];

	CHECK_INT(err_set(&err, ERR_VALUE, 0, "X=%s", "y"), -EINVAL);
	CHECK_STR(err_line(&err, line, sizeof(line)),
		  "E13: value not understood: X=y: see the README for what a container may say");
	CHECK_INT(err_hint(&err, "say %s", "z"), -EINVAL);
	CHECK_STR(err_line(&err, line, sizeof(line)), "E13: value not understood: X=y: say z");
	CHECK_INT(err_set(&err, ERR_IO, ENOENT, "/a"), -ENOENT);
	CHECK_STR(err_line(&err, line, sizeof(line)),
		  "E05: file cannot be used: /a: No such file or directory: check the path and its permissions");
	CHECK_INT(err_wrap(&err, "in %s", "b"), -ENOENT);
	CHECK_STR(err.what, "in b: /a");
	CHECK_INT(err_hint(&err, "h"), -ENOENT);
}

/* "in use: ...: Device or resource busy" says it twice. */
TEST(a_reason_that_says_nothing_new_is_left_out)
{
	static const struct {
		enum err_code code;
		int errnum;
		bool said;
	} rows[] = { { ERR_BUSY, EBUSY, false },       { ERR_BUSY, EWOULDBLOCK, false }, { ERR_BUSY, EACCES, true },
		     { ERR_TREE_NAME, ENOENT, false }, { ERR_TREE_NAME, EIO, true },	 { ERR_STORE, ENOENT, true },
		     { ERR_STORE, EBUSY, true } };
	struct err err = ERR_INIT;
	char line[1500];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CHECK_INT(err_set(&err, rows[i].code, rows[i].errnum, "x"), -rows[i].errnum);
		if (!CHECK_INT(strstr(err_line(&err, line, sizeof(line)), strerror(rows[i].errnum)) != NULL,
			       rows[i].said))
			printf("# %s\n", line);
	}
}

TEST(null_is_allowed)
{
	CHECK_INT(err_set(NULL, ERR_IO, EPERM, "x"), -EPERM);
	CHECK_INT(err_set(NULL, ERR_IO, 0, "x"), -EINVAL);
	CHECK_INT(err_hint(NULL, "x"), -EINVAL);
	CHECK_INT(err_wrap(NULL, "x"), -EINVAL);
}

TEST(one_line_of_printable_bytes)
{
	struct err err = ERR_INIT;
	char line[1600], small[16], big[70000];

	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	memcpy(big, "\x1b[2J\r\n%n", 8);
	err_set(&err, ERR_VALUE, 0, "%s", big);
	CHECK(str_starts(err.what, "\\x1b[2J\\x0d\\x0a%n"));
	CHECK(strlen(err.what) < ERR_MSG_MAX);
	err_wrap(&err, "%s", big);
	err_hint(&err, "%s", big);
	CHECK(strlen(err.what) < ERR_MSG_MAX);
	CHECK(strlen(err.hint) < sizeof(err.hint));
	err_line(&err, line, sizeof(line));
	for (const char *p = line; *p; p++)
		CHECK(*p >= 0x20 && *p < 0x7f);
	CHECK_INT(strlen(err_line(&err, small, sizeof(small))), sizeof(small) - 1);
}

TEST(wrapping_escapes_once)
{
	struct err err = ERR_INIT;

	err_set(&err, ERR_VALUE, 0, "a\nb");
	err_wrap(&err, "c\nd");
	CHECK_STR(err.what, "c\\x0ad: a\\x0ab");
}
