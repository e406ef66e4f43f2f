/* SPDX-License-Identifier: Apache-2.0 */
#include "store/modinfo.h"

#include <fcntl.h>

#include "store_fixture.h"
#include "tap.h"

static int read_it(const char *dir, const char *path, struct modinfo *m)
{
	cleanup_free char *full = mem_printf("%s/%s", dir, path);
	cleanup_fd int fd = open(full, O_RDONLY | O_CLOEXEC);

	return modinfo_read(fd, m);
}

TEST(reads)
{
	const char *dir = tap_tmpdir();
	struct modinfo m;

	FIXTURE_MODULE(dir, "a.ko", "535.261.03");
	CHECK_INT(read_it(dir, "a.ko", &m), 0);
	CHECK_STR(m.name, "nvidia");
	CHECK_STR(m.version, "535.261.03");
	CHECK_STR(m.vermagic, "6.6.1 SMP");
	CHECK_STR(m.depends, "drm");
}

/* Every byte of the headers set to 0xff, and every length: no crash, and an error or a result. */
TEST(hostile)
{
	const char *dir = tap_tmpdir();
	cleanup_free char *path = mem_printf("%s/a.ko", dir);
	cleanup_free char *good = NULL;
	struct modinfo m;
	size_t len;

	FIXTURE_MODULE(dir, "a.ko", "1.2");
	REQUIRE(fd_read_file_at(AT_FDCWD, path, 1 << 20, &good, &len) == 0);
	for (size_t i = 0; i < sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Shdr); i++) {
		char was = good[i];
		int r;

		good[i] = (char)0xff;
		fixture_write(dir, "b.ko", good, len, 0644);
		good[i] = was;
		r = read_it(dir, "b.ko", &m);
		CHECK(r == 0 || r == -EBADMSG || r == -ENOEXEC);
	}
	for (size_t n = 0; n < sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Shdr); n += 7) {
		fixture_write(dir, "b.ko", good, n, 0644);
		CHECK(read_it(dir, "b.ko", &m) < 0);
	}
	tap_write(dir, "c.ko", "no module at all, but long enough to hold the header of an ELF file, is it not");
	CHECK_INT(read_it(dir, "c.ko", &m), -ENOEXEC);
}

/* The kernel's loader and libkmod go through all sections: each must have a name and lie in the file. */
TEST(other_sections)
{
	const char *dir = tap_tmpdir();
	cleanup_free char *path = mem_printf("%s/a.ko", dir), *good = NULL;
	struct modinfo m;
	size_t len;

	FIXTURE_MODULE(dir, "a.ko", "1.2");
	REQUIRE(fd_read_file_at(AT_FDCWD, path, 1 << 20, &good, &len) == 0);
	for (int i = 0; i < 4; i++) {
		cleanup_free char *bad = mem_alloc(len);
		Elf64_Shdr *first;

		memcpy(bad, good, len);
		first = (Elf64_Shdr *)(bad + ((const Elf64_Ehdr *)bad)->e_shoff);
		if (i == 1)
			first->sh_name = 1u << 20;
		if (i > 1)
			first->sh_type = i == 2 ? SHT_PROGBITS : SHT_NOBITS;
		first->sh_offset = len;
		first->sh_size = 1;
		fixture_write(dir, "b.ko", bad, len, 0644);
		CHECK_INT(read_it(dir, "b.ko", &m), i == 1 || i == 2 ? -EBADMSG : 0);
	}
}
