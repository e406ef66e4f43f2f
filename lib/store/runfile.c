/* SPDX-License-Identifier: Apache-2.0 */
#include "store/runfile.h"

#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/digest.h"

#define VALUE_MAX 256
#define BLOCK (256u << 10)
/* The sums of NVIDIA's header leave out its first three lines, since two of them are the sums. */
#define SUM_FROM_LINE 4

/* What the header said so far. */
struct header {
	struct runfile *ret;
	uint64_t skip, last; /* the archive's first line; the header's last one; 0: not said */
	bool plain;	     /* makeself as it is, not NVIDIA's: there skip= is the header's last line */
};

/* The value of `key=` in a line, without quotes; false where the line is another or the value is too long. */
static bool value_of(const char *line, size_t len, const char *key, char value[VALUE_MAX])
{
	size_t n = strlen(key);

	if (len <= n || memcmp(line, key, n) != 0)
		return false;
	line += n;
	len -= n;
	if (len >= 2 && line[0] == '"' && line[len - 1] == '"') {
		line++;
		len -= 2;
	}
	if (len >= VALUE_MAX || memchr(line, '\0', len))
		return false;
	memcpy(value, line, len);
	value[len] = '\0';
	return true;
}

/* "head -n 666 ..." or "head -n "666" ...", as makeself wrote it in different years. */
static uint64_t number_after(const char *line, size_t len, const char *what)
{
	const char *p = memmem(line, len, what, strlen(what));
	uint64_t n = 0;

	if (!p)
		return 0;
	p += strlen(what);
	p += p < line + len && *p == '"';
	for (; p < line + len && *p >= '0' && *p <= '9' && n < RUNFILE_HEADER_MAX; p++)
		n = n * 10 + (uint64_t)(*p - '0');
	return n;
}

/* Several files' sums stand beside each other: NVIDIA's and most have one. */
static void read_sum(struct runfile *f, const char *v)
{
	uint64_t n = 0;

	/* makeself writes ten digits. */
	v += v[0] ? strspn(v, "0") : 0;
	if (*v && str_to_u64(v, UINT32_MAX, &n) < 0)
		f->bad_sum = true;
	else
		f->sum = (uint32_t)n;
}

/* All zeros: none was made. */
static void read_md5(struct runfile *f, const char *v)
{
	if (strspn(v, "0123456789abcdef") != 32 || v[32])
		return;
	if (strspn(v, "0") != 32)
		memcpy(f->md5, v, 33);
}

static void read_line(struct header *h, const char *line, size_t len)
{
	char v[VALUE_MAX];
	uint64_t n;

	if (value_of(line, len, "filesizes=", v))
		h->plain = true;
	else if (!h->skip && value_of(line, len, "skip=", v) && str_to_u64(v, RUNFILE_HEADER_MAX, &n) == 0)
		h->skip = n;
	else if (!h->last && len > 7 && memcmp(line, "offset=", 7) == 0)
		h->last = number_after(line, len, "head -n ");
	else if (value_of(line, len, "CRCsum=", v))
		read_sum(h->ret, v);
	else if (value_of(line, len, "MD5=", v))
		read_md5(h->ret, v);
	else if (!h->ret->version[0] && value_of(line, len, "version_string=", v) && str_is_version(v) &&
		 strlen(v) < sizeof(h->ret->version))
		memcpy(h->ret->version, v, strlen(v) + 1);
	else if (!h->ret->arch[0] && value_of(line, len, "TARGET_ARCH=", v) && strlen(v) < sizeof(h->ret->arch))
		memcpy(h->ret->arch, v, strlen(v) + 1);
}

/* Where line `n` begins (1: the first); 0 where there is no such line. */
static size_t line_start(const char *data, size_t len, uint64_t n)
{
	const char *p = data;

	for (; n > 1 && p; n--) {
		p = memchr(p, '\n', len - (size_t)(p - data));
		p = p ? p + 1 : NULL;
	}
	return p ? (size_t)(p - data) : 0;
}

/* The archive's first line, as far as it is known; 0: it is not. */
static uint64_t first_line(const struct header *h)
{
	if (h->skip)
		return h->skip + (h->plain ? 1 : 0);
	return h->last ? h->last + 1 : 0;
}

