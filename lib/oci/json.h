/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: behind it alone, and json_plain.h, stands jansson. */
#ifndef NVCOREOS_OCI_JSON_H
#define NVCOREOS_OCI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct json; /* a value; those returned by json_parse and json_new_* are owned by the caller */

#define JSON_DEPTH_MAX 64

/*
 * Parses exactly one value. Refused: duplicate keys, invalid UTF-8, nesting over JSON_DEPTH_MAX, text
 * behind the value. Integers beyond int64 are read as reals. NULL on error, with a sentence in why (of `size`
 * bytes).
 */
struct json *json_parse(const char *text, size_t len, char *why, size_t size) must_check;
void json_free(struct json *j);
static inline void cleanup_json_p(struct json **j)
{
	json_free(*j);
}
#define cleanup_json cleanup(cleanup_json_p)

/*
 * All of these take NULL and values of another type: they then give NULL, 0 or false. Returned values are
 * borrowed.
 */
bool json_is_object(const struct json *j);
bool json_is_array(const struct json *j);
bool json_is_string(const struct json *j);
bool json_is_number(const struct json *j);
bool json_is_null(const struct json *j);
struct json *json_get(const struct json *object, const char *key);
size_t json_len(const struct json *array);
struct json *json_at(const struct json *array, size_t i);
/* NULL for a string with \u0000 in it too. */
const char *json_str(const struct json *j);
/* The string under key, or fallback where it is absent or no string. */
const char *json_get_str(const struct json *object, const char *key, const char *fallback);
/* A whole number from min to max; false for anything else (fractions too). */
bool json_int(const struct json *j, int64_t min, int64_t max, int64_t *ret);
/* The boolean, or fallback where it is none. */
bool json_bool(const struct json *j, bool fallback);

/* Walks an object in the order of the text: start with *iter = NULL, false at the end. */
bool json_next(struct json *object, void **iter, const char **ret_key, struct json **ret_value);

/* Bytes of strings and keys that are not UTF-8 come out as the text \xNN. */
struct json *json_new_object(void) must_check;
struct json *json_new_array(void) must_check;
struct json *json_new_string(const char *s) must_check;
struct json *json_new_int(int64_t v) must_check;
struct json *json_new_bool(bool v) must_check;
/* Puts value into the object or array; the value now belongs to it. */
void json_set(struct json *object, const char *key, struct json *value);
void json_set_str(struct json *object, const char *key, const char *s);
void json_set_int(struct json *object, const char *key, int64_t v);
void json_set_bool(struct json *object, const char *key, bool v);
void json_append(struct json *array, struct json *value);
void json_remove(struct json *object, const char *key);
/* A deep copy that the caller owns. (Not json_copy: jansson has a function of that name.) */
struct json *json_clone(const struct json *j) must_check;
/* Whether both say the same, whatever the order of members. NULL is the same as nothing. */
bool json_same(const struct json *a, const struct json *b);
/*
 * Text that the caller frees; indent 0 is one line without spaces, objects keep the order of their making.
 * Ends without a newline.
 */
char *json_dump(const struct json *j, unsigned indent) must_check;

#endif
