/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON as machines write it, several times faster than jansson reads it. It never refuses a text: what it does not know, and so all that
 * is wrong, is jansson's to judge.
 */
#ifndef NVCOREOS_OCI_JSON_PLAIN_H
#define NVCOREOS_OCI_JSON_PLAIN_H

#include <stddef.h>

#include <jansson.h>

/* jansson has macros of these names; here they are functions, safe for NULL and with one evaluation. */
#undef json_is_object
#undef json_is_array
#undef json_is_string
#undef json_is_number
#undef json_is_null

#include "base/attr.h"
#include "oci/json.h"

/* What jansson is to be asked with. */
#define JSON_PLAIN_FLAGS (JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL)

/*
 * The one value of the text, as jansson gives it with these flags; the caller owns it. NULL: ask jansson, because the text
 * is no JSON, is nested deeper than JSON_DEPTH_MAX, names a key twice, or holds a key that is long or not all of printable ASCII letters, or
 * a number that is not a whole one of at most 18 digits.
 */
json_t *json_plain(const char *text, size_t len) must_check;

#endif