bool runfile_parse(const char *data, size_t len, struct runfile *ret)
{
	struct header h = { .ret = ret };
	const char *newline;

	*ret = (struct runfile){ 0 };
	if (len > RUNFILE_HEADER_MAX)
		len = RUNFILE_HEADER_MAX;
	if (len < 2 || data[0] != '#' || data[1] != '!')
		return false;
	/* What is behind the script is no header: NVIDIA has a decompressor there, then the archive. */
	for (size_t at = 0, n = 1; at < len && (!first_line(&h) || n < first_line(&h)); n++) {
		newline = memchr(data + at, '\n', len - at);
		if (!newline)
			break;
		read_line(&h, data + at, (size_t)(newline - data) - at);
		at = (size_t)(newline - data) + 1;
	}
	ret->offset = first_line(&h) ? line_start(data, len, first_line(&h)) : 0;
	/* NVIDIA's sums are of all but its first lines, plain makeself's of the archive. */
	ret->sum_from = h.skip && !h.plain ? line_start(data, len, SUM_FROM_LINE) : ret->offset;
	return ret->sum_from && ret->sum_from <= ret->offset;
}

/* POSIX cksum: CRC-32 of the bytes and of their number. */
struct cksum {
	uint32_t table[256], crc;
	uint64_t length;
};

static void cksum_add(struct cksum *c, const unsigned char *p, size_t n)
{
	uint32_t crc = c->crc;

	for (size_t i = 0; i < n; i++)
		crc = (crc << 8) ^ c->table[(crc >> 24) ^ p[i]];
	c->crc = crc;
	c->length += n;
}

static uint32_t cksum_end(struct cksum *c)
{
	for (uint64_t n = c->length; n; n >>= 8) {
		unsigned char byte = (unsigned char)(n & 0xff);

		cksum_add(c, &byte, 1);
	}
	return ~c->crc;
}

static void cksum_init(struct cksum *c)
{
	c->crc = 0;
	c->length = 0;
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t v = i << 24;

		for (int k = 0; k < 8; k++)
			v = v & 0x80000000u ? (v << 1) ^ 0x04c11db7u : v << 1;
		c->table[i] = v;
	}
}

static int damaged(const char *name, struct err *err)
{
	return err_set(err, ERR_ARCHIVE, 0, "%s: damaged: its content is not what the checksum in its header says",
		       name);
}

static int check_sum(int fd, const char *name, const struct runfile *f, struct err *err)
{
	cleanup_free char *buf = mem_alloc(BLOCK);
	uint64_t at = f->sum_from;
	struct cksum c;
	ssize_t n;

	cksum_init(&c);
	while ((n = fd_read_at(fd, buf, BLOCK, at)) > 0) {
		cksum_add(&c, (const unsigned char *)buf, (size_t)n);
		at += (uint64_t)n;
	}
	if (n < 0)
		return err_set(err, ERR_SOURCE, (int)-n, "%s", name);
	return cksum_end(&c) == f->sum ? 0 : damaged(name, err);
}

static int check_md5(int fd, const char *name, const struct runfile *f, struct err *err)
{
	cleanup_free char *buf = mem_alloc(BLOCK);
	struct digest_md5 *md5 = digest_md5_new();
	uint64_t at = f->sum_from;
	char hex[33];
	ssize_t n;

	while ((n = fd_read_at(fd, buf, BLOCK, at)) > 0) {
		digest_md5_add(md5, buf, (size_t)n);
		at += (uint64_t)n;
	}
	digest_md5_end(md5, hex);
	if (n < 0)
		return err_set(err, ERR_SOURCE, (int)-n, "%s", name);
	return str_eq(hex, f->md5) ? 0 : damaged(name, err);
}

int runfile_read(int fd, const char *name, struct runfile *ret, struct err *err)
{
	cleanup_free char *head = mem_alloc(RUNFILE_HEADER_MAX);
	ssize_t n = fd_read_at(fd, head, RUNFILE_HEADER_MAX, 0);

	if (n < 0)
		return err_set(err, ERR_SOURCE, (int)-n, "%s", name);
	if (!runfile_parse(head, (size_t)n, ret)) {
		err_set(err, ERR_ARCHIVE, 0, "%s: no .run file: no header that says where its archive begins", name);
		return err_hint(err, "download it again, and see that it is no web page");
	}
	if (ret->bad_sum)
		return err_set(err, ERR_ARCHIVE, 0, "%s: the checksum in its header is not understood", name);
	if (ret->sum)
		return check_sum(fd, name, ret, err);
	return ret->md5[0] ? check_md5(fd, name, ret, err) : 0;
}
