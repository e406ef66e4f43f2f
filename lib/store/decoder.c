/* SPDX-License-Identifier: Apache-2.0 */
#include "store/decoder.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#define CHUNK RECORD_CHUNK_MAX
/* tar fills its last record up; no tar makes records larger than this without being told to. */
#define PADDING_MAX (4u << 20)
#define TAR_BLOCK 512
#define RATIO_MAX 200
#define SMALL (1ull << 30)

struct decoder {
	struct records *w;
	int in;
	uint64_t offset, size; /* of the archive in the file */
	struct archive *raw, *tar;
	char *block;
	size_t block_len;
	uint64_t decoded; /* decompressed bytes, the block with them */
	uint32_t crc;	  /* of all of them, as gzip counts */
	uint32_t table[256];
};

uint64_t decoder_limit(uint64_t n)
{
	return n > UINT64_MAX / RATIO_MAX || n * RATIO_MAX > SMALL ? n * RATIO_MAX : SMALL;
}

static const char *reason(struct archive *a)
{
	const char *s = archive_error_string(a);

	return s ? s : "damaged";
}

static void make_table(struct decoder *d)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int k = 0; k < 8; k++)
			c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
		d->table[i] = c;
	}
}

static void count(struct decoder *d, const unsigned char *p, size_t n)
{
	uint32_t crc = ~d->crc;

	for (size_t i = 0; i < n; i++)
		crc = d->table[(crc ^ p[i]) & 0xff] ^ (crc >> 8);
	d->crc = ~crc;
}

static la_ssize_t read_block(struct archive *a, void *data, const void **ret)
{
	struct decoder *d = data;
	la_ssize_t n = archive_read_data(d->raw, d->block, CHUNK);

	if (n < 0) {
		archive_set_error(a, EINVAL, "%s", reason(d->raw));
		return -1;
	}
	d->decoded += (uint64_t)n;
	d->block_len = (size_t)n;
	if (d->decoded > decoder_limit(d->size)) {
		archive_set_error(a, EINVAL, "it unpacks to more than an archive of its size may hold");
		return -1;
	}
	if (archive_filter_code(d->raw, 0) == ARCHIVE_FILTER_GZIP)
		count(d, (const unsigned char *)d->block, (size_t)n);
	*ret = d->block;
	return n;
}

static enum decoder_compression compression(struct archive *a)
{
	/* One filter and no other inside it. */
	if (archive_filter_count(a) != 2)
		return DECODER_ANY;
	switch (archive_filter_code(a, 0)) {
	case ARCHIVE_FILTER_BZIP2:
		return DECODER_BZIP2;
	case ARCHIVE_FILTER_XZ:
		return DECODER_XZ;
	case ARCHIVE_FILTER_GZIP:
		return DECODER_GZIP;
	case ARCHIVE_FILTER_ZSTD:
		return DECODER_ZSTD;
	default:
		return DECODER_ANY;
	}
}

static int open_raw(struct decoder *d, enum decoder_compression expected)
{
	struct archive_entry *e;
	enum decoder_compression found;

	/* A filter that is not built in answers ARCHIVE_WARN and would run a program. */
	if (archive_read_support_filter_bzip2(d->raw) != ARCHIVE_OK ||
	    archive_read_support_filter_xz(d->raw) != ARCHIVE_OK ||
	    archive_read_support_filter_gzip(d->raw) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(d->raw) != ARCHIVE_OK ||
	    archive_read_support_format_raw(d->raw) != ARCHIVE_OK)
		return records_error(d->w, false, "libarchive lacks a compression");
	if (archive_read_open_fd(d->raw, d->in, CHUNK) != ARCHIVE_OK ||
	    archive_read_next_header(d->raw, &e) != ARCHIVE_OK)
		return records_error(d->w, false, reason(d->raw));
	found = compression(d->raw);
	if (found == DECODER_ANY)
		return records_error(d->w, false, "not compressed with bzip2, xz, gzip or zstd");
	if (expected != DECODER_ANY && expected != found)
		return records_error(d->w, false, "compressed in another way than its name says");
	return 0;
}

static int open_filters(struct decoder *d, enum decoder_compression expected)
{
	int r = open_raw(d, expected);

	if (r < 0)
		return r;
	if (archive_read_support_format_tar(d->tar) != ARCHIVE_OK ||
	    archive_read_open(d->tar, d, NULL, read_block, NULL) != ARCHIVE_OK)
		return records_error(d->w, false, reason(d->tar));
	return 0;
}

