/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/edit_note.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "oci/spec.h"

#define NOTE_MAX (1u << 20)

void edit_note_free(struct edit_note *n)
{
	free(n->devices);
	free(n->ld);
	*n = (struct edit_note){ 0 };
}

int edit_note_compare(const void *a, const void *b)
{
	const struct edit_device *x = a, *y = b;

	if (x->major != y->major)
		return x->major < y->major ? -1 : 1;
	return x->minor == y->minor ? 0 : x->minor < y->minor ? -1 : 1;
}

bool edit_note_is_ld(const char *s)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-/:";

	if (s[strspn(s, plain)] || strstr(s, ".."))
		return false;
	for (;;) {
		if (!str_starts(s, "/usr/local/nvidia/") && !str_starts(s, "/usr/local/cuda"))
			return false;
		s = strchr(s, ':');
		if (!s)
			return true;
		s++;
	}
}

/* "195:0-3": adds its devices. */
static int add_range(struct edit_note *n, const char *text)
{
	char number[3][12] = { "", "", "" };
	uint64_t major, first, last;
	size_t lens[2] = { strcspn(text, ":"), 0 };
	const char *minors = text + lens[0] + (text[lens[0]] == ':');
	const char *end;

	lens[1] = strcspn(minors, "-");
	end = minors[lens[1]] ? minors + lens[1] + 1 : minors;
	if (lens[0] > 10 || lens[1] > 10 || strlen(end) > 10)
		return -EINVAL;
	memcpy(number[0], text, lens[0]);
	memcpy(number[1], minors, lens[1]);
	memcpy(number[2], end, strlen(end));
	if (str_to_u64(number[0], UINT32_MAX, &major) < 0 || str_to_u64(number[1], UINT32_MAX, &first) < 0 ||
	    str_to_u64(number[2], UINT32_MAX, &last) < 0)
		return -EINVAL;
	if (last < first || last - first >= EDIT_NOTE_DEVICES_MAX - n->n_devices)
		return -EINVAL;
	n->devices = mem_realloc_array(n->devices, n->n_devices + (size_t)(last - first) + 1, sizeof(*n->devices));
	for (uint64_t minor = first; minor <= last; minor++)
		n->devices[n->n_devices++] = (struct edit_device){ (unsigned)major, (unsigned)minor };
	return 0;
}

static int parse_devices(struct edit_note *n, const char *text)
{
	cleanup_arena struct arena a = ARENA_INIT;
	struct strlist ranges = { 0 };
	int r = 0;

	strlist_split(&a, &ranges, text, ",", true);
	for (size_t i = 0; r == 0 && i < ranges.n; i++)
		r = add_range(n, ranges.v[i]);
	if (r == 0 && n->devices)
		qsort(n->devices, n->n_devices, sizeof(*n->devices), edit_note_compare);
	return r;
}

static int parse_word(struct edit_note *n, const char *word)
{
	const char *ld, *devices = str_after(word, "c=");

	if (devices)
		return n->devices ? -EINVAL : parse_devices(n, devices);
	if (str_starts(word, "stage="))
		return 0;
	n->ld_new = str_starts(word, "ld-new=");
	ld = str_after(word, n->ld_new ? "ld-new=" : "ld-first=");
	if (!ld || n->ld || !edit_note_is_ld(ld))
		return -EINVAL;
	n->ld = mem_strdup(ld);
	return 0;
}

/* The annotation may be anybody's: what is not wholly as we write it counts as nothing. */
void edit_note_parse(struct edit_note *ret, const char *text)
{
	cleanup_arena struct arena a = ARENA_INIT;
	struct strlist words = { 0 };
	int r;

	if (!text || strlen(text) > NOTE_MAX)
		return;
	strlist_split(&a, &words, text, " ", true);
	r = str_eq(words.v[0], "1") ? 0 : -EINVAL;
	for (size_t i = 1; r == 0 && i < words.n; i++)
		r = parse_word(ret, words.v[i]);
	if (r < 0)
		edit_note_free(ret);
}

void edit_note_write(const struct edit_note *n, const char *stage, struct strbuf *ret)
{
	strbuf_puts(ret, "\"" SPEC_EDITS_ANNOTATION "\":\"1");
	for (size_t i = 0, run; i < n->n_devices; i += run) {
		const struct edit_device *d = &n->devices[i];

		for (run = 1; i + run < n->n_devices && d[run].major == d->major && d[run].minor == d->minor + run;
		     run++)
			;
		strbuf_printf(ret, "%s%u:%u", i ? "," : " c=", d->major, d->minor);
		if (run > 1)
			strbuf_printf(ret, "-%u", d[run - 1].minor);
	}
	if (stage)
		strbuf_printf(ret, " stage=%s", stage);
	if (n->ld)
		strbuf_printf(ret, " ld-%s=%s", n->ld_new ? "new" : "first", n->ld);
	strbuf_putc(ret, '"');
}
