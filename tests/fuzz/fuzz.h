/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz targets: each fuzz_<what>.c holds FUZZ(<what>) { ... } over `data` of `size` bytes, and what must hold of
 * whatever comes out; what does not hold ends the program. All of them are one program that goes by the name it
 * was called with: linked with libFuzzer it fuzzes, with replay.c it runs its corpus once.
 */
#ifndef NVCOREOS_TESTS_FUZZ_H
#define NVCOREOS_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

typedef void fuzz_fn(const uint8_t *data, size_t size);
void fuzz_register(const char *name, fuzz_fn *fn);
void fuzz_fail(const char *file, int line, const char *expr) noreturn_fn;
/* The target of this name becomes the one that runs; false where there is none. */
bool fuzz_select(const char *name);
/* The names of all targets, one a line, to stdout. */
void fuzz_list(void);

/* What libFuzzer calls. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ(name) \
	static void fuzz_##name(const uint8_t *data, size_t size); \
	static void __attribute__((constructor)) register_##name(void) \
	{ \
		fuzz_register(#name, fuzz_##name); \
	} \
	static void fuzz_##name(const uint8_t *data, size_t size)

#define MUST(expr) \
	do { \
		if (!(expr)) \
			fuzz_fail(__FILE__, __LINE__, #expr); \
	} while (0)

/* The input, eaten from its front. */
struct fuzz_input {
	const uint8_t *data;
	size_t size;
};
/* The next byte, 0 where there is none. */
unsigned fuzz_byte(struct fuzz_input *in);
/* The next line, or all up to the next line "--", as a string that the caller frees: it ends at the first NUL too. */
char *fuzz_line(struct fuzz_input *in);
char *fuzz_part(struct fuzz_input *in);

/*
 * A refusal must be an error of one of these codes (ended by ERR_NONE), and its line something that may stand in
 * a log: one line, printable.
 */
void fuzz_refused(const struct err *err, ...);
/* Whether s matches an extended regular expression, a literal: a second opinion on what a parser let through. */
bool fuzz_matches(const char *s, const char *regex);
/* Whether path is absolute and has no empty, "." or ".." component. */
bool fuzz_is_normal(const char *path);
/* An fd of a file that holds these bytes; the same one each time. */
int fuzz_file(const void *data, size_t size);

#endif
