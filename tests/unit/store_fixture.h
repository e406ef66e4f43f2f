/* SPDX-License-Identifier: Apache-2.0 */
/* Small made-up libraries, programs, modules and archives for the store's tests. */
#ifndef NVCOREOS_TESTS_STORE_FIXTURE_H
#define NVCOREOS_TESTS_STORE_FIXTURE_H

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"

extern char **environ;

/* Writes bytes to dir/path, making directories. */
static inline void fixture_write(const char *dir, const char *path, const void *data, size_t len, mode_t mode)
{
	char parent[4096];
	cleanup_free char *full = mem_printf("%s/%s", dir, path);
	cleanup_fd int d = -EBADF;

	if (path_parent(full, parent, sizeof(parent)) == 0 && fd_mkdir_p(AT_FDCWD, parent, 0755) == 0)
		d = fd_open_dir(parent);
	if (d < 0 || fd_replace_file(d, path_base(full), data, len, mode, 0) < 0)
		abort();
}

/* A shared library with this SONAME; `extra` makes its content differ. */
static inline void fixture_library(const char *dir, const char *path, const char *soname, const char *extra)
{
	struct {
		Elf64_Ehdr h;
		Elf64_Phdr p[2];
		Elf64_Dyn d[5];
		char strings[256];
		char extra[64];
	} f = { 0 };

	memcpy(f.h.e_ident, ELFMAG, SELFMAG);
	f.h.e_ident[EI_CLASS] = ELFCLASS64;
	f.h.e_ident[EI_DATA] = ELFDATA2LSB;
	f.h.e_ident[EI_VERSION] = EV_CURRENT;
	f.h.e_type = ET_DYN;
	f.h.e_machine = EM_X86_64;
	f.h.e_version = EV_CURRENT;
	f.h.e_phoff = sizeof(f.h);
	f.h.e_ehsize = sizeof(f.h);
	f.h.e_phentsize = sizeof(Elf64_Phdr);
	f.h.e_phnum = 2;
	f.p[0] = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_filesz = sizeof(f), .p_memsz = sizeof(f), .p_align = 4096, .p_flags = PF_R
	};
	f.p[1] = (Elf64_Phdr){ .p_type = PT_DYNAMIC, .p_flags = PF_R, .p_align = 8 };
	f.p[1].p_offset = f.p[1].p_vaddr = (uint64_t)((char *)f.d - (char *)&f);
	f.p[1].p_filesz = f.p[1].p_memsz = sizeof(f.d);
	snprintf(f.strings + 1, sizeof(f.strings) - 1, "%s", soname ? soname : "");
	f.d[0] = (Elf64_Dyn){ .d_tag = DT_STRTAB, .d_un.d_ptr = (uint64_t)(f.strings - (char *)&f) };
	f.d[1] = (Elf64_Dyn){ .d_tag = DT_STRSZ, .d_un.d_val = sizeof(f.strings) };
	f.d[2] = (Elf64_Dyn){ .d_tag = soname ? DT_SONAME : DT_NULL, .d_un.d_val = soname ? 1 : 0 };
	snprintf(f.extra, sizeof(f.extra), "%s%s", path_base(path), extra ? extra : "");
	fixture_write(dir, path, &f, sizeof(f), 0644);
}

/* A relocatable object with a .modinfo section. `info` holds its strings, each with its NUL. */
static inline void fixture_module(const char *dir, const char *path, const char *info, size_t len)
{
	struct {
		Elf64_Ehdr h;
		Elf64_Shdr s[3];
		char names[32];
		char info[512];
	} f = { 0 };

	memcpy(f.h.e_ident, ELFMAG, SELFMAG);
	f.h.e_ident[EI_CLASS] = ELFCLASS64;
	f.h.e_ident[EI_DATA] = ELFDATA2LSB;
	f.h.e_ident[EI_VERSION] = EV_CURRENT;
	f.h.e_type = ET_REL;
	f.h.e_machine = EM_X86_64;
	f.h.e_shoff = sizeof(f.h);
	f.h.e_shentsize = sizeof(Elf64_Shdr);
	f.h.e_shnum = 3;
	f.h.e_shstrndx = 1;
	memcpy(f.names, "\0.shstrtab\0.modinfo", 20);
	f.s[1] = (Elf64_Shdr){ .sh_name = 1, .sh_type = SHT_STRTAB, .sh_size = 20 };
	f.s[1].sh_offset = (uint64_t)(f.names - (char *)&f);
	f.s[2] = (Elf64_Shdr){ .sh_name = 11, .sh_type = SHT_PROGBITS, .sh_size = len };
	f.s[2].sh_offset = (uint64_t)(f.info - (char *)&f);
	memcpy(f.info, info, len);
	fixture_write(dir, path, &f, sizeof(f), 0644);
}

#define FIXTURE_MODULE(dir, path, version) \
	fixture_module(dir, path, "name=nvidia\0version=" version "\0vermagic=6.6.1 SMP\0depends=drm\0", \
		       sizeof("name=nvidia\0version=" version "\0vermagic=6.6.1 SMP\0depends=drm\0") - 1)

/* Runs tar with these arguments (NULL at the end); whether it succeeded. */
static inline int fixture_tar(const char *const argv[])
{
	pid_t pid;
	int status;

	if (posix_spawnp(&pid, "tar", NULL, NULL, (char *const *)argv, environ) != 0 || waitpid(pid, &status, 0) < 0)
		return 0;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* All of `dir` into the archive `to`, compressed as its name says. */
static inline int fixture_archive(const char *to, const char *dir)
{
	const char *const argv[] = { "tar", "-caf", to, "-C", dir, ".", NULL };

	return fixture_tar(argv);
}

static inline int fixture_exists(const char *dir, const char *path)
{
	cleanup_free char *full = mem_printf("%s/%s", dir, path);
	struct stat st;

	return lstat(full, &st) == 0;
}

/* The inode of dir/path, not following; 0 where there is none. */
static inline ino_t fixture_inode(const char *dir, const char *path)
{
	cleanup_free char *full = mem_printf("%s/%s", dir, path);
	struct stat st;

	return lstat(full, &st) == 0 ? st.st_ino : 0;
}

static inline const char *fixture_readlink(const char *dir, const char *path)
{
	static char buf[4096];
	cleanup_free char *full = mem_printf("%s/%s", dir, path);
	ssize_t n = readlink(full, buf, sizeof(buf) - 1);

	if (n < 0)
		return NULL;
	buf[n] = '\0';
	return buf;
}

/* Whether anything that a failed run may leave is in dir. */
static inline int fixture_has_staging(const char *dir)
{
	cleanup_free char *command = mem_printf("ls -A %s 2>/dev/null | grep -q '^[.]staging'", dir);
	const char *const argv[] = { "sh", "-c", command, NULL };
	pid_t pid;
	int status;

	if (posix_spawnp(&pid, "sh", NULL, NULL, (char *const *)argv, environ) != 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

#endif
