/* SPDX-License-Identifier: Apache-2.0 */
/* A child program with a deadline. */
#ifndef NVCOREOS_BASE_PROC_H
#define NVCOREOS_BASE_PROC_H

#include "base/err.h"

struct proc_result {
	int status;	  /* exit status; 128 + signal where one ended it */
	char output[512]; /* the last bytes that it wrote to stdout and stderr, terminated */
};

/*
 * Runs path (absolute) with argv and envp, stdin from /dev/null, and waits at most timeout_s seconds; then it and
 * its process group are killed and -ETIMEDOUT comes back (ERR_IO with the path). 0 where it ended by itself,
 * whatever its status.
 */
int proc_run(const char *path, char *const argv[], char *const envp[], unsigned timeout_s, struct proc_result *ret,
	     struct err *err) must_check;

#endif
