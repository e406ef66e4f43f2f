/* SPDX-License-Identifier: Apache-2.0 */
/* A child program with a deadline. */
#ifndef NVCOREOS_BASE_PROC_H
#define NVCOREOS_BASE_PROC_H

#include "base/err.h"

struct proc_result {
	int status;	  /* exit status; 128 + signal where one ended it */
	char output[512]; /* the last bytes that it wrote to stdout and stderr, terminated */
};

struct proc_program {
	const char *path; /* absolute */
	char *const *argv, *const *envp;
	unsigned timeout_s;
	int (*prepare)(void); /* last thing in the child before it becomes the program: 0 or -errno; NULL: nothing */
};

/*
 * Runs a program, stdin from /dev/null, and waits at most timeout_s seconds; then it and its process group are
 * killed and -ETIMEDOUT comes back (ERR_IO with the path). 0 where it ended by itself, whatever its status; -errno
 * where it could not be started, be it that prepare failed. It is killed too where this process (its thread) ends
 * first.
 */
int proc_run(const struct proc_program *program, struct proc_result *ret, struct err *err) must_check;

#endif
