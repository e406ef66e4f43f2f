/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs one program under ptrace and does one thing to it at one of its system calls. Every call counts, from the first one
 * behind execve to exit_group. The stop at a call's entry comes before its seccomp filters (since Linux 4.8), and what is
 * injected here skips both filter and call, so that a filter that kills is no obstacle. x86-64.
 */
#ifndef NVCOREOS_TESTS_TRACE_H
#define NVCOREOS_TESTS_TRACE_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum trace_what {
	TRACE_COUNT,  /* only counts */
	TRACE_SIGNAL, /* sends `value`; SIGKILL at the entry: the call is not made */
	TRACE_ERRNO,  /* the call is not made and answers -value */
	TRACE_SHORT,  /* a read or a write gets one byte */
	TRACE_STOP,   /* calls stopped() while the program stands */
};

struct trace {
	const char *const *argv;
	int in, out, err; /* its three fds; -1: the caller's own */
	enum trace_what what;
	unsigned long at; /* which call, from 1; 0: none */
	bool after;	  /* at the call's exit; TRACE_SIGNAL and TRACE_STOP */
	int value;
	void (*stopped)(void *arg);
	void (*seen)(void *arg, unsigned long n, long nr); /* for each call; may be NULL */
	void *arg;
	unsigned timeout_ms; /* then SIGKILL; 0: none. Time in stopped() counts. */

	unsigned long calls; /* how many were begun */
	long nr;	     /* the call at `at` */
	bool fired; /* something was done to it: not where TRACE_SHORT finds no read, TRACE_ERRNO nothing to fail */
	bool timed_out;
	int status; /* as of waitpid */
};

static volatile sig_atomic_t trace_pid, trace_late;

static inline void trace_alarm(int sig)
{
	(void)sig;
	trace_late = 1;
	kill((pid_t)trace_pid, SIGKILL);
}

static inline void trace_timer(unsigned ms)
{
	struct itimerval t = { .it_value = { ms / 1000, ms % 1000 * 1000 } };
	struct sigaction sa = { .sa_handler = trace_alarm };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
}

/* Calls that have no way to fail: their callers rightly look for none. The rest of the list sets up the C library. */
static inline bool trace_can_fail(long nr)
{
	static const long never[] = {
		SYS_brk,     SYS_exit,	  SYS_exit_group,      SYS_getpid,	    SYS_gettid,
		SYS_getuid,  SYS_geteuid, SYS_getgid,	       SYS_getegid,	    SYS_umask,
		SYS_getppid, SYS_alarm,	  SYS_set_tid_address, SYS_set_robust_list, SYS_arch_prctl
	};

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (never[i] == nr)
			return false;
	return true;
}

static inline bool trace_is_io(long nr)
{
	return nr == SYS_read || nr == SYS_write || nr == SYS_pread64 || nr == SYS_pwrite64;
}

/* The call at `at` has been entered. */
static inline void trace_enter(struct trace *t, pid_t pid)
{
	struct user_regs_struct regs;

	if (t->what == TRACE_COUNT || (t->after && t->what != TRACE_ERRNO && t->what != TRACE_SHORT))
		return;
	t->fired = true;
	if (t->what == TRACE_SIGNAL)
		kill(pid, t->value);
	else if (t->what == TRACE_STOP)
		t->stopped(t->arg);
	if ((t->what != TRACE_ERRNO && t->what != TRACE_SHORT) || ptrace(PTRACE_GETREGS, pid, 0, &regs) < 0)
		return;
	if (t->what == TRACE_ERRNO)
		regs.rax = (unsigned long long)-t->value;
	else if ((t->fired = trace_is_io(t->nr) && regs.rdx > 1))
		regs.rdx = 1;
	ptrace(PTRACE_SETREGS, pid, 0, &regs);
}

