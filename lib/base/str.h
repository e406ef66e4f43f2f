/* SPDX-License-Identifier: Apache-2.0 */
/* Strings: a growing buffer, strict parsers, comparison of versions, escaping. */
#ifndef NVCOREOS_BASE_STR_H
#define NVCOREOS_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attr.h"
#include "base/mem.h"

static inline bool str_eq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}
static inline bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}
bool str_ends(const char *s, const char *suffix);
/* The rest of s after prefix, or NULL when s does not start with it. */
const char *str_after(const char *s, const char *prefix);

/*
 * The one number parser: decimal digits only, no sign, no space, no leading zero but "0" itself, at most
 * max. 0, or -EINVAL (not a number), -ERANGE (too large).
 */
int str_to_u64(const char *s, uint64_t max, uint64_t *ret) must_check;
/* The same for lower- or upper-case hexadecimal digits, without 0x, leading zeros allowed. */
int str_to_hex(const char *s, uint64_t max, uint64_t *ret) must_check;

/* A name that may be looked up in a directory: ^[A-Za-z0-9._+-]{1,64}$, not "." and not "..". */
bool str_is_name(const char *s);
/* "535.261.03": digits and single dots, 1 to 4 numbers, at most 32 bytes. */
bool str_is_version(const char *s);
/* Compares dotted versions number by number ("12.4" > "12.10" is false); missing numbers count as 0. */
int str_version_cmp(const char *a, const char *b);

/*
 * Copies src into dst of `size` bytes: what is not printable ASCII becomes \xNN; what does not fit is cut to
 * "...".
 */
void str_escape(const char *src, char *dst, size_t size);

/* Distance of two words (insertions, deletions, replacements), for "did you mean". */
unsigned str_distance(const char *a, const char *b);

/* A growing, always terminated buffer. Zero-initialised with STRBUF_INIT; freed by strbuf_free or cleanup_strbuf. */
struct strbuf {
	char *buf;
	size_t len, cap;
};
#define STRBUF_INIT \
	{ \
		NULL, 0, 0 \
	}
void strbuf_add(struct strbuf *b, const void *data, size_t len);
/* Makes room for that many more bytes at once, which then come without a copy of what is there. */
void strbuf_reserve(struct strbuf *b, size_t more);
void strbuf_puts(struct strbuf *b, const char *s);
void strbuf_putc(struct strbuf *b, char c);
void strbuf_printf(struct strbuf *b, const char *fmt, ...) printf_format(2, 3);
/* The content as a string that the caller frees; the buffer is empty again. Never NULL. */
char *strbuf_steal(struct strbuf *b) must_check;
void strbuf_free(struct strbuf *b);
#define cleanup_strbuf cleanup(strbuf_free)

/* A list of strings in an arena. */
struct strlist {
	const char **v;
	size_t n;
};
void strlist_add(struct arena *a, struct strlist *l, const char *s);
bool strlist_has(const struct strlist *l, const char *s);
/*
 * Splits at any byte of `separators` and adds copies of the parts; empty parts are added too only when
 * keep_empty.
 */
void strlist_split(struct arena *a, struct strlist *l, const char *s, const char *separators, bool keep_empty);

#endif
