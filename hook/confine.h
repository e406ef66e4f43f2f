/* SPDX-License-Identifier: Apache-2.0 */
/* The process itself: nothing inherited is trusted, nothing is taken that is not needed, and it ends in time. */
#ifndef NVCOREOS_HOOK_CONFINE_H
#define NVCOREOS_HOOK_CONFINE_H

#include "base/err.h"

/*
 * First of all: fds but 0 to 2 closed (and these open), no variable, no directory, no umask, no signal setting, no core,
 * no tracer, no new privileges. -errno with ERR_IO or ERR_KERNEL.
 */
int confine_process(struct err *err) must_check;
/* The last words below go to the log too from here on. Call once, after log_open(). */
void confine_log_opened(void);
/* From here on SIGTERM, SIGINT and SIGHUP change nothing: before, they end the process with a line (E08) and status 1. */
void confine_finish(void);
/*
 * A limit of memory, and a deadline in seconds, whatever a file system of the image does: then the process
 * ends with a line of its own and status 142, and a second later without one. Not for a process that has yet to start
 * nvcoreos-load, which would inherit them. -errno with ERR_KERNEL.
 */
int confine_limits(unsigned deadline, struct err *err) must_check;

#endif
