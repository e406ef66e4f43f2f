/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/ldso.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/ldcache.h"
#include "base/fd.h"
#include "faults.h"
#include "tap.h"

static struct plan_cache_library lib = { "libcuda.so.1", "/usr/local/nvidia/lib64/libcuda.so.1", 64, EM_X86_64 };

static struct plan plan_with_cache(struct arena *a)
{
	struct plan p = { 0 };

	p.cache.wanted = true;
	p.cache.first = &lib;
	p.cache.n_first = 1;
	strlist_add(a, &p.cache.own_prefixes, "/usr/local/nvidia");
	return p;
}

static size_t count_entries(const char *dir, const char *path, const char *soname)
{
	cleanup_fd int d = fd_open_dir(dir);
	cleanup_free char *data = NULL;
	struct ldcache c = { 0 };
	size_t len = 0, n = 0;

	if (fd_read_file_at(d, path, LDCACHE_MAX, &data, &len) < 0)
		return 99;
	ldcache_parse(&c, data, len);
	for (size_t i = 0; i < c.n_entries; i++)
		n += strcmp(c.entries[i]->soname, soname) == 0;
	ldcache_free(&c);
	return n;
}

TEST(a_cache_is_made_merged_and_left_when_nothing_changes)
{
	const char *dir = tap_tmpdir();
	struct container c = CONTAINER_INIT;
	struct arena a = ARENA_INIT;
	struct plan p = plan_with_cache(&a);
	struct err err = ERR_INIT;
	struct stat one = { 0 }, two = { 0 };
	char path[4096];

	c.rootfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	c.proc_self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	c.uid = geteuid();
	c.gid = getegid();
	snprintf(path, sizeof(path), "%s/etc/ld.so.cache", dir);
	CHECK_INT(ldso_update(&c, &p, &err), 0);
	CHECK_INT(count_entries(dir, "etc/ld.so.cache", "libcuda.so.1"), 1);
	CHECK_INT(stat(path, &one), 0);
	CHECK_INT(one.st_mode & 07777, 0644);
	CHECK_INT(ldso_update(&c, &p, &err), 0);
	CHECK_INT(stat(path, &two), 0);
	CHECK_INT(one.st_ino, two.st_ino);
	tap_write(dir, "etc/ld.so.cache", "rubbish");
	CHECK_INT(ldso_update(&c, &p, &err), 0);
	CHECK_INT(count_entries(dir, "etc/ld.so.cache", "libcuda.so.1"), 1);
	arena_free(&a);
	container_close(&c);
}

TEST(a_cache_that_is_a_link_or_no_file)
{
	const char *dir = tap_tmpdir(), *outside = tap_tmpdir();
	struct container c = CONTAINER_INIT;
	struct arena a = ARENA_INIT;
	struct plan p = plan_with_cache(&a);
	struct err err = ERR_INIT;
	struct stat st = { 0 };
	char path[4096];

	c.rootfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	c.proc_self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	c.uid = geteuid();
	c.gid = getegid();
	tap_write(dir, "etc/x", "");
	tap_write(outside, "host-cache", "host");
	snprintf(path, sizeof(path), "%s/etc/ld.so.cache", dir);
	CHECK_INT(symlink("../../../../../../../tmp/nowhere", path), 0);
	CHECK_INT(ldso_update(&c, &p, &err), 0);
	CHECK(lstat(path, &st) == 0 && S_ISREG(st.st_mode));
	CHECK_INT(unlink(path), 0);
	/* A FIFO must neither stop us nor be written to. */
	CHECK_INT(mkfifo(path, 0600), 0);
	CHECK_INT(ldso_update(&c, &p, &err), 0);
	CHECK(lstat(path, &st) == 0 && S_ISREG(st.st_mode));
	CHECK_INT(unlink(path), 0);
	CHECK_INT(mkdir(path, 0700), 0);
	CHECK(ldso_update(&c, &p, &err) < 0);
	CHECK_INT(err.code, ERR_WRITE);
	arena_free(&a);
	container_close(&c);
}

