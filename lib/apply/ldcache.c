/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/ldcache.h"

#include <endian.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/*
 * Real caches hold some thousand entries. The limits keep what a hostile image makes us hold and write below
 * LDCACHE_MAX, as overlapping strings could otherwise grow without end.
 */
#define ENTRIES_MAX (1u << 18)
#define STRINGS_MAX (32u << 20)
#define HWCAPS_MAX 256u
#define HWCAP_NAME_MAX 64 /* "x86-64-v3"; each entry's name is compared with each of these */
#define SECTIONS_MAX 64u
#define GENERATOR_MAX 1024u

#define OLD_MAGIC "ld.so-1.7.0"
#define NEW_MAGIC "glibc-ld.so.cache1.1"
#define EXTENSION_MAGIC 0xeaa42174u
#define ENDIAN_MASK 3
#define ENDIAN_LITTLE 2
#define ENDIAN_BIG 3
#define ENDIAN_HERE (__BYTE_ORDER == __LITTLE_ENDIAN ? ENDIAN_LITTLE : ENDIAN_BIG)

enum { TAG_GENERATOR = 0, TAG_HWCAPS = 1 };

/* hwcap of an entry in a glibc-hwcaps directory: this bit, the ISA level beside it, and the directory's index. */
#define HWCAP_EXTENSION (UINT64_C(1) << 62)
#define HWCAP_ISA_LEVEL (UINT64_C(0x3ff) << 32)
#define HWCAP_INDEX UINT64_C(0xffffffff)

struct old_header {
	char magic[12]; /* the twelfth byte is padding */
	uint32_t n;
};

struct old_entry {
	int32_t flags;
	uint32_t key, value;
};

struct new_header {
	char magic[20];
	uint32_t n;
	uint32_t strings_len;
	uint8_t flags;
	uint8_t pad[3];
	uint32_t extension;
	uint32_t unused[3];
};

struct new_entry {
	int32_t flags;
	uint32_t key, value;
	uint32_t osversion;
	uint64_t hwcap;
};

struct extension_header {
	uint32_t magic, n;
};

struct extension_section {
	uint32_t tag, flags, offset, size;
};

_Static_assert(sizeof(struct old_header) == 16 && sizeof(struct old_entry) == 12, "the file's layout");
_Static_assert(sizeof(struct new_header) == 48 && sizeof(struct new_entry) == 24, "the file's layout");
_Static_assert(sizeof(struct extension_header) == 8 && sizeof(struct extension_section) == 16, "the file's layout");

/* The file, and where strings may lie and offsets count from. */
struct reader {
	struct ldcache *c;
	struct ldcache_entry *room; /* for as many as the header says */
	const char *data;
	size_t len;
	size_t base;	     /* offsets count from here */
	size_t strings, end; /* the strings: [strings, end) */
	size_t total;	     /* bytes of all strings so far */
	const char **hwcaps;
	uint32_t n_hwcaps;
};

int32_t ldcache_flags(unsigned class, unsigned machine)
{
	static const struct {
		unsigned class, machine;
		int32_t flags;
	} known[] = {
		{ 64, 62, 0x303 },  /* x86-64 */
		{ 32, 62, 0x803 },  /* x32 */
		{ 32, 3, 0x003 },   /* i386 */
		{ 64, 183, 0xa03 }, /* aarch64 */
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].class == class && known[i].machine == machine)
			return known[i].flags;
	return 0;
}

/* The string at an offset of the file, or NULL where it does not lie, with its end, among the strings. */
static const char *string_at(struct reader *r, size_t offset)
{
	size_t pos = r->base + offset, room, len;

	if (pos < r->strings || pos >= r->end)
		return NULL;
	room = r->end - pos;
	len = strnlen(r->data + pos, room < PATH_MAX ? room : PATH_MAX);
	if (len == room || len == PATH_MAX)
		return NULL;
	r->total += len + 1;
	return r->total <= STRINGS_MAX ? r->data + pos : NULL;
}

