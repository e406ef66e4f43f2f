/* SPDX-License-Identifier: Apache-2.0 */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

struct child {
	const struct proc_program *program;
	int out;  /* its stdout and stderr */
	int fail; /* takes the errno where it did not become the program */
	pid_t parent;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static noreturn_fn void run_child(const struct child *c)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	const struct proc_program *p = c->program;
	sigset_t none;
	int null, e;
	ssize_t r;

	setpgid(0, 0);
	/* It does not outlive a parent that was killed. Whoever gets another parent before this line has lost the first. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != c->parent)
		_exit(127);
	/* Ignored signals and the mask would outlive execve. */
	for (int s = 1; s < NSIG; s++)
		sigaction(s, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	/* What our own caller left open is not the child's. */
	if (null >= 0 && syscall(SYS_close_range, 3U, ~0U, (unsigned)CLOSE_RANGE_CLOEXEC) == 0 &&
	    dup2(null, STDIN_FILENO) >= 0 && dup2(c->out, STDOUT_FILENO) >= 0 && dup2(c->out, STDERR_FILENO) >= 0) {
		e = p->prepare ? p->prepare() : 0;
		if (e == 0)
			execve(p->path, p->argv, p->envp);
		else
			errno = -e;
	}
	e = errno;
	r = write(c->fail, &e, sizeof(e));
	(void)r;
	_exit(127);
}

/* Reads once and keeps the last bytes. false at the end of the pipe. */
static bool take_output(int fd, struct proc_result *ret, size_t *len)
{
	char chunk[sizeof(ret->output) - 1];
	ssize_t r = read(fd, chunk, sizeof(chunk));
	size_t n = (size_t)r, drop;

	if (r < 0)
		return errno == EAGAIN || errno == EINTR;
	if (r == 0)
		return false;
	drop = *len + n > sizeof(chunk) ? *len + n - sizeof(chunk) : 0;
	memmove(ret->output, ret->output + drop, *len - drop);
	memcpy(ret->output + *len - drop, chunk, n);
	*len += n - drop;
	ret->output[*len] = '\0';
	return true;
}

/* Waits until the child has ended, gathering its output. 0, -ETIMEDOUT or -errno. */
static int wait_child(int pidfd, int out, unsigned timeout_s, struct proc_result *ret)
{
	int64_t deadline = now_ms() + (int64_t)timeout_s * 1000;
	size_t len = 0;

	for (;;) {
		struct pollfd fds[2] = { { .fd = pidfd, .events = POLLIN }, { .fd = out, .events = POLLIN } };
		int64_t left = deadline - now_ms();

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(fds, 2, left > 60000 ? 60000 : (int)left) < 0) {
			if (errno != EINTR)
				return -errno;
			continue;
		}
		/* At its end the pipe is polled no more; a grandchild that holds it open is not waited for. */
		if (fds[1].revents && !take_output(out, ret, &len))
			out = -EBADF;
		if (!fds[0].revents)
			continue;
		/* What is left in the pipe, and no more than it can hold: a grandchild may still be writing. */
		for (int i = 0; i < 256 && out >= 0 && poll(&fds[1], 1, 0) > 0; i++)
			if (!take_output(out, ret, &len))
				break;
		return 0;
	}
}

int proc_end(pid_t pid, int *ret_status)
{
	const struct timespec pause = { 0, 5000000 };
	int64_t deadline = now_ms() + PROC_END_S * INT64_C(1000);
	pid_t r;

	/* Before it is reaped its number cannot be another's. */
	kill(pid, SIGKILL);
	for (;;) {
		r = waitpid(pid, ret_status, WNOHANG);
		if (r == pid)
			return 0;
		if (r < 0 && errno != EINTR)
			return -errno;
		if (now_ms() >= deadline)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
}

static int reap(pid_t pid, struct proc_result *ret)
{
	int status, r = proc_end(pid, &status);

	ret->stuck = r == -ETIMEDOUT;
	if (r == 0)
		ret->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return r;
}

/* The parent's part; the pipes' other ends are closed already. */
static int attend(pid_t pid, const int fds[2], unsigned timeout_s, struct proc_result *ret)
{
	cleanup_fd int pidfd = -EBADF;
	int r, e;

	/* Both sides do it, so that the group is there whoever runs first. */
	setpgid(pid, pid);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	r = pidfd < 0 ? -errno : wait_child(pidfd, fds[0], timeout_s, ret);
	/* Before it is reaped its number, and so the group's, cannot be another's. What it left running goes too. */
	kill(-pid, SIGKILL);
	e = reap(pid, ret);
	if (r == 0)
		r = e;
	if (r == 0 && read(fds[1], &e, sizeof(e)) == (ssize_t)sizeof(e))
		r = -e;
	return r;
}

int proc_run(const struct proc_program *program, struct proc_result *ret, struct err *err)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL }, before;
	int out[2] = { -EBADF, -EBADF }, fail[2] = { -EBADF, -EBADF }, r = 0;
	pid_t pid = -1, parent = getpid();

	*ret = (struct proc_result){ 0 };
	if (pipe2(out, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(fail, O_CLOEXEC | O_NONBLOCK) < 0)
		r = -errno;
	/* Where it is ignored the kernel reaps for us, and the status is lost. */
	sigaction(SIGCHLD, &dfl, &before);
	if (r == 0) {
		/* The child's end blocks: programs do not expect EAGAIN from stdout. */
		fcntl(out[1], F_SETFL, 0);
		pid = fork();
		if (pid < 0)
			r = -errno;
	}
	if (pid == 0)
		run_child(&(struct child){ program, out[1], fail[1], parent });
	fd_close(out[1]);
	fd_close(fail[1]);
	if (pid > 0)
		r = attend(pid, (const int[]){ out[0], fail[0] }, program->timeout_s, ret);
	fd_close(out[0]);
	fd_close(fail[0]);
	sigaction(SIGCHLD, &before, NULL);
	if (r == -ENOSYS)
		return err_set(err, ERR_KERNEL, ENOSYS, "pidfd_open");
	if (r < 0)
		err_set(err, ERR_IO, -r, "%s", program->path);
	if (ret->stuck)
		err_hint(err, PROC_STUCK);
	return r;
}
