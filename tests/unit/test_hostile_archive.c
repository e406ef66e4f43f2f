/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Archives made by an enemy, one test for each trick: an error, one line that names the archive, nothing left in the store,
 * and what was installed before untouched. And those that only look so, which must install.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "apply/seccomp.h"
#include "base/fd.h"
#include "store/archive.h"
#include "store/install.h"
#include "store_fixture.h"
#include "tap.h"
#include "tarfile.h"

#define DRIVER "535.261.03"
#define LIBRARY "libcuda.so." DRIVER

static int guard(void)
{
#ifndef __SANITIZE_ADDRESS__
	struct err unused = ERR_INIT;

	return seccomp_enter(SECCOMP_DECODE, &unused);
#else
	return 0;
#endif
}

static int sh(const char *command)
{
	const char *const argv[] = { "sh", "-c", command, NULL };
	int status = -1;
	pid_t pid;

	if (posix_spawnp(&pid, "sh", NULL, NULL, (char *const *)argv, environ) == 0)
		waitpid(pid, &status, 0);
	return status;
}

/* Every name, type, size, mode and link below a directory. The caller frees it. */
static char *picture(const char *dir, const char *out)
{
	cleanup_free char *command =
		mem_printf("find %s -printf '%%P %%y %%m %%s %%l\\n' 2>/dev/null | LC_ALL=C sort >%s", dir, out);
	char *text = NULL;
	size_t len;

	CHECK_INT(sh(command), 0);
	CHECK_INT(fd_read_file_at(AT_FDCWD, out, 1 << 20, &text, &len), 0);
	return text;
}

struct world {
	const char *root, *work;
	struct config conf;
	struct strbuf tar;
};

static void world_make(struct world *w)
{
	w->root = tap_tmpdir();
	w->work = tap_tmpdir();
	w->tar = (struct strbuf)STRBUF_INIT;
	tap_write(w->root, "etc/os-release", "ID=flatcar\nVERSION_ID=3975.2.0\n");
	tap_write(w->root, "opt/nvidia/470.10/3975.2.0/lib64/libcuda.so.470.10", "before");
	tap_write(w->root, "opt/cuda/11.0/bin/nvcc", "before");
	cleanup_free char *link = mem_printf("%s/opt/nvidia/current", w->root);
	CHECK_INT(symlink("470.10/3975.2.0", link), 0);
	config_init(&w->conf);
	config_set_root(&w->conf, w->root);
	archive_set_guard(guard);
}

static void world_free(struct world *w)
{
	strbuf_free(&w->tar);
	config_free(&w->conf);
}

/* A real library at the beginning, so that the archive would do but for what follows. */
static void begin(struct world *w)
{
	cleanup_free char *from = mem_printf("%s/lib/" LIBRARY, w->work), *data = NULL;
	size_t len;

	fixture_library(w->work, "lib/" LIBRARY, "libcuda.so.1", NULL);
	CHECK_INT(fd_read_file_at(AT_FDCWD, from, 1 << 20, &data, &len), 0);
	strbuf_free(&w->tar);
	tar_add(&w->tar, &(struct tar_entry){ .type = '0', .path = LIBRARY, .data = data, .len = len });
}

/* Writes the bytes so far as an archive of that name; its path, which the caller frees. */
static char *pack(const struct world *w, const char *name, const char *compress)
{
	char *path = mem_printf("%s/%s", w->work, name);
	cleanup_free char *command = mem_printf("{ %s; } <%s/plain >%s", compress, w->work, path);

	fixture_write(w->work, "plain", w->tar.buf, w->tar.len, 0644);
	CHECK_INT(sh(command), 0);
	return path;
}

static const struct {
	const char *name, *compress;
} kinds[] = {
	{ "libraries-" DRIVER ".tar.zst", "zstd -q -c" },
	{ "libraries-" DRIVER ".tar.xz", "xz -c" },
	{ "libraries-" DRIVER ".tar.gz", "gzip -c" },
	{ "libraries-" DRIVER ".tar.bz2", "bzip2 -c" },
};

