/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apply/ldcache.h"
#include "base/mem.h"
#include "ldcache_raw.h"
#include "tap.h"

TEST(names_in_the_loaders_order)
{
	static const struct {
		const char *a, *b;
		int want;
	} t[] = {
		{ "", "", 0 },
		{ "a", "", 1 },
		{ "a", "b", -1 },
		{ "libx.so.2", "libx.so.10", -1 },
		{ "libx.so.10", "libx.so.9", 1 },
		{ "lib1", "libx", 1 },
		{ "libx", "lib1", -1 },
		{ "lib", "lib1", -1 },
		{ "libx.so.1", "libx.so", 1 },
		{ "libx.so.01", "libx.so.1", 0 },
		{ "a2b10", "a2b9", 1 },
		{ "lib12.so.3", "lib12.so.3", 0 },
		{ "lib12.so.03", "lib12.so.3", 0 },
		{ "lib105", "lib15", 1 },
		{ "lib120", "lib12", 1 },
		{ "lib12a", "lib120", -1 },
		{ "lib100a", "lib1000a", -1 },
		{ "liba.so.1", "liba-b.so.1", 1 },
		{ "1", "/", 1 },
		{ "a4294967297", "a1", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		if (!CHECK_INT(ldcache_compare_names(t[i].a, t[i].b), t[i].want))
			tap_check_str(t[i].a, t[i].b, __FILE__, __LINE__, "names");
		CHECK_INT(ldcache_compare_names(t[i].b, t[i].a), -t[i].want);
	}
	/* Where numbers wrap there is no order left, as in the loader. */
	CHECK_INT(ldcache_compare_names("a2147483648", "a0"), -1);
	CHECK_INT(ldcache_compare_names("a0", "a2147483648"), -1);
}

static const char *const own[] = { "/usr/local/nvidia" };
static const struct strlist own_prefixes = { (const char **)own, 1 };

TEST(hwcaps_are_numbered_by_name)
{
	cleanup_cache struct ldcache c;
	const struct ldcache_entry e[] = {
		{ .flags = X64,
		  .soname = "libb.so",
		  .path = "/b",
		  .hwcap_name = "x86-64-v4",
		  .hwcap = UINT64_C(5) << 32 },
		{ .flags = X64, .soname = "liba.so", .path = "/a", .hwcap_name = "x86-64-v2" },
		{ .flags = X64, .soname = "liba.so", .path = "/plain" },
	};
	const struct ldcache_change change = { .first = e, .n_first = ARRAY_SIZE(e) };

	ldcache_parse(&c, NULL, 0);
	CHECK_INT(c.found, LDCACHE_NONE);
	ldcache_merge(&c, &change);
	again(&c);
	CHECK_STR(listing(&c), "libb.so=/b:x86-64-v4 liba.so=/a:x86-64-v2 liba.so=/plain");
	REQUIRE(c.n_entries == 3);
	CHECK(c.entries[0]->hwcap == (HWCAP(1) | UINT64_C(5) << 32));
	CHECK(c.entries[1]->hwcap == HWCAP(0));
}

/* More names than any file may hold, one of them twice by text: each keeps its own number. */
TEST(hwcaps_have_no_limit_of_their_own)
{
	enum { N = 300 };
	cleanup_cache struct ldcache c;
	cleanup_arena struct arena a = ARENA_INIT;
	cleanup_free char *data = NULL;
	struct ldcache_entry e[N + 1] = { 0 };
	const struct ldcache_change change = { .first = e, .n_first = ARRAY_SIZE(e) };
	uint64_t hwcap;
	size_t len;

	for (int i = 0; i <= N; i++)
		e[i] = (struct ldcache_entry){ .flags = X64,
					       .soname = arena_printf(&a, "lib%d.so", N - i),
					       .path = "/x",
					       .hwcap_name = arena_printf(&a, "level-%03d", i % N) };
	ldcache_parse(&c, NULL, 0);
	ldcache_merge(&c, &change);
	ldcache_write(&c, &data, &len);
	for (int i = 0; i <= N; i++) {
		memcpy(&hwcap, data + 48 + i * 24 + 16, sizeof(hwcap));
		CHECK(hwcap == HWCAP((unsigned)(i % N)));
	}
}

TEST(order_of_equal_names)
{
	/* In the order in which they come out. */
	static const struct ldcache_entry want[] = {
		{ .flags = X64, .soname = "liba.so", .path = "/1", .hwcap_name = "x86-64-v2" },
		{ .flags = X64, .soname = "liba.so", .path = "/2", .hwcap_name = "x86-64-v3" },
		{ .flags = X64, .soname = "liba.so", .path = "/3", .hwcap = 9 },
		{ .flags = X64, .soname = "liba.so", .path = "/4", .hwcap = 2 },
		{ .flags = X64, .soname = "liba.so", .path = "/5" },
		{ .flags = I386, .soname = "liba.so", .path = "/6" },
	};
	static const size_t orders[][6] = { { 0, 1, 2, 3, 4, 5 }, { 5, 4, 3, 2, 1, 0 }, { 2, 0, 4, 1, 5, 3 } };

	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		cleanup_cache struct ldcache c;
		struct ldcache_entry e[ARRAY_SIZE(want) + 2];
		const struct ldcache_change change = { .last = e, .n_last = ARRAY_SIZE(e) };

		for (size_t k = 0; k < ARRAY_SIZE(want); k++)
			e[k] = want[orders[i][k]];
		/* The same library in the same directory, and the same legacy bits: the first one given stays. */
		e[6] = want[1];
		e[6].path = "/never";
		e[7] = want[3];
		e[7].path = "/never";
		ldcache_parse(&c, NULL, 0);
		ldcache_merge(&c, &change);
		CHECK_STR(listing(&c), "liba.so=/1:x86-64-v2 liba.so=/2:x86-64-v3 liba.so=/3 liba.so=/4 liba.so=/5 "
				       "32liba.so=/6");
	}
}

