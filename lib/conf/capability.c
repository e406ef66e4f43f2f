/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/capability.h"

#include <string.h>

#include "base/str.h"

/* In the order of the enum: bit i is words[i]. */
static const char *const words[] = { "compute", "utility", "video", "graphics", "display", "ngx", "compat32" };

unsigned capability_from_word(const char *word)
{
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		if (str_eq(word, words[i]))
			return 1u << i;
	return 0;
}

const char *capability_word(unsigned bit)
{
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		if (bit == 1u << i)
			return words[i];
	return NULL;
}

static unsigned set_from(const char *s, size_t n)
{
	char word[16];

	if (n >= sizeof(word))
		return 0;
	memcpy(word, s, n);
	word[n] = '\0';
	return str_eq(word, "all") ? CAP_ALL : capability_from_word(word);
}

int capability_parse(const char *list, unsigned *ret, struct err *err)
{
	unsigned set = 0;

	for (;;) {
		size_t n = strcspn(list, ","), blanks = strspn(list, " \t");
		const char *next = list + n;
		unsigned add;

		if (blanks > n)
			blanks = n;
		list += blanks;
		n -= blanks;
		while (n > 0 && (list[n - 1] == ' ' || list[n - 1] == '\t'))
			n--;
		add = set_from(list, n);
		if (n > 0 && !add)
			return err_set(err, ERR_CAPABILITY, 0, "%.*s%s", n > 64 ? 64 : (int)n, list,
				       n > 64 ? "..." : "");
		set |= add;
		if (!*next)
			break;
		list = next + 1;
	}
	*ret = set;
	return 0;
}

unsigned capability_view_set(unsigned set)
{
	if (set & CAP_VIDEO)
		set |= CAP_COMPUTE;
	if (set & CAP_DISPLAY)
		set = (set & ~(unsigned)CAP_DISPLAY) | CAP_GRAPHICS;
	return set;
}

const char *capability_set_name(unsigned set, char *buf)
{
	size_t o = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		size_t n = strlen(words[i]);

		if (!(set & 1u << i))
			continue;
		if (o)
			buf[o++] = '+';
		memcpy(buf + o, words[i], n);
		o += n;
	}
	if (!o) {
		memcpy(buf, "none", 4);
		o = 4;
	}
	buf[o] = '\0';
	return buf;
}
