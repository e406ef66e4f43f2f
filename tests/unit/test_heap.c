/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/heap.h"
#include "tap.h"

static bool is_aligned(const void *p)
{
	return (uintptr_t)p % _Alignof(max_align_t) == 0;
}

static bool is_all(const unsigned char *p, size_t n, int byte)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != byte)
			return false;
	return true;
}

TEST(blocks_do_not_overlap)
{
	enum { BLOCKS = 3000 };
	static unsigned char *blocks[BLOCKS];
	static size_t sizes[BLOCKS];
	size_t all = 0;

	for (size_t i = 0; i < BLOCKS; i++) {
		sizes[i] = i * 7919 % 3001;
		blocks[i] = heap_take(sizes[i]);
		REQUIRE(blocks[i]);
		CHECK(is_aligned(blocks[i]));
		memset(blocks[i], (int)(i % 251), sizes[i]);
		all += sizes[i];
	}
	/* More than one chunk. */
	CHECK(all > 3u << 20);
	for (size_t i = 0; i < BLOCKS; i++)
		CHECK(is_all(blocks[i], sizes[i], (int)(i % 251)));
	for (size_t i = BLOCKS; i > 0; i--)
		heap_give(blocks[i - 1]);
}

TEST(the_last_is_used_again)
{
	char *a = heap_take(100), *b = heap_take(100), *c;

	REQUIRE(a && b);
	heap_give(b);
	c = heap_take(40);
	CHECK(c == b);
	/* One that is not the last stays away, also where it is given back. */
	heap_give(a);
	CHECK(heap_take(40) != a);
	/* And none is given out twice where it is given back twice. */
	b = heap_take(10);
	heap_give(b);
	heap_give(b);
	a = heap_take(10);
	CHECK(a && heap_take(10) != a);
	heap_give(NULL);
}

TEST(zeroed_ones_are)
{
	unsigned char *a, *b;

	for (size_t size = 1; size < 3000; size += 37) {
		a = heap_take(size);
		REQUIRE(a);
		memset(a, 0xff, size);
		heap_give(a);
		/* In part where the other was, and behind it. */
		b = heap_take_zeroed(size + size % 100);
		REQUIRE(b == a);
		CHECK(is_all(b, size + size % 100, 0));
		memset(b, 0xff, size + size % 100);
		b = heap_resize(b, 2 * size + 100);
		REQUIRE(b == a);
		memset(b, 0xff, 2 * size + 100);
		heap_give(b);
		b = heap_take_zeroed(size / 2);
		CHECK(b == a && is_all(b, size / 2, 0));
	}
	b = heap_take_zeroed(HEAP_LARGE);
	REQUIRE(b);
	CHECK(is_all(b, HEAP_LARGE, 0));
	heap_give(b);
	CHECK(!heap_take_zeroed(SIZE_MAX));
}

TEST(what_was_never_given_out_is_not_touched_to_zero_it)
{
	enum { PAGES = 64, PAGE = 4096 };
	unsigned char in_core[PAGES] = { 0 };
	char *a;
	size_t touched = 0;

	/* The rest of a chunk is less than this: it lies in a new one. */
	do
		a = heap_take_zeroed(HEAP_LARGE - 1);
	while (a && touched++ < 2);
	a = heap_take_zeroed(PAGES * PAGE);
	REQUIRE(a);
	a = (char *)(((uintptr_t)a + PAGE - 1) & ~(uintptr_t)(PAGE - 1));
	touched = 0;
	REQUIRE(mincore(a, (PAGES - 1) * PAGE, in_core) == 0);
	for (size_t i = 0; i < PAGES - 1; i++)
		touched += in_core[i] & 1;
	CHECK_INT(touched, 0);
}

