/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/json.h"
#include "oci/json_plain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/mem.h"
#include "base/str.h"

#define INT64_DIGITS 19
/* Of the 16 bytes: the C library's stack and pointer guards are the first ones. */
#define AT_RANDOM_OFFSET 12

static json_t *in(const struct json *j)
{
	return (json_t *)j;
}

static struct json *out(json_t *j)
{
	return (struct json *)j;
}

static bool has_type(const struct json *j, json_type type)
{
	return j && json_typeof(in(j)) == type;
}

/* From then on jansson does not fail for want of memory either; free() stays its free. */
static void use_mem(void)
{
	static unsigned seed;

	json_set_alloc_funcs(mem_alloc, free);
	if (seed)
		return;
	/* Else jansson opens /dev/urandom, without close-on-exec, which a seed of 0 tells it to do. The kernel gives each program some. */
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel gives the address as a number. */
	memcpy(&seed, (const char *)getauxval(AT_RANDOM) + AT_RANDOM_OFFSET, sizeof(seed));
	seed |= 1;
	json_object_seed(seed);
}

/* The scan before jansson: nesting, and numbers that jansson would refuse or flatten. */
struct prescan {
	const char *text;
	size_t len, pos, copied;
	unsigned depth;
	struct strbuf fixed; /* the text with ".0" behind such numbers; empty where there are none */
};

static void prescan_string(struct prescan *s)
{
	for (s->pos++; s->pos < s->len && s->text[s->pos] != '"'; s->pos++)
		if (s->text[s->pos] == '\\')
			s->pos++;
	s->pos++;
}

/* Whether the digits are beyond int64, or "-0", which is no integer. Malformed numbers are left to jansson. */
static bool needs_real(const char *digits, size_t n, bool negative)
{
	if (n == 0 || (n > 1 && digits[0] == '0'))
		return false;
	if (n != INT64_DIGITS)
		return n > INT64_DIGITS || (negative && digits[0] == '0');
	return memcmp(digits, negative ? "9223372036854775808" : "9223372036854775807", n) > 0;
}

static void prescan_number(struct prescan *s)
{
	bool negative = s->text[s->pos] == '-';
	size_t start = s->pos + negative, end = start;

	while (end < s->len && s->text[end] >= '0' && s->text[end] <= '9')
		end++;
	s->pos = end;
	if (end < s->len && memchr(".eE+-", s->text[end], 5)) {
		while (s->pos < s->len && memchr(".eE+-0123456789", s->text[s->pos], 15))
			s->pos++;
		return;
	}
	if (!needs_real(s->text + start, end - start, negative))
		return;
	strbuf_add(&s->fixed, s->text + s->copied, end - s->copied);
	strbuf_puts(&s->fixed, ".0");
	s->copied = end;
}

/* Without recursion, so that no text costs stack. False where it is nested too deep. */
static bool prescan(struct prescan *s)
{
	while (s->pos < s->len) {
		char c = s->text[s->pos];

		if (c == '"') {
			prescan_string(s);
			continue;
		}
		if (c == '-' || (c >= '0' && c <= '9')) {
			prescan_number(s);
			continue;
		}
		if ((c == '{' || c == '[') && ++s->depth > JSON_DEPTH_MAX)
			return false;
		if ((c == '}' || c == ']') && s->depth > 0)
			s->depth--;
		s->pos++;
	}
	if (s->copied)
		strbuf_add(&s->fixed, s->text + s->copied, s->len - s->copied);
	return true;
}

struct json *json_parse(const char *text, size_t len, char *why, size_t size)
{
	struct prescan s = { .text = text, .len = len, .fixed = STRBUF_INIT };
	json_error_t error = { 0 };
	json_t *j;

	use_mem();
	j = json_plain(text, len);
	if (j)
		return out(j);
	/* jansson 2.14 overlooks a NUL byte behind a number. */
	if (len && memchr(text, '\0', len)) {
		snprintf(why, size, "NUL byte");
		return NULL;
	}
	if (!prescan(&s)) {
		snprintf(why, size, "nested deeper than %d", JSON_DEPTH_MAX);
		strbuf_free(&s.fixed);
		return NULL;
	}
	if (s.copied)
		j = json_loadb(s.fixed.buf, s.fixed.len, JSON_PLAIN_FLAGS, &error);
	else
		j = json_loadb(text, len, JSON_PLAIN_FLAGS, &error);
	strbuf_free(&s.fixed);
	if (!j)
		snprintf(why, size, "line %d: %s", error.line, error.text);
	return out(j);
}

