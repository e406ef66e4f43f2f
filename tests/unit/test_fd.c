/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "faults.h"
#include "tap.h"

static int count(int dirfd)
{
	DIR *d = fdopendir(openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n - 2;
}

static char *read_at(int dirfd, const char *name)
{
	char *text = NULL;
	size_t len;

	return fd_read_file_at(dirfd, name, 1 << 20, &text, &len) < 0 ? mem_strdup("(none)") : text;
}

static void check_content(int dirfd, const char *name, const char *want)
{
	cleanup_free char *text = read_at(dirfd, name);

	CHECK_STR(text, want);
}

TEST(close_keeps_errno)
{
	cleanup_fd int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int moved = take_fd(fd);

	CHECK_INT(fd, -EBADF);
	CHECK(moved >= 0);
	errno = EXDEV;
	fd_close(moved);
	fd_close(moved);
	fd_close(-1);
	CHECK_INT(errno, EXDEV);
}

TEST(reading_has_a_limit)
{
	const char *dir = tap_tmpdir();
	cleanup_fd int d = fd_open_dir(dir);
	char *text = NULL;
	size_t len = 0;

	REQUIRE(d >= 0);
	tap_write(dir, "f", "12345");
	CHECK_INT(fd_read_file_at(d, "f", 4, &text, &len), -EFBIG);
	CHECK_INT(fd_read_file_at(d, "f", 5, &text, &len), 0);
	CHECK_INT(len, 5);
	CHECK_STR(text, "12345");
	free(text);
	tap_write(dir, "empty", "");
	CHECK_INT(fd_read_file_at(d, "empty", 0, &text, &len), 0);
	CHECK_INT(len, 0);
	CHECK_STR(text, "");
	free(text);
	/* procfs tells no size. */
	CHECK_INT(fd_read_file_at(AT_FDCWD, "/proc/self/status", 1 << 20, &text, &len), 0);
	CHECK(len > 100 && strlen(text) == len);
	free(text);
	CHECK_INT(fd_read_file_at(AT_FDCWD, "/proc/self/status", 16, &text, &len), -EFBIG);
}

TEST(only_files_are_read)
{
	const char *dir = tap_tmpdir();
	cleanup_fd int d = fd_open_dir(dir);
	char *text = NULL;
	size_t len;

	REQUIRE(d >= 0 && mkfifoat(d, "fifo", 0600) == 0 && symlinkat("loop", d, "loop") == 0);
	CHECK_INT(fd_read_file_at(d, "fifo", 10, &text, &len), -EINVAL);
	CHECK_INT(fd_read_file_at(d, ".", 10, &text, &len), -EISDIR);
	CHECK_INT(fd_read_file_at(d, "loop", 10, &text, &len), -ELOOP);
	CHECK_INT(fd_read_file_at(d, "none", 10, &text, &len), -ENOENT);
	CHECK_INT(fd_read_file_at(AT_FDCWD, "/dev/zero", 10, &text, &len), -EINVAL);
	CHECK_INT(fd_open_dir("/dev/null"), -ENOTDIR);
	CHECK_INT(fd_read_all(-1, 10, &text, &len), -EBADF);
	CHECK(!text);
}

TEST(reading_at_an_offset)
{
	const char *dir = tap_tmpdir();
	cleanup_free char *path = mem_printf("%s/f", dir);
	cleanup_fd int fd = -EBADF;
	char buf[8] = "";

	tap_write(dir, "f", "0123456789");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK_INT(fd_read_at(fd, buf, 4, 3), 4);
	CHECK_STR(buf, "3456");
	/* Fewer at the end, none behind it; the offset of others stays. */
	CHECK_INT(fd_read_at(fd, buf, 8, 8), 2);
	CHECK_INT(fd_read_at(fd, buf, 8, 10), 0);
	CHECK_INT(lseek(fd, 0, SEEK_CUR), 0);
	CHECK_INT(fd_read_at(-1, buf, 8, 0), -EBADF);
}

TEST(writing)
{
	int p[2];
	char *text = NULL;
	size_t len;

	REQUIRE(pipe2(p, O_CLOEXEC) == 0);
	CHECK_INT(fd_write_all(p[1], "abc", 3), 0);
	fd_close(p[1]);
	CHECK_INT(fd_read_all(p[0], 10, &text, &len), 0);
	CHECK_STR(text, "abc");
	free(text);
	CHECK_INT(fd_write_all(p[0], "abc", 3), -EBADF);
	fd_close(p[0]);
}

TEST(what_is_said_waits_for_nobody)
{
	char full[4096] = { 0 }, got[8];
	size_t fill = 0;
	int ends[2];

	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	fd_say(ends[1], "said\n", 5);
	CHECK_INT(read(ends[0], got, sizeof(got)), 5);
	REQUIRE(fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
	while (write(ends[1], full, sizeof(full)) > 0)
		fill += sizeof(full);
	REQUIRE(fcntl(ends[1], F_SETFL, 0) == 0);
	alarm(5);
	fd_say(ends[1], "lost\n", 5);
	alarm(0);
	for (size_t n = 0; n < fill; n += sizeof(full))
		CHECK_INT(read(ends[0], full, sizeof(full)), sizeof(full));
	REQUIRE(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
	CHECK(read(ends[0], got, sizeof(got)) == -1 && errno == EAGAIN);
	close(ends[0]);
	close(ends[1]);
	fd_say(ends[1], "nowhere\n", 8);
}

TEST(replacing_follows_no_link)
{
	const char *dir = tap_tmpdir();
	cleanup_fd int d = fd_open_dir(dir);
	struct stat st;
	mode_t before = umask(077);

	REQUIRE(d >= 0);
	tap_write(dir, "victim", "safe");
	REQUIRE(symlinkat("victim", d, "f") == 0);
	CHECK_INT(fd_replace_file(d, "f", "new", 3, 0644, FD_REPLACE_SYNC), 0);
	umask(before);
	CHECK(fstatat(d, "f", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode));
	CHECK_INT(st.st_mode & 07777, 0644);
	check_content(d, "f", "new");
	check_content(d, "victim", "safe");
	CHECK_INT(fd_replace_file(d, "f", "", 0, 0600, 0), 0);
	check_content(d, "f", "");
	CHECK_INT(count(d), 2);
}

/* Such a directory gives what is made in it another mode than was asked for. */
TEST(a_default_acl_does_not_change_the_mode)
{
	static const struct {
		uint32_t version;
		struct {
			uint16_t tag, rights;
			uint32_t id;
		} entries[3];
	} acl = { 2, { { 0x01, 6, ~0u }, { 0x04, 0, ~0u }, { 0x20, 0, ~0u } } };
	const char *dir = tap_tmpdir();
	cleanup_fd int d = fd_open_dir(dir);
	struct stat st;

	REQUIRE(d >= 0);
	if (setxattr(dir, "system.posix_acl_default", &acl, sizeof(acl), 0) < 0) {
		tap_skip("the file system has no ACLs");
		return;
	}
	CHECK_INT(fd_replace_file(d, "f", "new", 3, 0644, 0), 0);
	CHECK(fstatat(d, "f", &st, AT_SYMLINK_NOFOLLOW) == 0);
	CHECK_INT(st.st_mode & 07777, 0644);
}

/* A file that gets another's owner is nobody's to read before it has it: without fchmod it has the mode that it was opened with. */
TEST(like_another_file_is_closed_at_first)
{
	const char *dir = tap_tmpdir();
	cleanup_fd int d = fd_open_dir(dir);
	struct stat st;
	int status = -1;
	pid_t pid;

	REQUIRE(d >= 0);
	tap_write(dir, "f", "old");
	CHECK_INT(fchmodat(d, "f", 0644, 0), 0);
	REQUIRE(fstatat(d, "f", &st, AT_SYMLINK_NOFOLLOW) == 0);
	CHECK_INT(fd_replace_file_like(d, "f", "new", 3, &st), 0);
	REQUIRE(fstatat(d, "f", &st, AT_SYMLINK_NOFOLLOW) == 0);
	CHECK_INT(st.st_mode & 07777, 0644);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		faults_pretend("fchmod");
		_exit(fd_replace_file_like(d, "f", "newer", 5, &st) == 0 ? 0 : 1);
	}
	REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
	REQUIRE(fstatat(d, "f", &st, AT_SYMLINK_NOFOLLOW) == 0);
	CHECK_INT(st.st_mode & 07777, 0600);
}

TEST(replacing_that_fails_leaves_nothing)
{
	const char *dir = tap_tmpdir();
	cleanup_fd int d = fd_open_dir(dir);
	char name[256];

	REQUIRE(d >= 0 && mkdirat(d, "dir", 0755) == 0);
	CHECK_INT(fd_replace_file(d, "dir", "x", 1, 0644, 0), -EISDIR);
	CHECK_INT(fd_replace_link(d, "dir", "x", 0), -EISDIR);
	CHECK_INT(fd_replace_file(d, "no/file", "x", 1, 0644, 0), -ENOENT);
	CHECK_INT(count(d), 1);
	memset(name, 'n', 255);
	name[255] = '\0';
	CHECK_INT(fd_replace_file(d, name, "x", 1, 0644, 0), 0);
	CHECK_INT(count(d), 2);
}

TEST(replacing_links)
{
	const char *dir = tap_tmpdir();
	cleanup_fd int d = fd_open_dir(dir);
	char target[64] = "";

	REQUIRE(d >= 0);
	tap_write(dir, "l", "a file");
	CHECK_INT(fd_replace_link(d, "l", "first", 0), 0);
	CHECK_INT(fd_replace_link(d, "l", "535.261.03/3975.2.0", 0), 0);
	CHECK_INT(readlinkat(d, "l", target, sizeof(target)), 19);
	CHECK(str_starts(target, "535.261.03/3975.2.0"));
	CHECK_INT(count(d), 1);
}

/* What a run that was killed has left is gone after the next one, whatever it is. */
TEST(tidying_takes_away_what_was_left)
{
	const char *dir = tap_tmpdir();
	cleanup_fd int d = fd_open_dir(dir);
	char target[64] = "";

	REQUIRE(d >= 0);
	tap_write(dir, "victim", "safe");
	tap_write(dir, ".nvcoreos-f", "half");
	CHECK_INT(fd_replace_file(d, "f", "whole", 5, 0644, FD_REPLACE_TIDY), 0);
	check_content(d, "f", "whole");
	REQUIRE(symlinkat("victim", d, ".nvcoreos-f") == 0);
	CHECK_INT(fd_replace_file(d, "f", "again", 5, 0644, FD_REPLACE_TIDY), 0);
	check_content(d, "f", "again");
	check_content(d, "victim", "safe");
	tap_write(dir, "l", "a file");
	tap_write(dir, ".nvcoreos-l", "half");
	CHECK_INT(fd_replace_link(d, "l", "there", FD_REPLACE_TIDY), 0);
	CHECK_INT(readlinkat(d, "l", target, sizeof(target)), 5);
	CHECK_INT(count(d), 3);
	/* An image may even have a directory there: it stays, and is no reason to fail. */
	REQUIRE(mkdirat(d, ".nvcoreos-f", 0755) == 0 && mkdirat(d, ".nvcoreos-l", 0755) == 0);
	CHECK_INT(fd_replace_file(d, "f", "third", 5, 0644, FD_REPLACE_TIDY), 0);
	CHECK_INT(fd_replace_link(d, "l", "elsewhere", FD_REPLACE_TIDY), 0);
	check_content(d, "f", "third");
	CHECK_INT(readlinkat(d, "l", target, sizeof(target)), 9);
	CHECK_INT(count(d), 5);
}

TEST(tidying_leaves_what_another_is_at)
{
	const char *dir = tap_tmpdir();
	cleanup_fd int d = fd_open_dir(dir), other = fd_open_dir(dir);

	REQUIRE(d >= 0 && flock(other, LOCK_EX) == 0);
	tap_write(dir, ".nvcoreos-f", "being written");
	tap_write(dir, ".nvcoreos-l", "being made");
	tap_write(dir, "l", "a file");
	CHECK_INT(fd_replace_file(d, "f", "whole", 5, 0644, FD_REPLACE_TIDY), 0);
	CHECK_INT(fd_replace_link(d, "l", "there", FD_REPLACE_TIDY), 0);
	check_content(d, "f", "whole");
	check_content(d, ".nvcoreos-f", "being written");
	check_content(d, ".nvcoreos-l", "being made");
	CHECK_INT(count(d), 4);
	flock(other, LOCK_UN);
	CHECK_INT(fd_replace_file(d, "f", "again", 5, 0644, FD_REPLACE_TIDY), 0);
	CHECK_INT(count(d), 3);
	/* And nobody is kept out behind it. */
	CHECK_INT(flock(other, LOCK_EX | LOCK_NB), 0);
}

TEST(mkdir_p)
{
	const char *dir = tap_tmpdir();
	cleanup_fd int d = fd_open_dir(dir);
	char path[300];
	struct stat st;

	REQUIRE(d >= 0);
	CHECK_INT(fd_mkdir_p(d, "a/b//c/", 0755), 0);
	CHECK_INT(fd_mkdir_p(d, "a/b/c", 0755), 0);
	CHECK(fstatat(d, "a/b/c", &st, 0) == 0 && S_ISDIR(st.st_mode));
	snprintf(path, sizeof(path), "%s/x/y", dir);
	CHECK_INT(fd_mkdir_p(AT_FDCWD, path, 0755), 0);
	CHECK(fstatat(d, "x/y", &st, 0) == 0);
	tap_write(dir, "file", "");
	CHECK_INT(fd_mkdir_p(d, "file/x", 0755), -ENOTDIR);
}

TEST(removing_trees)
{
	const char *dir = tap_tmpdir();
	cleanup_fd int d = fd_open_dir(dir);

	REQUIRE(d >= 0);
	tap_write(dir, "keep/file", "kept");
	tap_write(dir, "t/a/b/c", "");
	tap_write(dir, "t/f", "");
	REQUIRE(symlinkat("../keep", d, "t/link") == 0 && mkfifoat(d, "t/fifo", 0600) == 0);
	CHECK_INT(fd_remove_tree(d, "t"), 0);
	CHECK_INT(fd_remove_tree(d, "t"), 0);
	check_content(d, "keep/file", "kept");
	REQUIRE(symlinkat("keep", d, "l") == 0);
	CHECK_INT(fd_remove_tree(d, "l"), 0);
	check_content(d, "keep/file", "kept");
	CHECK_INT(count(d), 1);
}