static int install(struct world *w, char *path, struct err *err)
{
	struct install_result r;
	int e = install_run(&r, &(struct install_options){ .conf = &w->conf, .root = w->root }, &path, 1, err);

	install_free(&r);
	return e;
}

/* Installs the file: it must be refused with that sentence, and leave the root as it was. */
static void must_refuse(struct world *w, char *path, const char *why)
{
	cleanup_free char *out = mem_printf("%s/picture", w->work), *before = picture(w->root, out), *after = NULL;
	struct err err = ERR_INIT;
	int r = install(w, path, &err);

	after = picture(w->root, out);
	if (!CHECK(r < 0 && (err.code == ERR_ARCHIVE || err.code == ERR_SOURCE)) || !CHECK(strstr(err.what, why)))
		printf("# %s: E%d %s\n", path_base(path), err.code, err.what);
	CHECK(strstr(err.what, path_base(path)) != NULL);
	CHECK(str_eq(after, before));
}

typedef void build_fn(struct strbuf *t);

/* As libraries of a driver and as a toolkit. */
static void refuse_both(build_fn *build, const char *why)
{
	static const char *const names[] = { "libraries-" DRIVER ".tar.zst", "cuda-12.4.1.tar.zst" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct world w;

		world_make(&w);
		begin(&w);
		build(&w.tar);
		tar_end(&w.tar);
		cleanup_free char *path = pack(&w, names[i], "zstd -q -c");
		must_refuse(&w, path, why);
		world_free(&w);
	}
}

static void take_both(build_fn *build)
{
	static const char *const names[] = { "libraries-" DRIVER ".tar.zst", "cuda-12.4.1.tar.zst" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct err err = ERR_INIT;
		struct world w;

		world_make(&w);
		begin(&w);
		build(&w.tar);
		tar_end(&w.tar);
		cleanup_free char *path = pack(&w, names[i], "zstd -q -c");
		if (!CHECK_INT(install(&w, path, &err), 0))
			printf("# %s: %s\n", names[i], err.what);
		world_free(&w);
	}
}

