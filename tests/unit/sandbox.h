/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a part of a test in a child with a mount namespace of its own, as root; skips the test elsewhere. */
#ifndef NVCOREOS_TESTS_SANDBOX_H
#define NVCOREOS_TESTS_SANDBOX_H

#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apply/caps.h"
#include "tap.h"

#define SANDBOX_SKIP 77

/*
 * fn runs in the child and returns 0 where all held; it may use CHECK (the parent fails too where fn returns
 * non-zero), or SANDBOX_SKIP.
 */
static inline void in_mount_namespace(int (*fn)(const char *dir), const char *dir)
{
	struct err err = ERR_INIT;
	int status = 0;
	pid_t pid;

	/* What was tested before may have lowered them. */
	CHECK_INT(caps_restore(&err), 0);
	if (geteuid() != 0) {
		tap_skip("needs root");
		return;
	}
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int r = 99;

		if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
			r = fn(dir);
		tap_exit(r);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SANDBOX_SKIP)
		tap_skip("this kernel does not offer what is needed");
	else
		CHECK_INT(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
}

#endif