void json_free(struct json *j)
{
	json_decref(in(j));
}

bool json_is_object(const struct json *j)
{
	return has_type(j, JSON_OBJECT);
}

bool json_is_array(const struct json *j)
{
	return has_type(j, JSON_ARRAY);
}

bool json_is_string(const struct json *j)
{
	return json_str(j) != NULL;
}

bool json_is_number(const struct json *j)
{
	return has_type(j, JSON_INTEGER) || has_type(j, JSON_REAL);
}

bool json_is_null(const struct json *j)
{
	return has_type(j, JSON_NULL);
}

struct json *json_get(const struct json *object, const char *key)
{
	return out(json_object_get(in(object), key));
}

size_t json_len(const struct json *array)
{
	return json_array_size(in(array));
}

struct json *json_at(const struct json *array, size_t i)
{
	return out(json_array_get(in(array), i));
}

const char *json_str(const struct json *j)
{
	const char *s = json_string_value(in(j));

	/* A string with a NUL in it has no form as a C string; where nobody asks for it, it does no harm. */
	return s && strlen(s) == json_string_length(in(j)) ? s : NULL;
}

const char *json_get_str(const struct json *object, const char *key, const char *fallback)
{
	const char *s = json_str(json_get(object, key));

	return s ? s : fallback;
}

bool json_int(const struct json *j, int64_t min, int64_t max, int64_t *ret)
{
	json_int_t v;

	if (!has_type(j, JSON_INTEGER))
		return false;
	v = json_integer_value(in(j));
	if (v < min || v > max)
		return false;
	*ret = v;
	return true;
}

bool json_bool(const struct json *j, bool fallback)
{
	if (has_type(j, JSON_TRUE))
		return true;
	return has_type(j, JSON_FALSE) ? false : fallback;
}

bool json_next(struct json *object, void **iter, const char **ret_key, struct json **ret_value)
{
	*iter = *iter ? json_object_iter_next(in(object), *iter) : json_object_iter(in(object));
	if (!*iter)
		return false;
	*ret_key = json_object_iter_key(*iter);
	*ret_value = out(json_object_iter_value(*iter));
	return true;
}

/* What jansson refuses is not UTF-8; then an escaped copy, in *ret_copy, stands for it. */
static json_t *new_string(const char *s, char **ret_copy)
{
	json_t *j = json_string(s);
	size_t size = 4 * strlen(s) + 1;

	*ret_copy = NULL;
	if (j)
		return j;
	*ret_copy = mem_alloc(size);
	str_escape(s, *ret_copy, size);
	return json_string(*ret_copy);
}

struct json *json_new_object(void)
{
	use_mem();
	return out(json_object());
}

struct json *json_new_array(void)
{
	use_mem();
	return out(json_array());
}

struct json *json_new_string(const char *s)
{
	cleanup_free char *copy = NULL;

	use_mem();
	return out(new_string(s, &copy));
}

struct json *json_new_int(int64_t v)
{
	use_mem();
	return out(json_integer(v));
}

struct json *json_new_bool(bool v)
{
	return out(v ? json_true() : json_false());
}

void json_set(struct json *object, const char *key, struct json *value)
{
	cleanup_free char *copy = NULL;
	json_t *k;

	use_mem();
	k = new_string(key, &copy);
	json_object_set_new(in(object), json_string_value(k), in(value));
	json_decref(k);
}

void json_set_str(struct json *object, const char *key, const char *s)
{
	json_set(object, key, json_new_string(s));
}

void json_set_int(struct json *object, const char *key, int64_t v)
{
	json_set(object, key, json_new_int(v));
}

void json_set_bool(struct json *object, const char *key, bool v)
{
	json_set(object, key, json_new_bool(v));
}

void json_append(struct json *array, struct json *value)
{
	use_mem();
	json_array_append_new(in(array), in(value));
}

void json_remove(struct json *object, const char *key)
{
	json_object_del(in(object), key);
}

struct json *json_clone(const struct json *j)
{
	use_mem();
	return out(json_deep_copy(in(j)));
}

bool json_same(const struct json *a, const struct json *b)
{
	return json_equal(in(a), in(b));
}

char *json_dump(const struct json *j, unsigned indent)
{
	char *s;

	use_mem();
	s = json_dumps(in(j), JSON_ENCODE_ANY | (indent ? JSON_INDENT(indent & 31u) : JSON_COMPACT));
	return s ? s : mem_strdup("null");
}
