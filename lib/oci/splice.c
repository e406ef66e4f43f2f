/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/splice.h"

#include <errno.h>
#include <stdlib.h>

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_space(const struct strbuf *b, size_t pos)
{
	while (pos < b->len && is_space(b->buf[pos]))
		pos++;
	return pos;
}

/* Behind the closing quote; behind the text where there is none. */
static size_t skip_string(const struct strbuf *b, size_t pos)
{
	const char *p = b->buf + pos + 1, *end = b->buf + b->len;

	/* Most are short: this is done before memchr has begun. */
	while (p < end && *p != '"')
		p += *p == '\\' && end - p > 1 ? 2 : 1;
	return p < end ? (size_t)(p + 1 - b->buf) : b->len + 1;
}

static size_t skip_nested(const struct strbuf *b, size_t pos)
{
	size_t depth = 0;

	while (pos < b->len) {
		char c = b->buf[pos];

		if (c == '"') {
			pos = skip_string(b, pos);
			continue;
		}
		/* crun takes comments, where JSON has none: what stands in one must not be read here. */
		if (c == '/')
			break;
		pos++;
		if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && --depth == 0)
			return pos;
	}
	return b->len + 1;
}

static size_t skip_scalar(const struct strbuf *b, size_t pos)
{
	while (pos < b->len && !is_space(b->buf[pos]) && !memchr(",:[]{}\"/", b->buf[pos], 8))
		pos++;
	return pos;
}

/* The value that begins at pos. */
static int value_at(const struct strbuf *b, size_t pos, struct splice_span *ret)
{
	size_t end;

	if (pos >= b->len)
		return -EINVAL;
	if (b->buf[pos] == '"')
		end = skip_string(b, pos);
	else if (b->buf[pos] == '{' || b->buf[pos] == '[')
		end = skip_nested(b, pos);
	else
		end = skip_scalar(b, pos);
	if (end == pos || end > b->len)
		return -EINVAL;
	*ret = (struct splice_span){ pos, end };
	return 0;
}

int splice_root(const struct strbuf *b, struct splice_span *ret)
{
	return value_at(b, skip_space(b, 0), ret);
}

struct walk {
	const struct strbuf *b;
	bool object;
	size_t pos;		/* at most where the next item begins; when there is none, behind the container */
	struct splice_span key; /* of the item; empty in an array */
	size_t value;		/* where its value begins; 0 before the first */
};

static int walk_start(struct walk *w, const struct strbuf *b, size_t container)
{
	char open = container < b->len ? b->buf[container] : '\0';

	*w = (struct walk){ .b = b, .pos = container + 1, .object = open == '{' };
	return open == '{' || open == '[' ? 0 : -EINVAL;
}

/* The value of the item. Nobody passes over one that is not asked for until the next item is. */
static int walk_value(struct walk *w, struct splice_span *ret)
{
	int r = value_at(w->b, w->value, ret);

	if (r == 0)
		w->pos = ret->end;
	return r;
}

/* 1 with an item, 0 at the end, -EINVAL. */
static int walk_next(struct walk *w)
{
	const struct strbuf *b = w->b;
	struct splice_span passed;
	size_t pos;

	if (w->value && w->pos <= w->value && walk_value(w, &passed) < 0)
		return -EINVAL;
	pos = skip_space(b, w->pos);
	if (pos < b->len && b->buf[pos] == (w->object ? '}' : ']')) {
		w->pos = pos + 1;
		return 0;
	}
	if (w->value && (pos >= b->len || b->buf[pos++] != ','))
		return -EINVAL;
	pos = skip_space(b, pos);
	w->key = (struct splice_span){ pos, pos };
	if (w->object) {
		if (pos >= b->len || b->buf[pos] != '"' || value_at(b, pos, &w->key) < 0)
			return -EINVAL;
		pos = skip_space(b, w->key.end);
		if (pos >= b->len || b->buf[pos] != ':')
			return -EINVAL;
		pos = skip_space(b, pos + 1);
	}
	w->value = pos;
	return pos < b->len ? 1 : -EINVAL;
}

