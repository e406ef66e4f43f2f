/* SPDX-License-Identifier: Apache-2.0 */
/* A unified diff of two texts. */
#ifndef NVCOREOS_CLI_TEXTDIFF_H
#define NVCOREOS_CLI_TEXTDIFF_H

#include "base/str.h"

/* Adds to out what `diff -u` would say, with these two names; nothing where the texts are equal. */
void textdiff_unified(struct strbuf *out, const char *old_name, const struct strbuf *old_text, const char *new_name,
		      const struct strbuf *new_text);

/*
 * Adds text for a terminal: "\\r" for a carriage return, "\\xNN" for bytes of other control characters (but tab and newline), of
 * characters that turn the direction of writing, and of what is no UTF-8.
 */
void textdiff_printable(struct strbuf *out, const char *text);

#endif
