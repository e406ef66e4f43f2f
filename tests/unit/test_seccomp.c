/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/seccomp.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "tap.h"

/* What becomes of one system call in a child behind the filters up to `phase`: the signal that killed it, or 0. */
static int fate(int last, long call)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct err err = ERR_INIT;

		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		for (int p = SECCOMP_START; p <= last; p++)
			if (seccomp_enter((enum seccomp_phase)p, &err) < 0)
				_exit(99);
		syscall(call, -1, 0, 0, 0, 0, 0);
		syscall(SYS_exit_group, 0);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

TEST(each_phase_takes_more_away)
{
	static const struct {
		long call;
		int start, apply, files;
	} rows[] = {
		{ SYS_getpid, 0, 0, 0 },
		{ SYS_openat2, 0, 0, 0 },
		{ SYS_sysinfo, 0, 0, 0 }, /* glibc's qsort asks for it */
		{ SYS_execve, 0, SIGSYS, SIGSYS },
		{ SYS_execveat, 0, SIGSYS, SIGSYS },
		{ SYS_clone3, 0, SIGSYS, SIGSYS },
		{ SYS_finit_module, 0, SIGSYS, SIGSYS },
		{ SYS_socket, 0, SIGSYS, SIGSYS },
		{ SYS_bpf, 0, SIGSYS, SIGSYS },
		{ SYS_setns, 0, 0, SIGSYS },
		{ SYS_open_tree, 0, 0, SIGSYS },
		{ SYS_move_mount, 0, 0, SIGSYS },
		{ SYS_mount_setattr, 0, 0, SIGSYS },
		{ SYS_mount, SIGSYS, SIGSYS, SIGSYS },
		{ SYS_umount2, SIGSYS, SIGSYS, SIGSYS },
		{ SYS_pivot_root, SIGSYS, SIGSYS, SIGSYS },
		{ SYS_chroot, SIGSYS, SIGSYS, SIGSYS },
		{ SYS_ptrace, SIGSYS, SIGSYS, SIGSYS },
		{ SYS_unshare, SIGSYS, SIGSYS, SIGSYS },
		{ SYS_io_uring_setup, SIGSYS, SIGSYS, SIGSYS },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool ok = CHECK_INT(fate(SECCOMP_START, rows[i].call), rows[i].start);

		ok &= CHECK_INT(fate(SECCOMP_APPLY, rows[i].call), rows[i].apply);
		ok &= CHECK_INT(fate(SECCOMP_FILES, rows[i].call), rows[i].files);
		if (!ok)
			printf("# system call %ld\n", rows[i].call);
	}
}
