/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

bool str_ends(const char *s, const char *suffix)
{
	size_t a = strlen(s), b = strlen(suffix);

	return a >= b && memcmp(s + a - b, suffix, b) == 0;
}

const char *str_after(const char *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

static int parse(const char *s, unsigned base, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		unsigned d = (unsigned)digit(*s);

		if (d >= base)
			return -EINVAL;
		if (v > (max - d) / base || d > max)
			return -ERANGE;
		v = v * base + d;
	}
	*ret = v;
	return 0;
}

int str_to_u64(const char *s, uint64_t max, uint64_t *ret)
{
	if (s[0] == '0' && s[1])
		return -EINVAL;
	return parse(s, 10, max, ret);
}

int str_to_hex(const char *s, uint64_t max, uint64_t *ret)
{
	return parse(s, 16, max, ret);
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool str_is_name(const char *s)
{
	size_t n = 0;

	if (str_eq(s, ".") || str_eq(s, ".."))
		return false;
	for (; s[n]; n++)
		if (n >= 64 || (!is_alnum(s[n]) && !strchr("._+-", s[n])))
			return false;
	return n > 0;
}

bool str_is_version(const char *s)
{
	unsigned numbers = 1;
	bool was_digit = false;

	if (strlen(s) > 32)
		return false;
	for (; *s; s++) {
		if (*s >= '0' && *s <= '9') {
			was_digit = true;
			continue;
		}
		if (*s != '.' || !was_digit || ++numbers > 4)
			return false;
		was_digit = false;
	}
	return was_digit;
}

/* Compares two runs of digits as numbers of any length; moves both behind their run. */
static int number_cmp(const char **a, const char **b)
{
	size_t la, lb;
	int c;

	while (**a == '0')
		(*a)++;
	while (**b == '0')
		(*b)++;
	la = strspn(*a, "0123456789");
	lb = strspn(*b, "0123456789");
	c = la != lb ? (la < lb ? -1 : 1) : memcmp(*a, *b, la);
	*a += la;
	*b += lb;
	return c;
}

int str_version_cmp(const char *a, const char *b)
{
	while (*a || *b) {
		int c = number_cmp(&a, &b);

		if (c)
			return c < 0 ? -1 : 1;
		/* Where both stand on something that is no number and no dot, bytes decide. */
		if (*a == '.')
			a++;
		if (*b == '.')
			b++;
		if ((*a && !strchr("0123456789.", *a)) || (*b && !strchr("0123456789.", *b)))
			return strcmp(a, b);
	}
	return 0;
}

static bool is_plain(char c)
{
	return c >= 0x20 && c < 0x7f;
}

void str_escape(const char *src, char *dst, size_t size)
{
	static const char hex[] = "0123456789abcdef";
	size_t o = 0, need = 0, room;

	for (const char *p = src; *p; p++)
		need += is_plain(*p) ? 1 : 4;
	if (!size)
		return;
	room = need < size ? size - 1 : size > 4 ? size - 4 : 0;
	for (; *src && o + (is_plain(*src) ? 1 : 4) <= room; src++) {
		unsigned char c = (unsigned char)*src;

		if (is_plain(*src)) {
			dst[o++] = *src;
			continue;
		}
		dst[o++] = '\\';
		dst[o++] = 'x';
		dst[o++] = hex[c >> 4];
		dst[o++] = hex[c & 15];
	}
	for (int i = 0; *src && i < 3 && o + 1 < size; i++)
		dst[o++] = '.';
	dst[o] = '\0';
}

unsigned str_distance(const char *a, const char *b)
{
	unsigned row[65];
	size_t lb = strnlen(b, 64);

	for (size_t j = 0; j <= lb; j++)
		row[j] = (unsigned)j;
	for (unsigned i = 1; a[i - 1] && i <= 64; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned replaced = diagonal + (a[i - 1] != b[j - 1]), least = row[j - 1] + 1;

			diagonal = row[j];
			if (diagonal + 1 < least)
				least = diagonal + 1;
			row[j] = replaced < least ? replaced : least;
		}
	}
	return row[lb];
}

void strbuf_reserve(struct strbuf *b, size_t more)
{
	size_t need = b->len + more + 1;

	if (need <= b->cap)
		return;
	if (need < 2 * b->cap)
		need = 2 * b->cap;
	if (need < 64)
		need = 64;
	b->buf = mem_realloc_array(b->buf, need, 1);
	b->cap = need;
}

void strbuf_add(struct strbuf *b, const void *data, size_t len)
{
	strbuf_reserve(b, len);
	if (len)
		memcpy(b->buf + b->len, data, len);
	b->len += len;
	b->buf[b->len] = '\0';
}

void strbuf_puts(struct strbuf *b, const char *s)
{
	strbuf_add(b, s, strlen(s));
}

void strbuf_putc(struct strbuf *b, char c)
{
	strbuf_add(b, &c, 1);
}

void strbuf_printf(struct strbuf *b, const char *fmt, ...)
{
	cleanup_free char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0) {
		s = NULL;
		return;
	}
	strbuf_add(b, s, (size_t)n);
}

char *strbuf_steal(struct strbuf *b)
{
	char *s = b->buf ? b->buf : mem_strdup("");

	b->buf = NULL;
	b->len = b->cap = 0;
	return s;
}

void strbuf_free(struct strbuf *b)
{
	free(b->buf);
	b->buf = NULL;
	b->len = b->cap = 0;
}

void strlist_add(struct arena *a, struct strlist *l, const char *s)
{
	l->v = arena_grow(a, l->v, l->n, sizeof(*l->v));
	l->v[l->n++] = arena_strdup(a, s);
}

bool strlist_has(const struct strlist *l, const char *s)
{
	for (size_t i = 0; i < l->n; i++)
		if (str_eq(l->v[i], s))
			return true;
	return false;
}

void strlist_split(struct arena *a, struct strlist *l, const char *s, const char *separators, bool keep_empty)
{
	for (;;) {
		size_t n = strcspn(s, separators);

		if (n || keep_empty) {
			l->v = arena_grow(a, l->v, l->n, sizeof(*l->v));
			l->v[l->n++] = arena_strndup(a, s, n);
		}
		if (!s[n])
			return;
		s += n + 1;
	}
}
