/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "apply/ldcache.h"
#include "base/path.h"

/* The bits of flags that name type and architecture: what the loader asks to fit. */
#define ABI_MASK 0xffff

/* Numbers wrap as the loader's do, so that both find the same order in absurd names too. */
static uint32_t take_number(const unsigned char **p)
{
	uint32_t v = 0;

	for (; **p >= '0' && **p <= '9'; (*p)++)
		v = v * 10 + (**p - '0');
	return v;
}

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

int ldcache_compare_names(const char *a, const char *b)
{
	const unsigned char *p = (const unsigned char *)a, *q = (const unsigned char *)b;

	for (;;) {
		/* What they have in common. */
		while (*p == *q && *p && !is_digit(*p))
			p++, q++;
		if (is_digit(*p) && is_digit(*q)) {
			int32_t d = (int32_t)(take_number(&p) - take_number(&q));

			if (d)
				return d < 0 ? -1 : 1;
			continue;
		}
		if (!*p && !*q)
			return 0;
		/* A digit comes after whatever is none, except that a name that ends comes before all. */
		if (*p && is_digit(*p) != is_digit(*q))
			return is_digit(*p) ? 1 : -1;
		return (char)*p < (char)*q ? -1 : 1;
	}
}

/* The order in the file: names, then flags, descending; entries in hwcaps directories before the plain one. */
static int compare_entries(const struct ldcache_entry *a, const struct ldcache_entry *b)
{
	int d = ldcache_compare_names(b->soname, a->soname);

	if (d)
		return d;
	if (a->flags != b->flags)
		return a->flags > b->flags ? -1 : 1;
	if (!a->hwcap_name != !b->hwcap_name)
		return a->hwcap_name ? -1 : 1;
	if (a->hwcap_name)
		return strcmp(a->hwcap_name, b->hwcap_name);
	return a->hwcap == b->hwcap ? 0 : a->hwcap > b->hwcap ? -1 : 1;
}

struct list {
	struct ldcache_entry *v;
	size_t n;
};

/* Merges two ordered lists into one; what is equal keeps its order, a's first. */
static struct list join(struct arena *arena, struct list a, struct list b)
{
	struct list out = { NULL, 0 };
	size_t i = 0, j = 0;

	if (!a.n || !b.n)
		return a.n ? a : b;
	out.v = arena_alloc(arena, (a.n + b.n) * sizeof(*out.v));
	while (i < a.n && j < b.n)
		out.v[out.n++] = compare_entries(&a.v[i], &b.v[j]) <= 0 ? a.v[i++] : b.v[j++];
	while (i < a.n)
		out.v[out.n++] = a.v[i++];
	while (j < b.n)
		out.v[out.n++] = b.v[j++];
	return out;
}

/* The end of the run that begins at i: entries in order, or strictly against it, which are turned round. */
static size_t end_of_run(struct ldcache_entry *v, size_t i, size_t n)
{
	size_t j = i + 1;

	if (j < n && compare_entries(&v[i], &v[j]) > 0) {
		while (j < n && compare_entries(&v[j - 1], &v[j]) > 0)
			j++;
		for (size_t a = i, b = j - 1; a < b; a++, b--) {
			struct ldcache_entry e = v[a];

			v[a] = v[b];
			v[b] = e;
		}
		return j;
	}
	while (j < n && compare_entries(&v[j - 1], &v[j]) <= 0)
		j++;
	return j;
}

/* Merges [from, half) and [half, to), both in order. */
static void merge_runs(struct ldcache_entry *v, size_t from, size_t half, size_t to, struct ldcache_entry *scratch)
{
	size_t i = from, j = half;

	for (size_t k = from; k < to; k++)
		scratch[k] = j == to || (i < half && compare_entries(&v[i], &v[j]) <= 0) ? v[i++] : v[j++];
	memcpy(v + from, scratch + from, (to - from) * sizeof(*v));
}