static bool read_hwcaps(struct reader *r, const struct extension_section *s)
{
	uint32_t offset;

	if (s->size % sizeof(offset) || s->size / sizeof(offset) > HWCAPS_MAX || r->hwcaps)
		return false;
	r->n_hwcaps = (uint32_t)(s->size / sizeof(offset));
	r->hwcaps = arena_alloc(&r->c->arena, (r->n_hwcaps + 1) * sizeof(*r->hwcaps));
	for (uint32_t i = 0; i < r->n_hwcaps; i++) {
		memcpy(&offset, r->data + s->offset + i * sizeof(offset), sizeof(offset));
		r->hwcaps[i] = string_at(r, offset);
		if (!r->hwcaps[i] || !r->hwcaps[i][0] || strlen(r->hwcaps[i]) > HWCAP_NAME_MAX)
			return false;
	}
	return true;
}

/* Unlike the strings, the extension and its sections count from the start of the file, an old header included. */
static bool read_extension(struct reader *r, uint32_t offset)
{
	struct extension_header h;
	struct extension_section s;

	if (!offset)
		return true;
	if (offset % 4 || offset > r->len || r->len - offset < sizeof(h))
		return false;
	memcpy(&h, r->data + offset, sizeof(h));
	if (h.magic != EXTENSION_MAGIC || h.n > SECTIONS_MAX || (r->len - offset - sizeof(h)) / sizeof(s) < h.n)
		return false;
	for (uint32_t i = 0; i < h.n; i++) {
		memcpy(&s, r->data + offset + sizeof(h) + i * sizeof(s), sizeof(s));
		if (s.offset > r->len || s.size > r->len - s.offset)
			return false;
		if (s.tag == TAG_HWCAPS && !read_hwcaps(r, &s))
			return false;
		if (s.tag != TAG_GENERATOR)
			continue;
		if (s.size > GENERATOR_MAX)
			return false;
		r->c->generator = arena_strndup(&r->c->arena, r->data + s.offset, s.size);
	}
	return true;
}

static bool add_entry(struct reader *r, const struct new_entry *n)
{
	struct ldcache *c = r->c;
	struct ldcache_entry *e = &r->room[c->n_entries];

	e->flags = n->flags;
	e->osversion = n->osversion;
	e->hwcap = n->hwcap;
	e->soname = string_at(r, n->key);
	e->path = string_at(r, n->value);
	if (!e->soname || !e->path)
		return false;
	if ((n->hwcap & ~(HWCAP_ISA_LEVEL | HWCAP_INDEX)) == HWCAP_EXTENSION) {
		uint64_t i = n->hwcap & HWCAP_INDEX;

		if (i >= r->n_hwcaps)
			return false;
		e->hwcap_name = r->hwcaps[i];
	}
	/* A search in entries out of order misses some, so their order is a promise that the file must keep. */
	if (c->n_entries && ldcache_compare_names(e[-1].soname, e->soname) < 0)
		return false;
	c->entries[c->n_entries++] = e;
	return true;
}

static void make_room(struct reader *r, uint32_t n)
{
	r->room = arena_alloc(&r->c->arena, n * sizeof(*r->room));
	r->c->entries = arena_alloc(&r->c->arena, n * sizeof(const struct ldcache_entry *));
}

static bool read_new(struct reader *r)
{
	struct new_header h;
	struct new_entry e;
	size_t entries = r->base + sizeof(h);

	memcpy(&h, r->data + r->base, sizeof(h));
	if ((h.flags & ENDIAN_MASK) != 0 && (h.flags & ENDIAN_MASK) != ENDIAN_HERE)
		return false;
	if (h.n > ENTRIES_MAX || h.n > (r->len - entries) / sizeof(e))
		return false;
	r->strings = entries + h.n * sizeof(e);
	if (h.strings_len > r->len - r->strings)
		return false;
	r->end = r->strings + h.strings_len;
	if (!read_extension(r, h.extension))
		return false;
	make_room(r, h.n);
	for (uint32_t i = 0; i < h.n; i++) {
		memcpy(&e, r->data + entries + i * sizeof(e), sizeof(e));
		if (!add_entry(r, &e))
			return false;
	}
	return true;
}

