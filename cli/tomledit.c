/* SPDX-License-Identifier: Apache-2.0 */
#include "tomledit.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#define MARK "# nvcoreos: "

/* One line of a text, and what ends it: "\n", "\r\n" or, at the end of the text, nothing. */
struct line {
	const char *text;
	size_t len, eol;
};

static const char *text_of(const struct strbuf *b)
{
	return b->buf ? b->buf : "";
}

/* The line at *pos, which moves behind it; false at the end. */
static bool next_line(const struct strbuf *b, size_t *pos, struct line *ret)
{
	const char *start, *newline;

	if (*pos >= b->len)
		return false;
	start = b->buf + *pos;
	newline = memchr(start, '\n', b->len - *pos);
	ret->text = start;
	ret->len = newline ? (size_t)(newline - start) : b->len - *pos;
	ret->eol = newline ? 1 : 0;
	*pos += ret->len + ret->eol;
	if (newline && ret->len && start[ret->len - 1] == '\r') {
		ret->len--;
		ret->eol++;
	}
	return true;
}

/* What stands before the first line stays there. Returns how long it is. */
static size_t take_bom(struct strbuf *out, const struct strbuf *text)
{
	static const char bom[] = "\xef\xbb\xbf";
	size_t n = sizeof(bom) - 1;

	if (text->len < n || memcmp(text->buf, bom, n) != 0)
		return 0;
	strbuf_add(out, bom, n);
	return n;
}

static bool nth_line(const struct strbuf *b, size_t number, struct line *ret)
{
	size_t pos = 0;

	while (number && next_line(b, &pos, ret))
		number--;
	return number == 0;
}

/* How the text ends its lines. */
static const char *eol_of(const struct strbuf *b)
{
	struct line first;
	size_t pos = 0;

	return next_line(b, &pos, &first) && first.eol == 2 ? "\r\n" : "\n";
}

static struct json *parse(const char *text, size_t len, struct toml_doc **ret_doc, char *why, size_t size)
{
	struct toml_doc *doc = toml_parse(text, len, why, size);
	cleanup_free char *as_json = NULL;
	struct json *facts;

	if (!doc)
		return NULL;
	as_json = toml_json(doc);
	/* Strict once more: invalid UTF-8, or deeper than any engine's file. */
	facts = json_parse(as_json ? as_json : "", as_json ? strlen(as_json) : 0, why, size);
	if (facts && ret_doc)
		*ret_doc = doc;
	else
		toml_free(doc);
	return facts;
}

struct json *tomledit_facts(const struct strbuf *text, const char *file, struct err *err)
{
	char why[256];
	struct json *facts = parse(text_of(text), text->len, NULL, why, sizeof(why));

	if (!facts)
		err_set(err, ERR_ENGINE, 0, "%s: %s", file, why);
	return facts;
}

static void forget(struct tomledit *t)
{
	json_free(t->facts);
	json_free(t->want);
	toml_free(t->doc);
	t->facts = t->want = NULL;
	t->doc = NULL;
}

static int read_again(struct tomledit *t, struct err *err)
{
	char why[256];

	forget(t);
	t->facts = parse(text_of(&t->text), t->text.len, &t->doc, why, sizeof(why));
	if (!t->facts)
		return err_set(err, ERR_ENGINE, 0, "%s: %s", t->file, why);
	t->want = json_clone(t->facts);
	return 0;
}

int tomledit_start(struct tomledit *t, const struct strbuf *text, const char *file, const char *name, struct err *err)
{
	*t = (struct tomledit){ .file = file, .name = name, .text = STRBUF_INIT, .block = STRBUF_INIT };
	strbuf_add(&t->text, text_of(text), text->len);
	return read_again(t, err);
}

void tomledit_free(struct tomledit *t)
{
	forget(t);
	strbuf_free(&t->text);
	strbuf_free(&t->head);
	strbuf_free(&t->block);
	for (size_t i = 0; i < t->n; i++)
		free(t->lines[i].text);
	t->n = 0;
}

static bool starts_with(const struct line *l, const char *what)
{
	return l->len >= strlen(what) && memcmp(l->text, what, strlen(what)) == 0;
}

/* What stands behind "# nvcoreos: <before> <name>" in the line, or NULL where it is no such line. */
static const char *mark(const struct tomledit *t, const struct line *l, const char *before, const char *after)
{
	cleanup_free char *want = mem_printf(MARK "%s%s%s", before, t->name, after);

	return starts_with(l, want) ? l->text + strlen(want) : NULL;
}