static bool key_is(const struct strbuf *b, struct splice_span key, const char *want)
{
	const char *raw = b->buf + key.start;
	size_t n = strlen(want), len = key.end - key.start;
	char why[128];

	if (!memchr(raw, '\\', len))
		return len == n + 2 && memcmp(raw + 1, want, n) == 0;
	cleanup_json struct json *j = json_parse(raw, len, why, sizeof(why));
	return json_str(j) && str_eq(json_str(j), want);
}

/* 1 with where the member's value begins; 0 with where the object ends; -EINVAL. */
static int find_member(const struct strbuf *b, size_t object, const char *key, size_t *ret)
{
	struct walk w;
	int r = walk_start(&w, b, object);

	if (r < 0 || !w.object)
		return -EINVAL;
	while ((r = walk_next(&w)) > 0 && !key_is(b, w.key, key))
		;
	*ret = r > 0 ? w.value : w.pos;
	return r;
}

int splice_member(const struct strbuf *b, struct splice_span object, const char *key, struct splice_span *ret)
{
	size_t at;
	int r = find_member(b, object.start, key, &at);

	return r > 0 && value_at(b, at, ret) < 0 ? -EINVAL : r;
}

int splice_items(const struct strbuf *b, struct splice_span container, struct splice_span **ret_items, size_t *ret_n)
{
	cleanup_free struct splice_span *items = NULL;
	struct splice_span value;
	size_t n = 0, cap = 0;
	struct walk w;
	int r = walk_start(&w, b, container.start);

	while (r == 0 && (r = walk_next(&w)) > 0) {
		r = walk_value(&w, &value);
		if (r < 0)
			return r;
		if (n == cap) {
			cap = cap ? 2 * cap : 32;
			items = mem_realloc_array(items, cap, sizeof(*items));
		}
		items[n++] = (struct splice_span){ w.key.start, value.end };
	}
	if (r < 0)
		return r;
	*ret_items = take_ptr(items);
	*ret_n = n;
	return 0;
}

void splice_replace(struct strbuf *b, struct splice_span span, const char *text, size_t len)
{
	struct strbuf new = STRBUF_INIT;

	strbuf_add(&new, b->buf, span.start);
	strbuf_add(&new, text, len);
	strbuf_add(&new, b->buf + span.end, b->len - span.end);
	strbuf_free(b);
	*b = new;
}

size_t splice_append(struct strbuf *b, struct splice_span container, const char *text)
{
	size_t pos = container.end - 1, old_len = b->len;
	cleanup_strbuf struct strbuf added = STRBUF_INIT;

	while (pos > container.start + 1 && is_space(b->buf[pos - 1]))
		pos--;
	/* Behind the bracket of an empty one the first item goes without a comma. */
	if (pos > container.start + 1)
		strbuf_putc(&added, ',');
	strbuf_puts(&added, text);
	splice_replace(b, (struct splice_span){ pos, pos }, added.buf, added.len);
	return pos + (b->len - old_len);
}

void splice_remove(struct strbuf *b, const struct splice_span *items, const bool *gone, size_t n)
{
	struct strbuf new = STRBUF_INIT;
	bool kept = false;

	if (n == 0)
		return;
	strbuf_add(&new, b->buf, items[0].start);
	for (size_t i = 0; i < n; i++) {
		size_t from = kept ? items[i - 1].end : items[i].start;

		if (gone[i])
			continue;
		strbuf_add(&new, b->buf + from, items[i].end - from);
		kept = true;
	}
	strbuf_add(&new, b->buf + items[n - 1].end, b->len - items[n - 1].end);
	strbuf_free(b);
	*b = new;
}

/* Adds the objects of a dotted path, one in the other, and the empty container in them; returns how many brackets stand behind it. */
static size_t nest(struct strbuf *to, const char *path, char open)
{
	size_t depth = 0, n;

	for (; *path; path += n + (path[n] == '.'), depth++) {
		n = strcspn(path, ".");
		strbuf_printf(to, "{\"%.*s\":", (int)n, path);
	}
	strbuf_puts(to, open == '{' ? "{}" : "[]");
	for (size_t i = 0; i < depth; i++)
		strbuf_putc(to, '}');
	return depth;
}

