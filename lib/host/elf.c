/* SPDX-License-Identifier: Apache-2.0 */
#include "host/elf.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

/* Real libraries have a dozen segments and forty dynamic entries; the limits bound what a hostile one makes us read. */
#define SEGMENTS_MAX 128
#define DYNAMIC_MAX 1024
#define DYNAMIC_CHUNK 64

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OUR_DATA ELFDATA2LSB
#else
#define OUR_DATA ELFDATA2MSB
#endif

struct image {
	int fd; /* used where data is NULL */
	const unsigned char *data;
	uint64_t len;
	bool wide; /* 64-bit class */
};

/* What is needed of both classes' headers, in one width. */
struct header {
	uint16_t type, machine;
	uint32_t version;
	uint64_t phoff, shoff;
	uint16_t phnum, phentsize, shnum, shentsize;
};

struct segment {
	uint32_t type;
	uint64_t offset, vaddr, filesz;
};

struct dynamic {
	uint64_t strtab, strsz, soname;
	bool has_strtab, has_strsz, has_soname;
};

static bool fits(const struct image *m, uint64_t offset, uint64_t size)
{
	return offset <= m->len && size <= m->len - offset;
}

static int image_read(const struct image *m, uint64_t offset, void *buf, size_t size)
{
	ssize_t n;

	if (!fits(m, offset, size))
		return -EBADMSG;
	if (m->data) {
		memcpy(buf, m->data + offset, size);
		return 0;
	}
	n = fd_read_at(m->fd, buf, size, offset);
	if (n < 0)
		return (int)n;
	return (size_t)n == size ? 0 : -EBADMSG;
}

