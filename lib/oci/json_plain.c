/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/json_plain.h"

#include <stdbool.h>
#include <string.h>

/* So many never leave int64. */
#define DIGITS_MAX 18
#define KEY_SIZE 128

struct text {
	const char *at, *end;
};

static bool is_plain(char c)
{
	return c >= ' ' && c <= '~' && c != '\\' && c != '"';
}

static void skip_space(struct text *t)
{
	while (t->at < t->end && (*t->at == ' ' || *t->at == '\n' || *t->at == '\t' || *t->at == '\r'))
		t->at++;
}

/* Passes over the letter, where it is the next one. */
static bool take(struct text *t, char c)
{
	skip_space(t);
	if (t->at == t->end || *t->at != c)
		return false;
	t->at++;
	return true;
}

static bool take_key(struct text *t, char key[KEY_SIZE])
{
	size_t n = 0;

	if (!take(t, '"'))
		return false;
	while (t->at < t->end && n < KEY_SIZE - 1 && is_plain(*t->at))
		key[n++] = *t->at++;
	key[n] = '\0';
	return t->at < t->end && *t->at++ == '"' && take(t, ':');
}

/* One with escapes, or in other letters: jansson reads this one alone. */
static json_t *take_other_string(struct text *t, const char *quote)
{
	for (t->at = quote + 1; t->at < t->end && *t->at != '"'; t->at++)
		if (*t->at == '\\' && ++t->at == t->end)
			return NULL;
	if (t->at == t->end)
		return NULL;
	t->at++;
	return json_loadb(quote, (size_t)(t->at - quote), JSON_PLAIN_FLAGS, NULL);
}

static json_t *take_string(struct text *t)
{
	const char *start = ++t->at;

	while (t->at < t->end && is_plain(*t->at))
		t->at++;
	if (t->at == t->end || *t->at != '"')
		return take_other_string(t, start - 1);
	t->at++;
	return json_stringn_nocheck(start, (size_t)(t->at - 1 - start));
}

/* What follows the digits is not looked at here: it is the comma or the end, or else nothing that is plain. */
static json_t *take_number(struct text *t)
{
	const bool negative = *t->at == '-';
	const char *start = t->at += negative;
	json_int_t v = 0;

	while (t->at < t->end && *t->at >= '0' && *t->at <= '9' && t->at - start < DIGITS_MAX)
		v = 10 * v + (*t->at++ - '0');
	if (t->at == start || (*start == '0' && (negative || t->at - start > 1)))
		return NULL;
	return json_integer(negative ? -v : v);
}

static json_t *take_word(struct text *t, const char *word, json_t *value)
{
	size_t n = strlen(word);

	if ((size_t)(t->end - t->at) < n || memcmp(t->at, word, n) != 0)
		return NULL;
	t->at += n;
	return value;
}

static json_t *take_value(struct text *t, unsigned depth);

/* NOLINTNEXTLINE(misc-no-recursion): JSON_DEPTH_MAX deep at most. */
static json_t *take_object(struct text *t, unsigned depth)
{
	json_t *object = json_object(), *value;
	char key[KEY_SIZE];
	size_t n = 0;

	t->at++;
	if (take(t, '}'))
		return object;
	do {
		value = take_key(t, key) ? take_value(t, depth) : NULL;
		/* With a key that it has already it grows no larger. */
		if (!value || json_object_set_new_nocheck(object, key, value) < 0 || json_object_size(object) != ++n)
			break;
		if (take(t, '}'))
			return object;
	} while (take(t, ','));
	json_decref(object);
	return NULL;
}

/* NOLINTNEXTLINE(misc-no-recursion): as above. */
static json_t *take_array(struct text *t, unsigned depth)
{
	json_t *array = json_array(), *value;

	t->at++;
	if (take(t, ']'))
		return array;
	do {
		value = take_value(t, depth);
		if (!value || json_array_append_new(array, value) < 0)
			break;
		if (take(t, ']'))
			return array;
	} while (take(t, ','));
	json_decref(array);
	return NULL;
}

/* depth: of the containers around it. NOLINTNEXTLINE(misc-no-recursion): as above. */
static json_t *take_value(struct text *t, unsigned depth)
{
	skip_space(t);
	if (t->at == t->end)
		return NULL;
	switch (*t->at) {
	case '"':
		return take_string(t);
	case '{':
		return depth < JSON_DEPTH_MAX ? take_object(t, depth + 1) : NULL;
	case '[':
		return depth < JSON_DEPTH_MAX ? take_array(t, depth + 1) : NULL;
	case 't':
		return take_word(t, "true", json_true());
	case 'f':
		return take_word(t, "false", json_false());
	case 'n':
		return take_word(t, "null", json_null());
	default:
		return take_number(t);
	}
}

json_t *json_plain(const char *text, size_t len)
{
	struct text t = { text, text + len };
	json_t *value = len ? take_value(&t, 0) : NULL;

	skip_space(&t);
	if (t.at == t.end)
		return value;
	json_decref(value);
	return NULL;
}