TEST(several_prefixes_are_our_own)
{
	static const char *const two[] = { "/usr/local/nvidia", "/usr/local/cuda" };
	static const struct strlist prefixes = { (const char **)two, 2 };
	const struct ldcache_change change = { .own_prefixes = &prefixes }, none = { 0 };
	cleanup_raw struct raw r = { 0 };
	cleanup_cache struct ldcache c;

	raw_add(&r, X64, "libc.so", "/usr/lib/libc.so", 0);
	raw_add(&r, X64, "libb.so", "/usr/local/nvidia/libb.so", 0);
	raw_add(&r, X64, "liba.so", "/usr/local/cuda/liba.so", 0);
	raw_new(&r, NULL, NULL);
	ldcache_parse(&c, r.data.buf, r.data.len);
	ldcache_merge(&c, &none);
	CHECK_INT(c.n_entries, 3);
	ldcache_merge(&c, &change);
	CHECK_STR(listing(&c), "libc.so=/usr/lib/libc.so");
}

TEST(merge_first_and_last)
{
	cleanup_raw struct raw r = { 0 };
	cleanup_cache struct ldcache c;
	const struct ldcache_entry first[] = {
		{ .flags = X64, .soname = "libcuda.so.1", .path = "/usr/local/nvidia/lib64/libcuda.so.1" },
		{ .flags = X64, .soname = "libnvidia-ml.so.1", .path = "/usr/local/nvidia/lib64/libnvidia-ml.so.1" },
		{ .flags = X64, .soname = "libcuda.so.1", .path = "/never" },
	};
	const struct ldcache_entry last[] = {
		{ .flags = X64, .soname = "libcublas.so.12", .path = "/usr/local/cuda/lib64/libcublas.so.12" },
		{ .flags = X64, .soname = "libcudart.so.12", .path = "/usr/local/cuda/lib64/libcudart.so.12" },
		{ .flags = X64, .soname = "libcudart.so.12", .path = "/usr/local/cuda/other/libcudart.so.12" },
		{ .flags = X64,
		  .soname = "libnvidia-ml.so.1",
		  .path = "/usr/local/cuda/lib64/stubs/libnvidia-ml.so.1" },
	};
	const struct ldcache_change change = { first, ARRAY_SIZE(first), last, ARRAY_SIZE(last), &own_prefixes };

	sample(&r);
	ldcache_parse(&c, r.data.buf, r.data.len);
	ldcache_merge(&c, &change);
	again(&c);
	CHECK_STR(listing(&c),
		  "libz.so.1=/lib/x86_64-linux-gnu/libz.so.1 "
		  "libnvidia-ml.so.1=/usr/local/nvidia/lib64/libnvidia-ml.so.1 "
		  "libcudart.so.12=/usr/local/cuda/lib64/libcudart.so.12 "
		  "libcuda.so.1=/usr/local/nvidia/lib64/libcuda.so.1 32libcuda.so.1=/usr/lib32/libcuda.so.1 "
		  "libcublas.so.12=/usr/lib/libcublas.so.12 libc.so.6=/lib/libc.so.6");
	CHECK_STR(c.generator, "nvcoreos");
}

