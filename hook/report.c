/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "confine.h"

#define NO_MEMORY "E01: out of memory: hook: give the container engine more memory"

void report_out_of_memory(void)
{
	static const char line[] = REPORT_PROG ": " NO_MEMORY "\n";
	struct log_record record;

	log_compose(&record, NO_MEMORY);
	fd_say(STDERR_FILENO, line, sizeof(line) - 1);
	(void)!write(record.fd, record.text, record.len);
	_exit(1);
}

void report_note(const char *fmt, ...)
{
	char line[2UL * ERR_MSG_MAX + sizeof(REPORT_PROG) + 4];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = snprintf(line, sizeof(line), REPORT_PROG ": ");
	n += vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	va_end(ap);
	if ((size_t)n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	fd_say(STDERR_FILENO, line, (size_t)n);
}

int report_end(int r, const struct err *err)
{
	char line[2 * ERR_MSG_MAX];

	confine_finish();
	if (r >= 0)
		return 0;
	report_note("%s", err_line(err, line, sizeof(line)));
	log_error("%s", line);
	return 1;
}