#define REFUSED(name, why) \
	static void build_##name(struct strbuf *t); \
	TEST(name) \
	{ \
		refuse_both(build_##name, why); \
	} \
	static void build_##name(struct strbuf *t)
#define TAKEN(name) \
	static void build_##name(struct strbuf *t); \
	TEST(name) \
	{ \
		take_both(build_##name); \
	} \
	static void build_##name(struct strbuf *t)

/* 1: paths */
REFUSED(path_with_dotdot, "not allowed")
{
	tar_file(t, "../escape");
}
REFUSED(path_absolute, "not allowed")
{
	tar_file(t, "/tmp/nvcoreos-escape");
}
REFUSED(path_back_and_out, "not allowed")
{
	tar_file(t, "a/../../escape");
}
REFUSED(path_with_two_slashes, "not allowed")
{
	tar_file(t, "a//b");
}
REFUSED(path_of_a_file_that_is_a_dot, "not allowed")
{
	tar_file(t, "./.");
}
REFUSED(path_empty, "not allowed")
{
	tar_file(t, "");
}
REFUSED(path_not_utf8, ":")
{
	tar_file(t, "a\xff\xfe");
}
REFUSED(path_utf8, ":")
{
	tar_file(t, "a\xc3\xa4");
}
REFUSED(path_with_newline, "not allowed")
{
	tar_file(t, "a\nnvcoreos: all is well");
}
REFUSED(path_with_nul, ":")
{
	tar_pax(t, 'x', "path", "lib\0../escape", 13);
	tar_file(t, "x");
	/* libarchive ends the name at the NUL: the file is called "lib" then, and this comes second. */
	tar_file(t, "lib");
}
REFUSED(path_of_5000_bytes, "too long")
{
	cleanup_free char *path = mem_zalloc(5001);

	memset(path, 'a', 5000);
	for (size_t i = 100; i < 5000; i += 100)
		path[i] = '/';
	tar_pax(t, 'x', "path", path, 5000);
	tar_file(t, "x");
}

/* 2: symlinks */
REFUSED(symlink_out_and_a_file_through_it, "leaves")
{
	tar_link(t, '2', "out", "../..");
	tar_file(t, "out/escape");
}
REFUSED(symlink_inside_and_a_file_through_it, "lies below")
{
	tar_file(t, "real/x");
	tar_link(t, '2', "in", "real");
	tar_file(t, "in/y");
}
REFUSED(symlink_absolute, "leaves")
{
	tar_link(t, '2', "etc", "/etc");
}
REFUSED(symlink_replaced_by_a_directory, "twice")
{
	tar_link(t, '2', "d", "other");
	tar_add(t, &(struct tar_entry){ .type = '5', .path = "d/", .mode = 0755 });
}
TEST(symlink_chain_that_leads_out)
{
	struct world w;

	world_make(&w);
	begin(&w);
	tar_file(&w.tar, "deep/d/x");
	/* Each stays inside as text; the second through the first does not. Drivers' links are never made, toolkits' are. */
	tar_link(&w.tar, '2', "deep/s", "../.");
	tar_link(&w.tar, '2', "l", "deep/s/../..");
	tar_end(&w.tar);
	cleanup_free char *path = pack(&w, "cuda-12.4.1.tar.zst", "zstd -q -c");
	must_refuse(&w, path, "");
	world_free(&w);
}

/* 3: hard links */
REFUSED(hardlink_out, "before it")
{
	tar_link(t, '1', "h", "/etc/passwd");
}
REFUSED(hardlink_out_by_dotdot, "before it")
{
	tar_link(t, '1', "h", "../../etc/passwd");
}
REFUSED(hardlink_to_a_symlink, "no file")
{
	tar_link(t, '2', "s", LIBRARY);
	tar_link(t, '1', "h", "s");
}
REFUSED(hardlink_forward, "before it")
{
	tar_link(t, '1', "h", "later");
	tar_file(t, "later");
}
REFUSED(hardlink_through_a_later_symlink, "before it")
{
	tar_link(t, '1', "h", "s/passwd");
	tar_link(t, '2', "s", "/etc");
}
REFUSED(hardlink_with_data, "")
{
	tar_add(t, &(struct tar_entry){ .type = '1', .path = "h", .link = LIBRARY, .data = "evil", .len = 4 });
	tar_file(t, "h");
}

/* 4: types */
REFUSED(character_device, "neither file")
{
	tar_add(t, &(struct tar_entry){ .type = '3', .path = "null" });
}
REFUSED(block_device, "neither file")
{
	tar_add(t, &(struct tar_entry){ .type = '4', .path = "sda" });
}
REFUSED(fifo, "neither file")
{
	tar_add(t, &(struct tar_entry){ .type = '6', .path = "fifo" });
}
REFUSED(whiteout_device, "neither file")
{
	tar_add(t, &(struct tar_entry){ .type = '3', .path = ".wh.x" });
}
/* Sockets have no type in tar. POSIX: contiguous files and unknown types are read as files. */
TAKEN(contiguous_is_a_file)
{
	tar_add(t, &(struct tar_entry){ .type = '7', .path = "c", .data = "x", .len = 1 });
}
TAKEN(unknown_type_is_a_file)
{
	tar_add(t, &(struct tar_entry){ .type = 'Q', .path = "q", .data = "x", .len = 1 });
}

/* 5: modes, owners, attributes */
REFUSED(setuid, "setuid")
{
	tar_add(t, &(struct tar_entry){ .type = '0', .path = "nvidia-modprobe", .mode = 04755 });
}
REFUSED(setgid, "setgid")
{
	tar_add(t, &(struct tar_entry){ .type = '0', .path = "x", .mode = 02755 });
}
REFUSED(sticky, "sticky")
{
	tar_add(t, &(struct tar_entry){ .type = '5', .path = "d/", .mode = 01755 });
}
REFUSED(world_writable, "everyone write")
{
	tar_add(t, &(struct tar_entry){ .type = '0', .path = "x", .mode = 0666 });
}
REFUSED(file_capability, "extended attributes")
{
	tar_pax(t, 'x', "SCHILY.xattr.security.capability", "\1\0\0\2\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0", 20);
	tar_file(t, "x");
}
REFUSED(trusted_attribute, "extended attributes")
{
	tar_pax(t, 'x', "SCHILY.xattr.trusted.overlay.opaque", "y", 1);
	tar_file(t, "x");
}
REFUSED(access_control_list, "access control")
{
	tar_pax(t, 'x', "SCHILY.acl.access", "user::rwx,user:nobody:rwx:65534,group::r-x,mask::rwx,other::r-x", 62);
	tar_file(t, "x");
}
REFUSED(access_control_list_on_a_symlink, "access control")
{
	tar_pax(t, 'x', "SCHILY.acl.access", "user::rwx,user:nobody:rwx:65534,group::r-x,mask::rwx,other::r-x", 62);
	tar_link(t, '2', "s", LIBRARY);
}
REFUSED(immutable_flag, "file flags")
{
	tar_pax(t, 'x', "SCHILY.fflags", "schg", 4);
	tar_file(t, "x");
}
/* Owners are not taken over: all is root's. Nor are attributes that mean nothing to the kernel. */
TAKEN(foreign_owner)
{
	tar_pax(t, 'x', "uid", "4294967294", 10);
	tar_file(t, "x");
}
TAKEN(user_attribute)
{
	tar_pax(t, 'x', "SCHILY.xattr.user.note", "x", 1);
	tar_file(t, "x");
}

/* 6: twice */
REFUSED(file_twice, "twice")
{
	tar_file(t, "x");
	tar_file(t, "x");
}
REFUSED(file_twice_by_another_spelling, "twice")
{
	tar_file(t, "x");
	tar_file(t, "./x");
}
REFUSED(file_then_directory, "twice")
{
	tar_file(t, "x");
	tar_add(t, &(struct tar_entry){ .type = '5', .path = "x/", .mode = 0755 });
}
REFUSED(directory_then_file, "twice")
{
	tar_file(t, "x/y");
	tar_file(t, "x");
}
/* The store's file systems tell them apart. */
TAKEN(names_that_differ_in_case)
{
	tar_file(t, "readme");
	tar_file(t, "README");
}

/* 7: extensions */
REFUSED(pax_path_that_leaves, "not allowed")
{
	tar_pax(t, 'x', "path", "../escape", 9);
	tar_file(t, "harmless");
}
REFUSED(pax_target_that_leaves, "leaves")
{
	tar_pax(t, 'x', "linkpath", "/etc", 4);
	tar_link(t, '2', "s", "harmless");
}
REFUSED(pax_size_larger_than_the_data, "")
{
	tar_pax(t, 'x', "size", "1000000", 7);
	tar_file(t, "x");
}
REFUSED(pax_size_negative, "")
{
	tar_pax(t, 'x', "size", "-1", 2);
	tar_file(t, "x");
}
REFUSED(pax_header_of_64_megabytes, "")
{
	cleanup_free char *value = mem_zalloc(64u << 20);

	memset(value, 'a', 64u << 20);
	tar_pax(t, 'x', "path", value, 64u << 20);
	tar_file(t, "x");
}
REFUSED(size_of_8_exbibytes, "")
{
	tar_add(t, &(struct tar_entry){ .type = '0', .path = "x", .size_field = "\x80\0\0\0\x80\0\0\0\0\0\0\0" });
}
REFUSED(sparse_file_of_8_exbibytes, "")
{
	tar_pax(t, 'x', "GNU.sparse.size", "9223372036854775807", 19);
	tar_pax(t, 'x', "GNU.sparse.map", "0,1", 3);
	tar_add(t, &(struct tar_entry){ .type = '0', .path = "x", .data = "x", .len = 1 });
	tar_file(t, "x");
}
REFUSED(sparse_file, "")
{
	tar_pax(t, 'x', "GNU.sparse.major", "1", 1);
	tar_pax(t, 'x', "GNU.sparse.minor", "0", 1);
	tar_pax(t, 'x', "GNU.sparse.realsize", "1000000", 7);
	tar_add(t, &(struct tar_entry){ .type = '0', .path = "x", .data = "2\n0\n1\n0\n1\n", .len = 10 });
	tar_file(t, "x");
}
REFUSED(chain_of_long_names, "")
{
	for (int i = 0; i < 5000; i++)
		tar_add(t, &(struct tar_entry){ .type = 'L', .path = "././@LongLink", .data = "../escape", .len = 10 });
	tar_file(t, "x");
}
TAKEN(global_header)
{
	tar_pax(t, 'g', "comment", "0123456789abcdef", 16);
	tar_file(t, "x");
}
TAKEN(time_before_1970)
{
	tar_add(t, &(struct tar_entry){
			   .type = '0', .path = "x", .mtime_field = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0" });
}

/* 8: bombs */

/* Reads what was built as an archive to its end; what was said there, and how many entries came before. */
static int read_all(const struct world *w, unsigned *n, struct err *err)
{
	cleanup_free char *path = pack(w, "a.tar.zst", "zstd -q -c");
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct archive_source src = { .name = "a.tar.zst", .fd = fd };
	cleanup_archive_stream struct archive_stream *s = NULL;
	static struct archive_stream_entry e;
	int r = archive_stream_open(&s, &src, err);

	for (*n = 0; r >= 0 && (r = archive_stream_next(s, &e, err)) > 0; ++*n)
		;
	return r;
}

TEST(more_entries_than_there_may_be)
{
	struct err err = ERR_INIT;
	struct world w;
	unsigned n;

	world_make(&w);
	for (unsigned i = 0; i <= ARCHIVE_ENTRIES_MAX; i++) {
		char path[32];

		snprintf(path, sizeof(path), "f%u", i);
		tar_add(&w.tar, &(struct tar_entry){ .type = '0', .path = path });
	}
	tar_end(&w.tar);
	CHECK(read_all(&w, &n, &err) < 0 && strstr(err.what, "more than an archive may hold"));
	CHECK_INT(n, ARCHIVE_ENTRIES_MAX);
	world_free(&w);
}
REFUSED(directories_10000_deep, "")
{
	cleanup_free char *path = mem_zalloc(20002);

	for (size_t i = 0; i < 20000; i += 2)
		memcpy(path + i, "d/", 2);
	path[20000] = 'x';
	tar_pax(t, 'x', "path", path, 20001);
	tar_file(t, "x");
}
REFUSED(directories_65_deep, "not allowed")
{
	char path[2 * 64 + 2] = "";

	for (size_t i = 0; i < 128; i += 2)
		memcpy(path + i, "d/", 2);
	path[128] = 'x';
	tar_pax(t, 'x', "path", path, 129);
	tar_file(t, "x");
}
TAKEN(directories_64_deep)
{
	char path[2 * 63 + 2] = "";

	for (size_t i = 0; i < 126; i += 2)
		memcpy(path + i, "d/", 2);
	path[126] = 'x';
	tar_pax(t, 'x', "path", path, 127);
	tar_file(t, "x");
}
REFUSED(declared_more_than_there_is, "")
{
	tar_add(t, &(struct tar_entry){ .type = '0', .path = "x", .size = 4096 });
}
/* Each name has 60 directories of its own: 12 million of them in all, if nobody counted. */
TEST(more_directories_than_memory)
{
	struct err err = ERR_INIT;
	struct world w;
	unsigned n;

	world_make(&w);
	for (unsigned i = 0; i < 60000; i++) {
		char path[100];

		snprintf(path, sizeof(path), "%05u", i);
		for (size_t at = 5; at < 85; at += 2)
			memcpy(path + at, "/a", 3);
		tar_add(&w.tar, &(struct tar_entry){ .type = '0', .path = path });
	}
	tar_end(&w.tar);
	CHECK(read_all(&w, &n, &err) < 0 && strstr(err.what, "more names than an archive may hold"));
	world_free(&w);
}

/* Once 45 s, by links that each name the next one in the wrong order. */
TEST(a_long_chain_of_links_takes_no_time)
{
	struct err err = ERR_INIT;
	struct world w;

	world_make(&w);
	begin(&w);
	for (unsigned i = 0; i < 5000; i++) {
		char path[32], target[32];

		snprintf(path, sizeof(path), "libx%u.so", i);
		snprintf(target, sizeof(target), "libx%u.so", i + 1);
		tar_link(&w.tar, '2', path, target);
	}
	tar_link(&w.tar, '2', "libx5000.so", LIBRARY);
	tar_end(&w.tar);
	cleanup_free char *path = pack(&w, kinds[0].name, kinds[0].compress);
	alarm(20);
	CHECK_INT(install(&w, path, &err), 0);
	alarm(0);
	world_free(&w);
}

TEST(a_small_archive_that_unpacks_to_much)
{
	static const struct {
		const char *size, *why;
	} cases[] = {
		{ "\x80\0\0\0\0\0\0\2\0\0\0\0", "more than an archive may hold" }, /* 8 GiB, said and there */
		{ "00000000000", "follows the end" },				   /* said to be nothing */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;

		world_make(&w);
		begin(&w);
		tar_add(&w.tar, &(struct tar_entry){ .type = '0', .path = "x", .size_field = cases[i].size });
		if (i)
			tar_end(&w.tar);
		/* 1100 MiB of zeros are 35 kilobytes. */
		cleanup_free char *command = mem_strdup("(cat; head -c 1100M /dev/zero) | zstd -q -c");
		cleanup_free char *path = pack(&w, "libraries-" DRIVER ".tar.zst", command);
		must_refuse(&w, path, cases[i].why);
		world_free(&w);
	}
}

/* 9: cut, prolonged, mixed up */

/* A whole archive with some data that does not shrink. */
static char *whole(struct world *w, size_t kind)
{
	cleanup_free char *noise = mem_zalloc(3001);

	for (unsigned i = 0, x = 1; i < 3000; i++, x = x * 1103515245u + 12345u)
		noise[i] = (char)(x >> 16);
	begin(w);
	tar_add(&w->tar, &(struct tar_entry){ .type = '0', .path = "noise", .data = noise, .len = 3000 });
	tar_end(&w->tar);
	return pack(w, kinds[kind].name, kinds[kind].compress);
}

TEST(the_whole_archive_installs)
{
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct err err = ERR_INIT;
		struct world w;

		world_make(&w);
		cleanup_free char *path = whole(&w, k);
		CHECK_INT(install(&w, path, &err), 0);
		CHECK_STR(err.what, "");
		world_free(&w);
	}
}

TEST(truncated_at_every_block)
{
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct world w;
		struct stat st;

		world_make(&w);
		cleanup_free char *path = whole(&w, k);
		REQUIRE(stat(path, &st) == 0);
		for (off_t n = (st.st_size - 1) / 512 * 512; n >= 0; n -= 512) {
			REQUIRE(truncate(path, n) == 0);
			must_refuse(&w, path, "");
		}
		world_free(&w);
	}
}

TEST(tar_truncated_at_every_block_before_it_was_compressed)
{
	struct world w;

	world_make(&w);
	free(whole(&w, 0));
	/* The last two blocks are the end mark, of which tar needs one. */
	for (size_t n = w.tar.len - 1024; n > 0; n -= 512) {
		cleanup_free char *path = NULL;

		w.tar.len = n;
		path = pack(&w, kinds[0].name, kinds[0].compress);
		must_refuse(&w, path, "");
		if (n == 512)
			break;
	}
	world_free(&w);
}

TEST(garbage_behind_the_compressed_data)
{
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct world w;

		world_make(&w);
		cleanup_free char *path = whole(&w, k);
		cleanup_free char *command = mem_printf("printf 'garbage that follows' >>%s", path);
		REQUIRE(sh(command) == 0);
		must_refuse(&w, path, "");
		world_free(&w);
	}
}

TEST(garbage_behind_the_end_of_the_tar)
{
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct world w;

		world_make(&w);
		free(whole(&w, k));
		for (int i = 0; i < 8; i++)
			tar_file(&w.tar, "hidden");
		cleanup_free char *path = pack(&w, kinds[k].name, kinds[k].compress);
		must_refuse(&w, path, "follows the end");
		world_free(&w);
	}
}

