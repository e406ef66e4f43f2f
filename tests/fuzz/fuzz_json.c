/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON parser, its way past jansson, and the splicer: all must see the same document in the same bytes. */
#include "fuzz.h"
#include "oci/json.h"
#include "oci/json_plain.h"
#include "oci/splice.h"

static char *dump_at(const struct strbuf *b, struct splice_span span)
{
	char why[128];
	cleanup_json struct json *j = NULL;

	MUST(span.start < span.end && span.end <= b->len);
	j = json_parse(b->buf + span.start, span.end - span.start, why, sizeof(why));
	MUST(j);
	return json_dump(j, 0);
}

/* Members and elements are where the splicer says, and as many. */
static void check_object(const struct strbuf *b, struct splice_span root, struct json *j)
{
	cleanup_free struct splice_span *items = NULL;
	struct json *value;
	void *iter = NULL;
	const char *key;
	size_t n, members = 0;

	while (json_next(j, &iter, &key, &value)) {
		cleanup_free char *want = json_dump(value, 0), *got = NULL;
		struct splice_span span;

		members++;
		MUST(splice_member(b, root, key, &span) == 1);
		got = dump_at(b, span);
		MUST(str_eq(got, want));
	}
	MUST(splice_items(b, root, &items, &n) == 0 && n == members);
}

static void check_array(const struct strbuf *b, struct splice_span root, const struct json *j)
{
	cleanup_free struct splice_span *items = NULL;
	size_t n;

	MUST(splice_items(b, root, &items, &n) == 0 && n == json_len(j));
	for (size_t i = 0; i < n; i++) {
		cleanup_free char *want = json_dump(json_at(j, i), 0), *got = dump_at(b, items[i]);

		MUST(str_eq(got, want));
	}
}

static void check_rubbish(const struct strbuf *b)
{
	static const struct splice_kept inner[] = { { .member = "a", .word = "b", .open = '[' }, { 0 } };
	static const struct splice_kept few[] = { { .member = "a", .below = inner }, { .member = "b" }, { 0 } };
	cleanup_strbuf struct strbuf out = STRBUF_INIT;

	if (splice_strain(b, few, &out) == 0)
		MUST(out.len <= b->len);
	else
		MUST(out.len == 0);
}

/* With a table that names nothing and keeps the rest, it is the same; with one that keeps less, it is JSON that has no more. */
static void check_strain(const struct strbuf *b, struct json *j, const char *text)
{
	static const struct splice_kept all[] = { { .member = SPLICE_REST }, { 0 } };
	static const struct splice_kept inner[] = { { .member = "a", .word = "b", .open = '[' }, { 0 } };
	static const struct splice_kept few[] = { { .member = "a", .below = inner }, { .member = "b" }, { 0 } };
	cleanup_strbuf struct strbuf same = STRBUF_INIT, less = STRBUF_INIT;
	cleanup_free char *again = NULL;
	char why[160] = "";

	if (splice_strain(b, all, &same) < 0 || splice_strain(b, few, &less) < 0) {
		/* Names that are written with escapes. */
		MUST(memchr(b->buf, '\\', b->len));
		return;
	}
	cleanup_json struct json *parsed = json_parse(same.buf, same.len, why, sizeof(why)),
				 *part = json_parse(less.buf, less.len, why, sizeof(why));
	MUST(parsed && part);
	again = json_dump(parsed, 0);
	MUST(str_eq(again, text));
	cleanup_free char *was = json_dump(json_get(j, "b"), 0), *is = json_dump(json_get(part, "b"), 0);
	MUST(json_get(j, "b") ? str_eq(was, is) : !json_get(part, "b"));
}

/* What is taken past jansson is what jansson would have made of it. */
static void check_plain(const char *text, size_t size)
{
	json_t *plain = json_plain(text, size), *want;
	cleanup_free char *is = NULL, *was = NULL;

	if (!plain)
		return;
	want = json_loadb(text, size, JSON_PLAIN_FLAGS, NULL);
	MUST(want && json_equal(plain, want));
	is = json_dumps(plain, JSON_ENCODE_ANY);
	was = json_dumps(want, JSON_ENCODE_ANY);
	MUST(str_eq(is, was));
	json_decref(plain);
	json_decref(want);
}

FUZZ(json)
{
	cleanup_strbuf struct strbuf b = STRBUF_INIT;
	char why[160] = "";
	cleanup_json struct json *j = json_parse((const char *)data, size, why, sizeof(why)), *again = NULL;
	cleanup_free char *text = NULL, *second = NULL, *whole = NULL;
	struct splice_span root;

	check_plain((const char *)data, size);
	strbuf_add(&b, data, size);
	if (!j) {
		cleanup_free struct splice_span *items = NULL;
		size_t n;

		/* No JSON: the splicer says what it likes but stays inside. */
		MUST(why[0]);
		if (splice_root(&b, &root) == 0 && splice_items(&b, root, &items, &n) == 0)
			for (size_t i = 0; i < n; i++)
				MUST(items[i].start <= items[i].end && items[i].end <= b.len);
		check_rubbish(&b);
		return;
	}
	text = json_dump(j, 0);
	again = json_parse(text, strlen(text), why, sizeof(why));
	MUST(again);
	second = json_dump(again, 0);
	MUST(str_eq(text, second));
	MUST(splice_root(&b, &root) == 0);
	whole = dump_at(&b, root);
	MUST(str_eq(whole, text));
	if (json_is_object(j)) {
		check_object(&b, root, j);
		check_strain(&b, j, text);
	} else if (json_is_array(j))
		check_array(&b, root, j);
}
