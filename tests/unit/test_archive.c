/* SPDX-License-Identifier: Apache-2.0 */
#include "store/archive.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/str.h"
#include "store_fixture.h"
#include "tap.h"

/* Reads all of it; the number of entries, or the error. Data is written to `out`. */
static int read_all(const char *path, struct err *err)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC), out = open("/dev/null", O_WRONLY | O_CLOEXEC);
	cleanup_archive_stream struct archive_stream *s = NULL;
	static struct archive_stream_entry e;
	const struct archive_source src = { .name = "a.tar", .fd = fd };
	char hex[DIGEST_HEX];
	int r, n = 0;

	r = archive_stream_open(&s, &src, err);
	if (r < 0)
		return r;
	while ((r = archive_stream_next(s, &e, err)) > 0) {
		n++;
		if (e.type == ARCHIVE_STREAM_FILE && (n & 1) && (r = archive_stream_copy(s, out, hex, err)) < 0)
			return r;
	}
	return r < 0 ? r : n;
}

static char *make(const char *dir, const char *suffix)
{
	char *path = mem_printf("%s/a%s", dir, suffix);
	cleanup_free char *from = mem_printf("%s/in", dir), *link = mem_printf("%s/in/link", dir);
	cleanup_free char *big = mem_zalloc(300001);

	/* Not compressible to nothing, so that a cut hits data. */
	for (unsigned i = 0, x = 1; i < 300000; i++, x = x * 1103515245u + 12345u)
		big[i] = (char)(x >> 16);
	fixture_write(dir, "in/sub/big", big, 300000, 0755);
	fixture_write(dir, "in/small", "abc", 3, 0644);
	CHECK(symlink("small", link) == 0);
	CHECK(fixture_archive(path, from));
	return path;
}

static const char *const suffixes[] = { ".tar.bz2", ".tar.xz", ".tar.gz", ".tar.zst" };

TEST(reads_every_compression)
{
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		cleanup_free char *path = make(tap_tmpdir(), suffixes[i]);
		struct err err = ERR_INIT;

		CHECK_INT(read_all(path, &err), 4);
		CHECK_STR(err.what, "");
	}
}

/* What the child must be when it begins to decode: the filter's place is where that can be seen. */
static int is_bounded(void)
{
	static const struct {
		int what;
		rlim_t max;
	} limits[] = { { RLIMIT_CORE, 0 }, { RLIMIT_FSIZE, 0 }, { RLIMIT_NPROC, 0 }, { RLIMIT_CPU, 3600 } };
	struct rlimit l;

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (getrlimit((__rlimit_resource_t)limits[i].what, &l) < 0 || l.rlim_max > limits[i].max)
			return -1;
	return 0;
}

TEST(the_child_is_bounded)
{
	cleanup_free char *path = make(tap_tmpdir(), ".tar.gz");
	struct err err = ERR_INIT;

	archive_set_guard(is_bounded);
	CHECK_INT(read_all(path, &err), 4);
	archive_set_guard(NULL);
}

TEST(entries)
{
	const char *dir = tap_tmpdir();
	cleanup_free char *path = make(dir, ".tar.xz");
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC), out = -EBADF;
	cleanup_archive_stream struct archive_stream *s = NULL;
	static struct archive_stream_entry e;
	struct err err = ERR_INIT;
	char hex[DIGEST_HEX];
	bool link = false, small = false;

	out = openat(AT_FDCWD, "/dev/null", O_WRONLY | O_CLOEXEC);
	const struct archive_source src = { .name = "a", .fd = fd, .compression = DECODER_XZ };
	REQUIRE(archive_stream_open(&s, &src, &err) == 0);
	while (archive_stream_next(s, &e, &err) > 0) {
		if (str_eq(e.path, "link")) {
			link = true;
			CHECK_INT(e.type, ARCHIVE_STREAM_SYMLINK);
			CHECK_STR(e.target, "small");
		}
		if (str_eq(e.path, "small")) {
			small = true;
			CHECK_INT(e.size, 3);
			CHECK(!e.executable);
			CHECK_INT(archive_stream_copy(s, out, hex, &err), 0);
			CHECK_STR(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
		}
	}
	CHECK(link && small);
}

TEST(truncated_anywhere_is_refused)
{
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		for (unsigned part = 0; part < 20; part++) {
			cleanup_free char *path = make(tap_tmpdir(), suffixes[i]);
			struct err err = ERR_INIT;
			struct stat st;

			REQUIRE(stat(path, &st) == 0);
			/* Times in the archive make its size differ from run to run. */
			REQUIRE(truncate(path, part < 16 ? st.st_size * part / 16 : st.st_size - (off_t)(20 - part)) ==
				0);
			CHECK(read_all(path, &err) < 0);
			CHECK_INT(err.code, ERR_ARCHIVE);
		}
	}
}

TEST(a_flipped_bit_is_refused)
{
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		cleanup_free char *path = make(tap_tmpdir(), suffixes[i]);
		cleanup_fd int fd = open(path, O_RDWR | O_CLOEXEC);
		struct err err = ERR_INIT;
		unsigned char byte;

		/* In the middle of stored data, where only a checksum can tell. */
		REQUIRE(pread(fd, &byte, 1, 150000) == 1);
		byte ^= 4;
		REQUIRE(pwrite(fd, &byte, 1, 150000) == 1);
		if (read_all(path, &err) >= 0 && i == 3)
			continue; /* zstd's checksum is optional */
		CHECK_INT(err.code, ERR_ARCHIVE);
	}
}

TEST(no_archive_is_refused)
{
	static const char *const texts[] = { "", "<html>404</html>", "BZh91AY&SY", "\x1f\x8b\x08" };
	const char *dir = tap_tmpdir();
	cleanup_free char *path = mem_printf("%s/f", dir), *tar = mem_printf("%s/a.tar", dir),
			  *in = mem_printf("%s/in", dir);
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		tap_write(dir, "f", texts[i]);
		CHECK(read_all(path, &err) < 0);
		CHECK_INT(err.code, ERR_ARCHIVE);
	}
	tap_write(dir, "in/x", "x");
	REQUIRE(fixture_archive(tar, in));
	CHECK(read_all(tar, &err) < 0);
	CHECK_INT(err.code, ERR_ARCHIVE);
}

TEST(fifos_are_refused)
{
	const char *dir = tap_tmpdir();
	cleanup_free char *in = mem_printf("%s/in", dir), *fifo = mem_printf("%s/in/f", dir),
			  *to = mem_printf("%s/a.tar.gz", dir);
	struct err err = ERR_INIT;

	tap_write(dir, "in/a", "x");
	REQUIRE(mkfifo(fifo, 0600) == 0 && fixture_archive(to, in));
	CHECK(read_all(to, &err) < 0);
	CHECK_INT(err.code, ERR_ARCHIVE);
	CHECK(strstr(err.what, "neither file") != NULL);
}
