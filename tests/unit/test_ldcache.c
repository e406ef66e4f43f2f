/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/ldcache.h"
#include "base/mem.h"
#include "ldcache_raw.h"
#include "tap.h"

TEST(flags)
{
	CHECK_INT(ldcache_flags(64, 62), 0x303);
	CHECK_INT(ldcache_flags(32, 3), 0x003);
	CHECK_INT(ldcache_flags(32, 62), 0x803);
	CHECK_INT(ldcache_flags(64, 183), 0xa03);
	CHECK_INT(ldcache_flags(64, 3), 0);
	CHECK_INT(ldcache_flags(0, 0), 0);
}

TEST(reads_what_ldconfig_means)
{
	cleanup_raw struct raw r = { 0 };
	cleanup_cache struct ldcache c;

	sample(&r);
	ldcache_parse(&c, r.data.buf, r.data.len);
	CHECK_INT(c.found, LDCACHE_NEW);
	REQUIRE(c.n_entries == 8);
	CHECK_STR(c.generator, "test");
	CHECK_STR(c.entries[1]->hwcap_name, "x86-64-v2");
	CHECK_STR(c.entries[3]->hwcap_name, NULL);
	CHECK_STR(c.entries[3]->path, "/usr/local/lib/libcuda.so.1");
	CHECK_INT(c.entries[5]->flags, I386);
}

TEST(writes_what_it_read)
{
	cleanup_raw struct raw r = { 0 };
	cleanup_cache struct ldcache c;
	cleanup_free char *before = NULL;

	sample(&r);
	ldcache_parse(&c, r.data.buf, r.data.len);
	before = mem_strdup(listing(&c));
	again(&c);
	CHECK_INT(c.found, LDCACHE_NEW);
	CHECK_STR(listing(&c), before);
	CHECK_STR(c.generator, "test");
	CHECK(c.entries[2]->hwcap == HWCAP(1));
}

TEST(compat_extension_counts_from_the_file)
{
	cleanup_raw struct raw old = { .old = true }, r = { 0 };
	cleanup_cache struct ldcache c;

	raw_add(&old, X64, "libold.so", "/old", 0);
	raw_old(&old);
	while (old.data.len % 8)
		strbuf_putc(&old.data, '\0');
	/* The old part's entries end where the new header stands; its strings lie behind in a real file. */
	set32(&old.data, 12, (uint32_t)(old.data.len - 16) / 12);
	old.data.len = (16 + 12 * ((old.data.len - 16) / 12) + 7) & ~(size_t)7;
	strbuf_add(&r.data, old.data.buf, old.data.len);
	sample(&r);
	ldcache_parse(&c, r.data.buf, r.data.len);
	CHECK_INT(c.found, LDCACHE_NEW);
	CHECK_INT(c.n_entries, 8);
	CHECK_STR(c.generator, "test");
}

TEST(old_format_is_converted)
{
	cleanup_raw struct raw r = { .old = true };
	cleanup_cache struct ldcache c;
	const struct ldcache_entry e = { .flags = X64,
					 .soname = "libm.so.6",
					 .path = "/usr/local/nvidia/lib64/libm.so.6" };
	const struct ldcache_change change = { .first = &e, .n_first = 1 };

	raw_add(&r, X64, "libz.so.1", "/opt/own/libz.so.1", 0);
	raw_add(&r, I386, "libc.so.6", "/lib32/libc.so.6", 0);
	raw_old(&r);
	ldcache_parse(&c, r.data.buf, r.data.len);
	CHECK_INT(c.found, LDCACHE_OLD);
	ldcache_merge(&c, &change);
	again(&c);
	CHECK_INT(c.found, LDCACHE_NEW);
	CHECK_STR(listing(&c), "libz.so.1=/opt/own/libz.so.1 libm.so.6=/usr/local/nvidia/lib64/libm.so.6 "
			       "32libc.so.6=/lib32/libc.so.6");
}