static inline void trace_leave(struct trace *t, pid_t pid, unsigned long long count)
{
	struct user_regs_struct regs;

	if (t->what == TRACE_SHORT && t->fired && ptrace(PTRACE_GETREGS, pid, 0, &regs) == 0) {
		/* The compiler relies on it that a call keeps its arguments. */
		regs.rdx = count;
		ptrace(PTRACE_SETREGS, pid, 0, &regs);
	}
	if (!t->after)
		return;
	if (t->what == TRACE_SIGNAL)
		kill(pid, t->value);
	else if (t->what == TRACE_STOP)
		t->stopped(t->arg);
	t->fired = t->what == TRACE_SIGNAL || t->what == TRACE_STOP || t->fired;
}

/* One stop at a system call. Returns whether the program is inside the call now. */
static inline bool trace_stop(struct trace *t, pid_t pid, unsigned long long *count)
{
	struct __ptrace_syscall_info info = { 0 };

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) < 0)
		return false;
	if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
		if (t->calls && t->calls == t->at)
			trace_leave(t, pid, *count);
		return false;
	}
	if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return false;
	t->calls++;
	*count = info.entry.args[2];
	if (t->seen)
		t->seen(t->arg, t->calls, (long)info.entry.nr);
	if (t->calls == t->at) {
		t->nr = (long)info.entry.nr;
		trace_enter(t, pid);
	}
	return true;
}

static inline void trace_loop(struct trace *t, pid_t pid)
{
	unsigned long long count = 0;
	bool inside = false;
	long sig = 0;

	for (;;) {
		/* A call that was begun under SYSEMU is neither filtered nor made: its answer is what we put there. */
		bool skip = t->what == TRACE_ERRNO && !inside && t->calls + 1 == t->at;
		struct __ptrace_syscall_info info;

		ptrace(skip ? PTRACE_SYSEMU : PTRACE_SYSCALL, pid, 0, sig);
		sig = 0;
		while (waitpid(pid, &t->status, 0) < 0 && errno == EINTR)
			;
		if (!WIFSTOPPED(t->status))
			return;
		if (WSTOPSIG(t->status) != (SIGTRAP | 0x80)) {
			sig = t->status >> 16 ? 0 : WSTOPSIG(t->status);
			continue;
		}
		/* What cannot fail shall be made after all: taken back to its instruction, and entered again. */
		if (skip && ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0 &&
		    info.op == PTRACE_SYSCALL_INFO_ENTRY && !trace_can_fail((long)info.entry.nr)) {
			struct user_regs_struct regs;

			ptrace(PTRACE_GETREGS, pid, 0, &regs);
			regs.rip -= 2;
			regs.rax = info.entry.nr;
			ptrace(PTRACE_SETREGS, pid, 0, &regs);
			t->nr = (long)info.entry.nr;
			t->what = TRACE_COUNT;
			continue;
		}
		inside = trace_stop(t, pid, &count);
	}
}

static inline void trace_child(const struct trace *t)
{
	static const char *const env[] = { NULL };
	const int fds[3] = { t->in, t->out, t->err };

	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0 && dup2(fds[i], i) < 0)
			_exit(126);
	if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0 || raise(SIGSTOP) != 0)
		_exit(126);
	execve(t->argv[0], (char *const *)(uintptr_t)t->argv, (char *const *)(uintptr_t)env);
	_exit(127);
}

/* 0, or -errno where it could not be run at all. The program's end is in `status`. */
static inline int trace_run(struct trace *t)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		trace_child(t);
	t->calls = 0;
	t->fired = t->timed_out = false;
	t->nr = -1;
	trace_pid = pid;
	trace_late = 0;
	if (waitpid(pid, &t->status, 0) != pid || !WIFSTOPPED(t->status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL) < 0 ||
	    ptrace(PTRACE_CONT, pid, 0, 0) < 0 || waitpid(pid, &t->status, 0) != pid)
		return -ECHILD;
	if (!WIFSTOPPED(t->status))
		return -ENOENT;
	trace_timer(t->timeout_ms);
	trace_loop(t, pid);
	trace_timer(0);
	t->timed_out = trace_late;
	return 0;
}

#endif
