/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TOML text with something of ours in it. Tables go behind its end, between two marks; a line that must say something else
 * stays above the new one as a comment; so all can be taken out again, byte for byte. What comes out is parsed, and must say
 * what was meant and nothing else.
 */
#ifndef NVCOREOS_CLI_TOMLEDIT_H
#define NVCOREOS_CLI_TOMLEDIT_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "oci/json.h"
#include "toml.h"

#define TOMLEDIT_LINES_MAX 4
#define TOMLEDIT_DEPTH_MAX 8 /* keys of a path */

struct tomledit_line {
	size_t number; /* from 1 */
	bool replaced; /* else one comes after it */
	char *text;
};

struct tomledit {
	const char *file;   /* for errors */
	const char *name;   /* stands in the marks: each name has its own */
	struct strbuf text; /* as it is */
	struct json *facts; /* what the text says */
	struct toml_doc *doc;
	bool was_new; /* tomledit_strip: what it took out had been a file of its own */
	/* Noted for tomledit_end: */
	struct json *want;	   /* what the text shall say */
	struct strbuf head, block; /* before and behind the text */
	struct tomledit_line lines[TOMLEDIT_LINES_MAX];
	size_t n;
	bool is_new; /* by the caller: the file is not there yet */
	bool whole;  /* by the caller: all of the file is ours, marks are not needed */
};

/*
 * What a text says as an object that the caller frees with json_free; NULL with ERR_ENGINE where it is no TOML. Empty text is
 * an empty object.
 */
struct json *tomledit_facts(const struct strbuf *text, const char *file, struct err *err) must_check;

/* Begins with a copy of the text. 0, or -EINVAL with ERR_ENGINE where it is no TOML. tomledit_free either way. */
int tomledit_start(struct tomledit *t, const struct strbuf *text, const char *file, const char *name,
		   struct err *err) must_check;
void tomledit_free(struct tomledit *t);
#define cleanup_tomledit cleanup(tomledit_free)

/*
 * Takes everything that stands under t->name out of the text; comments that came between the marks stay, and so does a line
 * that says something else by now. -EINVAL with ERR_ENGINE where marks were changed.
 */
int tomledit_strip(struct tomledit *t, struct err *err) must_check;

/* Whether anything in the text stands under this name: tomledit_strip would take it out. */
bool tomledit_marks(const struct tomledit *t, const char *name);

/* The value at this path of n keys, or NULL. */
struct json *tomledit_get(struct json *facts, const char *const *path, size_t n);
/*
 * Notes a table with these members, none of which is an object; n = 0: keys above all tables, before any other call (where the
 * text says something already they get a block of their own, at its beginning). The table must not be in the text.
 */
void tomledit_table(struct tomledit *t, const char *const *path, size_t n, const struct json *members);
/*
 * Notes that key of the table at path shall be value (t->name or true: tomledit_strip knows a line of ours by that), which is
 * taken. -EINVAL with ERR_ENGINE where it cannot.
 */
int tomledit_set(struct tomledit *t, const char *const *path, size_t n, const char *key, struct json *value,
		 struct err *err) must_check;
/* Does what was noted and proves it. -EINVAL with ERR_ENGINE, and the text untouched. */
int tomledit_end(struct tomledit *t, struct err *err) must_check;

#endif
