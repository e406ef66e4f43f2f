/* SPDX-License-Identifier: Apache-2.0 */
#include "confine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "tap.h"

/* Runs fn in a child whose stderr comes back; the child's wait status. */
static int in_child(int (*fn)(void), char *output, size_t size)
{
	int pipefd[2], status = -1;
	ssize_t n;
	pid_t pid;

	if (pipe(pipefd) < 0)
		return -1;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		dup2(pipefd[1], STDERR_FILENO);
		_exit(fn());
	}
	close(pipefd[1]);
	n = read(pipefd[0], output, size - 1);
	output[n > 0 ? n : 0] = '\0';
	close(pipefd[0]);
	waitpid(pid, &status, 0);
	return status;
}

static unsigned open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	for (struct dirent *e; d && (e = readdir(d));)
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n ? n - 1 : 0; /* the directory's own */
}

static int hostile_start(void)
{
	struct err err = ERR_INIT;
	char cwd[64];
	sigset_t mask;
	bool ok;

	sigfillset(&mask);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	signal(SIGALRM, SIG_IGN);
	setenv("LD_PRELOAD", "./x.so", 1);
	umask(0777);
	for (int i = 0; i < 40; i++)
		ok = open("/", O_RDONLY) >= 0;
	close(STDIN_FILENO);
	ok &= confine_process(&err) == 0;
	ok &= getenv("LD_PRELOAD") == NULL && getenv("PATH") == NULL;
	ok &= umask(022) == 022;
	ok &= getcwd(cwd, sizeof(cwd)) && str_eq(cwd, "/");
	ok &= sigprocmask(SIG_SETMASK, NULL, &mask) == 0 && !sigismember(&mask, SIGALRM) &&
	      !sigismember(&mask, SIGTERM);
	ok &= prctl(PR_GET_DUMPABLE) == 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
	ok &= fcntl(STDIN_FILENO, F_GETFD) >= 0;
	return ok ? 0 : 1;
}

static int hostile_fds(void)
{
	struct err err = ERR_INIT;

	for (int i = 0; i < 40; i++)
		if (open("/", O_RDONLY) < 0)
			return 2;
	/* Counted before the process can no longer look at its own /proc. */
	if (open_fds() < 40 || confine_process(&err) < 0)
		return 3;
	for (int fd = 3; fd < 64; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return 1;
	return 0;
}

TEST(nothing_inherited_is_left)
{
	char output[256];

	CHECK_INT(in_child(hostile_start, output, sizeof(output)), 0);
	CHECK_INT(in_child(hostile_fds, output, sizeof(output)), 0);
}

static int hang(void)
{
	struct err err = ERR_INIT;

	if (confine_process(&err) < 0 || confine_limits(1, &err) < 0)
		return 1;
	for (;;)
		pause();
}

static int hang_deaf(void)
{
	struct err err = ERR_INIT;
	sigset_t mask;

	if (confine_process(&err) < 0 || confine_limits(1, &err) < 0)
		return 1;
	/* As behind a file system whose wait only a deadly signal ends. */
	sigemptyset(&mask);
	sigaddset(&mask, SIGALRM);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	for (;;)
		pause();
}

TEST(the_deadline_says_why_and_kills_in_any_case)
{
	char output[256];
	int status = in_child(hang, output, sizeof(output));

	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGALRM);
	CHECK(strncmp(output, "nvcoreos-hook: E31: ", 20) == 0);
	CHECK(strchr(output, '\n') == output + strlen(output) - 1);
	status = in_child(hang_deaf, output, sizeof(output));
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK_STR(output, "");
}

#ifndef __SANITIZE_ADDRESS__
static int limited(void)
{
	struct rlimit low = { 100u << 20, 400u << 20 }, now;
	struct err err = ERR_INIT;

	if (confine_process(&err) < 0 || confine_limits(9, &err) < 0)
		return 1;
	if (getrlimit(RLIMIT_AS, &now) < 0 || now.rlim_cur != 512u << 20)
		return 2;
	if (malloc(600u << 20) != NULL)
		return 3;
	/* What the engine has set lower stays. */
	if (setrlimit(RLIMIT_AS, &low) < 0 || confine_limits(9, &err) < 0)
		return 4;
	return getrlimit(RLIMIT_AS, &now) == 0 && now.rlim_cur == 100u << 20 ? 0 : 5;
}

TEST(memory_is_limited)
{
	char output[256];

	CHECK_INT(in_child(limited, output, sizeof(output)), 0);
}
#endif
