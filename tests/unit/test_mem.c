/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "tap.h"

TEST(strings)
{
	cleanup_free char *a = mem_strdup("abc"), *b = mem_strndup("abcdef", 2), *c = mem_printf("%d-%s", 7, "x");
	char *moved;

	CHECK_STR(a, "abc");
	CHECK_STR(b, "ab");
	CHECK_STR(c, "7-x");
	moved = take_ptr(a);
	CHECK(!a);
	CHECK_STR(moved, "abc");
	free(moved);
}

TEST(zeroed_and_never_null)
{
	cleanup_free unsigned char *z = mem_zalloc(1000);
	cleanup_free void *none = mem_alloc(0), *nothing = mem_realloc_array(NULL, 0, 0);

	for (int i = 0; i < 1000; i++)
		if (z[i])
			CHECK(!"zeroed");
	CHECK(none && nothing);
}

TEST(arena)
{
	struct arena a = ARENA_INIT;
	char *s[500];

	for (int i = 0; i < 500; i++) {
		s[i] = arena_printf(&a, "string %d", i);
		CHECK_INT((uintptr_t)s[i] % _Alignof(max_align_t), 0);
	}
	for (int i = 0; i < 500; i++) {
		cleanup_free char *want = mem_printf("string %d", i);

		CHECK_STR(s[i], want);
	}
	s[0] = arena_alloc(&a, 100000);
	for (int i = 0; i < 100000; i++)
		if (s[0][i])
			CHECK(!"zeroed");
	CHECK_STR(arena_strndup(&a, "abcdef", 3), "abc");
	CHECK_STR(arena_strndup(&a, "ab", 30), "ab");
	CHECK_STR(arena_strdup(&a, ""), "");
	arena_free(&a);
	CHECK(!a.head);
	CHECK_STR(arena_strdup(&a, "again"), "again");
	arena_free(&a);
	arena_free(&a);
}

TEST(arrays_grow)
{
	struct arena a = ARENA_INIT;
	struct pair {
		int x, y;
	} *v = NULL;

	for (size_t n = 0; n < 1000; n++) {
		v = arena_grow(&a, v, n, sizeof(*v));
		CHECK_INT(v[n].x, 0);
		CHECK_INT(v[n].y, 0);
		v[n].x = (int)n;
		v[n].y = -1;
	}
	for (int n = 0; n < 1000; n++)
		CHECK_INT(v[n].x, n);
	arena_free(&a);
}

#ifdef __SANITIZE_ADDRESS__
/* Sizes that cannot be had must come back as NULL, as from any other malloc. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}
#endif

static void leave(void)
{
	_exit(42);
}

/* What a child that runs out of memory ends with. */
static int oom_status(int which)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		struct arena a = ARENA_INIT;
		volatile size_t huge = SIZE_MAX / 2;
		void *p = NULL;

		mem_set_oom_handler(leave);
		if (which == 0)
			p = mem_realloc_array(NULL, huge, 16);
		else if (which == 1)
			p = arena_alloc(&a, huge + 10);
		else
			p = arena_grow(&a, &a, (size_t)1 << 62, 16);
		_exit(p != NULL);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(out_of_memory_ends_in_the_handler)
{
	/* Overflow of the sizes must end there too. */
	for (int i = 0; i < 3; i++)
		CHECK_INT(oom_status(i), 42);
}
