/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "frozen.h"
#include "sandbox.h"
#include "tap.h"

static int run_sh(const char *script, unsigned timeout_s, struct proc_result *ret, struct err *err)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)script, NULL };
	char *const envp[] = { (char *)"PATH=/usr/bin:/bin", (char *)"X=y z", NULL };

	const struct proc_program sh = { .path = "/bin/sh", .argv = argv, .envp = envp, .timeout_s = timeout_s };

	*err = (struct err)ERR_INIT;
	return proc_run(&sh, ret, err);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

TEST(status_and_output)
{
	struct proc_result res;
	struct err err;

	CHECK_INT(run_sh("echo out; echo err >&2; exit 3", 10, &res, &err), 0);
	CHECK_INT(res.status, 3);
	CHECK_STR(res.output, "out\nerr\n");
	CHECK_INT(run_sh("exit 0", 10, &res, &err), 0);
	CHECK_INT(res.status, 0);
	CHECK_STR(res.output, "");
	CHECK_INT(run_sh("kill -TERM $$", 10, &res, &err), 0);
	CHECK_INT(res.status, 128 + SIGTERM);
	CHECK_INT(run_sh("exit 127", 10, &res, &err), 0);
	CHECK_INT(res.status, 127);
}

TEST(last_bytes_are_kept)
{
	struct proc_result res;
	struct err err;

	CHECK_INT(run_sh("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; printf end", 30, &res, &err),
		  0);
	CHECK_INT(strlen(res.output), sizeof(res.output) - 1);
	CHECK(str_ends(res.output, "line 19999\nend"));
}

TEST(environment_is_what_was_given)
{
	struct proc_result res;
	struct err err;

	setenv("NVCOREOS_TEST_LEAK", "1", 1);
	CHECK_INT(run_sh("echo \"$X\" $NVCOREOS_TEST_LEAK; read line || echo eof", 10, &res, &err), 0);
	CHECK_STR(res.output, "y z\neof\n");
	unsetenv("NVCOREOS_TEST_LEAK");
}

TEST(no_fd_leaks)
{
	struct proc_result res;
	struct err err;
	int leak = open("/dev/null", O_RDONLY), high;

	REQUIRE(leak >= 0);
	high = dup2(leak, 200);
	CHECK_INT(run_sh("for f in /proc/$$/fd/*; do echo ${f##*/}; done", 10, &res, &err), 0);
	/* The shell may hold /proc/$$/fd itself open for a moment, never 200. */
	CHECK(str_starts(res.output, "0\n1\n2\n"));
	CHECK(!strstr(res.output, "200"));
	fd_close(high);
	fd_close(leak);
}

TEST(deadline_kills_the_group)
{
	struct proc_result res;
	struct err err;
	double start = seconds();
	char *end;
	long pid;

	CHECK_INT(run_sh("sleep 60 & echo $!; wait", 1, &res, &err), -ETIMEDOUT);
	CHECK(seconds() - start > 0.9 && seconds() - start < 5);
	CHECK_INT(err.code, ERR_IO);
	CHECK(str_starts(err.what, "/bin/sh"));
	pid = strtol(res.output, &end, 10);
	REQUIRE(pid > 1);
	for (int i = 0; i < 100 && kill((pid_t)pid, 0) == 0; i++) {
		char state[64] = "", path[64];
		cleanup_free char *stat = NULL;
		size_t len;

		/* Where nobody reaps orphans it stays a zombie. */
		snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
		if (fd_read_file_at(AT_FDCWD, path, 4096, &stat, &len) == 0)
			snprintf(state, sizeof(state), "%.3s", strrchr(stat, ')'));
		if (str_eq(state, ") Z"))
			return;
		usleep(20000);
	}
	CHECK(kill((pid_t)pid, 0) < 0);
	CHECK_INT(waitpid(-1, NULL, WNOHANG), -1);
}

TEST(deadline_holds_for_one_who_writes_or_ignores)
{
	struct proc_result res;
	struct err err;
	double start = seconds();

	CHECK_INT(run_sh("trap '' TERM INT HUP; while :; do echo y; done", 1, &res, &err), -ETIMEDOUT);
	CHECK_INT(run_sh("exec >&- 2>&-; sleep 60", 1, &res, &err), -ETIMEDOUT);
	CHECK(seconds() - start < 8);
}

