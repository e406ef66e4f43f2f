/* SPDX-License-Identifier: Apache-2.0 */
/* Tar archives byte by byte: those that no tar program would make. */
#ifndef NVCOREOS_TESTS_TARFILE_H
#define NVCOREOS_TESTS_TARFILE_H

#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define TAR_BLOCK 512

struct tar_entry {
	char type; /* '0' file, '1' hard link, '2' symlink, '3' '4' devices, '5' directory, '6' fifo, 'x' 'g' pax */
	const char *path, *link;
	unsigned mode; /* 0: 0644 */
	const void *data;
	size_t len;
	unsigned long long size; /* what the header says; 0: len */
	const char *size_field;	 /* twelve bytes that stand there as they are; NULL: the size in octal */
	const char *mtime_field; /* likewise */
};

static inline void tar_pad(struct strbuf *b)
{
	static const char zeros[TAR_BLOCK];

	if (b->len % TAR_BLOCK)
		strbuf_add(b, zeros, TAR_BLOCK - b->len % TAR_BLOCK);
}

/* Adds an entry: its header, data, and what fills up the last block. */
static inline void tar_add(struct strbuf *b, const struct tar_entry *e)
{
	char h[TAR_BLOCK] = { 0 };
	unsigned sum = 0;

	strncpy(h, e->path, 99);
	snprintf(h + 100, 8, "%07o", (e->mode ? e->mode : 0644) & 07777777);
	snprintf(h + 108, 8, "%07o", 0);
	snprintf(h + 116, 8, "%07o", 0);
	snprintf(h + 124, 12, "%011llo", e->size ? e->size : (unsigned long long)e->len);
	snprintf(h + 136, 12, "%011o", 1);
	if (e->size_field)
		memcpy(h + 124, e->size_field, 12);
	if (e->mtime_field)
		memcpy(h + 136, e->mtime_field, 12);
	memset(h + 148, ' ', 8);
	h[156] = e->type;
	if (e->link)
		strncpy(h + 157, e->link, 99);
	memcpy(h + 257, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof(h); i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	strbuf_add(b, h, sizeof(h));
	strbuf_add(b, e->data ? e->data : "", e->data ? e->len : 0);
	tar_pad(b);
}

/* A file of a few bytes. */
static inline void tar_file(struct strbuf *b, const char *path)
{
	tar_add(b, &(struct tar_entry){ .type = '0', .path = path, .data = path, .len = strlen(path) });
}

static inline void tar_link(struct strbuf *b, char type, const char *path, const char *target)
{
	tar_add(b, &(struct tar_entry){ .type = type, .path = path, .link = target });
}

/* A pax header for the entry that follows ('x'), or for all ('g'). */
static inline void tar_pax(struct strbuf *b, char type, const char *key, const char *value, size_t value_len)
{
	struct strbuf record = STRBUF_INIT;
	size_t rest = strlen(key) + value_len + 3, n = rest + 1;
	char digits[24];

	/* The record's length counts its own digits. */
	while (n != rest + (size_t)snprintf(digits, sizeof(digits), "%zu", n))
		n = rest + strlen(digits);
	strbuf_printf(&record, "%zu %s=", n, key);
	strbuf_add(&record, value, value_len);
	strbuf_putc(&record, '\n');
	tar_add(b, &(struct tar_entry){ .type = type, .path = "pax", .data = record.buf, .len = record.len });
	strbuf_free(&record);
}

static inline void tar_end(struct strbuf *b)
{
	static const char zeros[2 * TAR_BLOCK];

	strbuf_add(b, zeros, sizeof(zeros));
}

#endif
