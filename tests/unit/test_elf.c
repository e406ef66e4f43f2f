/* SPDX-License-Identifier: Apache-2.0 */
#include "host/elf.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "tap.h"

#define STRTAB_AT 0x400
#define DYNAMIC_AT 0x300
#define VADDR 0x10000
#define FILE_SIZE 0x600

/* A file of each class made by hand: one PT_LOAD over all of it, a dynamic section, a string table. */
struct wide {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[4];
};
struct narrow {
	Elf32_Ehdr eh;
	Elf32_Phdr ph[4];
};

static void ident(unsigned char *e, unsigned char class)
{
	memcpy(e, ELFMAG, SELFMAG);
	e[EI_CLASS] = class;
	e[EI_DATA] = ELFDATA2LSB;
	e[EI_VERSION] = EV_CURRENT;
}

static void make_wide(unsigned char *f, const char *soname)
{
	struct wide w = { 0 };
	Elf64_Dyn d[4] = {
		{ DT_SONAME, { 1 } },
		{ DT_STRTAB, { VADDR + STRTAB_AT } },
		{ DT_STRSZ, { 0x100 } },
		{ DT_NULL, { 0 } },
	};

	memset(f, 0, FILE_SIZE);
	ident(w.eh.e_ident, ELFCLASS64);
	w.eh.e_type = ET_DYN;
	w.eh.e_machine = EM_X86_64;
	w.eh.e_version = EV_CURRENT;
	w.eh.e_phoff = sizeof(w.eh);
	w.eh.e_phentsize = sizeof(w.ph[0]);
	w.eh.e_phnum = 2;
	w.ph[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_vaddr = VADDR, .p_filesz = FILE_SIZE, .p_memsz = FILE_SIZE };
	w.ph[1] = (Elf64_Phdr){
		.p_type = PT_DYNAMIC, .p_offset = DYNAMIC_AT, .p_vaddr = VADDR + DYNAMIC_AT, .p_filesz = sizeof(d)
	};
	memcpy(f, &w, sizeof(w));
	memcpy(f + DYNAMIC_AT, d, sizeof(d));
	memcpy(f + STRTAB_AT + 1, soname, strlen(soname));
}

static void make_narrow(unsigned char *f, const char *soname)
{
	struct narrow w = { 0 };
	Elf32_Dyn d[4] = {
		{ DT_STRSZ, { 0x100 } },
		{ DT_STRTAB, { VADDR + STRTAB_AT } },
		{ DT_SONAME, { 1 } },
		{ DT_NULL, { 0 } },
	};

	memset(f, 0, FILE_SIZE);
	ident(w.eh.e_ident, ELFCLASS32);
	w.eh.e_type = ET_DYN;
	w.eh.e_machine = EM_386;
	w.eh.e_version = EV_CURRENT;
	w.eh.e_phoff = sizeof(w.eh);
	w.eh.e_phentsize = sizeof(w.ph[0]);
	w.eh.e_phnum = 2;
	w.ph[0] = (Elf32_Phdr){ .p_type = PT_LOAD, .p_vaddr = VADDR, .p_filesz = FILE_SIZE, .p_memsz = FILE_SIZE };
	w.ph[1] = (Elf32_Phdr){
		.p_type = PT_DYNAMIC, .p_offset = DYNAMIC_AT, .p_vaddr = VADDR + DYNAMIC_AT, .p_filesz = sizeof(d)
	};
	memcpy(f, &w, sizeof(w));
	memcpy(f + DYNAMIC_AT, d, sizeof(d));
	memcpy(f + STRTAB_AT + 1, soname, strlen(soname));
}

/* Parses a copy of exactly this size on the heap, so that a sanitizer sees the first byte read too far. */
static int parse(const unsigned char *data, size_t len, struct elf_facts *facts)
{
	cleanup_free unsigned char *copy = mem_alloc(len ? len : 1);

	memcpy(copy, data, len);
	return elf_parse(copy, len, facts);
}