#define BEGIN "begin "
#define END "end "
#define IN_NEW_FILE " in a new file"
#define WAS ": the next line was:"
#define IS_NEW ": the next line is new"

static bool line_ends(const struct line *l, const char *p)
{
	return p == l->text + l->len;
}

static bool is_begin(struct tomledit *t, const struct line *l)
{
	const char *rest = mark(t, l, BEGIN, "");

	if (!rest)
		return false;
	if (line_ends(l, rest))
		return true;
	rest = mark(t, l, BEGIN, IN_NEW_FILE);
	if (!rest || !line_ends(l, rest))
		return false;
	t->was_new = true;
	return true;
}

static bool is_end(const struct tomledit *t, const struct line *l)
{
	const char *rest = mark(t, l, END, "");

	return rest && line_ends(l, rest);
}

bool tomledit_marks(const struct tomledit *t, const char *name)
{
	const struct tomledit other = { .name = name };
	struct line l;
	size_t pos = 0;

	while (next_line(&t->text, &pos, &l)) {
		const char *begin = mark(&other, &l, BEGIN, ""), *set = mark(&other, &l, "", ": ");

		if (set || (begin && (line_ends(&l, begin) || *begin == ' ')))
			return true;
	}
	return false;
}

/* What was put behind a last line that no newline ended had ended it: that goes too. */
static void chop_eol(struct strbuf *out, size_t eol)
{
	if (out->len >= eol)
		out->len -= eol;
	if (out->buf)
		out->buf[out->len] = '\0';
}

/* A comment, or a line with nothing on it. */
static bool is_silent(const struct line *l)
{
	size_t i = 0;

	while (i < l->len && (l->text[i] == ' ' || l->text[i] == '\t'))
		i++;
	return i == l->len || l->text[i] == '#';
}

/* Passes over the rest of a block; nothing in it is silent but what somebody else has written there, which stays. */
static bool skip_block(const struct tomledit *t, struct strbuf *out, size_t *pos, struct line *ret_last)
{
	while (next_line(&t->text, pos, ret_last)) {
		if (is_end(t, ret_last))
			return true;
		if (starts_with(ret_last, MARK))
			return false;
		if (is_silent(ret_last))
			strbuf_add(out, ret_last->text, ret_last->len + ret_last->eol);
	}
	return false;
}

/* A key that has the name or true: all that a line of ours says. Another one has come in its place. */
static bool is_ours(const struct tomledit *t, const struct line *l)
{
	char why[64];
	cleanup_json struct json *alone = parse(l->text, l->len, NULL, why, sizeof(why));
	const char *key;
	struct json *value;
	void *iter = NULL;

	if (!json_next(alone, &iter, &key, &value))
		return false;
	return json_bool(value, false) || (json_str(value) && str_eq(json_str(value), t->name));
}

/* The line behind a mark goes, and the old one (NULL: there was none) comes back; what is not ours any more stays. */
static void strip_next(const struct tomledit *t, struct strbuf *out, const struct line *l, const struct line *next,
		       const char *old)
{
	if (!is_ours(t, next)) {
		strbuf_add(out, next->text, next->len + next->eol);
	} else if (old) {
		strbuf_add(out, old, (size_t)(l->text + l->len - old));
		strbuf_add(out, next->text + next->len, next->eol);
	} else if (!next->eol) {
		chop_eol(out, l->eol);
	}
}

/* One line and, where it is a mark of ours, what belongs to it. */
static bool strip_line(struct tomledit *t, struct strbuf *out, size_t *pos, const struct line *l)
{
	const char *old = mark(t, l, "", WAS);
	struct line next;

	if (is_begin(t, l)) {
		if (!skip_block(t, out, pos, &next))
			return false;
		if (!next.eol)
			chop_eol(out, l->eol);
	} else if (old || mark(t, l, "", IS_NEW)) {
		if (!next_line(&t->text, pos, &next))
			return false;
		strip_next(t, out, l, &next, old);
	} else {
		strbuf_add(out, l->text, l->len + l->eol);
	}
	return true;
}

int tomledit_strip(struct tomledit *t, struct err *err)
{
	struct strbuf out = STRBUF_INIT;
	struct line l;
	size_t pos = take_bom(&out, &t->text);

	while (next_line(&t->text, &pos, &l)) {
		if (!strip_line(t, &out, &pos, &l)) {
			strbuf_free(&out);
			err_set(err, ERR_ENGINE, 0, "%s: marks of nvcoreos, changed by hand", t->file);
			return err_hint(err, "take all lines between and behind '" MARK "' out by hand");
		}
	}
	strbuf_free(&t->text);
	t->text = out;
	return read_again(t, err);
}