/*
 * A stable sort of our own: the order of names is none that qsort may rely on where numbers wrap. A tree lists its
 * libraries by name, so that there are few runs to merge, and mostly one to turn round.
 */
static void sort(struct arena *arena, struct ldcache_entry *v, size_t n)
{
	struct ldcache_entry *scratch = NULL;
	size_t *ends = NULL, runs = 0;

	for (size_t i = 0; i < n; i = ends[runs - 1]) {
		ends = arena_grow(arena, ends, runs, sizeof(*ends));
		ends[runs] = end_of_run(v, i, n);
		runs++;
	}
	if (runs > 1)
		scratch = arena_alloc(arena, n * sizeof(*scratch));
	/* Neighbours in pairs, until one is left. */
	while (runs > 1) {
		size_t kept = 0;

		for (size_t r = 0; r < runs; r += 2) {
			size_t to = ends[r + 1 < runs ? r + 1 : r];

			if (r + 1 < runs)
				merge_runs(v, kept ? ends[kept - 1] : 0, ends[r], to, scratch);
			ends[kept++] = to;
		}
		runs = kept;
	}
}

static bool same_library(const struct ldcache_entry *a, const struct ldcache_entry *b)
{
	return (a->flags & ABI_MASK) == (b->flags & ABI_MASK) && ldcache_compare_names(a->soname, b->soname) == 0;
}

static bool same_hwcap(const struct ldcache_entry *a, const struct ldcache_entry *b)
{
	if (!a->hwcap_name || !b->hwcap_name)
		return a->hwcap_name == b->hwcap_name && a->hwcap == b->hwcap;
	return str_eq(a->hwcap_name, b->hwcap_name);
}

/* What the caller gave, in order; of several for one library and hwcap the first one given stays. */
static struct list sorted(struct arena *arena, const struct ldcache_entry *v, size_t n)
{
	struct list out = { arena_alloc(arena, n * sizeof(*out.v)), n };
	size_t kept = 0;

	if (n)
		memcpy(out.v, v, n * sizeof(*v));
	sort(arena, out.v, n);
	for (size_t i = 0; i < out.n; i++)
		if (!kept || !same_library(&out.v[kept - 1], &out.v[i]) || !same_hwcap(&out.v[kept - 1], &out.v[i]))
			out.v[kept++] = out.v[i];
	out.n = kept;
	return out;
}

/* Drops from `from` what `by` has too: one walk through both, as both are ordered. */
static void drop_same(struct list *from, const struct list *by)
{
	size_t kept = 0, j = 0;

	for (size_t i = 0; i < from->n; i++) {
		bool drop = false;

		while (j < by->n && ldcache_compare_names(by->v[j].soname, from->v[i].soname) > 0)
			j++;
		for (size_t k = j; k < by->n && !drop; k++) {
			if (ldcache_compare_names(by->v[k].soname, from->v[i].soname) != 0)
				break;
			drop = same_library(&by->v[k], &from->v[i]);
		}
		if (!drop)
			from->v[kept++] = from->v[i];
	}
	from->n = kept;
}

static void drop_own(struct list *l, const struct strlist *prefixes)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n; i++) {
		bool own = false;

		for (size_t k = 0; prefixes && k < prefixes->n && !own; k++)
			own = path_is_below(l->v[i].path, prefixes->v[k]);
		if (!own)
			l->v[kept++] = l->v[i];
	}
	l->n = kept;
}

void ldcache_merge(struct ldcache *c, const struct ldcache_change *change)
{
	struct list all = { c->entries, c->n_entries };
	struct list first = sorted(&c->arena, change->first, change->n_first);
	struct list last = sorted(&c->arena, change->last, change->n_last);

	drop_own(&all, change->own_prefixes);
	drop_same(&all, &first);
	all = join(&c->arena, all, first);
	drop_same(&last, &all);
	all = join(&c->arena, all, last);
	c->entries = all.v;
	c->n_entries = all.n;
	c->generator = "nvcoreos";
}