/* A copy of exactly len bytes, so that the sanitizer sees a read behind it. */
static enum ldcache_found found(const char *data, size_t len, size_t *ret_n)
{
	cleanup_free char *copy = mem_alloc(len ? len : 1);
	cleanup_cache struct ldcache c;

	memcpy(copy, data, len);
	ldcache_parse(&c, copy, len);
	if (ret_n)
		*ret_n = c.n_entries;
	return c.found;
}

TEST(truncated_anywhere_is_corrupt)
{
	cleanup_raw struct raw r = { 0 }, plain = { 0 }, old = { .old = true };
	struct raw *all[] = { &r, &plain, &old };

	sample(&r);
	raw_add(&plain, X64, "libz.so.1", "/lib/libz.so.1", 0);
	raw_new(&plain, NULL, NULL);
	raw_add(&old, X64, "libz.so.1", "/lib/libz.so.1", 0);
	raw_old(&old);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		size_t n = 9;

		CHECK_INT(found(all[i]->data.buf, 0, NULL), LDCACHE_NONE);
		for (size_t len = 1; len < all[i]->data.len; len++)
			if (!CHECK_INT(found(all[i]->data.buf, len, &n), LDCACHE_CORRUPT) || !CHECK_INT(n, 0))
				tap_check_int((long long)len, (long long)i, __FILE__, __LINE__, "cut at, in sample");
	}
}

TEST(hostile_values_are_corrupt)
{
	static const struct {
		size_t at;
		uint32_t v;
	} t[] = {
		{ 16, 0x312e3278 },
		{ 20, 0x7fffffff },
		{ 20, 0xffffffff },
		{ 20, 0x0aaaaaab },
		{ 20, 9 },
		{ 24, 0xffffffff },
		{ 24, 1u << 20 },
		{ 28, 1 },
		{ 28, 3 },
		{ 32, 0xfffffffc },
		{ 32, 1 },
		{ 32, 4 },
		{ 48 + 4, 0 },
		{ 48 + 4, 47 },
		{ 48 + 4, 0xffffffff },
		{ 48 + 8, 0x7fffffff },
		{ 48 + 8, 100 },
		{ 48 + 24 + 16, 2 },
		{ 48 + 24 + 16, 0xffffffff },
	};
	cleanup_raw struct raw r = { 0 };
	uint32_t ext, keep;

	sample(&r);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		memcpy(&keep, r.data.buf + t[i].at, sizeof(keep));
		set32(&r.data, t[i].at, t[i].v);
		if (!CHECK_INT(found(r.data.buf, r.data.len, NULL), LDCACHE_CORRUPT))
			tap_check_int((long long)t[i].at, (long long)i, __FILE__, __LINE__, "offset, row");
		set32(&r.data, t[i].at, keep);
	}
	memcpy(&ext, r.data.buf + 32, sizeof(ext));
	/* Magic, count, and of both sections offset and size. */
	for (size_t at = ext; at < ext + 40; at += 4) {
		if (at - ext == 8 || at - ext == 12 || at - ext == 24 || at - ext == 28)
			continue;
		memcpy(&keep, r.data.buf + at, sizeof(keep));
		set32(&r.data, at, 0xfffffffd);
		CHECK_INT(found(r.data.buf, r.data.len, NULL), LDCACHE_CORRUPT);
		set32(&r.data, at, keep);
	}
	CHECK_INT(found(r.data.buf, r.data.len, NULL), LDCACHE_NEW);
}

