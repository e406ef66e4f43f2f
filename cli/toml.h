/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TOML: the one file that knows toml++, which is C++ and header-only (Debian has no C library for TOML). Reads only; what
 * is written is fixed text, and read back with this.
 */
#ifndef NVCOREOS_CLI_TOML_H
#define NVCOREOS_CLI_TOML_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Longer texts are refused, and so are lines with more than this many dots: each may be a level of nesting. */
#define TOML_SIZE_MAX (256u << 10)
#define TOML_DOTS_MAX 200

struct toml_doc;

/* NULL on error, with a sentence in why (of `size` bytes). Freed by toml_free. */
struct toml_doc *toml_parse(const char *text, size_t len, char *why, size_t size);
void toml_free(struct toml_doc *t);
/*
 * The whole as JSON, which the caller frees with free(): tables are objects with sorted keys, dates are strings.
 * NULL when memory is out.
 */
char *toml_json(const struct toml_doc *t);
/*
 * The number, from 1, of the line on which the value (for a table its header) at this path of n keys begins; 0 where
 * there is none.
 */
size_t toml_line(const struct toml_doc *t, const char *const *path, size_t n);

#ifdef __cplusplus
}
#endif

#endif
