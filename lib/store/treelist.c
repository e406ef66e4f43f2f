/* SPDX-License-Identifier: Apache-2.0 */
#include "store/treelist.h"

#include <string.h>

#define LIST "\"libraries\":["
/* What stands behind it in a driver's; in a string every quote has a backslash before it. */
#define BEHIND "],\"programs\":["

/* A copy of the text, in which strings are ended where they stand. */
struct scan {
	char *p, *end;
};

static bool take(struct scan *s, const char *literal)
{
	size_t n = strlen(literal);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, literal, n) != 0)
		return false;
	s->p += n;
	return true;
}

/* What stands before the next quote, which is passed; NULL where there is none. Whoever uses it refuses a backslash in it. */
static char *take_string(struct scan *s)
{
	char *start = s->p, *quote = memchr(s->p, '"', (size_t)(s->end - s->p));

	if (!quote)
		return NULL;
	*quote = '\0';
	s->p = quote + 1;
	return start;
}

/* A number as it is written, of four digits at most: no sign, no leading zero. */
static bool take_number(struct scan *s, unsigned *ret)
{
	char *start = s->p;

	*ret = 0;
	for (; s->p < s->end && s->p - start < 5 && *s->p >= '0' && *s->p <= '9'; s->p++)
		*ret = *ret * 10 + (unsigned)(*s->p - '0');
	return s->p > start && s->p - start < 5 && *start != '0';
}

static bool is_name(const char *s)
{
	return tree_is_file_name(s) && !strchr(s, '\\');
}

/* Mostly it is that of the one before, which then need not be looked at. */
static bool take_dir(struct scan *s, const struct tree_library *before, struct tree_library *l)
{
	l->dir = take_string(s);
	if (!l->dir)
		return false;
	if (before && str_eq(before->dir, l->dir)) {
		l->dir = before->dir;
		return true;
	}
	return tree_is_relative(l->dir) && !strchr(l->dir, '\\');
}

static bool take_library(struct scan *s, const struct tree_library *before, struct tree_library *l)
{
	const char *capability = NULL;

	*l = (struct tree_library){ 0 };
	if (!take(s, "{\"soname\":\""))
		return false;
	l->soname = take_string(s);
	if (!l->soname || !is_name(l->soname) || !take(s, ",\"dir\":\"") || !take_dir(s, before, l))
		return false;
	if (!take(s, ",\"class\":") || !take_number(s, &l->class) || (l->class != 32 && l->class != 64) ||
	    !take(s, ",\"machine\":") || !take_number(s, &l->machine))
		return false;
	if (take(s, ",\"capability\":\"")) {
		capability = take_string(s);
		if (!capability || !tree_capability_parse(capability, &l->capability))
			return false;
	}
	l->compat = take(s, ",\"compat\":true");
	return take(s, "}");
}

/* The list must be the file's own, not one in something deeper. */
static const char *find_list(const char *text, size_t len)
{
	const char *list = memmem(text, len, LIST, strlen(LIST));

	if (!list || text[0] != '{' || memchr(text + 1, '{', (size_t)(list - text - 1)))
		return NULL;
	return list + strlen(LIST);
}

bool treelist_skip(const char *text, size_t len, size_t *ret_from, size_t *ret_to)
{
	const char *from = find_list(text, len), *to;

	to = from ? memmem(from, len - (size_t)(from - text), BEHIND, strlen(BEHIND)) : NULL;
	if (!to)
		return false;
	*ret_from = (size_t)(from - text);
	*ret_to = (size_t)(to - text);
	return true;
}

bool treelist_read(struct tree *t, const char *text, size_t len, size_t *ret_from, size_t *ret_to)
{
	const char *list = find_list(text, len);
	char *copy = memcpy(arena_alloc(&t->arena, len + 1), text, len), *from = list ? copy + (list - text) : NULL;
	struct scan s = { from, copy + len };
	struct tree_library *v = NULL, l;
	size_t n = 0;

	if (!from)
		return false;
	while (s.p < s.end && *s.p != ']') {
		if ((n && !take(&s, ",")) || !take_library(&s, n ? &v[n - 1] : NULL, &l))
			return false;
		v = arena_grow(&t->arena, v, n, sizeof(*v));
		v[n++] = l;
	}
	if (s.p == s.end)
		return false;
	t->libraries = v;
	t->n_libraries = n;
	*ret_from = (size_t)(from - copy);
	*ret_to = (size_t)(s.p - copy);
	return true;
}