TEST(two_archives_one_after_the_other)
{
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct world w;

		world_make(&w);
		cleanup_free char *path = whole(&w, k);
		cleanup_free char *command = mem_printf("cat %s %s >%s.2 && mv %s.2 %s", path, path, path, path, path);
		REQUIRE(sh(command) == 0);
		must_refuse(&w, path, "");
		world_free(&w);
	}
}

/* As parallel compressors write it: one tar in two frames is one archive. */
TEST(one_archive_in_two_frames_installs)
{
	struct err err = ERR_INIT;
	struct world w;

	world_make(&w);
	free(whole(&w, 0));
	cleanup_free char *command =
		mem_printf("(head -c 1024 %s/plain | zstd -q -c; tail -c +1025 %s/plain | zstd -q -c; cat >/dev/null)",
			   w.work, w.work);
	cleanup_free char *path = pack(&w, kinds[0].name, command);
	CHECK_INT(install(&w, path, &err), 0);
	CHECK_STR(err.what, "");
	world_free(&w);
}

TEST(compressed_in_another_way_than_the_name_says)
{
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct world w;

		world_make(&w);
		free(whole(&w, k));
		cleanup_free char *path = pack(&w, kinds[k].name, kinds[(k + 1) % ARRAY_SIZE(kinds)].compress);
		must_refuse(&w, path, "another way than its name says");
		world_free(&w);
	}
}