static int read_ident(struct image *m)
{
	unsigned char ident[EI_NIDENT];
	int r;

	if (!fits(m, 0, SELFMAG))
		return -ENOEXEC;
	r = image_read(m, 0, ident, SELFMAG);
	if (r < 0)
		return r;
	if (memcmp(ident, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	r = image_read(m, 0, ident, sizeof(ident));
	if (r < 0)
		return r;
	if (ident[EI_DATA] != OUR_DATA)
		return -ENOEXEC;
	if (ident[EI_VERSION] != EV_CURRENT || (ident[EI_CLASS] != ELFCLASS32 && ident[EI_CLASS] != ELFCLASS64))
		return -EBADMSG;
	m->wide = ident[EI_CLASS] == ELFCLASS64;
	return 0;
}

static int read_header(const struct image *m, struct header *h)
{
	Elf64_Ehdr w;
	Elf32_Ehdr n;
	int r;

	if (m->wide) {
		r = image_read(m, 0, &w, sizeof(w));
		if (r == 0)
			*h = (struct header){
				.type = w.e_type,
				.machine = w.e_machine,
				.version = w.e_version,
				.phoff = w.e_phoff,
				.phnum = w.e_phnum,
				.phentsize = w.e_phentsize,
				.shoff = w.e_shoff,
				.shnum = w.e_shnum,
				.shentsize = w.e_shentsize,
			};
		return r;
	}
	r = image_read(m, 0, &n, sizeof(n));
	if (r == 0)
		*h = (struct header){
			.type = n.e_type,
			.machine = n.e_machine,
			.version = n.e_version,
			.phoff = n.e_phoff,
			.phnum = n.e_phnum,
			.phentsize = n.e_phentsize,
			.shoff = n.e_shoff,
			.shnum = n.e_shnum,
			.shentsize = n.e_shentsize,
		};
	return r;
}

static int check_header(const struct image *m, const struct header *h)
{
	size_t phsize = m->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);

	if (h->version != EV_CURRENT || h->phnum > SEGMENTS_MAX)
		return -EBADMSG;
	if (h->phnum && (h->phentsize != phsize || !fits(m, h->phoff, h->phnum * phsize)))
		return -EBADMSG;
	/* Not used, but it stands at the end of a file, so that a truncated copy shows here. */
	if (h->shoff && !fits(m, h->shoff, (uint64_t)h->shnum * h->shentsize))
		return -EBADMSG;
	return 0;
}

static int read_segment(const struct image *m, const struct header *h, unsigned i, struct segment *s)
{
	Elf64_Phdr w;
	Elf32_Phdr n;
	int r;

	if (m->wide) {
		r = image_read(m, h->phoff + i * sizeof(w), &w, sizeof(w));
		if (r == 0)
			*s = (struct segment){ w.p_type, w.p_offset, w.p_vaddr, w.p_filesz };
	} else {
		r = image_read(m, h->phoff + i * sizeof(n), &n, sizeof(n));
		if (r == 0)
			*s = (struct segment){ n.p_type, n.p_offset, n.p_vaddr, n.p_filesz };
	}
	if (r == 0 && (s->type == PT_LOAD || s->type == PT_DYNAMIC || s->type == PT_INTERP) &&
	    !fits(m, s->offset, s->filesz))
		r = -EBADMSG;
	return r;
}

/* One entry of the dynamic section; 1 at its end. */
static int take_dynamic(struct dynamic *d, int64_t tag, uint64_t value)
{
	if (tag == DT_NULL)
		return 1;
	if (tag == DT_STRTAB) {
		d->strtab = value;
		d->has_strtab = true;
	} else if (tag == DT_STRSZ) {
		d->strsz = value;
		d->has_strsz = true;
	} else if (tag == DT_SONAME) {
		d->soname = value;
		d->has_soname = true;
	}
	return 0;
}

static int read_dynamic(const struct image *m, const struct segment *s, struct dynamic *d)
{
	size_t size = m->wide ? sizeof(Elf64_Dyn) : sizeof(Elf32_Dyn);
	uint64_t n = s->filesz / size;
	union {
		Elf64_Dyn w[DYNAMIC_CHUNK];
		Elf32_Dyn n[DYNAMIC_CHUNK];
	} chunk;

	for (uint64_t at = 0; at < n && at < DYNAMIC_MAX; at += DYNAMIC_CHUNK) {
		size_t count = n - at < DYNAMIC_CHUNK ? (size_t)(n - at) : DYNAMIC_CHUNK;
		int r = image_read(m, s->offset + at * size, &chunk, count * size);

		for (size_t i = 0; i < count && r == 0; i++)
			r = m->wide ? take_dynamic(d, chunk.w[i].d_tag, chunk.w[i].d_un.d_val)
				    : take_dynamic(d, chunk.n[i].d_tag, chunk.n[i].d_un.d_val);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	/* No DT_NULL: the loader would run on into whatever lies behind. */
	return -EBADMSG;
}

/* The file offset of `size` bytes at an address. In two segments, the loader could see another name. */
static int address_to_offset(const struct segment *segs, unsigned n, uint64_t vaddr, uint64_t size, uint64_t *ret)
{
	unsigned found = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct segment *s = &segs[i];

		if (s->type != PT_LOAD || vaddr < s->vaddr || vaddr - s->vaddr >= s->filesz)
			continue;
		if (size > s->filesz - (vaddr - s->vaddr))
			return -EBADMSG;
		*ret = s->offset + (vaddr - s->vaddr);
		found++;
	}
	return found == 1 ? 0 : -EBADMSG;
}

static bool is_plain_name(const char *s)
{
	if (!*s || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s > '~' || *s == '/')
			return false;
	return true;
}

static int read_soname(const struct image *m, const struct segment *segs, unsigned n, const struct dynamic *d,
		       char *ret)
{
	char name[ELF_NAME_MAX];
	uint64_t offset, left;
	int r;

	if (!d->has_strtab || !d->has_strsz || d->soname >= d->strsz)
		return -EBADMSG;
	r = address_to_offset(segs, n, d->strtab, d->strsz, &offset);
	if (r < 0)
		return r;
	left = d->strsz - d->soname;
	if (left > sizeof(name))
		left = sizeof(name);
	r = image_read(m, offset + d->soname, name, (size_t)left);
	if (r < 0)
		return r;
	if (!memchr(name, '\0', (size_t)left) || !is_plain_name(name))
		return -EBADMSG;
	memcpy(ret, name, strlen(name) + 1);
	return 0;
}

static int parse_image(struct image *m, struct elf_facts *ret)
{
	struct segment segs[SEGMENTS_MAX];
	struct elf_facts facts = { 0 };
	const struct segment *dynamic = NULL;
	struct dynamic dyn = { 0 };
	bool interpreter = false;
	struct header h = { 0 };
	int r = read_ident(m);

	if (r == 0)
		r = read_header(m, &h);
	if (r == 0)
		r = check_header(m, &h);
	for (unsigned i = 0; i < h.phnum && r == 0; i++) {
		r = read_segment(m, &h, i, &segs[i]);
		if (r != 0)
			return r;
		interpreter |= segs[i].type == PT_INTERP;
		if (segs[i].type != PT_DYNAMIC)
			continue;
		if (dynamic)
			return -EBADMSG;
		dynamic = &segs[i];
	}
	if (r == 0 && dynamic)
		r = read_dynamic(m, dynamic, &dyn);
	if (r == 0 && dyn.has_soname)
		r = read_soname(m, segs, h.phnum, &dyn, facts.soname);
	if (r < 0)
		return r;
	facts.class = m->wide ? 64 : 32;
	facts.machine = h.machine;
	facts.type = h.type;
	facts.executable = h.type == ET_EXEC || (h.type == ET_DYN && interpreter);
	*ret = facts;
	return 0;
}

int elf_read(int fd, struct elf_facts *ret)
{
	struct image m = { .fd = fd };
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	m.len = (uint64_t)st.st_size;
	return parse_image(&m, ret);
}

int elf_parse(const void *data, uint64_t len, struct elf_facts *ret)
{
	/* An empty file may be mapped as NULL, which means "read the fd" below. */
	struct image m = { .fd = -EBADF, .data = data ? data : (const unsigned char *)"", .len = data ? len : 0 };

	return parse_image(&m, ret);
}
