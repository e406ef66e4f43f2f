/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/keyval.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

struct span {
	const char *s;
	size_t n;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static struct span trim(struct span t)
{
	while (t.n && is_blank(t.s[0])) {
		t.s++;
		t.n--;
	}
	while (t.n && is_blank(t.s[t.n - 1]))
		t.n--;
	return t;
}

static const char *check_key(struct span key)
{
	if (!key.n)
		return "a key must stand before =";
	for (size_t i = 0; i < key.n; i++)
		if (is_blank(key.s[i]) || key.s[i] == '"' || key.s[i] == '\'')
			return "a key is one word without quotes";
	return NULL;
}

/* Adds what the value says to out; NULL, or why it is refused. */
static const char *unquote(struct span v, struct strbuf *out)
{
	char quote = v.n ? v.s[0] : '\0';
	size_t i;

	if (quote != '"' && quote != '\'') {
		if (memchr(v.s, '"', v.n) || memchr(v.s, '\'', v.n))
			return "a quote stands inside the value";
		strbuf_add(out, v.s, v.n);
		return NULL;
	}
	for (i = 1; i < v.n && v.s[i] != quote; i++) {
		if (quote == '"' && v.s[i] == '\\' && i + 1 < v.n && memchr("\\\"$`", v.s[i + 1], 4))
			i++;
		strbuf_putc(out, v.s[i]);
	}
	if (i >= v.n)
		return "the quote is not closed";
	if (i + 1 != v.n)
		return "text stands behind the closing quote";
	return NULL;
}

static const char *parse_line(struct span line, struct strbuf *key, struct strbuf *value)
{
	const char *equals = memchr(line.s, '=', line.n), *why;
	struct span k, v;

	if (memchr(line.s, '\0', line.n))
		return "the line holds a NUL byte";
	if (!equals)
		return "= is missing";
	k = trim((struct span){ line.s, (size_t)(equals - line.s) });
	v = trim((struct span){ equals + 1, line.n - (size_t)(equals - line.s) - 1 });
	why = check_key(k);
	if (why)
		return why;
	strbuf_add(key, k.s, k.n);
	/* So that an empty value is a terminated string too. */
	strbuf_add(value, "", 0);
	return unquote(v, value);
}

int keyval_parse(const char *file, const char *text, size_t len, keyval_fn *fn, void *data, struct err *err)
{
	size_t at = 0;

	for (unsigned number = 1; at < len; number++) {
		cleanup_strbuf struct strbuf key = STRBUF_INIT, value = STRBUF_INIT;
		const char *end = memchr(text + at, '\n', len - at), *why;
		size_t n = end ? (size_t)(end - text) - at : len - at;
		struct span line = trim((struct span){ text + at, n });
		int r;

		at += n + 1;
		if (!line.n || line.s[0] == '#' || line.s[0] == ';')
			continue;
		why = parse_line(line, &key, &value);
		if (why)
			return err_set(err, ERR_CONF, 0, "%s:%u: %s", file, number, why);
		r = fn(data, key.buf, value.buf, number, err);
		if (r < 0)
			return r;
	}
	return 0;
}