static bool read_old(struct reader *r, uint32_t n)
{
	struct old_entry o;

	if (n > ENTRIES_MAX)
		return false;
	r->base = r->strings = sizeof(struct old_header) + n * sizeof(o);
	r->end = r->len;
	make_room(r, n);
	for (uint32_t i = 0; i < n; i++) {
		struct new_entry e = { 0 };

		memcpy(&o, r->data + sizeof(struct old_header) + i * sizeof(o), sizeof(o));
		e.flags = o.flags;
		e.key = o.key;
		e.value = o.value;
		if (!add_entry(r, &e))
			return false;
	}
	return true;
}

static bool is_new(const struct reader *r, size_t base)
{
	return base <= r->len && r->len - base >= sizeof(struct new_header) &&
	       memcmp(r->data + base, NEW_MAGIC, sizeof(NEW_MAGIC) - 1) == 0;
}

static bool read_any(struct reader *r)
{
	struct old_header h;
	size_t after;

	if (is_new(r, 0))
		return read_new(r);
	if (r->len < sizeof(h))
		return false;
	memcpy(&h, r->data, sizeof(h));
	if (memcmp(h.magic, OLD_MAGIC, sizeof(OLD_MAGIC) - 1) != 0 ||
	    h.n > (r->len - sizeof(h)) / sizeof(struct old_entry))
		return false;
	after = (sizeof(h) + h.n * sizeof(struct old_entry) + 7) & ~(size_t)7;
	if (is_new(r, after)) {
		r->base = after;
		return read_new(r);
	}
	r->c->found = LDCACHE_OLD;
	return read_old(r, h.n);
}

void ldcache_parse(struct ldcache *ret, const void *data, size_t len)
{
	struct reader r = { .c = ret, .data = data, .len = len };

	*ret = (struct ldcache){ .arena = ARENA_INIT, .found = LDCACHE_NONE };
	if (!len)
		return;
	ret->found = LDCACHE_NEW;
	if (len <= LDCACHE_MAX && read_any(&r))
		return;
	arena_free(&ret->arena);
	*ret = (struct ldcache){ .arena = ARENA_INIT, .found = LDCACHE_CORRUPT };
}

void ldcache_free(struct ldcache *c)
{
	arena_free(&c->arena);
	*c = (struct ldcache){ .arena = ARENA_INIT, .found = LDCACHE_NONE };
}

/* The distinct directory names, in the order of their names as ldconfig numbers them. */
struct hwcaps {
	struct arena *arena;
	const char **v;
	uint32_t *offset;
	uint32_t n;
};

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Entries of a parsed cache share their name, so mostly pointers are compared. */
static uint32_t hwcaps_find(const struct hwcaps *h, const char *name)
{
	for (uint32_t i = 0; i < h->n; i++)
		if (h->v[i] == name || str_eq(h->v[i], name))
			return i;
	return h->n;
}

static void hwcaps_collect(struct hwcaps *h, const struct ldcache *c)
{
	for (size_t i = 0; i < c->n_entries; i++) {
		const char *name = c->entries[i]->hwcap_name;

		if (!name || hwcaps_find(h, name) < h->n)
			continue;
		h->v = arena_grow(h->arena, h->v, h->n, sizeof(h->v[0]));
		h->v[h->n++] = name;
	}
	if (h->n)
		qsort(h->v, h->n, sizeof(h->v[0]), compare_strings);
	h->offset = arena_alloc(h->arena, h->n * sizeof(h->offset[0]));
}

static uint32_t add_string(struct strbuf *b, const char *s, size_t len)
{
	uint32_t offset = (uint32_t)b->len;

	strbuf_add(b, s, len + 1);
	return offset;
}

