/* SPDX-License-Identifier: Apache-2.0 */
#include "store/measure.h"

#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#define WINDOW (64u << 10)
#define ZSTD_BLOCK_MAX (128u << 10)
#define XZ_INDEX_MAX (16u << 20)
#define XZ_PADDING_MAX 4096
#define XZ_SIZE_MAX (1ull << 60) /* no sum of two of these overflows */
#define GZIP_MODULO (1ull << 32)
/* Beside the files there are manifests, directories, and the ends of blocks. */
#define OVERHEAD (1u << 20)

/* Bytes of the archive by position, through a window that is read once for many small looks. */
struct view {
	int fd, error;
	uint64_t offset, size; /* of the archive in the file */
	uint64_t at;	       /* of the window */
	size_t len;
	unsigned char window[WINDOW];
};

/* n bytes at `at`; false behind the end, or where reading failed. */
static bool look(struct view *v, uint64_t at, size_t n, unsigned char *ret)
{
	while (n) {
		size_t part;

		if (at < v->at || at >= v->at + v->len) {
			ssize_t got;

			if (at >= v->size)
				return false;
			got = fd_read_at(v->fd, v->window, WINDOW, v->offset + at);
			if (got <= 0) {
				v->error = (int)got;
				return false;
			}
			v->at = at;
			v->len = (size_t)got;
		}
		part = v->len - (size_t)(at - v->at);
		part = part < n ? part : n;
		memcpy(ret, v->window + (at - v->at), part);
		ret += part;
		at += part;
		n -= part;
	}
	return true;
}

static uint64_t little(const unsigned char *p, unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | p[n];
	return v;
}

/* --- zstd: RFC 8878, section 3.1 --------------------------------------------- */

/* A frame's header: where its blocks begin (0: none), what a block may unpack to, whether a checksum follows. */
static uint64_t zstd_header(struct view *v, uint64_t at, uint64_t *block_max, bool *checksum)
{
	static const unsigned dictionary[] = { 0, 1, 2, 4 }, content[] = { 0, 2, 4, 8 };
	unsigned char d, window, field[8];
	unsigned dict, size;
	bool single;

	if (!look(v, at + 4, 1, &d))
		return 0;
	single = d & 0x20;
	*checksum = d & 4;
	dict = dictionary[d & 3];
	size = d >> 6 ? content[d >> 6] : single ? 1 : 0;
	*block_max = ZSTD_BLOCK_MAX;
	at += 5;
	if (!single) {
		uint64_t base;

		if (!look(v, at, 1, &window))
			return 0;
		base = 1ull << (10 + (window >> 3));
		base += base / 8 * (window & 7);
		*block_max = base < ZSTD_BLOCK_MAX ? base : ZSTD_BLOCK_MAX;
		at++;
	} else if (look(v, at + dict, size, field)) {
		uint64_t all = little(field, size) + (size == 2 ? 256 : 0);

		*block_max = all < ZSTD_BLOCK_MAX ? all : ZSTD_BLOCK_MAX;
	}
	return at + dict + size;
}

static uint64_t measure_zstd(struct view *v)
{
	uint64_t at = 0, total = 0, block_max = 0;
	unsigned char h[8];
	bool checksum = false;

	while (look(v, at, 4, h)) {
		bool last = false;

		if ((little(h, 4) & 0xfffffff0u) == 0x184d2a50u) {
			if (!look(v, at + 4, 4, h))
				break;
			at += 8 + little(h, 4);
			continue;
		}
		if (little(h, 4) != 0xfd2fb528u)
			break;
		at = zstd_header(v, at, &block_max, &checksum);
		while (at && !last && look(v, at, 3, h)) {
			uint64_t head = little(h, 3), size = head >> 3;
			unsigned type = head >> 1 & 3;

			last = head & 1;
			total += type == 2 ? block_max : size;
			at += 3 + (type == 1 ? 1 : size);
		}
		if (!at || !last)
			break;
		at += checksum ? 4 : 0;
	}
	return total;
}

/* --- xz: the .xz file format, sections 2 to 4 --------------------------------- */

/* A number of up to nine bytes with seven bits each. Where it ends, 0 where it is none. */
static size_t xz_number(const unsigned char *p, size_t at, size_t len, uint64_t *ret)
{
	*ret = 0;
	for (unsigned i = 0; i < 9 && at < len; i++) {
		*ret |= (uint64_t)(p[at] & 0x7f) << 7 * i;
		if (!(p[at++] & 0x80))
			return at;
	}
	return 0;
}

/* What the blocks of an index unpack to, and how long they are. False where it is damaged. */
static bool xz_index(const unsigned char *p, size_t len, uint64_t *unpacked, uint64_t *packed)
{
	uint64_t n, size;
	size_t at;

	if (len < 2 || p[0] != 0 || !(at = xz_number(p, 1, len, &n)))
		return false;
	*unpacked = *packed = 0;
	for (; n; n--) {
		if (!(at = xz_number(p, at, len, &size)))
			return false;
		if (size > XZ_SIZE_MAX || (*packed += (size + 3) / 4 * 4) > XZ_SIZE_MAX)
			return false;
		if (!(at = xz_number(p, at, len, &size)) || size > XZ_SIZE_MAX || (*unpacked += size) > XZ_SIZE_MAX)
			return false;
	}
	return true;
}