TEST(merge_is_idempotent_and_replaces_an_older_driver)
{
	cleanup_raw struct raw r = { 0 };
	cleanup_cache struct ldcache c;
	cleanup_free char *one = NULL, *two = NULL;
	size_t len_one, len_two;
	const struct ldcache_entry old_driver[] = {
		{ .flags = X64,
		  .soname = "libnvidia-gone.so.470",
		  .path = "/usr/local/nvidia/lib64/libnvidia-gone.so.470" },
		{ .flags = I386, .soname = "libcuda.so.1", .path = "/usr/local/nvidia/lib32/libcuda.so.1" },
	};
	const struct ldcache_entry driver = { .flags = X64,
					      .soname = "libcuda.so.1",
					      .path = "/usr/local/nvidia/lib64/libcuda.so.1" };
	const struct ldcache_change before = { old_driver, 2, NULL, 0, &own_prefixes };
	const struct ldcache_change change = { &driver, 1, NULL, 0, &own_prefixes };

	sample(&r);
	ldcache_parse(&c, r.data.buf, r.data.len);
	ldcache_merge(&c, &before);
	again(&c);
	CHECK(strstr(listing(&c), "libnvidia-gone") != NULL);
	ldcache_merge(&c, &change);
	CHECK(strstr(listing(&c), "libnvidia-gone") == NULL);
	CHECK(strstr(listing(&c), "lib32") == NULL);
	ldcache_write(&c, &one, &len_one);
	ldcache_free(&c);
	ldcache_parse(&c, one, len_one);
	ldcache_merge(&c, &change);
	ldcache_write(&c, &two, &len_two);
	REQUIRE(len_one == len_two);
	CHECK(memcmp(one, two, len_one) == 0);
}

TEST(own_prefix_is_a_directory)
{
	cleanup_raw struct raw r = { 0 };
	cleanup_cache struct ldcache c;
	const struct ldcache_change change = { .own_prefixes = &own_prefixes };

	raw_add(&r, X64, "libb.so", "/usr/local/nvidia-mine/libb.so", 0);
	raw_add(&r, X64, "liba.so", "/usr/local/nvidia/liba.so", 0);
	raw_new(&r, NULL, NULL);
	ldcache_parse(&c, r.data.buf, r.data.len);
	ldcache_merge(&c, &change);
	CHECK_STR(listing(&c), "libb.so=/usr/local/nvidia-mine/libb.so");
}