static int put_data(struct decoder *d)
{
	cleanup_free char *buf = mem_alloc(CHUNK);
	la_ssize_t n;
	int r = 0;

	do {
		n = archive_read_data(d->tar, buf, CHUNK);
		if (n < 0)
			return records_error(d->w, true, reason(d->tar));
		r = records_chunk(d->w, buf, (size_t)n);
	} while (r == 0 && n > 0);
	return r;
}

/* A type of the archive's entry, or -1. Contiguous files and types that are not known are files to every tar (POSIX). */
static int entry_type(struct archive_entry *e)
{
	if (archive_entry_hardlink(e))
		return RECORD_HARDLINK;
	switch (archive_entry_filetype(e)) {
	case AE_IFREG:
		return RECORD_FILE;
	case AE_IFDIR:
		return RECORD_DIR;
	case AE_IFLNK:
		return RECORD_SYMLINK;
	default:
		return -1;
	}
}

/* The name of an attribute that may mean something on the host; user.* means nothing there, and is not taken over. */
static bool has_attribute(struct archive_entry *e)
{
	const char *name;
	const void *value;
	size_t len;

	archive_entry_xattr_reset(e);
	while (archive_entry_xattr_next(e, &name, &value, &len) == ARCHIVE_OK)
		if (!name || !str_starts(name, "user."))
			return true;
	return false;
}

/* What no archive of a driver has, and what would be lost silently since nothing but "executable" is taken over. */
static const char *forbidden(struct archive_entry *e, int type)
{
	unsigned long set = 0, clear = 0;

	if (type < 0)
		return "neither file, directory nor link";
	if (type != RECORD_SYMLINK && (archive_entry_perm(e) & (S_ISUID | S_ISGID | S_ISVTX)))
		return "its mode has setuid, setgid or sticky";
	if (type != RECORD_SYMLINK && (archive_entry_perm(e) & S_IWOTH))
		return "its mode lets everyone write";
	if (has_attribute(e))
		return "it has extended attributes";
	if (archive_entry_acl_types(e))
		return "it has an access control list";
	archive_entry_fflags(e, &set, &clear);
	if (set || clear)
		return "it has file flags";
	if (archive_entry_sparse_count(e) > 0)
		return "it is sparse";
	if (type != RECORD_FILE && archive_entry_size(e) > 0)
		return "it is no file and has data";
	return archive_entry_size(e) < 0 ? "its size is negative" : NULL;
}

static int put_entry(struct decoder *d, struct archive_entry *e)
{
	const char *path = archive_entry_pathname(e), *target = NULL, *why;
	int type = entry_type(e), r;
	struct record record = { .type = (uint8_t)type, .executable = (archive_entry_perm(e) & 0111) != 0 };

	if (type == RECORD_HARDLINK)
		target = archive_entry_hardlink(e);
	if (type == RECORD_SYMLINK)
		target = archive_entry_symlink(e);
	if (!path || (!target && (type == RECORD_HARDLINK || type == RECORD_SYMLINK)))
		return records_error(d->w, false, "a name in it cannot be read");
	why = forbidden(e, type);
	if (why) {
		cleanup_free char *what = mem_printf("%.300s: %s", path, why);

		return records_error(d->w, false, what);
	}
	if (type == RECORD_FILE)
		record.size = (uint64_t)archive_entry_size(e);
	r = records_entry(d->w, &record, path, target);
	return r == 0 && type == RECORD_FILE ? put_data(d) : r;
}

static bool is_zero(const char *p, size_t n)
{
	return n == 0 || (p[0] == '\0' && memcmp(p, p + 1, n - 1) == 0);
}

/*
 * The rest of the stream: zeros that fill tar's last record, then the compression's own end with its checksums. libarchive
 * stops at the first end of an archive, whatever follows.
 */
static int check_rest(struct decoder *d)
{
	uint64_t end = (uint64_t)archive_filter_bytes(d->tar, 0), start = d->decoded - d->block_len;
	size_t skip = end > start ? (size_t)(end - start) : 0;
	uint64_t mark = (uint64_t)archive_read_header_position(d->tar), padding = 0;
	const void *block;
	la_ssize_t n;

	/* A block of zeros; libarchive takes the end of the data for one. */
	if (mark + TAR_BLOCK > d->decoded)
		return records_error(d->w, false, "truncated: it ends without its end mark");

	if (skip > d->block_len)
		return records_error(d->w, false, "truncated");
	if (!is_zero(d->block + skip, d->block_len - skip))
		return records_error(d->w, false, "something follows the end of the archive");
	while ((n = read_block(d->tar, d, &block)) > 0) {
		padding += (uint64_t)n;
		if (padding > PADDING_MAX || !is_zero(d->block, (size_t)n))
			return records_error(d->w, false, "something follows the end of the archive");
	}
	return n < 0 ? records_error(d->w, false, reason(d->tar)) : 0;
}