TEST(resizing)
{
	char *a = heap_resize(NULL, 10), *b, *grown;

	REQUIRE(a);
	strcpy(a, "ten bytes");
	/* The last one grows where it lies, and shrinks there. */
	grown = heap_resize(a, 1000);
	CHECK(grown == a);
	CHECK(heap_resize(grown, 5) == a);
	CHECK_STR(a, "ten bytes");
	b = heap_take(16);
	REQUIRE(b);
	memset(b, 'b', 16);
	grown = heap_resize(a, 4000);
	REQUIRE(grown && grown != a);
	CHECK_STR(grown, "ten bytes");
	CHECK(is_all((unsigned char *)b, 16, 'b'));
	/* From a chunk to a mapping of its own, and to a larger one. */
	a = heap_resize(grown, HEAP_LARGE);
	REQUIRE(a && a != grown);
	memset(a + 10, 'a', HEAP_LARGE - 10);
	grown = heap_resize(a, 3 * HEAP_LARGE);
	REQUIRE(grown);
	CHECK_STR(grown, "ten bytes");
	CHECK(is_all((unsigned char *)grown + 10, HEAP_LARGE - 10, 'a'));
	grown[3 * HEAP_LARGE - 1] = 'z';
	heap_give(grown);
}

TEST(large_ones_go_back_to_the_kernel)
{
	char *a = heap_take(HEAP_LARGE), *small = heap_take(HEAP_LARGE - 1);
	unsigned char in_core;

	REQUIRE(a && small);
	CHECK(is_aligned(a));
	memset(a, 1, HEAP_LARGE);
	memset(small, 1, HEAP_LARGE - 1);
	errno = EDOM;
	heap_give(a);
	CHECK_INT(errno, EDOM);
	CHECK(mincore((void *)((uintptr_t)a & ~(uintptr_t)4095), 1, &in_core) < 0 && errno == ENOMEM);
	heap_give(small);
}

/* The kernel's word on it: a write from there is EFAULT. */
static bool is_closed(const char *at)
{
	int fds[2];
	bool closed = false;

	if (CHECK(pipe(fds) == 0)) {
		closed = write(fds[1], at, 1) < 0 && errno == EFAULT;
		close(fds[0]);
		close(fds[1]);
	}
	return closed;
}

TEST(behind_a_mapping_nothing_can_be_written)
{
	enum { HEAD = 16, BLOCK = 1024 };
	const size_t large_size = 2 * HEAP_LARGE - HEAD;
	char *large = heap_take(large_size), *a, *last = NULL;
	unsigned chunks = 0;

	REQUIRE(large);
	CHECK(!is_closed(large + large_size - 1) && is_closed(large + large_size));
	heap_give(large);
	/* From the second one on a chunk begins with these, and they fill it. */
	while (chunks < 2) {
		a = heap_take(BLOCK - HEAD);
		REQUIRE(a);
		chunks += last && a != last + BLOCK;
		if (chunks < 2)
			last = a;
	}
	CHECK(!is_closed(last + BLOCK - HEAD - 1) && is_closed(last + BLOCK - HEAD));
}

TEST(what_cannot_be_had_is_refused)
{
	struct rlimit was, none;
	char *a = heap_take(100);

	REQUIRE(a && getrlimit(RLIMIT_AS, &was) == 0);
	strcpy(a, "stays");
	errno = 0;
	CHECK(!heap_take(SIZE_MAX) && errno == ENOMEM);
	CHECK(!heap_take(SIZE_MAX - 15) && !heap_take((size_t)PTRDIFF_MAX));
	CHECK(!heap_resize(a, SIZE_MAX));
	none = (struct rlimit){ .rlim_cur = 1, .rlim_max = was.rlim_max };
	REQUIRE(setrlimit(RLIMIT_AS, &none) == 0);
	errno = 0;
	CHECK(!heap_take(HEAP_LARGE) && errno == ENOMEM);
	CHECK(!heap_resize(a, 2 * HEAP_LARGE));
	for (size_t taken = 0; taken <= 2u << 20; taken += 4096)
		if (!heap_take(4096))
			break;
	CHECK(!heap_take(4096));
	CHECK_INT(setrlimit(RLIMIT_AS, &was), 0);
	CHECK_STR(a, "stays");
}