/* From the last stream to the first: each ends with a footer that leads to its index. */
static uint64_t measure_xz(struct view *v)
{
	uint64_t end = v->size, total = 0;
	unsigned padding = 0;

	while (end >= 32 && padding < XZ_PADDING_MAX) {
		unsigned char footer[12];
		cleanup_free unsigned char *index = NULL;
		uint64_t unpacked, packed, size;

		if (!look(v, end - 12, 12, footer))
			break;
		/* Zeros between streams. */
		if (little(footer + 8, 4) == 0) {
			end -= 4;
			padding += 4;
			continue;
		}
		size = (little(footer + 4, 4) + 1) * 4;
		if (footer[10] != 'Y' || footer[11] != 'Z' || size > XZ_INDEX_MAX || size + 24 > end)
			break;
		index = mem_alloc((size_t)size);
		if (!look(v, end - 12 - size, (size_t)size, index) ||
		    !xz_index(index, (size_t)size, &unpacked, &packed) || packed > end - 24 - size)
			break;
		total += unpacked;
		total = total < XZ_SIZE_MAX ? total : XZ_SIZE_MAX;
		end -= 24 + size + packed;
	}
	return total;
}

/* --- gzip: RFC 1952; bzip2 ----------------------------------------------------- */

/* The length modulo 2^32 is all there is: the least that so many packed bytes can be made of. */
static uint64_t measure_gzip(struct view *v)
{
	unsigned char t[4];
	uint64_t n;

	if (v->size < 18 || !look(v, v->size - 4, 4, t))
		return 0;
	for (n = little(t, 4); n + n / 64 + 1024 < v->size; n += GZIP_MODULO)
		;
	return n;
}

/* Blocks begin at any bit, with the first digits of pi. */
static uint64_t measure_bzip2(struct view *v)
{
	const uint64_t mask = (1ull << 48) - 1, pi = 0x314159265359ull;
	unsigned char level, byte;
	uint64_t bits = 0, blocks = 0;

	if (!look(v, 3, 1, &level) || level < '1' || level > '9')
		return 0;
	for (uint64_t at = 4; look(v, at, 1, &byte); at++) {
		uint64_t next = bits << 8 | byte;

		for (unsigned i = 0; i < 8; i++)
			blocks += (next >> i & mask) == pi;
		bits = next;
	}
	return blocks * (uint64_t)(level - '0') * 100000;
}

int measure_archive(int fd, uint64_t offset, uint64_t *ret)
{
	cleanup_free struct view *v = mem_zalloc(sizeof(*v));
	unsigned char magic[6] = { 0 };
	struct stat st;

	*ret = 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	v->fd = fd;
	v->offset = offset;
	v->size = (uint64_t)st.st_size > offset ? (uint64_t)st.st_size - offset : 0;
	if (look(v, 0, sizeof(magic), magic)) {
		if (memcmp(magic,
			   "\xfd"
			   "7zXZ",
			   6) == 0)
			*ret = measure_xz(v);
		else if (magic[0] == 0x1f && magic[1] == 0x8b)
			*ret = measure_gzip(v);
		else if (memcmp(magic, "BZh", 3) == 0)
			*ret = measure_bzip2(v);
		else
			*ret = measure_zstd(v);
	}
	return v->error;
}

int measure_dir(const char *path, uint64_t *ret)
{
	char *roots[] = { (char *)path, NULL };
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	const FTSENT *e;

	*ret = 0;
	if (!fts)
		return -errno;
	while ((e = fts_read(fts)))
		if (e->fts_info == FTS_F)
			*ret += (uint64_t)e->fts_statp->st_size;
	fts_close(fts);
	return 0;
}

/* --- room ----------------------------------------------------------------------- */

struct place {
	dev_t dev;
	uint64_t free;
};

static int find_place(const char *dir, struct place *ret, struct err *err)
{
	char path[PATH_MAX], parent[PATH_MAX];
	struct statvfs vfs;
	struct stat st;
	int r;

	r = strlen(dir) < sizeof(path) ? snprintf(path, sizeof(path), "%s", dir) : -ENAMETOOLONG;
	while (r >= 0 && stat(path, &st) < 0) {
		r = errno == ENOENT ? 0 : -errno;
		if (r == 0)
			r = path_parent(path, parent, sizeof(parent));
		if (r == 0)
			memcpy(path, parent, strlen(parent) + 1);
	}
	if (r >= 0 && statvfs(path, &vfs) < 0)
		r = -errno;
	if (r < 0)
		return err_set(err, ERR_STORE, -r, "%s", dir);
	ret->dev = st.st_dev;
	ret->free = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	return 0;
}

static unsigned long long mib(uint64_t n)
{
	return (unsigned long long)((n + (1u << 20) - 1) >> 20);
}

int measure_check(const struct measure_room *rooms, unsigned n, struct err *err)
{
	for (unsigned i = 0; i < n; i++) {
		struct place here = { 0 }, other = { 0 };
		uint64_t needed = rooms[i].bytes;
		int r = find_place(rooms[i].dir, &here, err);

		for (unsigned k = 0; r == 0 && k < n; k++) {
			r = k == i ? 0 : find_place(rooms[k].dir, &other, err);
			if (r == 0 && k != i && other.dev == here.dev)
				needed += rooms[k].bytes;
		}
		if (r < 0)
			return r;
		if (!rooms[i].bytes || needed + needed / 64 + OVERHEAD <= here.free)
			continue;
		err_set(err, ERR_STORE, ENOSPC, "%s: %llu MiB needed, %llu MiB free", rooms[i].dir,
			mib(needed + needed / 64 + OVERHEAD), (unsigned long long)(here.free >> 20));
		err_hint(err, "make room there: 'nvcoreos prune' takes away trees that nothing needs");
		return -ENOSPC;
	}
	return 0;
}
