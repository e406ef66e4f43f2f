/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where things stand in the bytes of a JSON text, and changes of those bytes alone. Not a parser: it takes
 * valid JSON, and on anything else stays inside the text and says -EINVAL or gives spans of no use. No text
 * makes it recurse.
 */
#ifndef NVCOREOS_OCI_SPLICE_H
#define NVCOREOS_OCI_SPLICE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "oci/json.h"

/* The bytes from start up to end, which is not among them. */
struct splice_span {
	size_t start, end;
};

/* The one value of the whole text. 0 or -EINVAL. */
int splice_root(const struct strbuf *b, struct splice_span *ret) must_check;
/* The value under key in the object. 1, 0 where it is absent, -EINVAL where the object is none. */
int splice_member(const struct strbuf *b, struct splice_span object, const char *key,
		  struct splice_span *ret) must_check;
/*
 * The elements of an array, or of an object its members from the key to the end of the value. *ret_items is
 * malloc'd. 0 or -EINVAL.
 */
int splice_items(const struct strbuf *b, struct splice_span container, struct splice_span **ret_items,
		 size_t *ret_n) must_check;

/*
 * Walks down a dotted path of objects to a container that begins with `open` ('{' or '['). With `make`,
 * members that are absent or null are made on the way. 1, 0 where it is not there, -EINVAL with ERR_SPEC that
 * names the member of the wrong type.
 */
int splice_find(struct strbuf *b, const char *path, char open, struct splice_span *ret, struct err *err) must_check;
int splice_make(struct strbuf *b, const char *path, char open, struct splice_span *ret, struct err *err) must_check;

/* Puts text in the place of a span. Every span that was found before is stale after it, as after the next two. */
void splice_replace(struct strbuf *b, struct splice_span span, const char *text, size_t len);
/*
 * Adds an element, or a member as `"key":value`, behind the last one of a container; n in one string come
 * with their commas. Returns where what was added ends.
 */
size_t splice_append(struct strbuf *b, struct splice_span container, const char *text);
/* Takes out those of the container's items that are marked; what stays keeps its bytes and the space around it. */
void splice_remove(struct strbuf *b, const struct splice_span *items, const bool *gone, size_t n);

/*
 * A member that splice_strain keeps: as it is; or, with `below`, of an object what that table names, and so of each object in an array.
 * With `word` a value that begins with `open` ('"', '[' or '{') is left out where it holds neither that word nor the `other`; an
 * object in an array becomes an empty one. A table ends with a member of NULL; with SPLICE_REST before it all others are kept as they are.
 */
#define SPLICE_REST ""

struct splice_kept {
	const char *member;
	const struct splice_kept *below;
	const char *word, *other; /* other: NULL where that one is the only word */
	char open;
};

/*
 * Writes the text to *ret without the members of its root object that no table names. A value with a backslash is kept: it may be
 * anything. 0; or -EINVAL where there is no object or it has no end, where a name in an object that has a table is written with a
 * backslash, or where one of the table's is there twice; then nothing is written. At most 32 names a table.
 */
int splice_strain(const struct strbuf *b, const struct splice_kept *kept, struct strbuf *ret) must_check;

/*
 * Parses what the table keeps, or where splice_strain cannot tell, all of it. The caller owns what is returned; NULL as json_parse
 * says it of the text, with a sentence in why (of `size` bytes).
 */
struct json *splice_parse(const char *text, size_t len, const struct splice_kept *kept, char *why,
			  size_t size) must_check;

#endif
