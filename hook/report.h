/* SPDX-License-Identifier: Apache-2.0 */
/* How the hook ends, under each of its names: one line, on stderr and in the log, and an exit status. */
#ifndef NVCOREOS_HOOK_REPORT_H
#define NVCOREOS_HOOK_REPORT_H

#include "base/err.h"

#define REPORT_PROG "nvcoreos-hook"

/* For mem_set_oom_handler: E01, and the process ends with status 1. */
void report_out_of_memory(void) noreturn_fn;
/* A line on stderr, under the program's name. None of these waits for a reader that does not come: the line is lost then. */
void report_note(const char *fmt, ...) printf_format(1, 2);
/* The exit status of a run that returned r: 0; or 1, and the error is said. Signals change nothing any more. */
int report_end(int r, const struct err *err) must_check;

#endif