/* libarchive does not compare gzip's own checksum, so a flipped bit could pass. */
static int check_gzip(struct decoder *d)
{
	unsigned char t[8];
	uint32_t crc, length;

	if (d->size < 18 || fd_read_at(d->in, t, sizeof(t), d->offset + d->size - 8) != sizeof(t))
		return records_error(d->w, false, "truncated gzip input");
	crc = t[0] | (uint32_t)t[1] << 8 | (uint32_t)t[2] << 16 | (uint32_t)t[3] << 24;
	length = t[4] | (uint32_t)t[5] << 8 | (uint32_t)t[6] << 16 | (uint32_t)t[7] << 24;
	if (crc != d->crc || length != (uint32_t)d->decoded)
		return records_error(
			d->w, false,
			"gzip checksum differs, or something follows (of several members it must be made one)");
	return 0;
}

static int check_end(struct decoder *d)
{
	int r = check_rest(d);

	if (r == 0 && compression(d->raw) == DECODER_GZIP)
		return check_gzip(d);
	if (r == 0 && (uint64_t)archive_filter_bytes(d->raw, -1) != d->size)
		return records_error(d->w, false, "something follows the compressed data");
	return r;
}

static int run(struct decoder *d, enum decoder_compression expected)
{
	struct archive_entry *e;
	int r = open_filters(d, expected), h = ARCHIVE_EOF;

	while (r == 0 && ((h = archive_read_next_header(d->tar, &e)) == ARCHIVE_OK || h == ARCHIVE_WARN))
		r = put_entry(d, e);
	if (r == 0 && h != ARCHIVE_EOF)
		r = records_error(d->w, false, reason(d->tar));
	if (r == 0)
		r = check_end(d);
	return r == 0 ? records_end(d->w) : r;
}

/* All of one file: what it unpacks to must be known before its data is told. */
static int read_packed(struct decoder *d, struct strbuf *ret)
{
	la_ssize_t n;

	while ((n = archive_read_data(d->raw, d->block, CHUNK)) > 0) {
		if (ret->len + (size_t)n > DECODER_PACKED_MAX)
			return records_error(d->w, false, "it unpacks to more than any module");
		strbuf_add(ret, d->block, (size_t)n);
	}
	if (n < 0)
		return records_error(d->w, false, reason(d->raw));
	return (uint64_t)archive_filter_bytes(d->raw, -1) == d->size
		       ? 0
		       : records_error(d->w, false, "something follows the compressed data");
}

static int run_packed(struct decoder *d, enum decoder_compression expected)
{
	struct strbuf all = STRBUF_INIT;
	struct record record = { .type = RECORD_FILE };
	int r = open_raw(d, expected);

	if (r == 0)
		r = read_packed(d, &all);
	record.size = all.len;
	if (r == 0)
		r = records_entry(d->w, &record, "packed", NULL);
	for (size_t o = 0; r == 0 && o < all.len; o += CHUNK)
		r = records_chunk(d->w, all.buf + o, all.len - o < CHUNK ? all.len - o : CHUNK);
	if (r == 0)
		r = records_chunk(d->w, NULL, 0);
	strbuf_free(&all);
	return r == 0 ? records_end(d->w) : r;
}

typedef int run_fn(struct decoder *d, enum decoder_compression expected);

static void decode(struct records *w, int in, uint64_t offset, enum decoder_compression expected, run_fn *fn)
{
	struct decoder d = { .w = w, .in = in, .offset = offset };
	struct stat st;

	d.raw = archive_read_new();
	d.tar = archive_read_new();
	d.block = mem_alloc(CHUNK);
	make_table(&d);
	if (!d.raw || !d.tar || fstat(in, &st) < 0 || (uint64_t)st.st_size < offset ||
	    lseek(in, (off_t)offset, SEEK_SET) < 0) {
		records_error(w, false, "cannot be read");
	} else {
		d.size = (uint64_t)st.st_size - offset;
		fn(&d, expected);
	}
	archive_read_free(d.tar);
	archive_read_free(d.raw);
	free(d.block);
}

void decoder_run(struct records *w, int in, uint64_t offset, enum decoder_compression expected)
{
	decode(w, in, offset, expected, run);
}

void decoder_run_packed(struct records *w, int in, enum decoder_compression expected)
{
	decode(w, in, 0, expected, run_packed);
}