/*
 * Makes the containers of a dotted path and returns the last; `at` is the object that lacks the first of them, or the null that
 * stands for it.
 */
static struct splice_span make(struct strbuf *b, struct splice_span at, const char *path, char open)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	bool member = b->buf[at.start] == '{';
	size_t n = strcspn(path, "."), behind, end;

	if (member)
		strbuf_printf(&text, "\"%.*s\":", (int)n, path);
	behind = nest(&text, path + n + (path[n] == '.'), open);
	if (member) {
		end = splice_append(b, at, text.buf);
	} else {
		splice_replace(b, at, text.buf, text.len);
		end = at.start + text.len;
	}
	return (struct splice_span){ end - behind - 2, end - behind };
}

static bool is_null(const struct strbuf *b, size_t at)
{
	return b->len - at >= 4 && memcmp(b->buf + at, "null", 4) == 0;
}

/*
 * 1 with the container; 0 with the object that lacks a member, or with the null that stands for it; -EINVAL. *ret_len is how much of
 * the path was gone when the walk ended.
 */
static int walk_path(const struct strbuf *b, const char *path, char open, struct splice_span *ret, size_t *ret_len)
{
	size_t start = 0, at = skip_space(b, 0), next;

	*ret_len = 0;
	if (at >= b->len || b->buf[at] != '{')
		return -EINVAL;
	for (;;) {
		size_t n = strcspn(path + start, ".");
		cleanup_free char *key = mem_strndup(path + start, n);
		bool last = path[start + n] == '\0';
		int r = find_member(b, at, key, &next);

		*ret_len = start + n;
		if (r < 0)
			return r;
		if (r == 0) {
			*ret = (struct splice_span){ at, next };
			return 0;
		}
		if (is_null(b, next)) {
			*ret = (struct splice_span){ next, next + 4 };
			return 0;
		}
		if (b->buf[next] != (last ? open : '{'))
			return -EINVAL;
		if (last)
			return value_at(b, next, ret) < 0 ? -EINVAL : 1;
		at = next;
		start += n + 1;
	}
}

static int wrong(struct err *err, const char *path, size_t len, char open)
{
	if (len == 0)
		return err_set(err, ERR_SPEC, 0, "no JSON object");
	return err_set(err, ERR_SPEC, 0, "%.*s is no %s", (int)len, path,
		       path[len] || open == '{' ? "object" : "array");
}

int splice_find(struct strbuf *b, const char *path, char open, struct splice_span *ret, struct err *err)
{
	size_t len;
	int r = walk_path(b, path, open, ret, &len);

	return r < 0 ? wrong(err, path, len, open) : r;
}

int splice_make(struct strbuf *b, const char *path, char open, struct splice_span *ret, struct err *err)
{
	size_t len;
	int r = walk_path(b, path, open, ret, &len);

	if (r < 0)
		return wrong(err, path, len, open);
	if (r > 0)
		return 1;
	/* From the name that the walk has come to. */
	while (len > 0 && path[len - 1] != '.')
		len--;
	*ret = make(b, *ret, path + len, open);
	return 1;
}

/* The entry of the member that the walk stands at; NULL: it is dropped. */
static const struct splice_kept *find_kept(const struct walk *w, const struct splice_kept *kept)
{
	const char *name = w->b->buf + w->key.start + 1;
	size_t len = w->key.end - w->key.start - 2;

	for (; kept->member && *kept->member; kept++)
		if (len == strlen(kept->member) && memcmp(name, kept->member, len) == 0)
			return kept;
	return kept->member ? kept : NULL;
}

/* A name that is written with escapes may be any; one that stands there twice is the one or the other to who reads it. */
static bool is_plain(const struct walk *w, const struct splice_kept *kept, const struct splice_kept *found,
		     unsigned *seen)
{
	const unsigned bit = found && *found->member ? 1u << (found - kept) : 0;
	const bool twice = *seen & bit;

	*seen |= bit;
	return !twice && !memchr(w->b->buf + w->key.start, '\\', w->key.end - w->key.start);
}

