/* SPDX-License-Identifier: Apache-2.0 */
/* YAML as another way to write JSON: the one file that knows libyaml. */
#ifndef NVCOREOS_CLI_YAMLDOC_H
#define NVCOREOS_CLI_YAMLDOC_H

#include "base/str.h"
#include "oci/json.h"

/*
 * Adds the value, no deeper than JSON_DEPTH_MAX, to `out` in block style, the keys in their order; strings that could be read as
 * anything else are quoted. 0 or -ENOMEM.
 */
int yamldoc_write(const struct json *j, struct strbuf *out) must_check;
/*
 * Parses the first document, as YAML 1.1, of which JSON is a part. Aliases stand for what they name, and "<<" with an alias merges
 * it. Refused: tags but !!str, !!map and !!seq, keys that are no plain strings or stand twice, nesting over JSON_DEPTH_MAX,
 * aliases that make more than 4 MiB, bytes that are no UTF-8. Unquoted whole numbers and words like true and yes are what
 * JSON has for them, other numbers are strings; a key whose value is null is left out. NULL on error, with a sentence in
 * why (of `size` bytes); the caller frees the value. With a value why is "", or says what of the text was not read.
 */
struct json *yamldoc_read(const char *text, size_t len, char *why, size_t size) must_check;

#endif
