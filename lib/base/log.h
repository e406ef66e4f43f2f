/* SPDX-License-Identifier: Apache-2.0 */
/* The log: one sink, chosen once by a main. Library code logs; it never prints. */
#ifndef NVCOREOS_BASE_LOG_H
#define NVCOREOS_BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* "error", "warning", "info", "debug". 0 or -EINVAL. */
int log_level_parse(const char *s, enum log_level *ret) must_check;

/*
 * Opens the sink: `file` (appended to), or the journal's socket when file is NULL. Failing to open is no error:
 * what is logged is then dropped, a container's start does not depend on its log. `prog` must outlive the log.
 */
void log_open(const char *prog, const char *file, enum log_level level);
/* Also writes to stderr what is logged at or above level (the tool's --debug). */
void log_to_stderr(enum log_level level);
void log_close(void);

/* One line; bytes that are not printable are escaped, 4 KiB at most. */
void log_write(enum log_level level, const char *fmt, ...) printf_format(2, 3);
/* A line composed ahead, for a signal handler to write as it is. */
struct log_record {
	int fd; /* the sink's, not to be closed; negative: there is none */
	size_t len;
	char text[512];
};
/* `line` as an error in the form that the open sink takes, without the time; what is too long is cut. Allocates nothing. */
void log_compose(struct log_record *ret, const char *line);
/*
 * A time from 1970 on as "2026-11-29T03:11:44Z". Not by gmtime_r, which opens the machine's time zone when it is first called: a
 * filter that knows no open any more kills for that.
 */
#define LOG_UTC_SIZE 64
void log_utc(int64_t seconds, char buf[LOG_UTC_SIZE]);
#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