struct json *tomledit_get(struct json *facts, const char *const *path, size_t n)
{
	for (size_t i = 0; i < n; i++)
		facts = json_get(facts, path[i]);
	return facts;
}

/* The object at path of what is wanted, made where it is not there; NULL where something else is in the way. */
static struct json *make_object(struct tomledit *t, const char *const *path, size_t n)
{
	struct json *at = t->want;

	for (size_t i = 0; i < n; i++) {
		if (!json_is_object(at))
			return NULL;
		if (!json_get(at, path[i]))
			json_set(at, path[i], json_new_object());
		at = json_get(at, path[i]);
	}
	return json_is_object(at) ? at : NULL;
}

static void add_key(struct strbuf *out, const char *key)
{
	cleanup_json struct json *quoted = NULL;
	cleanup_free char *text = NULL;
	const char *p = key;

	while (isalnum((unsigned char)*p) || *p == '_' || *p == '-')
		p++;
	if (*key && !*p) {
		strbuf_puts(out, key);
		return;
	}
	/* A string of JSON is one of TOML too. */
	quoted = json_new_string(key);
	text = json_dump(quoted, 0);
	strbuf_puts(out, text);
}

static void add_header(struct strbuf *out, const char *const *path, size_t n, const char *eol)
{
	strbuf_putc(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			strbuf_putc(out, '.');
		add_key(out, path[i]);
	}
	strbuf_printf(out, "]%s", eol);
}

/* Strings, numbers, booleans and arrays of these are written alike in both languages. */
static void add_member(struct strbuf *out, const char *key, const struct json *value)
{
	cleanup_free char *text = json_dump(value, 0);

	add_key(out, key);
	strbuf_printf(out, " = %s", text);
}

static bool says_nothing(struct json *object)
{
	return !json_next(object, &(void *){ NULL }, &(const char *){ NULL }, &(struct json *){ NULL });
}

void tomledit_table(struct tomledit *t, const char *const *path, size_t n, const struct json *members)
{
	const char *eol = eol_of(&t->text), *key;
	cleanup_json struct json *copy = json_clone(members);
	struct json *object = make_object(t, path, n), *value;
	struct strbuf *out = n || says_nothing(t->facts) ? &t->block : &t->head;
	void *iter = NULL;

	if (n)
		add_header(out, path, n, eol);
	while (json_next(copy, &iter, &key, &value)) {
		add_member(out, key, value);
		strbuf_puts(out, eol);
		/* Where something else is in the way, tomledit_end finds it. */
		if (object)
			json_set(object, key, json_clone(value));
	}
}

/* Whether the table at path has a header of its own, on the line that it begins on; others are made by what is in them. */
static bool has_header(const struct tomledit *t, const char *const *path, size_t n, size_t *ret_line)
{
	cleanup_json struct json *alone = NULL;
	struct json *at;
	struct line l;
	char why[64];

	*ret_line = toml_line(t->doc, path, n);
	if (!*ret_line || !nth_line(&t->text, *ret_line, &l))
		return false;
	alone = parse(l.text, l.len, NULL, why, sizeof(why));
	at = tomledit_get(alone, path, n);
	while (l.len && (*l.text == ' ' || *l.text == '\t'))
		l.text++, l.len--;
	return l.len && *l.text == '[' && json_is_object(at) && says_nothing(at);
}

static int refuse(const struct tomledit *t, const char *key, const struct json *value, struct err *err)
{
	cleanup_free char *text = json_dump(value, 0);

	err_set(err, ERR_ENGINE, 0, "%s: it is not written in a way that can be changed", t->file);
	return err_hint(err, "by hand: %s = %s", key, text);
}

/* "  key = ..." becomes the indent; false for a line that says it otherwise. */
static bool indent_of(const struct line *l, const char *key, size_t *ret)
{
	size_t i = 0, n = strlen(key);

	while (i < l->len && (l->text[i] == ' ' || l->text[i] == '\t'))
		i++;
	*ret = i;
	if (l->len - i < n || memcmp(l->text + i, key, n) != 0)
		return false;
	for (i += n; i < l->len && (l->text[i] == ' ' || l->text[i] == '\t'); i++)
		;
	return i < l->len && l->text[i] == '=';
}

static int note_line(struct tomledit *t, size_t number, bool replaced, const struct line *l, size_t indent,
		     const char *key, const struct json *value, struct err *err)
{
	struct strbuf b = STRBUF_INIT;

	if (t->n == TOMLEDIT_LINES_MAX)
		return refuse(t, key, value, err);
	strbuf_add(&b, l->text, indent);
	add_member(&b, key, value);
	t->lines[t->n++] = (struct tomledit_line){ number, replaced, strbuf_steal(&b) };
	return 0;
}

