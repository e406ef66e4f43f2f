/* SPDX-License-Identifier: Apache-2.0 */
/* Loader's caches for tests: built byte by byte, apart from the code under test. */
#ifndef NVCOREOS_TESTS_LDCACHE_RAW_H
#define NVCOREOS_TESTS_LDCACHE_RAW_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "apply/ldcache.h"
#include "base/str.h"

#define X64 0x303
#define I386 0x003

struct raw {
	struct strbuf entries, strings, data;
	uint32_t n, base;
	bool old;
};

static inline void put32(struct strbuf *b, uint32_t v)
{
	strbuf_add(b, &v, sizeof(v));
}

static inline void put64(struct strbuf *b, uint64_t v)
{
	strbuf_add(b, &v, sizeof(v));
}

static inline void set32(struct strbuf *b, size_t at, uint32_t v)
{
	memcpy(b->buf + at, &v, sizeof(v));
}

static inline uint32_t raw_string(struct raw *r, const char *s)
{
	uint32_t at = (uint32_t)r->strings.len;

	strbuf_add(&r->strings, s, strlen(s) + 1);
	return at;
}

static inline void raw_add(struct raw *r, uint32_t flags, const char *soname, const char *path, uint64_t hwcap)
{
	put32(&r->entries, flags);
	put32(&r->entries, raw_string(r, soname));
	put32(&r->entries, raw_string(r, path));
	if (!r->old) {
		put32(&r->entries, 0);
		put64(&r->entries, hwcap);
	}
	r->n++;
}

/* Offsets of strings were counted from the first string; the file counts from a header. */
static inline void raw_shift(struct raw *r, size_t entry_size, uint32_t by)
{
	for (uint32_t i = 0; i < r->n; i++)
		for (size_t at = i * entry_size + 4; at <= i * entry_size + 8; at += 4) {
			uint32_t v;

			memcpy(&v, r->entries.buf + at, sizeof(v));
			set32(&r->entries, at, v + by);
		}
}

static inline void raw_new(struct raw *r, const char *hwcap_a, const char *hwcap_b)
{
	const char *names[] = { hwcap_a, hwcap_b };
	uint32_t offsets[2], n = 0, strings = 48 + r->n * 24;

	for (size_t i = 0; i < 2; i++)
		if (names[i])
			offsets[n++] = strings + raw_string(r, names[i]);
	raw_shift(r, 24, strings);
	r->base = (uint32_t)r->data.len;
	strbuf_add(&r->data, "glibc-ld.so.cache1.1", 20);
	put32(&r->data, r->n);
	put32(&r->data, (uint32_t)r->strings.len);
	put32(&r->data, 2);
	for (int i = 0; i < 4; i++)
		put32(&r->data, 0);
	if (r->n)
		strbuf_add(&r->data, r->entries.buf, r->entries.len);
	strbuf_add(&r->data, r->strings.buf, r->strings.len);
	if (!n)
		return;
	while (r->data.len % 4)
		strbuf_putc(&r->data, '\0');
	set32(&r->data, r->base + 32, (uint32_t)r->data.len);
	put32(&r->data, 0xeaa42174);
	put32(&r->data, 2);
	put32(&r->data, 0);
	put32(&r->data, 0);
	put32(&r->data, (uint32_t)r->data.len + 24 + n * 4);
	put32(&r->data, 4);
	put32(&r->data, 1);
	put32(&r->data, 0);
	put32(&r->data, (uint32_t)r->data.len + 8);
	put32(&r->data, n * 4);
	strbuf_add(&r->data, offsets, n * 4);
	strbuf_puts(&r->data, "test");
}

static inline void raw_old(struct raw *r)
{
	strbuf_add(&r->data, "ld.so-1.7.0", 12);
	put32(&r->data, r->n);
	strbuf_add(&r->data, r->entries.buf, r->entries.len);
	strbuf_add(&r->data, r->strings.buf, r->strings.len);
}

static inline void raw_free(struct raw *r)
{
	strbuf_free(&r->entries);
	strbuf_free(&r->strings);
	strbuf_free(&r->data);
}
#define cleanup_raw cleanup(raw_free)
#define cleanup_cache cleanup(ldcache_free)

#define HWCAP(i) ((UINT64_C(1) << 62) | (i))

static inline void sample(struct raw *r)
{
	raw_add(r, X64, "libz.so.1", "/lib/x86_64-linux-gnu/libz.so.1", 0);
	raw_add(r, X64, "libcuda.so.1", "/usr/lib/glibc-hwcaps/x86-64-v2/libcuda.so.1", HWCAP(0));
	raw_add(r, X64, "libcuda.so.1", "/usr/lib/glibc-hwcaps/x86-64-v3/libcuda.so.1", HWCAP(1));
	raw_add(r, X64, "libcuda.so.1", "/usr/local/lib/libcuda.so.1", 0);
	raw_add(r, X64, "libcuda.so.1", "/usr/lib/libcuda.so.1", 0);
	raw_add(r, I386, "libcuda.so.1", "/usr/lib32/libcuda.so.1", 0);
	raw_add(r, X64, "libcublas.so.12", "/usr/lib/libcublas.so.12", 0);
	raw_add(r, X64, "libc.so.6", "/lib/libc.so.6", 0);
	raw_new(r, "x86-64-v2", "x86-64-v3");
}

/* The entries as "soname=path soname=path:hwcap ...", i386 with a "32" before. */
static inline const char *listing(const struct ldcache *c)
{
	static struct strbuf b;

	strbuf_free(&b);
	b = (struct strbuf)STRBUF_INIT;
	for (size_t i = 0; i < c->n_entries; i++) {
		const struct ldcache_entry *e = c->entries[i];

		strbuf_printf(&b, "%s%s%s=%s%s%s", i ? " " : "", e->flags == I386 ? "32" : "", e->soname, e->path,
			      e->hwcap_name ? ":" : "", e->hwcap_name ? e->hwcap_name : "");
	}
	return b.buf ? b.buf : "";
}

/* Writes and reads again, so that the file is tested, not what stands in memory. */
static inline void again(struct ldcache *c)
{
	static char *data;
	char *before = data;
	size_t len;

	ldcache_write(c, &data, &len);
	ldcache_free(c);
	free(before);
	ldcache_parse(c, data, len);
}

#endif