TEST(compressed_twice)
{
	struct world w;

	world_make(&w);
	free(whole(&w, 0));
	cleanup_free char *path = pack(&w, kinds[0].name, "gzip -c | zstd -q -c");
	must_refuse(&w, path, "");
	world_free(&w);
}

TEST(an_archive_without_what_it_is_for)
{
	struct world w;

	world_make(&w);
	tar_add(&w.tar, &(struct tar_entry){ .type = '5', .path = "d/" });
	tar_end(&w.tar);
	cleanup_free char *toolkit = pack(&w, "cuda-12.4.1.tar.gz", "gzip -c");
	must_refuse(&w, toolkit, "no file in it");
	cleanup_free char *libraries = pack(&w, kinds[0].name, kinds[0].compress);
	must_refuse(&w, libraries, "no library of driver " DRIVER);
	world_free(&w);
}

TEST(no_archive_at_all)
{
	static const char *const commands[] = { "cat", "printf ''; cat >/dev/null",
						"echo '<html>404</html>'; cat >/dev/null", "head -c 100000 /dev/zero" };

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		struct world w;

		world_make(&w);
		free(whole(&w, 0));
		cleanup_free char *command = mem_printf("(%s)", commands[i]);
		cleanup_free char *path = pack(&w, kinds[0].name, command);
		must_refuse(&w, path, "");
		world_free(&w);
	}
}
