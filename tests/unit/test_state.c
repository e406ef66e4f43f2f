/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "faults.h"
#include "oci/state.h"
#include "tap.h"

static int parse(struct state *s, const char *text, struct err *err)
{
	return state_parse(s, text, strlen(text), err);
}

TEST(fields)
{
	struct state s;
	struct err err = ERR_INIT;

	REQUIRE(parse(&s,
		      "{\"ociVersion\":\"1.0\",\"id\":\"a/../%s\",\"pid\":4194304,\"bundle\":\"\\/b\\/c\",\"status\":\"created\"}",
		      &err) == 0);
	CHECK_INT(s.pid, 4194304);
	CHECK_STR(s.bundle, "/b/c");
	CHECK_STR(s.id, "a/../%s");
	CHECK_STR(s.status, "created");
	state_free(&s);
	REQUIRE(parse(&s, "{\"pid\":2,\"bundle\":\"/b\",\"status\":7}", &err) == 0);
	CHECK_STR(s.id, "");
	CHECK_STR(s.status, "");
	state_free(&s);
	CHECK_INT(err.code, ERR_NONE);
}

TEST(hostile_states)
{
	static const struct {
		const char *text, *what;
	} bad[] = {
		{ "", NULL },
		{ "null", "no JSON object" },
		{ "[]", "no JSON object" },
		{ "{\"bundle\":\"/b\"}", "pid is missing" },
		{ "{\"bundle\":\"/b\",\"pid\":0}", "pid is 0" },
		{ "{\"bundle\":\"/b\",\"pid\":1}", "pid is 1" },
		{ "{\"bundle\":\"/b\",\"pid\":-2}", "pid is -2" },
		{ "{\"bundle\":\"/b\",\"pid\":\"7\"}", "pid is \"7\"" },
		{ "{\"bundle\":\"/b\",\"pid\":7.0}", "pid is 7.0" },
		{ "{\"bundle\":\"/b\",\"pid\":7e0}", "pid is 7.0" },
		{ "{\"bundle\":\"/b\",\"pid\":null}", "pid is null" },
		{ "{\"bundle\":\"/b\",\"pid\":4194305}", "pid is 4194305" },
		{ "{\"bundle\":\"/b\",\"pid\":2147483648}", "pid is 2147483648" },
		{ "{\"bundle\":\"/b\",\"pid\":18446744073709551617}", NULL },
		{ "{\"pid\":7}", "bundle is missing or no string" },
		{ "{\"pid\":7,\"bundle\":7}", "bundle is missing or no string" },
		{ "{\"pid\":7,\"bundle\":\"\"}", "bundle is not absolute: " },
		{ "{\"pid\":7,\"bundle\":\"b\"}", "bundle is not absolute: b" },
		{ "{\"pid\":7,\"bundle\":\"/\"}", "bundle is /" },
		{ "{\"pid\":7,\"bundle\":\"//.\"}", "bundle is //." },
		{ "{\"pid\":7,\"bundle\":\"/b\\u0000\"}", NULL },
		{ "{\"pid\":7,\"bundle\":\"/b\",\"ociVersion\":\"2.0\"}", "ociVersion is 2.0" },
		{ "{\"pid\":7,\"bundle\":\"/b\",\"ociVersion\":\"11.0\"}", "ociVersion is 11.0" },
		{ "{\"pid\":7,\"bundle\":\"/b\",\"ociVersion\":\"\\u001b[0m\"}", "ociVersion is \\x1b[0m" },
		{ "{\"pid\":7,\"bundle\":\"/b\",\"ociVersion\":1}", "ociVersion is no string" },
		{ "{\"pid\":7,\"pid\":8,\"bundle\":\"/b\"}", NULL },
		{ "{\"pid\":7,\"bundle\":\"/b\"}}", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;
		struct state s;

		CHECK_INT(parse(&s, bad[i].text, &err), -EINVAL);
		CHECK_INT(err.code, ERR_STATE);
		CHECK(err.what[0]);
		if (bad[i].what)
			CHECK_STR(err.what, bad[i].what);
	}
}

/* Of a hook in the container's namespaces: runc's pid is of another namespace, crun's is 0, and crun tells the root. */
TEST(inside_a_container_the_pid_means_nothing)
{
	static const char *const pids[] = { "", "\"pid\":0,", "\"pid\":1,", "\"pid\":7,", "\"pid\":\"x\"," };
	struct err err = ERR_INIT;
	struct state s;

	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		cleanup_free char *text = mem_printf("{%s\"bundle\":\"/b\",\"root\":\"rootfs\"}", pids[i]);

		REQUIRE(state_parse_inside(&s, text, strlen(text), &err) == 0);
		CHECK_INT(s.pid, 0);
		CHECK_STR(s.root, "rootfs");
		state_free(&s);
	}
	CHECK_INT(state_parse_inside(&s, "{\"bundle\":\"/\"}", 14, &err), -EINVAL);
	CHECK_STR(err.what, "bundle is /");
	REQUIRE(parse(&s, "{\"pid\":7,\"bundle\":\"/b\",\"root\":7}", &err) == 0);
	CHECK_STR(s.root, "");
	state_free(&s);
}

TEST(inside_a_container_the_state_is_read_from_a_file_too)
{
	const char *dir = tap_tmpdir();
	struct err err = ERR_INIT;
	struct state s;
	int fd;

	tap_write(dir, "state", "{\"bundle\":\"/b\"}");
	tap_write(dir, "empty", "");
	cleanup_free char *path = mem_printf("%s/state", dir), *empty = mem_printf("%s/empty", dir);

	fd = open(path, O_RDONLY | O_CLOEXEC);
	REQUIRE(state_read_inside(&s, fd, &err) == 0);
	CHECK_STR(s.bundle, "/b");
	state_free(&s);
	fd_close(fd);
	fd = open(empty, O_RDONLY | O_CLOEXEC);
	CHECK_INT(state_read_inside(&s, fd, &err), -EINVAL);
	CHECK_STR(err.what, "nothing came on stdin");
	fd_close(fd);
}

