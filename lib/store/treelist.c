/* SPDX-License-Identifier: Apache-2.0 */
#include "store/treelist.h"

#include <string.h>

/* Behind a comma: another name can end in the same bytes, but for a backslash. */
#define LIST ",\"libraries\":["
/* No library takes less, with its comma. */
#define SHORTEST "{\"soname\":\"a\",\"dir\":\"b\",\"class\":32,\"machine\":3}"
/* A driver's are followed by these; in a string every quote has a backslash before it. */
#define PROGRAMS ",\"programs\":["
#define LINKS ",\"links\":["
#define END "]}"
/* What stands for them behind the first bracket, so that the JSON library finds a second one of the name. */
#define EMPTY_LISTS "]" PROGRAMS "]" LINKS END

/* The text, in which strings are ended where they stand. */
struct scan {
	char *p, *end;
};

/* Always inlined: a comparison with a literal of known length is then a few instructions, and no call. */
static inline __attribute__((always_inline)) bool take(struct scan *s, const char *literal)
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

/* Of a path below a tree or a root. */
static bool is_inside(const char *s)
{
	return tree_is_relative(s) && !strchr(s, '\\');
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
	return is_inside(l->dir);
}

/* Absent is every set (0). */
static bool take_capability(struct scan *s, unsigned *ret)
{
	const char *text;

	*ret = 0;
	if (!take(s, ",\"capability\":\""))
		return true;
	text = take_string(s);
	return text && tree_capability_parse(text, ret);
}

static bool take_library(struct scan *s, struct tree *t)
{
	const struct tree_library *before = t->n_libraries ? &t->libraries[t->n_libraries - 1] : NULL;
	struct tree_library l = { 0 };

	if (!take(s, "{\"soname\":\""))
		return false;
	l.soname = take_string(s);
	if (!l.soname || !is_name(l.soname) || !take(s, ",\"dir\":\"") || !take_dir(s, before, &l))
		return false;
	if (!take(s, ",\"class\":") || !take_number(s, &l.class) || (l.class != 32 && l.class != 64) ||
	    !take(s, ",\"machine\":") || !take_number(s, &l.machine) || !take_capability(s, &l.capability))
		return false;
	l.compat = take(s, ",\"compat\":true");
	t->libraries[t->n_libraries++] = l;
	return take(s, "}");
}

static bool take_program(struct scan *s, struct tree *t)
{
	struct tree_program program = { 0 };

	if (!take(s, "{\"name\":\""))
		return false;
	program.name = take_string(s);
	if (!program.name || !is_name(program.name) || !take_capability(s, &program.capability))
		return false;
	t->programs = arena_grow(&t->arena, t->programs, t->n_programs, sizeof(program));
	t->programs[t->n_programs++] = program;
	return take(s, "}");
}

static bool take_link(struct scan *s, struct tree *t)
{
	struct tree_link link = { 0 };

	if (!take(s, "{\"path\":\"/"))
		return false;
	link.path = take_string(s);
	if (!link.path || !is_inside(link.path) || !take(s, ",\"target\":\""))
		return false;
	link.path--;
	link.target = take_string(s);
	if (!link.target || !is_inside(link.target) || !take_capability(s, &link.capability))
		return false;
	t->links = arena_grow(&t->arena, t->links, t->n_links, sizeof(link));
	t->links[t->n_links++] = link;
	return take(s, "}");
}

typedef bool take_fn(struct scan *s, struct tree *t);

/* The rest of a list, behind its bracket. */
static bool take_list(struct scan *s, struct tree *t, take_fn *one)
{
	for (size_t n = 0; s->p < s->end && *s->p != ']'; n++)
		if ((n && !take(s, ",")) || !one(s, t))
			return false;
	return take(s, "]");
}

static bool take_lists(struct scan *s, struct tree *t, bool *ret_driver)
{
	if (!take_list(s, t, take_library))
		return false;
	*ret_driver = take(s, PROGRAMS);
	if (*ret_driver && !(take_list(s, t, take_program) && take(s, LINKS) && take_list(s, t, take_link)))
		return false;
	return take(s, "}") && s->p == s->end;
}

/* The list must be the file's own, not one in something deeper. A NUL would end a string of ours, and is none that JSON has. */
static const char *find_list(const char *text, size_t len)
{
	const char *list = memmem(text, len, LIST, strlen(LIST));

	if (!list || text[0] != '{' || memchr(text + 1, '{', (size_t)(list - text - 1)) || memchr(text, '\0', len))
		return NULL;
	return list + strlen(LIST);
}

/* Behind the first bracket that closes, where that is what stands there; else NULL. */
static const char *pass(const char *from, const char *end, const char *what)
{
	const char *at = from ? memchr(from, ']', (size_t)(end - from)) : NULL;
	size_t n = strlen(what);

	return at && (size_t)(end - at) >= n && memcmp(at, what, n) == 0 ? at + n : NULL;
}

bool treelist_skip(const char *text, size_t len, size_t *ret_from, const char **ret_rest)
{
	const char *from = find_list(text, len), *end = text + len;

	/* Whatever else stands there would be passed over too: another key, or a name with a bracket in it. */
	if (pass(pass(pass(from, end, "]" PROGRAMS), end, "]" LINKS), end, END) != end)
		return false;
	*ret_from = (size_t)(from - text);
	*ret_rest = EMPTY_LISTS;
	return true;
}

/* Each quote at which a string was ended. */
static void restore(char *from, const char *to)
{
	for (; from < to; from++)
		if (!*from)
			*from = '"';
}

bool treelist_read(struct tree *t, char *text, size_t len, size_t *ret_from, const char **ret_rest)
{
	const char *list = find_list(text, len);
	bool driver = false;
	struct scan s;

	if (!list)
		return false;
	*ret_from = (size_t)(list - text);
	s = (struct scan){ text + *ret_from, text + len };
	/* As many as there can be: those that are not are not touched. */
	t->libraries = arena_alloc(&t->arena, ((size_t)(s.end - s.p) / sizeof(SHORTEST) + 1) * sizeof(*t->libraries));
	if (!take_lists(&s, t, &driver)) {
		t->libraries = NULL;
		t->n_libraries = t->n_programs = t->n_links = 0;
		restore(text + *ret_from, s.p);
		return false;
	}
	*ret_rest = driver ? EMPTY_LISTS : END;
	return true;
}