TEST(both_classes)
{
	_Alignas(16) unsigned char f[FILE_SIZE];
	struct elf_facts e = { 0 };
	struct wide *w = (struct wide *)f;

	make_wide(f, "libcuda.so.1");
	CHECK_INT(parse(f, sizeof(f), &e), 0);
	CHECK_INT(e.class, 64);
	CHECK_INT(e.machine, EM_X86_64);
	CHECK_INT(e.type, ET_DYN);
	CHECK(!e.executable);
	CHECK_STR(e.soname, "libcuda.so.1");
	make_narrow(f, "libnvidia-ml.so.1");
	CHECK_INT(parse(f, sizeof(f), &e), 0);
	CHECK_INT(e.class, 32);
	CHECK_INT(e.machine, EM_386);
	CHECK_STR(e.soname, "libnvidia-ml.so.1");
	/* A kernel module: no program headers at all. */
	make_wide(f, "x");
	w->eh.e_type = ET_REL;
	w->eh.e_phnum = 0;
	w->eh.e_phentsize = 0;
	CHECK_INT(parse(f, sizeof(f), &e), 0);
	CHECK_STR(e.soname, "");
	CHECK(!e.executable);
	/* Programs: static, and with an interpreter. */
	w->eh.e_type = ET_EXEC;
	CHECK_INT(parse(f, sizeof(f), &e), 0);
	CHECK(e.executable);
	make_wide(f, "x");
	w->eh.e_phnum = 3;
	w->ph[2] = (Elf64_Phdr){ .p_type = PT_INTERP, .p_offset = 0x10, .p_filesz = 4 };
	CHECK_INT(parse(f, sizeof(f), &e), 0);
	CHECK(e.executable);
}

TEST(not_ours)
{
	_Alignas(16) unsigned char f[FILE_SIZE];
	struct elf_facts e = { .class = 7 };

	CHECK_INT(elf_parse(NULL, 0, &e), -ENOEXEC);
	CHECK_INT(parse((const unsigned char *)"#!/bin/sh\n", 10, &e), -ENOEXEC);
	CHECK_INT(parse((const unsigned char *)"\177EL", 3, &e), -ENOEXEC);
	CHECK_INT(parse((const unsigned char *)"\177ELF", 4, &e), -EBADMSG);
	make_wide(f, "x");
	f[EI_DATA] = ELFDATA2MSB;
	CHECK_INT(parse(f, sizeof(f), &e), -ENOEXEC);
	make_narrow(f, "x");
	f[EI_DATA] = ELFDATA2MSB;
	CHECK_INT(parse(f, sizeof(f), &e), -ENOEXEC);
	f[EI_DATA] = ELFDATANONE;
	CHECK_INT(parse(f, sizeof(f), &e), -ENOEXEC);
	make_wide(f, "x");
	f[EI_CLASS] = 3;
	CHECK_INT(parse(f, sizeof(f), &e), -EBADMSG);
	CHECK_INT(e.class, 7);
}

static const char *const bad_sonames[] = { "a/b", "/x", "..", ".", "", "a b", "a\nb", "\xff", "\x7f", "\033[1m" };