/* Whether none of the words is in it, however it is written. */
static bool lacks(const struct strbuf *b, struct splice_span value, const struct splice_kept *kept)
{
	const char *text = b->buf + value.start;
	size_t len = value.end - value.start;

	return !memmem(text, len, kept->word, strlen(kept->word)) && !memchr(text, '\\', len) &&
	       !(kept->other && memmem(text, len, kept->other, strlen(kept->other)));
}

/* Whether the value that the walk stands at is not asked for: 1 where it is not, and it is passed; 0, -EINVAL. */
static int pass_unasked(struct walk *w, const struct splice_kept *kept)
{
	struct splice_span value;
	size_t pos = w->pos;
	int r;

	if (!kept->word || w->b->buf[w->value] != kept->open || (kept->below && w->object))
		return 0;
	r = walk_value(w, &value);
	if (r < 0 || lacks(w->b, value, kept))
		return r < 0 ? r : 1;
	w->pos = pos;
	return 0;
}

static int strain(struct walk *w, const struct splice_kept *kept, struct strbuf *ret);

/* The value that the walk stands at. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables. */
static int strain_value(struct walk *w, const struct splice_kept *kept, struct strbuf *ret)
{
	const char open = w->b->buf[w->value];
	struct splice_span value;
	struct walk inner;
	int r;

	if (kept->below && (open == '{' || (open == '[' && w->object))) {
		r = walk_start(&inner, w->b, w->value);
		r = r < 0 ? r : strain(&inner, open == '{' ? kept->below : kept, ret);
		w->pos = inner.pos;
		return r;
	}
	r = walk_value(w, &value);
	if (r == 0)
		strbuf_add(ret, w->b->buf + value.start, value.end - value.start);
	return r;
}

/* NOLINTNEXTLINE(misc-no-recursion): as above. */
static int strain(struct walk *w, const struct splice_kept *kept, struct strbuf *ret)
{
	bool first = true;
	unsigned seen = 0;
	int r;

	strbuf_putc(ret, w->object ? '{' : '[');
	while ((r = walk_next(w)) > 0) {
		const struct splice_kept *k = w->object ? find_kept(w, kept) : kept;
		int unasked = k ? pass_unasked(w, k) : 1;

		if (unasked < 0 || (w->object && !is_plain(w, kept, k, &seen)))
			return -EINVAL;
		if (unasked && w->object)
			continue;
		if (!first)
			strbuf_putc(ret, ',');
		first = false;
		if (unasked) {
			strbuf_puts(ret, "{}");
			continue;
		}
		if (w->object) {
			strbuf_add(ret, w->b->buf + w->key.start, w->key.end - w->key.start);
			strbuf_putc(ret, ':');
		}
		r = strain_value(w, k, ret);
		if (r < 0)
			return r;
	}
	strbuf_putc(ret, w->object ? '}' : ']');
	return r;
}

int splice_strain(const struct strbuf *b, const struct splice_kept *kept, struct strbuf *ret)
{
	struct walk w;
	int r = walk_start(&w, b, skip_space(b, 0));

	if (r < 0 || !w.object)
		return -EINVAL;
	strbuf_reserve(ret, b->len);
	r = strain(&w, kept, ret);
	if (r < 0)
		strbuf_free(ret);
	else
		/* What no text should have behind its end is kept too. */
		strbuf_add(ret, b->buf + w.pos, b->len - w.pos);
	return r;
}

struct json *splice_parse(const char *text, size_t len, const struct splice_kept *kept, char *why, size_t size)
{
	/* Read, never changed. */
	const struct strbuf whole = { .buf = (char *)text, .len = len };
	cleanup_strbuf struct strbuf asked = STRBUF_INIT;
	struct json *j = NULL;

	if (splice_strain(&whole, kept, &asked) == 0)
		j = json_parse(asked.buf, asked.len, why, size);
	/* What is wrong is told of the text that somebody can look at. */
	return j ? j : json_parse(text, len, why, size);
}
