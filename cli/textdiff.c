/* SPDX-License-Identifier: Apache-2.0 */
#include "textdiff.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

#define CONTEXT ((size_t)3)
/* Beyond this many comparisons what differs is shown as replaced whole. */
#define CELLS_MAX (4u << 20)

struct line {
	const char *text;
	size_t len; /* with its newline, where it has one */
};

struct lines {
	struct line *v;
	size_t n;
};

/* One line of the result: ' ', '-' or '+', and how many lines of either text stand before it. */
struct op {
	char kind;
	size_t a, b;
};

struct diff {
	struct arena arena;
	struct lines a, b;
	struct op *ops;
	size_t n;
};

static void split(struct arena *arena, struct lines *ret, const struct strbuf *text)
{
	const char *p = text->buf, *end = p + text->len;

	while (p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		size_t len = newline ? (size_t)(newline + 1 - p) : (size_t)(end - p);

		ret->v = arena_grow(arena, ret->v, ret->n, sizeof(*ret->v));
		ret->v[ret->n++] = (struct line){ p, len };
		p += len;
	}
}

static bool same(const struct diff *d, size_t a, size_t b)
{
	return d->a.v[a].len == d->b.v[b].len && memcmp(d->a.v[a].text, d->b.v[b].text, d->a.v[a].len) == 0;
}

static void add_op(struct diff *d, char kind, size_t *a, size_t *b)
{
	d->ops = arena_grow(&d->arena, d->ops, d->n, sizeof(*d->ops));
	d->ops[d->n++] = (struct op){ kind, *a, *b };
	*a += kind != '+';
	*b += kind != '-';
}

/* lcs[i][j]: the longest common subsequence of what follows line i and line j; rows are b_end - b + 1 long. */
static void compare_middle(struct diff *d, size_t *a, size_t *b, size_t a_end, size_t b_end)
{
	size_t rows = a_end - *a + 1, cols = b_end - *b + 1, a0 = *a, b0 = *b;
	cleanup_free unsigned *lcs = mem_zalloc(rows * cols * sizeof(*lcs));

	for (size_t i = rows - 1; i-- > 0;) {
		for (size_t j = cols - 1; j-- > 0;) {
			unsigned down = lcs[(i + 1) * cols + j], right = lcs[i * cols + j + 1];

			lcs[i * cols + j] = same(d, a0 + i, b0 + j) ? lcs[(i + 1) * cols + j + 1] + 1
					    : down > right	    ? down
								    : right;
		}
	}
	while (*a < a_end && *b < b_end) {
		size_t i = *a - a0, j = *b - b0;

		if (same(d, *a, *b))
			add_op(d, ' ', a, b);
		else
			add_op(d, lcs[(i + 1) * cols + j] >= lcs[i * cols + j + 1] ? '-' : '+', a, b);
	}
}

static void compare(struct diff *d)
{
	size_t a = 0, b = 0, a_end = d->a.n, b_end = d->b.n;

	while (a < a_end && b < b_end && same(d, a, b))
		add_op(d, ' ', &a, &b);
	while (a_end > a && b_end > b && same(d, a_end - 1, b_end - 1))
		a_end--, b_end--;
	if ((a_end - a + 1) < CELLS_MAX / (b_end - b + 1))
		compare_middle(d, &a, &b, a_end, b_end);
	while (a < a_end)
		add_op(d, '-', &a, &b);
	while (b < b_end)
		add_op(d, '+', &a, &b);
	while (a < d->a.n)
		add_op(d, ' ', &a, &b);
}

static void show_range(struct strbuf *out, char sign, size_t first, size_t n)
{
	/* An empty range names the line before it, as diff does. */
	strbuf_printf(out, "%c%zu", sign, n ? first + 1 : first);
	if (n != 1)
		strbuf_printf(out, ",%zu", n);
}

static void show_hunk(struct strbuf *out, const struct diff *d, size_t from, size_t to)
{
	size_t old = 0, new = 0;

	for (size_t i = from; i < to; i++) {
		old += d->ops[i].kind != '+';
		new += d->ops[i].kind != '-';
	}
	strbuf_puts(out, "@@ ");
	show_range(out, '-', d->ops[from].a, old);
	strbuf_putc(out, ' ');
	show_range(out, '+', d->ops[from].b, new);
	strbuf_puts(out, " @@\n");
	for (size_t i = from; i < to; i++) {
		const struct op *op = &d->ops[i];
		const struct line *line = op->kind == '+' ? &d->b.v[op->b] : &d->a.v[op->a];

		strbuf_putc(out, op->kind);
		strbuf_add(out, line->text, line->len);
		if (line->text[line->len - 1] != '\n')
			strbuf_puts(out, "\n\\ No newline at end of file\n");
	}
}

/* The next changed line from `i` on; n where there is none. */
static size_t next_change(const struct diff *d, size_t i)
{
	while (i < d->n && d->ops[i].kind == ' ')
		i++;
	return i;
}

static void show_hunks(struct strbuf *out, const struct diff *d)
{
	size_t change = next_change(d, 0), done = 0;

	while (change < d->n) {
		size_t from = change > done + CONTEXT ? change - CONTEXT : done, to = change;

		/* Changes whose context would touch share a hunk. */
		while (change < d->n && change <= to + 2 * CONTEXT) {
			for (to = change; to < d->n && d->ops[to].kind != ' '; to++)
				;
			change = next_change(d, to);
		}
		to = to + CONTEXT < d->n ? to + CONTEXT : d->n;
		show_hunk(out, d, from, to);
		done = to;
	}
}

void textdiff_unified(struct strbuf *out, const char *old_name, const struct strbuf *old_text, const char *new_name,
		      const struct strbuf *new_text)
{
	struct diff d = { .arena = ARENA_INIT };

	split(&d.arena, &d.a, old_text);
	split(&d.arena, &d.b, new_text);
	compare(&d);
	if (next_change(&d, 0) < d.n) {
		strbuf_printf(out, "--- %s\n+++ %s\n", old_name, new_name);
		show_hunks(out, &d);
	}
	arena_free(&d.arena);
}

/* How many bytes the character at p has, and which it is; 0 where it is no UTF-8 (a long form of a short one is harmless). */
static size_t character(const unsigned char *p, unsigned *ret)
{
	size_t n = *p < 0x80		     ? 1
		   : *p >= 0xf0 && *p < 0xf8 ? 4
		   : *p >= 0xe0 && *p < 0xf0 ? 3
		   : *p >= 0xc2 && *p < 0xe0 ? 2
					     : 0;

	*ret = n == 1 ? *p : *p & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*ret = *ret << 6 | (p[i] & 0x3fu);
	}
	return n;
}

static bool is_printable(unsigned c)
{
	return c == '\n' || c == '\t' ||
	       (c >= 0x20 && (c < 0x7f || c > 0x9f) && c != 0x200e && c != 0x200f && (c < 0x202a || c > 0x202e) &&
		(c < 0x2066 || c > 0x2069));
}

void textdiff_printable(struct strbuf *out, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	while (*p) {
		unsigned c;
		size_t n = character(p, &c);

		if (n && is_printable(c)) {
			strbuf_add(out, p, n);
		} else if (n && c == '\r') {
			strbuf_puts(out, "\\r");
		} else {
			n = n ? n : 1;
			for (size_t i = 0; i < n; i++)
				strbuf_printf(out, "\\x%02x", p[i]);
		}
		p += n;
	}
}
