/* SPDX-License-Identifier: Apache-2.0 */
/* A child program with a deadline. */
#ifndef NVCOREOS_BASE_PROC_H
#define NVCOREOS_BASE_PROC_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* How long a child that was killed may take to end; what to do where it takes longer. */
#define PROC_END_S 5
#define PROC_STUCK "it is stuck in the kernel: see 'dmesg', then reboot"

struct proc_result {
	int status;	  /* exit status; 128 + signal where one ended it */
	char output[512]; /* the last bytes that it wrote to stdout and stderr, terminated */
	bool stuck;	  /* it was killed and has not ended: it waits in the kernel, and is left behind */
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
 * first. One that waits in the kernel no signal ends: then ret->stuck, PROC_END_S later, with -ETIMEDOUT.
 */
int proc_run(const struct proc_program *program, struct proc_result *ret, struct err *err) must_check;

/*
 * Kills a child and waits for its end. 0 with its status (waitpid's); -ETIMEDOUT where it has not ended after PROC_END_S: it waits
 * in the kernel, and is left behind; -errno of waitpid.
 */
int proc_end(pid_t pid, int *ret_status) must_check;

#endif