/* Every byte changed in turn: whatever comes out can be merged and written, and is read back as the same. */
TEST(mutations_never_break)
{
	const struct ldcache_entry e = { .flags = X64,
					 .soname = "libcuda.so.1",
					 .path = "/usr/local/nvidia/lib64/libcuda.so.1" };
	const struct ldcache_change change = { &e, 1, &e, 1, &own_prefixes };
	static const unsigned char values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff, '9', '/' };
	cleanup_raw struct raw r = { 0 };

	sample(&r);
	for (size_t i = 0; i < r.data.len * ARRAY_SIZE(values); i++) {
		cleanup_free char *copy = mem_alloc(r.data.len);
		cleanup_cache struct ldcache c;
		size_t n;

		memcpy(copy, r.data.buf, r.data.len);
		copy[i / ARRAY_SIZE(values)] = (char)values[i % ARRAY_SIZE(values)];
		ldcache_parse(&c, copy, r.data.len);
		ldcache_merge(&c, &change);
		n = c.n_entries;
		again(&c);
		if (!CHECK_INT(c.found, LDCACHE_NEW) || !CHECK_INT(c.n_entries, n))
			return;
	}
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* 611 libraries of an image and 60 of a driver. The bound is loose, for sanitizers and busy machines. */
TEST(fast)
{
	cleanup_raw struct raw r = { 0 };
	cleanup_arena struct arena a = ARENA_INIT;
	struct ldcache_entry first[60] = { 0 };
	const struct ldcache_change change = { first, ARRAY_SIZE(first), NULL, 0, &own_prefixes };
	double best = 1;

	for (int i = 611; i > 0; i--)
		raw_add(&r, X64, arena_printf(&a, "libsomething%d.so.%d", i, i % 7),
			arena_printf(&a, "/usr/lib/x86_64-linux-gnu/libsomething%d.so.%d", i, i % 7), 0);
	raw_new(&r, NULL, NULL);
	for (int i = 0; i < 60; i++) {
		first[i].flags = X64;
		first[i].soname = arena_printf(&a, "libnvidia-thing%d.so.1", i);
		first[i].path = arena_printf(&a, "/usr/local/nvidia/lib64/%s", first[i].soname);
	}
	for (int i = 0; i < 20; i++) {
		cleanup_cache struct ldcache c;
		cleanup_free char *out = NULL;
		double start = seconds(), took;
		size_t len;

		ldcache_parse(&c, r.data.buf, r.data.len);
		ldcache_merge(&c, &change);
		ldcache_write(&c, &out, &len);
		CHECK_INT(c.n_entries, 671);
		took = seconds() - start;
		best = took < best ? took : best;
	}
	CHECK(best < 0.005);
}

/* Whatever order entries are given in: each of six, which is one run turned round, three runs, and all between. */
TEST(any_order_comes_to_one)
{
	static const char *const names[] = { "liba.so", "libb.so", "libc.so", "libd.so", "libe.so", "libf.so" };
	const size_t n = ARRAY_SIZE(names);

	for (unsigned order = 0; order < 720; order++) {
		cleanup_cache struct ldcache c;
		struct ldcache_entry e[ARRAY_SIZE(names)];
		struct ldcache_change change = { .first = e, .n_first = n };
		unsigned left = order;
		bool used[ARRAY_SIZE(names)] = { false };

		for (size_t i = 0; i < n; i++) {
			size_t pick = left % (n - i), k = 0;

			left /= (unsigned)(n - i);
			while (used[k] || pick--)
				k++;
			used[k] = true;
			e[i] = (struct ldcache_entry){ .flags = X64, .soname = names[k], .path = names[k] };
		}
		ldcache_parse(&c, NULL, 0);
		ldcache_merge(&c, &change);
		REQUIRE(c.n_entries == n);
		for (size_t i = 0; i < n; i++)
			CHECK_STR(c.entries[i]->soname, names[n - 1 - i]);
	}
}

#define NAMES 8

/* Each of the names is the image's, ours, or both: all come out in order, ours before the image's. */
TEST(two_lists_come_to_one_however_they_lie)
{
	static const char *const names[NAMES] = { "libh.so", "libg.so", "libf.so", "libe.so",
						  "libd.so", "libc.so", "libb.so", "liba.so" };

	for (unsigned deal = 0; deal < 6561 /* 3 to the power of NAMES */; deal++) {
		cleanup_raw struct raw r = { 0 };
		cleanup_cache struct ldcache c;
		struct ldcache_entry e[NAMES];
		struct ldcache_change change = { .first = e };
		bool ours[NAMES];

		for (unsigned i = 0, rest = deal; i < NAMES; i++, rest /= 3) {
			ours[i] = rest % 3;
			if (rest % 3 != 1)
				raw_add(&r, X64, names[i], "image", 0);
			if (ours[i])
				e[change.n_first++] =
					(struct ldcache_entry){ .flags = X64, .soname = names[i], .path = "ours" };
		}
		raw_new(&r, NULL, NULL);
		ldcache_parse(&c, r.data.buf, r.data.len);
		ldcache_merge(&c, &change);
		REQUIRE(c.n_entries == NAMES);
		for (size_t i = 0; i < NAMES; i++)
			REQUIRE(str_eq(c.entries[i]->soname, names[i]) &&
				str_eq(c.entries[i]->path, ours[i] ? "ours" : "image"));
	}
}