TEST(other_hostile_files)
{
	static const char old_huge[] = "ld.so-1.7.0\0\xff\xff\xff\x7f";
	cleanup_raw struct raw unsorted = { 0 }, open_end = { 0 }, empty = { 0 };
	char zeros[4096] = { 0 };
	size_t n;

	CHECK_INT(found(zeros, sizeof(zeros), NULL), LDCACHE_CORRUPT);
	CHECK_INT(found("\n", 1, NULL), LDCACHE_CORRUPT);
	CHECK_INT(found(old_huge, 16, NULL), LDCACHE_CORRUPT);
	raw_add(&unsorted, X64, "liba.so.9", "/a", 0);
	raw_add(&unsorted, X64, "liba.so.10", "/b", 0);
	raw_new(&unsorted, NULL, NULL);
	CHECK_INT(found(unsorted.data.buf, unsorted.data.len, NULL), LDCACHE_CORRUPT);
	raw_add(&open_end, X64, "liba.so.9", "/a", 0);
	raw_new(&open_end, NULL, NULL);
	open_end.data.buf[open_end.data.len - 1] = 'x';
	CHECK_INT(found(open_end.data.buf, open_end.data.len, NULL), LDCACHE_CORRUPT);
	raw_string(&empty, "");
	raw_new(&empty, NULL, NULL);
	CHECK_INT(found(empty.data.buf, empty.data.len, &n), LDCACHE_NEW);
	CHECK_INT(n, 0);
}

/* Many entries that share one long string would come to gigabytes when each got its own. */
TEST(shared_strings_have_a_bound)
{
	cleanup_raw struct raw r = { 0 };
	char path[4000];
	uint32_t n = 100000;

	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	raw_string(&r, path);
	for (uint32_t i = 0; i < n; i++) {
		put32(&r.entries, X64);
		put32(&r.entries, 3990);
		put32(&r.entries, 0);
		put32(&r.entries, 0);
		put64(&r.entries, 0);
	}
	r.n = n;
	raw_new(&r, NULL, NULL);
	CHECK_INT(found(r.data.buf, r.data.len, NULL), LDCACHE_CORRUPT);
}

/* A cache of one entry with an extension of these sections: tag, then content. */
struct section {
	uint32_t tag;
	const void *data;
	uint32_t size;
};

static void with_sections(struct raw *r, const struct section *s, uint32_t n)
{
	uint32_t offset;

	raw_add(r, X64, "libz.so.1", "/lib/libz.so.1", 0);
	raw_new(r, NULL, NULL);
	while (r->data.len % 4)
		strbuf_putc(&r->data, '\0');
	set32(&r->data, 32, (uint32_t)r->data.len);
	put32(&r->data, 0xeaa42174);
	put32(&r->data, n);
	offset = (uint32_t)r->data.len + 16 * n;
	for (uint32_t i = 0; i < n; i++) {
		put32(&r->data, s[i].tag);
		put32(&r->data, 0);
		put32(&r->data, offset);
		put32(&r->data, s[i].size);
		offset += s[i].size;
	}
	for (uint32_t i = 0; i < n; i++)
		strbuf_add(&r->data, s[i].data, s[i].size);
}

TEST(sections_of_the_extension)
{
	enum { GENERATOR, HWCAPS };
	static uint32_t many[257]; /* offsets of the entry's SONAME */
	static char text[1025];
	static const struct {
		struct section s[2];
		uint32_t n;
		enum ldcache_found want;
	} t[] = {
		{ { { 0 } }, 0, LDCACHE_NEW },
		{ { { GENERATOR, text, 1024 } }, 1, LDCACHE_NEW },
		{ { { GENERATOR, text, 1025 } }, 1, LDCACHE_CORRUPT },
		{ { { HWCAPS, many, 4 * 256 } }, 1, LDCACHE_NEW },
		{ { { HWCAPS, many, 4 * 257 } }, 1, LDCACHE_CORRUPT },
		{ { { HWCAPS, many, 6 } }, 1, LDCACHE_CORRUPT },
		{ { { HWCAPS, many, 4 }, { HWCAPS, many, 4 } }, 2, LDCACHE_CORRUPT },
		/* What glibc may add one day is passed over. */
		{ { { 7, text, 1025 }, { HWCAPS, many, 4 } }, 2, LDCACHE_NEW },
	};

	memset(text, 'g', sizeof(text));
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = 48 + 24;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		cleanup_raw struct raw r = { 0 };

		with_sections(&r, t[i].s, t[i].n);
		if (!CHECK_INT(found(r.data.buf, r.data.len, NULL), t[i].want))
			printf("# row %zu\n", i);
	}
}