int tomledit_set(struct tomledit *t, const char *const *path, size_t n, const char *key, struct json *value,
		 struct err *err)
{
	cleanup_json struct json *v = value, *member = NULL;
	struct json *object = make_object(t, path, n);
	const char *full[TOMLEDIT_DEPTH_MAX];
	size_t line, indent;
	struct line l;

	if (!object || n >= TOMLEDIT_DEPTH_MAX)
		return refuse(t, key, v, err);
	if (json_same(json_get(object, key), v))
		return 0;
	if (n)
		memcpy(full, path, n * sizeof(*path));
	full[n] = key;
	line = toml_line(t->doc, full, n + 1);
	if (line) {
		if (!nth_line(&t->text, line, &l) || !indent_of(&l, key, &indent))
			return refuse(t, key, v, err);
		json_set(object, key, json_clone(v));
		return note_line(t, line, true, &l, indent, key, v, err);
	}
	if (n && has_header(t, path, n, &line) && nth_line(&t->text, line, &l)) {
		json_set(object, key, json_clone(v));
		return note_line(t, line, false, &l, 0, key, v, err);
	}
	member = json_new_object();
	json_set(member, key, json_clone(v));
	tomledit_table(t, path, n, member);
	return 0;
}

static const struct tomledit_line *find_noted(const struct tomledit *t, size_t number)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->lines[i].number == number)
			return &t->lines[i];
	return NULL;
}

static void put_line(struct strbuf *out, const struct tomledit *t, const struct line *l, size_t number, const char *eol)
{
	const struct tomledit_line *noted = find_noted(t, number);

	if (!noted) {
		strbuf_add(out, l->text, l->len + l->eol);
	} else if (noted->replaced) {
		strbuf_printf(out, MARK "%s" WAS, t->name);
		strbuf_add(out, l->text, l->len);
		strbuf_printf(out, "%s%s", eol, noted->text);
		strbuf_add(out, l->text + l->len, l->eol);
	} else {
		strbuf_add(out, l->text, l->len);
		strbuf_printf(out, "%s" MARK "%s" IS_NEW "%s%s", eol, t->name, eol, noted->text);
		strbuf_add(out, l->text + l->len, l->eol);
	}
}

static void put_begin(struct strbuf *out, const struct tomledit *t, const char *eol)
{
	strbuf_printf(out, MARK BEGIN "%s%s%s", t->name, t->is_new ? IN_NEW_FILE : "", eol);
}

static void put_head(struct strbuf *out, const struct tomledit *t, const char *eol)
{
	if (!t->head.len)
		return;
	put_begin(out, t, eol);
	strbuf_add(out, t->head.buf, t->head.len);
	strbuf_printf(out, MARK END "%s%s", t->name, eol);
}

/* The block ends as the text ended: where that had no newline at its end, the block has none. */
static void put_block(struct strbuf *out, const struct tomledit *t, const char *eol)
{
	bool open = out->len && out->buf[out->len - 1] != '\n';

	if (!t->block.len)
		return;
	if (t->whole) {
		strbuf_add(out, t->block.buf, t->block.len);
		return;
	}
	strbuf_puts(out, open ? eol : "");
	put_begin(out, t, eol);
	strbuf_add(out, t->block.buf, t->block.len);
	strbuf_printf(out, MARK END "%s%s", t->name, open ? "" : eol);
}

int tomledit_end(struct tomledit *t, struct err *err)
{
	const char *eol = eol_of(&t->text);
	cleanup_strbuf struct strbuf out = STRBUF_INIT;
	cleanup_json struct json *says = NULL;
	char why[256] = "it would say something else";
	size_t pos = 0, number = 0;
	struct line l;

	pos = take_bom(&out, &t->text);
	put_head(&out, t, eol);
	while (next_line(&t->text, &pos, &l))
		put_line(&out, t, &l, ++number, eol);
	put_block(&out, t, eol);
	says = parse(text_of(&out), out.len, NULL, why, sizeof(why));
	if (!json_same(says, t->want)) {
		err_set(err, ERR_ENGINE, 0, "%s: it is not written in a way that can be changed: %s", t->file, why);
		return err_hint(err, "add the runtime by hand");
	}
	strbuf_free(&t->text);
	t->text = out;
	out = (struct strbuf)STRBUF_INIT;
	return read_again(t, err);
}