static void check_folder(const char *folder, int want)
{
	DIR *dir = opendir(folder);
	unsigned n = 0;

	if (!dir) {
		tap_skip("not run in the source folder");
		return;
	}
	for (struct dirent *e; (e = readdir(dir));) {
		cleanup_free char *text = NULL;
		struct err err = ERR_INIT;
		struct state s;
		size_t len;
		int r;

		if (e->d_name[0] == '.')
			continue;
		REQUIRE(fd_read_file_at(dirfd(dir), e->d_name, 1 << 20, &text, &len) == 0);
		r = state_parse(&s, text, len, &err);
		if (!CHECK_INT(r, want))
			CHECK_STR(e->d_name, err.what);
		if (r == 0)
			state_free(&s);
		n++;
	}
	closedir(dir);
	CHECK(n >= 4);
}

TEST(fixtures)
{
	check_folder("tests/fixtures/oci/state/good", 0);
	check_folder("tests/fixtures/oci/state/bad", -EINVAL);
}

TEST(long_bundle)
{
	struct err err = ERR_INIT;
	struct state s;
	char text[5000] = "{\"pid\":7,\"bundle\":\"/";
	size_t n = strlen(text);

	memset(text + n, 'b', 4095);
	memcpy(text + n + 4095, "\"}", 3);
	CHECK_INT(parse(&s, text, &err), -EINVAL);
	memcpy(text + n + 4094, "\"}", 3);
	REQUIRE(parse(&s, text, &err) == 0);
	CHECK_INT(strlen(s.bundle), 4095);
	state_free(&s);
}

/* Feeds a pipe from a child, in two pieces, and reads it. */
static int read_from(const char *text, size_t len, bool keep_open, struct state *s, struct err *err)
{
	int fds[2], r;
	pid_t child;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	child = fork();
	if (child == 0) {
		fd_close(fds[0]);
		if (write(fds[1], text, len / 2) < 0)
			_exit(1);
		usleep(20000);
		_exit(fd_write_all(fds[1], text + len / 2, len - len / 2) < 0);
	}
	if (!keep_open)
		fd_close(fds[1]);
	r = state_read(s, fds[0], err);
	fd_close(fds[0]);
	if (keep_open)
		fd_close(fds[1]);
	return r;
}

TEST(stdin_is_read_to_its_end)
{
	static const char good[] = "{\"pid\":7,\"bundle\":\"/b\"}";
	cleanup_free char *huge = mem_alloc(10u << 20);
	struct err err = ERR_INIT;
	struct state s;
	int closed;

	REQUIRE(read_from(good, strlen(good), false, &s, &err) == 0);
	CHECK_INT(s.pid, 7);
	state_free(&s);
	CHECK_INT(read_from("", 0, false, &s, &err), -EINVAL);
	CHECK_INT(err.code, ERR_STATE);
	memset(huge, ' ', 10u << 20);
	CHECK_INT(read_from(huge, 10u << 20, false, &s, &err), -EFBIG);
	CHECK_INT(err.code, ERR_STATE);
	/* No fd at all: poll says so at once, which it does not of a negative number. */
	closed = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 100);
	fd_close(closed);
	CHECK_INT(state_read(&s, closed, &err), -EBADF);
	CHECK_INT(err.code, ERR_STATE);
}

TEST(stdin_that_stays_open_ends_after_two_seconds)
{
	struct timespec a, b;
	struct err err = ERR_INIT;
	struct state s;
	double seconds;

	clock_gettime(CLOCK_MONOTONIC, &a);
	CHECK_INT(read_from("{\"pid\":7,\"bundle\":\"/b\"}", 23, true, &s, &err), -ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &b);
	seconds = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	CHECK(seconds > 1.9 && seconds < 4);
	CHECK_INT(err.code, ERR_STATE);
}

/* A pipe with this text and nobody who writes any more. */
static int read_text(const char *text, struct state *s, struct err *err)
{
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0 || fd_write_all(fds[1], text, strlen(text)) < 0)
		return -errno;
	fd_close(fds[1]);
	r = state_read(s, fds[0], err);
	fd_close(fds[0]);
	return r;
}

TEST(interruptions_and_errors_of_reading)
{
	static const struct {
		const char *call;
		int errnum, r;
	} t[] = {
		{ "read", EINTR, 0 }, { "read", EAGAIN, 0 }, { "read", EIO, -EIO },
		{ "poll", EINTR, 0 }, { "poll", EIO, -EIO }, { "poll", 0, -ETIMEDOUT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct err err = ERR_INIT;
		struct state s;

		faults_arm(t[i].call, 1, t[i].errnum);
		CHECK_INT(read_text("{\"pid\":7,\"bundle\":\"/b\"}", &s, &err), t[i].r);
		CHECK_INT(faults_disarm(), 1);
		CHECK_INT(err.code, t[i].r ? ERR_STATE : ERR_NONE);
		if (t[i].r == 0)
			state_free(&s);
	}
}

/* The time is up though each piece came in time. */
TEST(a_writer_that_never_ends)
{
	struct err err = ERR_INIT;
	struct state s;

	faults_arm_from("clock_gettime", 3, 0);
	CHECK_INT(read_text("{\"pid\":7,", &s, &err), -ETIMEDOUT);
	CHECK_INT(faults_disarm(), 1);
	CHECK_INT(err.code, ERR_STATE);
}