static int run_stuck(const char *dir)
{
	struct proc_result res;
	struct err err;
	char group[300];
	double start = seconds();
	pid_t helper;
	bool ok;

	if (!frozen_enter(dir, group))
		return SANDBOX_SKIP;
	helper = frozen_later(dir, group, 500);
	ok = CHECK_INT(run_sh("echo begun; while :; do :; done", 2, &res, &err), -ETIMEDOUT);
	ok &= CHECK(res.stuck);
	ok &= CHECK_STR(res.output, "begun\n");
	ok &= CHECK(seconds() - start < 2 + PROC_END_S + 3);
	ok &= CHECK_INT(err.code, ERR_IO);
	ok &= CHECK_STR(err.hint, PROC_STUCK);
	ok &= CHECK(frozen_end(dir, group, helper));
	return ok ? 0 : 1;
}

/* A module that hangs must not hold up a start, or the boot. */
TEST(one_that_cannot_be_killed_is_left_behind)
{
	in_mount_namespace(run_stuck, tap_tmpdir());
}

TEST(grandchildren_are_not_waited_for)
{
	struct proc_result res;
	struct err err;
	double start = seconds();

	CHECK_INT(run_sh("sleep 60 & echo started", 20, &res, &err), 0);
	CHECK_STR(res.output, "started\n");
	CHECK_INT(run_sh("yes & exit 4", 20, &res, &err), 0);
	CHECK_INT(res.status, 4);
	CHECK(seconds() - start < 5);
}

/* Not even SIGKILL leaves the child behind. */
TEST(a_child_goes_with_its_parent)
{
	int alive[2], ready;
	struct proc_result res;
	struct err err;
	pid_t pid;
	char c;

	REQUIRE(pipe(alive) == 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		char script[64];

		close(alive[0]);
		/* The child holds the pipe open as long as it lives, whatever else is closed for it. */
		snprintf(script, sizeof(script), "exec 9>/proc/%d/fd/%d; echo >&9; exec sleep 60", (int)getpid(),
			 alive[1]);
		(void)!run_sh(script, 60, &res, &err);
		_exit(0);
	}
	close(alive[1]);
	ready = (int)read(alive[0], &c, 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CHECK_INT(ready, 1);
	CHECK_INT(poll(&(struct pollfd){ .fd = alive[0], .events = POLLIN }, 1, 10000), 1);
	close(alive[0]);
}

TEST(programs_that_do_not_start)
{
	char *const argv[] = { (char *)"x", NULL }, *const envp[] = { NULL };
	struct proc_program p = { .path = "/nonexistent", .argv = argv, .envp = envp, .timeout_s = 5 };
	const char *dir = tap_tmpdir();
	struct proc_result res;
	struct err err = ERR_INIT;
	char file[300];

	CHECK_INT(proc_run(&p, &res, &err), -ENOENT);
	CHECK_INT(err.code, ERR_IO);
	CHECK_STR(err.what, "/nonexistent");
	p.path = dir;
	CHECK_INT(proc_run(&p, &res, &err), -EACCES);
	tap_write(dir, "plain", "no program");
	snprintf(file, sizeof(file), "%s/plain", dir);
	p.path = file;
	CHECK_INT(proc_run(&p, &res, NULL), -EACCES);
	REQUIRE(chmod(file, 0755) == 0);
	CHECK_INT(proc_run(&p, &res, &err), -ENOEXEC);
}

static int become_nobody(void)
{
	return setgid(65534) < 0 || setuid(65534) < 0 ? -errno : 0;
}

static int refuse(void)
{
	return -EPERM;
}

TEST(the_child_is_prepared_or_does_not_start)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)"test $(id -u) = 65534 && echo prepared", NULL };
	char *const envp[] = { (char *)"PATH=/usr/bin:/bin", NULL };
	struct proc_program p = { .path = "/bin/sh", .argv = argv, .envp = envp, .timeout_s = 5, .prepare = refuse };
	struct proc_result res;
	struct err err = ERR_INIT;

	CHECK_INT(proc_run(&p, &res, &err), -EPERM);
	CHECK_STR(res.output, "");
	if (geteuid() != 0)
		return;
	p.prepare = become_nobody;
	CHECK_INT(proc_run(&p, &res, &err), 0);
	/* With gcov the child tells first that it can write no counters any more. */
	CHECK(str_ends(res.output, "prepared\n"));
}

TEST(signals_of_the_caller)
{
	struct sigaction ign = { .sa_handler = SIG_IGN }, before, after;
	struct proc_result res;
	struct err err;

	sigaction(SIGPIPE, &ign, NULL);
	sigaction(SIGCHLD, &ign, &before);
	/* Status is known though SIGCHLD is ignored, and the child starts with the defaults. */
	CHECK_INT(run_sh("kill -PIPE $$; exit 5", 10, &res, &err), 0);
	CHECK_INT(res.status, 128 + SIGPIPE);
	sigaction(SIGCHLD, &before, &after);
	CHECK(after.sa_handler == SIG_IGN);
	signal(SIGPIPE, SIG_DFL);
}
