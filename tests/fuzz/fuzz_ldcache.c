/* SPDX-License-Identifier: Apache-2.0 */
/* The image's ld.so.cache: read, merged with ours, written, and looked up as the loader does. */
#include "apply/ldcache.h"
#include "base/path.h"
#include "fuzz.h"

#define OURS "/usr/local/nvidia"
#define CUDA "/usr/local/cuda"
#define FLAGS 0x303
#define ABI 0xffff

/* What a start enters: `name` comes from the input, the rest are a driver's. */
struct scene {
	struct ldcache_entry first[4], last[2];
	struct strlist prefixes;
	struct ldcache_change change;
};

static void set_scene(struct scene *s, struct arena *a, const char *name, unsigned flags)
{
	*s = (struct scene){
		.first = { { .flags = FLAGS, .soname = "libcuda.so.1", .path = OURS "/lib64/libcuda.so.1" },
			   { .flags = FLAGS, .soname = "libnvidia-ml.so.1", .path = OURS "/lib64/libnvidia-ml.so.1" },
			   { .flags = 0x003, .soname = "libcuda.so.1", .path = OURS "/lib32/libcuda.so.1" },
			   { .flags = FLAGS, .soname = name, .path = arena_printf(a, OURS "/lib64/%s", name) } },
		.last = { { .flags = FLAGS, .soname = "libcudart.so.12", .path = CUDA "/lib64/libcudart.so.12" },
			  { .flags = FLAGS, .soname = name, .path = arena_printf(a, CUDA "/lib64/%s", name) } },
	};
	strlist_add(a, &s->prefixes, OURS);
	if (flags & 8)
		strlist_add(a, &s->prefixes, CUDA);
	s->change = (struct ldcache_change){ .first = s->first,
					     .n_first = 1 + (flags & 3),
					     .last = s->last,
					     .n_last = flags & 8 ? 1 + (flags >> 2 & 1) : 0,
					     .own_prefixes = &s->prefixes };
}

static bool same(const struct ldcache_entry *a, const struct ldcache_entry *b)
{
	return (a->flags & ABI) == (b->flags & ABI) && ldcache_compare_names(a->soname, b->soname) == 0;
}

static bool has(const struct ldcache_entry *v, size_t n, const struct ldcache_entry *e)
{
	for (size_t i = 0; i < n; i++)
		if (same(&v[i], e))
			return true;
	return false;
}

static bool is_own(const struct scene *s, const char *path)
{
	for (size_t i = 0; i < s->prefixes.n; i++)
		if (path_is_below(path, s->prefixes.v[i]))
			return true;
	return false;
}

/* The path that the loader takes: the first of the equal names that fits, found by halving. NULL: none. */
static const char *lookup(const struct ldcache *c, const struct ldcache_entry *want)
{
	size_t low = 0, high = c->n_entries;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int d = ldcache_compare_names(want->soname, c->entries[mid]->soname);

		if (d == 0) {
			while (mid > 0 && ldcache_compare_names(want->soname, c->entries[mid - 1]->soname) == 0)
				mid--;
			for (; mid < c->n_entries && ldcache_compare_names(want->soname, c->entries[mid]->soname) == 0;
			     mid++)
				if ((c->entries[mid]->flags & ABI) == (want->flags & ABI))
					return c->entries[mid]->path;
			return NULL;
		}
		if (d > 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

/* How many entries there must be: the image's that stay, and each of ours once. */
static size_t expected(const struct ldcache *old, const struct scene *s)
{
	const struct ldcache_change *ch = &s->change;
	size_t n = 0;

	for (size_t i = 0; i < old->n_entries; i++)
		n += !is_own(s, old->entries[i]->path) && !has(ch->first, ch->n_first, old->entries[i]);
	for (size_t i = 0; i < ch->n_first; i++)
		n += !has(ch->first, i, &ch->first[i]);
	for (size_t i = 0; i < ch->n_last; i++) {
		bool there = has(ch->first, ch->n_first, &ch->last[i]) || has(ch->last, i, &ch->last[i]);

		for (size_t k = 0; k < old->n_entries && !there; k++)
			there = same(old->entries[k], &ch->last[i]) && !is_own(s, old->entries[k]->path);
		n += !there;
	}
	return n;
}

static void check_written(const struct ldcache *c, const struct ldcache *back)
{
	MUST(back->found == LDCACHE_NEW && back->n_entries == c->n_entries);
	MUST(back->generator && str_eq(back->generator, "nvcoreos"));
	for (size_t i = 0; i < c->n_entries; i++) {
		const struct ldcache_entry *a = c->entries[i], *b = back->entries[i];

		MUST(str_eq(a->soname, b->soname) && str_eq(a->path, b->path) && a->flags == b->flags);
		MUST(a->osversion == b->osversion && !a->hwcap_name == !b->hwcap_name);
		MUST(a->hwcap_name ? str_eq(a->hwcap_name, b->hwcap_name) : a->hwcap == b->hwcap);
		MUST(i == 0 || ldcache_compare_names(back->entries[i - 1]->soname, b->soname) >= 0);
	}
}

static void check_merged(const struct ldcache *back, const struct scene *s)
{
	for (size_t i = 0; i < s->change.n_first; i++) {
		const char *path = lookup(back, &s->first[i]);

		MUST(path && path_is_below(path, OURS));
	}
	for (size_t i = 0; i < back->n_entries; i++) {
		const struct ldcache_entry *e = back->entries[i];
		bool ours = path_is_below(e->path, OURS) || path_is_below(e->path, CUDA);

		MUST(ours || !has(s->first, s->change.n_first, e));
	}
}

FUZZ(ldcache)
{
	cleanup_arena struct arena a = ARENA_INIT;
	struct fuzz_input in = { data, size };
	struct ldcache c, back;
	unsigned flags = fuzz_byte(&in);
	cleanup_free char *name = fuzz_line(&in), *text = NULL, *again = NULL;
	size_t len, again_len, want;
	struct scene s;

	set_scene(&s, &a, name, flags);
	ldcache_parse(&c, in.data, in.size);
	MUST(c.found != LDCACHE_CORRUPT || !c.n_entries);
	want = expected(&c, &s);
	ldcache_merge(&c, &s.change);
	MUST(c.n_entries == want);
	ldcache_write(&c, &text, &len);
	MUST(len <= LDCACHE_MAX);
	ldcache_parse(&back, text, len);
	check_written(&c, &back);
	check_merged(&back, &s);
	/* The next start of the same container changes nothing. */
	ldcache_merge(&back, &s.change);
	ldcache_write(&back, &again, &again_len);
	MUST(flags & 8 ? again_len == len && memcmp(again, text, len) == 0 : again_len > 0);
	ldcache_free(&back);
	ldcache_free(&c);
}