TEST(sonames)
{
	_Alignas(16) unsigned char f[FILE_SIZE];
	struct elf_facts e;

	for (size_t i = 0; i < ARRAY_SIZE(bad_sonames); i++) {
		make_wide(f, bad_sonames[i]);
		if (!CHECK_INT(parse(f, sizeof(f), &e), -EBADMSG))
			printf("# SONAME %zu\n", i);
		make_narrow(f, bad_sonames[i]);
		CHECK_INT(parse(f, sizeof(f), &e), -EBADMSG);
	}
	/* The string table ends before the name does. */
	make_wide(f, "libcuda.so.1");
	memset(f + STRTAB_AT, 'a', 0x100);
	CHECK_INT(parse(f, sizeof(f), &e), -EBADMSG);
	f[STRTAB_AT + 0xff] = '\0';
	CHECK_INT(parse(f, sizeof(f), &e), 0);
	CHECK_INT(strlen(e.soname), 0xfe);
	/* A name that is terminated in its table, but too long. */
	make_wide(f, "");
	((Elf64_Dyn *)(f + DYNAMIC_AT))[2].d_un.d_val = FILE_SIZE - STRTAB_AT;
	memset(f + STRTAB_AT + 1, 'a', 256);
	CHECK_INT(parse(f, sizeof(f), &e), -EBADMSG);
	f[STRTAB_AT + 256] = '\0';
	CHECK_INT(parse(f, sizeof(f), &e), 0);
	CHECK_INT(strlen(e.soname), 255);
	/* A name that stands in the file, but behind its table. */
	make_wide(f, "");
	memcpy(f + STRTAB_AT + 0x140, "libx.so", 7);
	((Elf64_Dyn *)(f + DYNAMIC_AT))[0].d_un.d_val = 0x140;
	CHECK_INT(parse(f, sizeof(f), &e), -EBADMSG);
}

enum where { EHDR, PH0, PH1, DYN };

static const struct {
	enum where in;
	size_t offset, size;
	uint64_t value;
	int want;
} damages[] = {
	{ EHDR, offsetof(Elf64_Ehdr, e_version), 4, 0, -EBADMSG },
	{ EHDR, offsetof(Elf64_Ehdr, e_phnum), 2, 0xffff, -EBADMSG },
	{ EHDR, offsetof(Elf64_Ehdr, e_phnum), 2, 129, -EBADMSG },
	{ EHDR, offsetof(Elf64_Ehdr, e_phentsize), 2, 0, -EBADMSG },
	{ EHDR, offsetof(Elf64_Ehdr, e_phentsize), 2, 32, -EBADMSG },
	{ EHDR, offsetof(Elf64_Ehdr, e_phoff), 8, UINT64_MAX, -EBADMSG },
	{ EHDR, offsetof(Elf64_Ehdr, e_phoff), 8, UINT64_MAX - 55, -EBADMSG },
	{ EHDR, offsetof(Elf64_Ehdr, e_phoff), 8, FILE_SIZE - 56, -EBADMSG },
	{ EHDR, offsetof(Elf64_Ehdr, e_shoff), 8, FILE_SIZE + 1, -EBADMSG },
	{ EHDR, offsetof(Elf64_Ehdr, e_shoff), 8, UINT64_MAX, -EBADMSG },
	{ PH0, offsetof(Elf64_Phdr, p_offset), 8, 1, -EBADMSG },
	{ PH0, offsetof(Elf64_Phdr, p_filesz), 8, UINT64_MAX, -EBADMSG },
	{ PH0, offsetof(Elf64_Phdr, p_filesz), 8, FILE_SIZE + 1, -EBADMSG },
	{ PH0, offsetof(Elf64_Phdr, p_filesz), 8, STRTAB_AT, -EBADMSG },
	{ PH0, offsetof(Elf64_Phdr, p_filesz), 8, STRTAB_AT + 0xff, -EBADMSG },
	{ PH0, offsetof(Elf64_Phdr, p_filesz), 8, STRTAB_AT + 0x100, 0 },
	{ PH0, offsetof(Elf64_Phdr, p_vaddr), 8, UINT64_MAX, -EBADMSG },
	{ PH0, offsetof(Elf64_Phdr, p_type), 4, PT_NOTE, -EBADMSG },
	{ PH0, offsetof(Elf64_Phdr, p_type), 4, PT_DYNAMIC, -EBADMSG }, /* two of them */
	{ PH1, offsetof(Elf64_Phdr, p_offset), 8, UINT64_MAX, -EBADMSG },
	{ PH1, offsetof(Elf64_Phdr, p_filesz), 8, UINT64_MAX, -EBADMSG },
	{ PH1, offsetof(Elf64_Phdr, p_filesz), 8, 0, -EBADMSG },
	{ PH1, offsetof(Elf64_Phdr, p_filesz), 8, 3 * sizeof(Elf64_Dyn), -EBADMSG }, /* no DT_NULL */
	{ DYN, 0, 8, DT_NULL, 0 },						     /* no SONAME then */
	{ DYN, 8, 8, 0x100, -EBADMSG },						     /* behind the table */
	{ DYN, 8, 8, UINT64_MAX, -EBADMSG },
	{ DYN, 16, 8, DT_NEEDED, -EBADMSG }, /* no string table */
	{ DYN, 24, 8, VADDR - 1, -EBADMSG },
	{ DYN, 24, 8, UINT64_MAX, -EBADMSG },
	{ DYN, 24, 8, VADDR + FILE_SIZE - 1, -EBADMSG },
	{ DYN, 32, 8, DT_NEEDED, -EBADMSG }, /* no size of it */
	{ DYN, 40, 8, UINT64_MAX, -EBADMSG },
	{ DYN, 40, 8, 0, -EBADMSG },
};