/* What an entry's strings mostly take, and the extension: with that much room nothing is copied while it grows. */
#define STRINGS_MEANT 96u
#define EXTENSION_MEANT 4096u

static bool ends_as(const char *end, const char *soname, size_t len)
{
	return end == soname || memcmp(end, soname, len) == 0;
}

/* A SONAME that ends its path needs no bytes of its own. */
static void add_strings(struct strbuf *b, const struct ldcache_entry *e, struct new_entry *n)
{
	size_t path = strlen(e->path), soname = strlen(e->soname);

	n->value = add_string(b, e->path, path);
	if (soname <= path && ends_as(e->path + path - soname, e->soname, soname))
		n->key = n->value + (uint32_t)(path - soname);
	else
		n->key = add_string(b, e->soname, soname);
}

static void add_extension(struct strbuf *b, const struct ldcache *c, const struct hwcaps *h)
{
	struct extension_section s[2] = { { 0 }, { 0 } };
	struct extension_header head = { .magic = EXTENSION_MAGIC };
	size_t names = h->n * sizeof(h->offset[0]), n = 0;
	uint32_t offset;

	if (c->generator)
		s[n++].tag = TAG_GENERATOR;
	if (h->n)
		s[n++].tag = TAG_HWCAPS;
	head.n = (uint32_t)n;
	offset = (uint32_t)(b->len + sizeof(head) + n * sizeof(s[0]));
	for (size_t i = 0; i < n; i++) {
		bool hwcaps = s[i].tag == TAG_HWCAPS;

		s[i].offset = hwcaps ? offset : offset + (uint32_t)names;
		s[i].size = (uint32_t)(hwcaps ? names : strlen(c->generator));
	}
	strbuf_add(b, &head, sizeof(head));
	strbuf_add(b, s, n * sizeof(s[0]));
	strbuf_add(b, h->offset, names);
	if (c->generator)
		strbuf_puts(b, c->generator);
}

void ldcache_write(const struct ldcache *c, char **ret, size_t *ret_len)
{
	struct new_header h = { .magic = NEW_MAGIC, .n = (uint32_t)c->n_entries, .flags = ENDIAN_HERE };
	cleanup_arena struct arena a = ARENA_INIT;
	struct hwcaps hwcaps = { .arena = &a };
	size_t head = sizeof(h) + c->n_entries * sizeof(struct new_entry);
	struct strbuf b = STRBUF_INIT;

	/* Offsets count from the header, so it and the entries take their place now, and their content when it is known. */
	strbuf_reserve(&b, head + c->n_entries * STRINGS_MEANT + EXTENSION_MEANT);
	b.len = head;
	hwcaps_collect(&hwcaps, c);
	for (size_t i = 0; i < c->n_entries; i++) {
		const struct ldcache_entry *e = c->entries[i];
		struct new_entry n = { .flags = e->flags, .osversion = e->osversion, .hwcap = e->hwcap };

		if (e->hwcap_name)
			n.hwcap = HWCAP_EXTENSION | (e->hwcap & HWCAP_ISA_LEVEL) | hwcaps_find(&hwcaps, e->hwcap_name);
		add_strings(&b, e, &n);
		memcpy(b.buf + sizeof(h) + i * sizeof(n), &n, sizeof(n));
	}
	for (uint32_t i = 0; i < hwcaps.n; i++)
		hwcaps.offset[i] = add_string(&b, hwcaps.v[i], strlen(hwcaps.v[i]));
	h.strings_len = (uint32_t)(b.len - head);
	if (c->generator || hwcaps.n) {
		strbuf_add(&b, "\0\0\0", -b.len % 4);
		h.extension = (uint32_t)b.len;
		add_extension(&b, c, &hwcaps);
	}
	memcpy(b.buf, &h, sizeof(h));
	*ret_len = b.len;
	*ret = strbuf_steal(&b);
}
