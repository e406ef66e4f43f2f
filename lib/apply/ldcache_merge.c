/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "apply/ldcache.h"
#include "base/path.h"

/* The bits of flags that name type and architecture: what the loader asks to fit. */
#define ABI_MASK 0xffff
/* Entries are moved by their pointers. */
#define POINTER sizeof(const struct ldcache_entry *)

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

/* The first byte in which they differ; within a number, the number's first. */
static size_t common(const unsigned char *a, const unsigned char *b)
{
	size_t n = 0;

	while (a[n] == b[n] && a[n])
		n++;
	while (n && is_digit(a[n - 1]))
		n--;
	return n;
}

int ldcache_compare_names(const char *a, const char *b)
{
	const unsigned char *p = (const unsigned char *)a, *q = (const unsigned char *)b;

	for (;;) {
		size_t n = common(p, q);

		p += n, q += n;
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

/* In order; what the entries are themselves stays where it is. */
struct list {
	const struct ldcache_entry **v;
	size_t n;
};

typedef int compare_fn(const struct ldcache_entry *a, const struct ldcache_entry *b);

static int compare_sonames(const struct ldcache_entry *a, const struct ldcache_entry *b)
{
	return ldcache_compare_names(b->soname, a->soname);
}

/*
 * The first entry from i on that does not come before e. Names of an image and of a driver change places seldom, so steps double,
 * and the last one is halved.
 */
static size_t pass_those_before(const struct list *l, size_t i, const struct ldcache_entry *e, compare_fn *compare)
{
	size_t step = 1, end;

	while (i + step <= l->n && compare(l->v[i + step - 1], e) < 0) {
		i += step;
		step *= 2;
	}
	end = i + step <= l->n ? i + step - 1 : l->n;
	while (i < end) {
		size_t half = i + (end - i) / 2;

		if (compare(l->v[half], e) < 0)
			i = half + 1;
		else
			end = half;
	}
	return i;
}

static void add(struct list *out, const struct list *from, size_t i, size_t n)
{
	if (n)
		memcpy(out->v + out->n, from->v + i, n * POINTER);
	out->n += n;
}

/* Merges two lists, in the order of names both, that have no entry in common. */
static struct list join(struct arena *arena, const struct list *a, const struct list *b)
{
	const struct list *few = a->n < b->n ? a : b, *many = few == a ? b : a;
	struct list out = { NULL, 0 };
	size_t j = 0;

	if (!few->n)
		return *many;
	out.v = arena_alloc(arena, (few->n + many->n) * POINTER);
	for (size_t i = 0; i < few->n; i++) {
		size_t to = pass_those_before(many, j, few->v[i], compare_entries);

		add(&out, many, j, to - j);
		add(&out, few, i, 1);
		j = to;
	}
	add(&out, many, j, many->n - j);
	return out;
}

/* The end of the run that begins at i: entries in order, or strictly against it, which are turned round. */
static size_t end_of_run(const struct ldcache_entry **v, size_t i, size_t n)
{
	size_t j = i + 1;

	if (j < n && compare_entries(v[i], v[j]) > 0) {
		while (j < n && compare_entries(v[j - 1], v[j]) > 0)
			j++;
		for (size_t a = i, b = j - 1; a < b; a++, b--) {
			const struct ldcache_entry *e = v[a];

			v[a] = v[b];
			v[b] = e;
		}
		return j;
	}
	while (j < n && compare_entries(v[j - 1], v[j]) <= 0)
		j++;
	return j;
}

/* Merges [from, half) and [half, to), both in order. */
static void merge_runs(const struct ldcache_entry **v, size_t from, size_t half, size_t to,
		       const struct ldcache_entry **scratch)
{
	size_t i = from, j = half;

	for (size_t k = from; k < to; k++)
		scratch[k] = j == to || (i < half && compare_entries(v[i], v[j]) <= 0) ? v[i++] : v[j++];
	memcpy(v + from, scratch + from, (to - from) * POINTER);
}

/*
 * A stable sort of our own: the order of names is none that qsort may rely on where numbers wrap. A tree lists its
 * libraries by name, so that there are few runs to merge, and mostly one to turn round.
 */
static void sort(struct arena *arena, const struct ldcache_entry **v, size_t n)
{
	const struct ldcache_entry **scratch = NULL;
	size_t *ends = NULL, runs = 0;

	for (size_t i = 0; i < n; i = ends[runs - 1]) {
		ends = arena_grow(arena, ends, runs, sizeof(*ends));
		ends[runs] = end_of_run(v, i, n);
		runs++;
	}
	if (runs > 1)
		scratch = arena_alloc(arena, n * POINTER);
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
	struct list out = { arena_alloc(arena, n * POINTER), 0 };

	for (size_t i = 0; i < n; i++)
		out.v[i] = &v[i];
	sort(arena, out.v, n);
	for (size_t i = 0; i < n; i++)
		if (!out.n || !same_library(out.v[out.n - 1], out.v[i]) || !same_hwcap(out.v[out.n - 1], out.v[i]))
			out.v[out.n++] = out.v[i];
	return out;
}

/* Drops from `from` what `by` has too: one walk through both, as both are ordered. */
static void drop_same(struct list *from, const struct list *by)
{
	size_t kept = 0, j = 0;

	for (size_t i = 0; i < from->n; i++) {
		const struct ldcache_entry *e = from->v[i];
		bool drop = false;

		j = pass_those_before(by, j, e, compare_sonames);
		for (size_t k = j; k < by->n && !drop && compare_sonames(by->v[k], e) == 0; k++)
			drop = same_library(by->v[k], e);
		if (!drop)
			from->v[kept++] = e;
	}
	from->n = kept;
}

static void drop_own(struct list *l, const struct strlist *prefixes)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n; i++) {
		bool own = false;

		for (size_t k = 0; prefixes && k < prefixes->n && !own; k++)
			own = path_is_below(l->v[i]->path, prefixes->v[k]);
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
	all = join(&c->arena, &all, &first);
	drop_same(&last, &all);
	all = join(&c->arena, &all, &last);
	c->entries = all.v;
	c->n_entries = all.n;
	c->generator = "nvcoreos";
}
