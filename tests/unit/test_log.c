/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "tap.h"

static char *content(const char *dir, const char *name)
{
	cleanup_fd int fd = fd_open_dir(dir);
	char *text = NULL;
	size_t len;

	if (fd < 0 || fd_read_file_at(fd, name, 1 << 20, &text, &len) < 0)
		return mem_strdup("(none)");
	return text;
}

TEST(levels)
{
	enum log_level level = LOG_LEVEL_INFO;

	CHECK_INT(log_level_parse("debug", &level), 0);
	CHECK_INT(level, LOG_LEVEL_DEBUG);
	CHECK_INT(log_level_parse("error", &level), 0);
	CHECK_INT(level, LOG_LEVEL_ERROR);
	CHECK_INT(log_level_parse("", &level), -EINVAL);
	CHECK_INT(log_level_parse("Debug", &level), -EINVAL);
	CHECK_INT(level, LOG_LEVEL_ERROR);
}

TEST(file_is_appended_to)
{
	const char *dir = tap_tmpdir();
	char path[300];
	cleanup_free char *text = NULL;

	tap_write(dir, "log", "before\n");
	snprintf(path, sizeof(path), "%s/log", dir);
	log_open("prog", path, LOG_LEVEL_WARNING);
	log_error("one %d", 1);
	log_warning("two");
	log_info("three");
	errno = EXDEV;
	log_error("four");
	CHECK_INT(errno, EXDEV);
	log_close();
	log_error("five");
	text = content(dir, "log");
	CHECK(str_starts(text, "before\n"));
	CHECK(strstr(text, " error: one 1\n"));
	CHECK(strstr(text, " warning: two\n"));
	CHECK(!strstr(text, "three"));
	CHECK(strstr(text, "prog["));
	CHECK(!strstr(text, "five"));
}

TEST(a_line_stays_a_line)
{
	const char *dir = tap_tmpdir();
	char path[300], big[70000];
	cleanup_free char *text = NULL;

	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	snprintf(path, sizeof(path), "%s/log", dir);
	log_open("prog", path, LOG_LEVEL_INFO);
	log_info("x\n2026-01-01T00:00:00Z prog[1] info: forged\x1b[0m%s", "%n");
	log_info("%s", big);
	log_close();
	text = content(dir, "log");
	CHECK(strstr(text, "info: x\\x0a2026-01-01T00:00:00Z prog[1] info: forged\\x1b[0m%n\n"));
	CHECK(!strchr(text, '\x1b'));
	CHECK(strlen(text) < 8192);
	CHECK_INT(text[strlen(text) - 1], '\n');
}

TEST(a_log_that_cannot_be_opened_is_no_error)
{
	log_open("prog", "/nonexistent/dir/log", LOG_LEVEL_DEBUG);
	log_error("dropped");
	log_open("prog", NULL, LOG_LEVEL_DEBUG);
	log_debug("to the journal, where there is one");
	log_close();
	log_close();
	CHECK(true);
}

TEST(stderr_too)
{
	const char *dir = tap_tmpdir();
	char path[300];
	cleanup_free char *text = NULL;
	int saved = dup(2), fd;

	snprintf(path, sizeof(path), "%s/err", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	REQUIRE(fd >= 0 && saved >= 0);
	dup2(fd, 2);
	log_open("prog", "/nonexistent/log", LOG_LEVEL_ERROR);
	log_to_stderr(LOG_LEVEL_DEBUG);
	log_debug("seen\n");
	log_to_stderr((enum log_level) - 1);
	log_error("not seen");
	fflush(stderr);
	dup2(saved, 2);
	fd_close(saved);
	fd_close(fd);
	log_close();
	text = content(dir, "err");
	CHECK_STR(text, "prog: debug: seen\\x0a\n");
}

TEST(records_for_a_signal_handler)
{
	struct log_record record;
	char longer[1024];
	const char *dir = tap_tmpdir();
	cleanup_free char *path = mem_printf("%s/log", dir), *got = NULL;

	log_open("prog", path, LOG_LEVEL_ERROR);
	log_compose(&record, "E08: ended");
	CHECK_INT(write(record.fd, record.text, record.len), (long)record.len);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	log_compose(&record, longer);
	CHECK_INT(record.len, sizeof(record.text) - 1);
	log_close();
	got = content(dir, "log");
	CHECK_STR(got, "prog: E08: ended\n");
	log_compose(&record, "to nowhere");
	CHECK(record.fd < 0);
}

TEST(dates)
{
	char buf[LOG_UTC_SIZE], want[64];
	struct tm tm;

	for (time_t t = 0; t < (time_t)250 * 366 * 86400; t += 86400 * 3 / 4) {
		gmtime_r(&t, &tm);
		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%SZ", &tm);
		log_utc(t, buf);
		if (!CHECK_STR(buf, want))
			break;
	}
	log_utc(1582934399, buf);
	CHECK_STR(buf, "2020-02-28T23:59:59Z");
}
