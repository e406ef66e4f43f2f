/* SPDX-License-Identifier: Apache-2.0 */
#include "store/measure.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store_fixture.h"
#include "tap.h"

static int sh(const char *dir, const char *command)
{
	cleanup_free char *all = mem_printf("cd %s && %s", dir, command);
	const char *const argv[] = { "bash", "-o", "pipefail", "-c", all, NULL };
	int status = -1;
	pid_t pid;

	if (posix_spawnp(&pid, "bash", NULL, NULL, (char *const *)argv, environ) == 0)
		waitpid(pid, &status, 0);
	return status;
}

/* What the command writes to "a" in a directory where "plain" lies measures as. */
static uint64_t measured(const char *dir, const char *command, uint64_t offset)
{
	cleanup_free char *path = mem_printf("%s/a", dir);
	cleanup_fd int fd = -EBADF;
	uint64_t n = 0;

	CHECK_INT(sh(dir, command), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK_INT(measure_archive(fd, offset, &n), 0);
	return n;
}

/* 5 MB that shrink to about a half, so that compressors make blocks of several kinds. */
static const char *make_plain(void)
{
	const char *dir = tap_tmpdir();

	CHECK_INT(sh(dir, "{ head -c 2000000 /dev/urandom; head -c 1000000 /dev/zero; seq 300000; } >plain"), 0);
	return dir;
}

TEST(exact_where_the_format_says_it)
{
	static const char *const commands[] = {
		"gzip -c plain >a",
		"xz -c plain >a",
		"xz -c -C none plain >a",
		"xz -c -0 --block-size=100000 plain >a",
		"{ head -c 3000000 plain | xz -c; tail -c +3000001 plain | xz -c; } >a",
		"zstd -q -c plain >a",
		"{ head -c 3000000 plain | zstd -q -c; tail -c +3000001 plain | zstd -q -c; } >a",
	};
	const char *dir = make_plain();
	cleanup_free char *path = mem_printf("%s/plain", dir);
	struct stat st;

	REQUIRE(stat(path, &st) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		uint64_t n = measured(dir, commands[i], 0);
		/* zstd tells the length of raw and repeated blocks; others are as long as a block may be but the last. */
		uint64_t over = strstr(commands[i], "zstd") ? 2 * (128u << 10) : 0;

		if (!CHECK(n >= (uint64_t)st.st_size && n <= (uint64_t)st.st_size + over))
			printf("# %s: %llu, not %lld\n", commands[i], (unsigned long long)n, (long long)st.st_size);
	}
}

TEST(near_it_for_bzip2)
{
	const char *dir = make_plain();
	cleanup_free char *path = mem_printf("%s/plain", dir);
	struct stat st;
	uint64_t n;

	REQUIRE(sh(dir, "{ head -c 2000000 /dev/urandom; seq 300000; } >plain") == 0 && stat(path, &st) == 0);
	n = measured(dir, "bzip2 -c plain >a", 0);
	CHECK(n >= (uint64_t)st.st_size && n <= (uint64_t)st.st_size + 900000);
	n = measured(dir, "bzip2 -1 -c plain >a", 0);
	CHECK(n >= (uint64_t)st.st_size * 95 / 100 && n <= (uint64_t)st.st_size * 115 / 100);
}

TEST(behind_a_header)
{
	const char *dir = make_plain();
	uint64_t plain = measured(dir, "xz -c -0 plain >a", 0);

	CHECK_INT(measured(dir, "{ printf 0123456789; xz -c -0 plain; } >a", 10), plain);
	CHECK_INT(measured(dir, "{ printf 0123456789; xz -c -0 plain; } >a", 0), 0);
	CHECK_INT(measured(dir, "printf 0123456789 >a", 1000), 0);
}

TEST(small_frames_and_frames_to_skip)
{
	const char *dir = make_plain();

	CHECK_INT(measured(dir, "printf x | zstd -q -c >a", 0), 1);
	/* A frame that says it is small, and one to be passed over. */
	CHECK_INT(measured(dir, "{ printf '\\x50\\x2a\\x4d\\x18\\x03\\0\\0\\0abc'; printf hello >h; zstd -q -c h; } >a",
			   0),
		  5);
}

TEST(what_is_damaged_measures_less)
{
	static const char *const commands[] = {
		"xz -c -0 plain >b && head -c 100000 b >a",
		"zstd -q -c plain >b && head -c 100000 b >a",
		"{ printf '\\xfd7zXZ\\0'; head -c 5000000 /dev/zero; } >a",
		"{ printf '\\xfd7zXZ\\0'; head -c 50000 /dev/zero; printf '\\0\\0\\0\\0\\xff\\xff\\xff\\xff\\0\\1YZ'; } >a",
		"printf '\\x28\\xb5\\x2f\\xfd' >a",
		"printf BZh >a",
		"printf BZhx12345 >a",
		"printf '\\x1f\\x8b' >a",
		": >a",
		"head -c 1000 /dev/zero >a",
	};
	const char *dir = make_plain();

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		uint64_t n = measured(dir, commands[i], 0);

		if (!CHECK(n < 5000000))
			printf("# %s: %llu\n", commands[i], (unsigned long long)n);
	}
}

TEST(a_directory_measures_its_files)
{
	const char *dir = tap_tmpdir();
	uint64_t n;

	tap_write(dir, "a/b/c", "12345");
	tap_write(dir, "d", "678");
	CHECK_INT(measure_dir(dir, &n), 0);
	CHECK_INT(n, 8);
	CHECK_INT(measure_dir("/nonexistent/x", &n), 0);
	CHECK_INT(n, 0);
}

TEST(room)
{
	const char *dir = tap_tmpdir();
	cleanup_free char *a = mem_printf("%s/opt/nvidia", dir), *b = mem_printf("%s/opt/cuda", dir);
	struct measure_room rooms[] = { { a, 1000 }, { b, 0 } };
	struct err err = ERR_INIT;
	struct statvfs vfs;
	uint64_t free;

	CHECK_INT(measure_check(rooms, 2, &err), 0);
	REQUIRE(statvfs(dir, &vfs) == 0);
	free = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	rooms[0].bytes = free * 2;
	CHECK_INT(measure_check(rooms, 2, &err), -ENOSPC);
	CHECK_INT(err.code, ERR_STORE);
	CHECK(strstr(err.what, "/opt/nvidia: ") && strstr(err.what, " MiB needed, ") && strstr(err.hint, "prune"));
	/* Each alone would fit. */
	rooms[0].bytes = rooms[1].bytes = free / 5 * 3;
	CHECK_INT(measure_check(rooms, 1, &err), 0);
	CHECK_INT(measure_check(rooms, 2, &err), -ENOSPC);
	rooms[0].bytes = rooms[1].bytes = 0;
	CHECK_INT(measure_check(rooms, 2, &err), 0);
}