/* Without what the image's own cache says its programs would miss their libraries: no start then, and the file stays. */
TEST(a_cache_that_cannot_be_read)
{
	static const struct {
		const char *call;
		unsigned nth;
		int errnum;
		enum err_code code;
	} t[] = { { "openat2", 1, EACCES, ERR_ROOTFS }, { "openat2", 1, EMFILE, ERR_ROOTFS },
		  { "openat2", 2, EMFILE, ERR_ROOTFS }, { "fstat", 1, EIO, ERR_ROOTFS },
		  { "read", 1, EIO, ERR_ROOTFS },	{ "cap_set_proc", 1, EPERM, ERR_PRIVILEGE } };
	const char *dir = tap_tmpdir();
	struct container c = CONTAINER_INIT;
	struct arena a = ARENA_INIT;
	struct plan p = plan_with_cache(&a);

	c.rootfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	c.proc_self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	c.uid = geteuid();
	c.gid = getegid();
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		cleanup_free char *text = NULL;
		struct err err = ERR_INIT;
		size_t len;

		tap_write(dir, "etc/ld.so.cache", "what was there");
		faults_arm(t[i].call, t[i].nth, t[i].errnum);
		CHECK_INT(ldso_update(&c, &p, &err), -t[i].errnum);
		CHECK_INT(faults_disarm(), 1);
		CHECK_INT(err.code, t[i].code);
		CHECK_INT(fd_read_file_at(c.rootfd, "etc/ld.so.cache", 4096, &text, &len), 0);
		CHECK_STR(text, "what was there");
	}
	arena_free(&a);
	container_close(&c);
}

/* What the kernel says of a path that leads nowhere, and of what is no file. */
TEST(a_cache_that_is_none)
{
	static const struct {
		const char *call;
		unsigned nth;
		int errnum;
	} t[] = {
		{ "openat2", 1, ENOENT }, { "openat2", 1, ENOTDIR },	  { "openat2", 1, ELOOP },
		{ "openat2", 1, EXDEV },  { "openat2", 1, ENAMETOOLONG },
	};
	const char *dir = tap_tmpdir();
	struct container c = CONTAINER_INIT;
	struct arena a = ARENA_INIT;
	struct plan p = plan_with_cache(&a);
	char path[4096];

	c.rootfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	c.proc_self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	c.uid = geteuid();
	c.gid = getegid();
	snprintf(path, sizeof(path), "%s/etc/ld.so.cache", dir);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct err err = ERR_INIT;

		tap_write(dir, "etc/ld.so.cache", "what was there");
		faults_arm(t[i].call, t[i].nth, t[i].errnum);
		CHECK_INT(ldso_update(&c, &p, &err), 0);
		CHECK_INT(faults_disarm(), 1);
		CHECK_INT(count_entries(dir, "etc/ld.so.cache", "libcuda.so.1"), 1);
	}
	CHECK(unlink(path) == 0 && mknod(path, S_IFSOCK | 0600, 0) == 0);
	CHECK_INT(ldso_update(&c, &p, &(struct err)ERR_INIT), 0);
	CHECK_INT(count_entries(dir, "etc/ld.so.cache", "libcuda.so.1"), 1);
	arena_free(&a);
	container_close(&c);
}

TEST(a_cache_that_is_too_large_is_replaced)
{
	const char *dir = tap_tmpdir();
	struct container c = CONTAINER_INIT;
	struct arena a = ARENA_INIT;
	struct plan p = plan_with_cache(&a);
	struct err err = ERR_INIT;
	struct stat st = { 0 };
	char path[4096];

	c.rootfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	c.proc_self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	c.uid = geteuid();
	c.gid = getegid();
	tap_write(dir, "etc/ld.so.cache", "x");
	snprintf(path, sizeof(path), "%s/etc/ld.so.cache", dir);
	CHECK_INT(truncate(path, (off_t)LDCACHE_MAX + 1), 0);
	CHECK_INT(ldso_update(&c, &p, &err), 0);
	CHECK(stat(path, &st) == 0 && st.st_size < 4096);
	arena_free(&a);
	container_close(&c);
}

/* The loader has no name for a library of another machine; and the same length is not the same cache. */
TEST(what_the_loader_cannot_use_is_left_out)
{
	struct plan_cache_library libs[] = {
		{ "libcuda.so.1", "/usr/local/nvidia/lib64/libcuda.so.1", 64, EM_X86_64 },
		{ "libcuda.so.1", "/usr/local/nvidia/lib64/libcuda.so.1", 64, EM_RISCV },
	};
	const char *dir = tap_tmpdir();
	struct container c = CONTAINER_INIT;
	struct arena a = ARENA_INIT;
	struct plan p = plan_with_cache(&a);
	struct err err = ERR_INIT;

	c.rootfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	c.proc_self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	c.uid = geteuid();
	c.gid = getegid();
	p.cache.first = libs;
	p.cache.n_first = 2;
	CHECK_INT(ldso_update(&c, &p, &err), 0);
	CHECK_INT(count_entries(dir, "etc/ld.so.cache", "libcuda.so.1"), 1);
	libs[0].soname = "libcuda.so.2";
	libs[0].path = "/usr/local/nvidia/lib64/libcuda.so.2";
	CHECK_INT(ldso_update(&c, &p, &err), 0);
	CHECK_INT(count_entries(dir, "etc/ld.so.cache", "libcuda.so.1"), 0);
	CHECK_INT(count_entries(dir, "etc/ld.so.cache", "libcuda.so.2"), 1);
	arena_free(&a);
	container_close(&c);
}
