/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define LOG_LINE_MAX 4096

static const char *const names[] = { "error", "warning", "info", "debug" };

static struct {
	const char *prog;
	int fd;
	int pid; /* 0: not asked for yet */
	bool journal;
	enum log_level level;
	int stderr_level; /* -1: nothing there */
} sink = { .prog = "nvcoreos", .fd = -EBADF, .level = LOG_LEVEL_INFO, .stderr_level = -1 };

int log_level_parse(const char *s, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_eq(s, names[i])) {
			*ret = (enum log_level)i;
			return 0;
		}
	return -EINVAL;
}

static int journal_socket(void)
{
	static const struct sockaddr_un journal = { AF_UNIX, "/run/systemd/journal/socket" };
	cleanup_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&journal, sizeof(journal)) < 0)
		return -EBADF;
	return take_fd(fd);
}

void log_open(const char *prog, const char *file, enum log_level level)
{
	log_close();
	sink.prog = prog;
	sink.pid = 0;
	sink.level = level;
	sink.journal = !file;
	if (file)
		sink.fd =
			openat(AT_FDCWD, file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
	else
		sink.fd = journal_socket();
}

void log_to_stderr(enum log_level level)
{
	sink.stderr_level = (int)level;
}

void log_close(void)
{
	fd_close(sink.fd);
	sink.fd = -EBADF;
}

static void to_journal(enum log_level level, const char *line)
{
	static const int priority[] = { 3, 4, 6, 7 };
	char msg[LOG_LINE_MAX + 256];
	int n = snprintf(msg, sizeof(msg), "PRIORITY=%d\nSYSLOG_IDENTIFIER=%s\nMESSAGE=%s\n", priority[level],
			 sink.prog, line);
	ssize_t r = send(sink.fd, msg, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);

	(void)r;
}

void log_utc(int64_t seconds, char buf[LOG_UTC_SIZE])
{
	int64_t left = seconds % 86400;
	/* Years begin in March here, so that the leap day is the last; 400 of them have 146097 days. */
	int64_t n = seconds / 86400 + 719468, era = n / 146097, of_era = n % 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;

	snprintf(buf, LOG_UTC_SIZE, "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned)(year + era * 400 + (month >= 10)),
		 (unsigned)(month < 10 ? month + 3 : month - 9), (unsigned)(of_year - (153 * month + 2) / 5 + 1),
		 (unsigned)(left / 3600), (unsigned)(left / 60 % 60), (unsigned)(left % 60));
}

static void to_file(enum log_level level, const char *line)
{
	char msg[LOG_LINE_MAX + 256], when[LOG_UTC_SIZE];
	int n;
	ssize_t r;

	if (!sink.pid)
		sink.pid = (int)getpid();
	log_utc(time(NULL), when);
	n = snprintf(msg, sizeof(msg), "%s %s[%d] %s: %s\n", when, sink.prog, sink.pid, names[level], line);
	/* One write, so that lines of containers that start together do not mix. */
	r = write(sink.fd, msg, (size_t)n);
	(void)r;
}

void log_compose(struct log_record *ret, const char *line)
{
	int n = snprintf(ret->text, sizeof(ret->text),
			 sink.journal ? "PRIORITY=3\nSYSLOG_IDENTIFIER=%s\nMESSAGE=%s\n" : "%s: %s\n", sink.prog, line);

	ret->len = (size_t)n < sizeof(ret->text) ? (size_t)n : sizeof(ret->text) - 1;
	ret->fd = sink.fd;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	char raw[LOG_LINE_MAX], line[LOG_LINE_MAX];
	va_list ap;
	int saved = errno;

	if (level > sink.level && (int)level > sink.stderr_level)
		return;
	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	str_escape(raw, line, sizeof(line));
	if ((int)level <= sink.stderr_level)
		fprintf(stderr, "%s: %s: %s\n", sink.prog, names[level], line);
	if (sink.fd >= 0 && level <= sink.level) {
		if (sink.journal)
			to_journal(level, line);
		else
			to_file(level, line);
	}
	errno = saved;
}