TEST(damaged)
{
	static const size_t bases[] = {
		[EHDR] = 0,
		[PH0] = sizeof(Elf64_Ehdr),
		[PH1] = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
		[DYN] = DYNAMIC_AT,
	};
	_Alignas(16) unsigned char f[FILE_SIZE];
	struct elf_facts e;

	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		make_wide(f, "libx.so");
		memcpy(f + bases[damages[i].in] + damages[i].offset, &damages[i].value, damages[i].size);
		if (!CHECK_INT(parse(f, sizeof(f), &e), damages[i].want))
			printf("# damage %zu\n", i);
	}
}

TEST(overlapping_segments)
{
	_Alignas(16) unsigned char f[FILE_SIZE];
	struct wide *w = (struct wide *)f;
	struct elf_facts e;

	make_wide(f, "libx.so");
	w->eh.e_phnum = 3;
	w->ph[2] = w->ph[0];
	CHECK_INT(parse(f, sizeof(f), &e), -EBADMSG);
	/* Elsewhere in the address space the same bytes are no harm. */
	w->ph[2].p_vaddr = 16 * VADDR;
	CHECK_INT(parse(f, sizeof(f), &e), 0);
	w->ph[2] = w->ph[1];
	CHECK_INT(parse(f, sizeof(f), &e), -EBADMSG);
}

/* More entries than anyone has are refused after a few pages. */
TEST(endless_dynamic_section)
{
	size_t len = 1u << 20;
	cleanup_free unsigned char *f = mem_zalloc(len);
	struct wide *w = (struct wide *)f;
	struct elf_facts e;

	make_wide(f, "libx.so");
	w->ph[0].p_filesz = len;
	w->ph[1].p_offset = FILE_SIZE;
	w->ph[1].p_filesz = len - FILE_SIZE;
	memset(f + FILE_SIZE, 1, len - FILE_SIZE);
	CHECK_INT(parse(f, len, &e), -EBADMSG);
	/* An end there is, but far away; then one that is near. */
	memset(f + FILE_SIZE + 2000 * sizeof(Elf64_Dyn), 0, sizeof(Elf64_Dyn));
	CHECK_INT(parse(f, len, &e), -EBADMSG);
	memset(f + FILE_SIZE + 1000 * sizeof(Elf64_Dyn), 0, sizeof(Elf64_Dyn));
	CHECK_INT(parse(f, len, &e), 0);
}

TEST(many_segments)
{
	size_t len = 1u << 16;
	cleanup_free unsigned char *f = mem_zalloc(len);
	struct wide *w = (struct wide *)f;
	struct elf_facts e;

	make_wide(f, "libx.so");
	w->eh.e_phoff = FILE_SIZE;
	w->eh.e_phnum = 128;
	CHECK_INT(parse(f, len, &e), 0);
	w->eh.e_phnum = 129;
	CHECK_INT(parse(f, len, &e), -EBADMSG);
}

