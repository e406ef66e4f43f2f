/* SPDX-License-Identifier: Apache-2.0 */
#include "yamlscalar.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static bool is_one_of(const char *s, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(s, words[i]))
			return true;
	return false;
}

static unsigned value_of(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a') + 10;
	return c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10 : 16;
}

static bool read_digits(const char *s, unsigned base, int64_t *ret)
{
	int64_t v = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		const unsigned digit = value_of(*s);

		if (digit >= base || v > (INT64_MAX - digit) / base)
			return false;
		v = v * base + digit;
	}
	*ret = v;
	return true;
}

static bool read_int(const char *s, int64_t *ret)
{
	const char *digits = s + (*s == '-' || *s == '+');
	const char *letter = digits[0] == '0' && digits[1] ? strchr("xXbBoO", digits[1]) : NULL;
	unsigned base = digits[0] == '0' && digits[1] ? 8 : 10;

	if (letter) {
		base = *letter == 'x' || *letter == 'X' ? 16 : *letter == 'b' || *letter == 'B' ? 2 : 8;
		digits += 2;
	}
	if (!read_digits(digits, base, ret))
		return false;
	if (*s == '-')
		*ret = -*ret;
	return true;
}

struct json *yamlscalar_read(const char *s)
{
	static const char *const null[] = { "", "~", "null", "Null", "NULL" };
	static const char *const yes[] = { "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON" };
	static const char *const no[] = { "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF" };
	int64_t v;

	if (is_one_of(s, null, ARRAY_SIZE(null)))
		return NULL;
	if (read_int(s, &v))
		return json_new_int(v);
	if (is_one_of(s, yes, ARRAY_SIZE(yes)) || is_one_of(s, no, ARRAY_SIZE(no)))
		return json_new_bool(is_one_of(s, yes, ARRAY_SIZE(yes)));
	return json_new_string(s);
}
