/* SPDX-License-Identifier: Apache-2.0 */
#include "store/modinfo.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#define MODINFO_MAX (1u << 20)
#define NAMES_MAX (4u << 20)

#if __BYTE_ORDER == __LITTLE_ENDIAN
#define ORDER ELFDATA2LSB
#else
#define ORDER ELFDATA2MSB
#endif

struct file {
	int fd;
	uint64_t size;
};

static int read_at(const struct file *f, void *buf, uint64_t len, uint64_t offset)
{
	ssize_t n;

	if (offset > f->size || len > f->size - offset)
		return -EBADMSG;
	n = fd_read_at(f->fd, buf, (size_t)len, offset);
	if (n < 0)
		return (int)n;
	return (uint64_t)n == len ? 0 : -EBADMSG;
}

/* A section's bytes with a NUL behind them; the caller frees. */
static int read_section(const struct file *f, const Elf64_Shdr *s, uint64_t max, char **ret)
{
	cleanup_free char *buf = NULL;
	int r;

	if (s->sh_type == SHT_NOBITS || s->sh_size > max || s->sh_size > f->size)
		return -EBADMSG;
	buf = mem_zalloc((size_t)s->sh_size + 1);
	r = read_at(f, buf, s->sh_size, s->sh_offset);
	if (r == 0)
		*ret = take_ptr(buf);
	return r;
}

static void take_value(struct modinfo *m, const char *entry)
{
	static const char *const keys[] = { "name=", "version=", "vermagic=", "depends=" };
	char *const fields[] = { m->name, m->version, m->vermagic, m->depends };
	const size_t sizes[] = { sizeof(m->name), sizeof(m->version), sizeof(m->vermagic), sizeof(m->depends) };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *value = str_after(entry, keys[i]);

		if (value && !*fields[i])
			snprintf(fields[i], sizes[i], "%s", value);
	}
}

static bool is_within(const struct file *f, const Elf64_Shdr *s)
{
	return s->sh_type == SHT_NULL || s->sh_type == SHT_NOBITS ||
	       (s->sh_offset <= f->size && s->sh_size <= f->size - s->sh_offset);
}

/* Which section is .modinfo; -EBADMSG where there is none, or where any section has no name or lies outside. */
static int find_section(const struct file *f, const Elf64_Ehdr *h, const Elf64_Shdr *sections, const Elf64_Shdr **ret)
{
	cleanup_free char *names = NULL;
	const Elf64_Shdr *strings = &sections[h->e_shstrndx];
	int r = read_section(f, strings, NAMES_MAX, &names);

	if (r != 0)
		return r;
	if (!strings->sh_size || names[strings->sh_size - 1])
		return -EBADMSG;
	for (unsigned i = 0; i < h->e_shnum; i++) {
		if (sections[i].sh_name >= strings->sh_size || !is_within(f, &sections[i]))
			return -EBADMSG;
		if (!*ret && str_eq(names + sections[i].sh_name, ".modinfo"))
			*ret = &sections[i];
	}
	return *ret ? 0 : -EBADMSG;
}

static int read_sections(const struct file *f, const Elf64_Ehdr *h, struct modinfo *ret)
{
	cleanup_free Elf64_Shdr *sections = NULL;
	cleanup_free char *text = NULL;
	const Elf64_Shdr *info = NULL;
	int r;

	if (h->e_shentsize != sizeof(*sections) || !h->e_shnum || h->e_shstrndx >= h->e_shnum)
		return -EBADMSG;
	sections = mem_zalloc((size_t)h->e_shnum * sizeof(*sections));
	r = read_at(f, sections, (uint64_t)h->e_shnum * sizeof(*sections), h->e_shoff);
	if (r == 0)
		r = find_section(f, h, sections, &info);
	if (r == 0)
		r = read_section(f, info, MODINFO_MAX, &text);
	if (r != 0)
		return r;
	for (uint64_t o = 0; o < info->sh_size; o += strlen(text + o) + 1)
		take_value(ret, text + o);
	return 0;
}

int modinfo_read(int fd, struct modinfo *ret)
{
	struct file f = { .fd = fd };
	struct stat st;
	Elf64_Ehdr h;

	*ret = (struct modinfo){ 0 };
	if (fstat(fd, &st) < 0)
		return -errno;
	f.size = (uint64_t)st.st_size;
	if (f.size < sizeof(h) || read_at(&f, &h, sizeof(h), 0) < 0 || memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 ||
	    h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_ident[EI_DATA] != ORDER || h.e_type != ET_REL)
		return -ENOEXEC;
	return read_sections(&f, &h, ret);
}
