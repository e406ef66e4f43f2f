/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small TAP harness: TEST(name) { ... } registers a test; CHECK* report file, line and both values and let
 * the test go on; REQUIRE ends it. Each test_<file>.c links tap.c, which holds main.
 */
#ifndef NVCOREOS_TESTS_TAP_H
#define NVCOREOS_TESTS_TAP_H

#include <stdbool.h>
#include <string.h>

typedef void tap_fn(void);
void tap_register(const char *name, tap_fn *fn);
bool tap_check(bool ok, const char *file, int line, const char *expr);
bool tap_check_int(long long got, long long want, const char *file, int line, const char *expr);
bool tap_check_str(const char *got, const char *want, const char *file, int line, const char *expr);
/* Marks the running test as skipped. */
void tap_skip(const char *why);
/* Ends a child that a test has forked, as _exit does; what it covered counts too. */
void tap_exit(int status) __attribute__((noreturn));
/* How many fds are open: as many before as after, or one was leaked. */
unsigned tap_open_fds(void);
/* A new empty directory below $TMPDIR or /tmp, removed with all it holds at the end of the program. */
const char *tap_tmpdir(void);
/* Writes a file below dir, making directories on the way. */
void tap_write(const char *dir, const char *path, const char *content);

#define TEST(name) \
	static void test_##name(void); \
	static void __attribute__((constructor)) register_##name(void) \
	{ \
		tap_register(#name, test_##name); \
	} \
	static void test_##name(void)

#define CHECK(expr) tap_check(!!(expr), __FILE__, __LINE__, #expr)
#define CHECK_INT(got, want) tap_check_int((long long)(got), (long long)(want), __FILE__, __LINE__, #got)
#define CHECK_STR(got, want) tap_check_str((got), (want), __FILE__, __LINE__, #got)
#define REQUIRE(expr) \
	do { \
		if (!CHECK(expr)) \
			return; \
	} while (0)

#endif
