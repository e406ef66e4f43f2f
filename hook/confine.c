/* SPDX-License-Identifier: Apache-2.0 */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"

/* 14 MiB of config.json with 1.2 million variables took 163 MiB. */
#define MEMORY_MAX (512u << 20)

static int open_standard_fds(struct err *err)
{
	struct pollfd fds[] = { { .fd = 0 }, { .fd = 1 }, { .fd = 2 } };

	if (poll(fds, ARRAY_SIZE(fds), 0) < 0)
		return err_set(err, ERR_KERNEL, errno, "poll");
	for (int fd = 0; fd <= 2; fd++)
		if ((fds[fd].revents & POLLNVAL) && open("/dev/null", O_RDWR) != fd)
			return err_set(err, ERR_IO, errno, "/dev/null");
	if (syscall(SYS_close_range, 3U, ~0U, 0U) < 0)
		return err_set(err, ERR_KERNEL, errno, "close_range");
	return 0;
}

#define PROG "nvcoreos-hook: "
#define SAID_ENDED "E08: ended by a signal: SIGTERM, SIGINT or SIGHUP: start the container again"
#define SAID_LATE \
	"E31: container's root cannot be used: a file system did not answer in time: " \
	"check the storage below the container's root, and the driver's store"

static const char said_ended[] = PROG SAID_ENDED "\n", said_late[] = PROG SAID_LATE "\n";

/* Also for the log, which is all that an engine with crun keeps; signal handlers cannot compose them. */
static struct log_record log_ended = { .fd = -EBADF }, log_late = { .fd = -EBADF };

void confine_log_opened(void)
{
	log_compose(&log_ended, SAID_ENDED);
	log_compose(&log_late, SAID_LATE);
}

/* The result is about to be said, or has been. */
static volatile sig_atomic_t finishing;

/* Whoever ends the hook gets a line too; what then stands in the container is no other than after SIGKILL. */
static void ended(int signal)
{
	(void)signal;
	if (finishing)
		return;
	fd_say(STDERR_FILENO, said_ended, sizeof(said_ended) - 1);
	(void)!write(log_ended.fd, log_ended.text, log_ended.len);
	_exit(1);
}

void confine_finish(void)
{
	finishing = 1;
}

/* A file size limit shall be an error, not a death without a word; so shall a pipe that nobody reads. */
static int reset_signals(void)
{
	static const int ends[] = { SIGTERM, SIGINT, SIGHUP };
	const struct sigaction sa = { .sa_handler = ended, .sa_flags = SA_RESTART };
	sigset_t none;

	sigemptyset(&none);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (sigaction(ends[i], &sa, NULL) < 0)
			return -errno;
	if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
	    signal(SIGALRM, SIG_DFL) == SIG_ERR)
		return -errno;
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

int confine_process(struct err *err)
{
	static const struct rlimit no_core = { 0, 0 };
	int r = open_standard_fds(err);

	if (r < 0)
		return r;
	/* Too late for a loader's variables alone; the program is static-pie, so no loader read them. */
	clearenv();
	umask(022);
	r = reset_signals();
	if (r < 0)
		return err_set(err, ERR_KERNEL, -r, "signals");
	if (chdir("/") < 0 || setrlimit(RLIMIT_CORE, &no_core) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(err, ERR_KERNEL, errno, "preparing the process");
	return 0;
}

static void too_late(int signal)
{
	fd_say(STDERR_FILENO, said_late, sizeof(said_late) - 1);
	(void)!write(log_late.fd, log_late.text, log_late.len);
	_exit(128 + signal);
}

/*
 * A FUSE file system that hangs lets only SIGKILL through, so a handler may never run; and while SIGALRM waits for it,
 * no other signal is turned into SIGKILL for want of a handler. So the second timer sends that one itself.
 */
static int arm_deadline(unsigned deadline)
{
	struct sigevent kill = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL };
	const struct itimerspec late = { .it_value = { .tv_sec = (time_t)deadline + 1 } };
	const struct itimerval soon = { .it_value = { .tv_sec = (time_t)deadline } };
	timer_t timer;

	if (signal(SIGALRM, too_late) == SIG_ERR || setitimer(ITIMER_REAL, &soon, NULL) < 0 ||
	    timer_create(CLOCK_MONOTONIC, &kill, &timer) < 0 || timer_settime(timer, 0, &late, NULL) < 0)
		return -errno;
	return 0;
}

/* Never raises what the engine has set lower. */
static int lower_limit(int resource, rlim_t max)
{
	struct rlimit now;

	if (getrlimit(resource, &now) < 0)
		return -errno;
	if (now.rlim_cur > max)
		now.rlim_cur = max;
	return setrlimit(resource, &now) < 0 ? -errno : 0;
}

int confine_limits(unsigned deadline, struct err *err)
{
	int r = arm_deadline(deadline);

	/* A sanitizer's shadow memory is larger than any limit. */
#ifndef __SANITIZE_ADDRESS__
	if (r == 0)
		r = lower_limit(RLIMIT_AS, MEMORY_MAX);
#endif
	return r < 0 ? err_set(err, ERR_KERNEL, -r, "limiting the process") : 0;
}