/* Each length of each class: an error or, never, a read behind the end (the sanitizer's part). */
TEST(truncated_everywhere)
{
	_Alignas(16) unsigned char f[FILE_SIZE];
	struct elf_facts e;

	make_wide(f, "libx.so");
	for (size_t n = 0; n < FILE_SIZE; n++)
		CHECK_INT(parse(f, n, &e), n < SELFMAG ? -ENOEXEC : -EBADMSG);
	make_narrow(f, "libx.so");
	for (size_t n = 0; n < FILE_SIZE; n++)
		CHECK_INT(parse(f, n, &e), n < SELFMAG ? -ENOEXEC : -EBADMSG);
}

/* Every byte of the headers with every bit turned: never a crash. */
TEST(bits_turned)
{
	_Alignas(16) unsigned char f[FILE_SIZE];
	struct elf_facts e;
	unsigned refused = 0;

	for (unsigned bit = 0; bit < 8 * FILE_SIZE; bit++) {
		make_wide(f, "libx.so");
		f[bit / 8] ^= (unsigned char)(1u << bit % 8);
		refused += parse(f, sizeof(f), &e) < 0;
		make_narrow(f, "libx.so");
		f[bit / 8] ^= (unsigned char)(1u << bit % 8);
		refused += parse(f, sizeof(f), &e) < 0;
	}
	CHECK(refused > 100);
}

static int find_libc(struct dl_phdr_info *info, size_t size, void *data)
{
	char *path = data;

	(void)size;
	if (info->dlpi_name && strstr(info->dlpi_name, "/libc.so.6"))
		snprintf(path, 512, "%s", info->dlpi_name);
	return 0;
}

TEST(files_of_this_machine)
{
	cleanup_fd int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	cleanup_fd int libc = -EBADF, dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		       null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char path[512] = "";
	struct elf_facts e;

	REQUIRE(self >= 0);
	CHECK_INT(elf_read(self, &e), 0);
	CHECK_INT(e.class, sizeof(void *) * 8);
	CHECK(e.executable);
	CHECK_STR(e.soname, "");
	CHECK_INT(elf_read(dir, &e), -EINVAL);
	CHECK_INT(elf_read(null, &e), -EINVAL);
	CHECK_INT(elf_read(-1, &e), -EBADF);
	dl_iterate_phdr(find_libc, path);
	if (!*path) {
		tap_skip("no shared libc");
		return;
	}
	libc = open(path, O_RDONLY | O_CLOEXEC);
	REQUIRE(libc >= 0);
	CHECK_INT(elf_read(libc, &e), 0);
	CHECK_STR(e.soname, "libc.so.6");
}

/* A real library cut short anywhere is damaged, for its section headers stand last. */
TEST(real_library_truncated)
{
	cleanup_fd int libc = -EBADF;
	cleanup_free char *text = NULL;
	char path[512] = "";
	struct elf_facts e;
	size_t len;

	dl_iterate_phdr(find_libc, path);
	if (!*path) {
		tap_skip("no shared libc");
		return;
	}
	libc = open(path, O_RDONLY | O_CLOEXEC);
	REQUIRE(libc >= 0);
	REQUIRE(fd_read_all(libc, 64u << 20, &text, &len) == 0);
	CHECK_INT(elf_parse(text, len, &e), 0);
	for (size_t n = SELFMAG; n < 8192; n++)
		if (!CHECK_INT(parse((unsigned char *)text, n, &e), -EBADMSG))
			return;
	for (size_t n = 8192; n < len; n += 4099)
		if (!CHECK_INT(elf_parse(text, n, &e), -EBADMSG))
			return;
	CHECK_INT(elf_parse(text, len - 1, &e), -EBADMSG);
}
