/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "confine.h"

#define NO_MEMORY "E01: out of memory: hook: give the container engine more memory"

void report_out_of_memory(void)
{
	static const char line[] = REPORT_PROG ": " NO_MEMORY "\n";
	struct log_record record;

	log_compose(&record, NO_MEMORY);
	(void)!write(STDERR_FILENO, line, sizeof(line) - 1);
	(void)!write(record.fd, record.text, record.len);
	_exit(1);
}

int report_end(int r, const struct err *err)
{
	char line[2 * ERR_MSG_MAX];

	confine_finish();
	if (r >= 0)
		return 0;
	fprintf(stderr, REPORT_PROG ": %s\n", err_line(err, line, sizeof(line)));
	log_error("%s", line);
	return 1;
}
