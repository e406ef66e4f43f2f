/* SPDX-License-Identifier: Apache-2.0 */
/* KEY=VALUE files with comments and quoting as in os-release(5). */
#ifndef NVCOREOS_CONF_KEYVAL_H
#define NVCOREOS_CONF_KEYVAL_H

#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"

/* Called for each assignment; a negative return ends the parsing and is passed on. `line` counts from 1. */
typedef int keyval_fn(void *data, const char *key, const char *value, unsigned line, struct err *err);

/*
 * Parses `len` bytes of `text` (which need not be terminated). Empty lines and lines that begin with # or ; are
 * skipped; white space around key, = and value is dropped; values may stand in '...' (as they are) or "..." (\\ \"
 * \$ \` escaped). -EINVAL with ERR_CONF "<file>:<line>: <why>" on anything else (NUL bytes, no =, empty key,
 * unbalanced quotes, text behind a quote).
 */
int keyval_parse(const char *file, const char *text, size_t len, keyval_fn *fn, void *data, struct err *err) must_check;

#endif