TEST(limits_of_names_and_files)
{
	static const char old[] = "ld.so-1.7.0";
	const uint32_t too_many = (1u << 18) + 1;
	char name[66], path[PATH_MAX + 2];
	uint32_t length[] = { 64, 65 };
	struct strbuf b = STRBUF_INIT;

	memset(name, 'x', sizeof(name));
	for (size_t i = 0; i < ARRAY_SIZE(length); i++) {
		cleanup_raw struct raw r = { 0 };

		name[length[i]] = '\0';
		raw_add(&r, X64, "libz.so.1", "/lib/libz.so.1", HWCAP(0));
		raw_new(&r, name, NULL);
		name[length[i]] = 'x';
		CHECK_INT(found(r.data.buf, r.data.len, NULL), i ? LDCACHE_CORRUPT : LDCACHE_NEW);
	}
	memset(path, 'p', sizeof(path));
	for (size_t i = PATH_MAX - 1; i <= PATH_MAX; i++) {
		cleanup_raw struct raw r = { 0 };

		path[i] = '\0';
		raw_add(&r, X64, "libz.so.1", path, 0);
		/* Something behind it, so that the file's end is not what ends it. */
		raw_string(&r, "more");
		raw_new(&r, NULL, NULL);
		path[i] = 'p';
		CHECK_INT(found(r.data.buf, r.data.len, NULL), i == PATH_MAX ? LDCACHE_CORRUPT : LDCACHE_NEW);
	}
	strbuf_add(&b, old, sizeof(old));
	put32(&b, too_many);
	for (uint32_t i = 0; i < too_many; i++)
		strbuf_add(&b, "\0\0\0\0\0\0\0\0\0\0\0", 12);
	strbuf_add(&b, "a", 2);
	CHECK_INT(found(b.buf, b.len, NULL), LDCACHE_CORRUPT);
	set32(&b, 12, 1);
	set32(&b, 16 + 4, (uint32_t)b.len - 2 - 28);
	set32(&b, 16 + 8, (uint32_t)b.len - 2 - 28);
	CHECK_INT(found(b.buf, b.len, NULL), LDCACHE_OLD);
	strbuf_free(&b);
}

TEST(files_over_the_limit_are_not_looked_at)
{
	cleanup_cache struct ldcache c;

	/* There are not so many bytes behind the pointer. */
	ldcache_parse(&c, "x", (size_t)LDCACHE_MAX + 1);
	CHECK_INT(c.found, LDCACHE_CORRUPT);
	CHECK_INT(c.n_entries, 0);
}

TEST(what_has_no_extension_gets_none)
{
	cleanup_raw struct raw r = { 0 };
	cleanup_cache struct ldcache c;
	struct ldcache_entry named;

	raw_add(&r, X64, "libz.so.1", "/lib/libz.so.1", 0);
	raw_new(&r, NULL, NULL);
	ldcache_parse(&c, r.data.buf, r.data.len);
	CHECK_STR(c.generator, NULL);
	again(&c);
	CHECK_INT(c.found, LDCACHE_NEW);
	CHECK_STR(c.generator, NULL);
	CHECK_STR(listing(&c), "libz.so.1=/lib/libz.so.1");
	/* Names of directories without a generator. */
	named = *c.entries[0];
	named.hwcap_name = "x86-64-v2";
	c.entries[0] = &named;
	again(&c);
	CHECK_STR(listing(&c), "libz.so.1=/lib/libz.so.1:x86-64-v2");
	CHECK_STR(c.generator, NULL);
}
