/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/cdilibs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/path.h"
#include "sandbox.h"
#include "tap.h"

#define LOOKS 5000

static struct container container_at(const char *dir)
{
	struct container c = CONTAINER_INIT;

	c.rootfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	c.proc_self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return c;
}

/* Another container with the same volume: it changes the two all the time. */
static pid_t storm(int dir)
{
	pid_t pid = fork();

	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (pid == 0)
		syscall(SYS_renameat2, dir, "lib/libx.so.1", dir, "lib/other", 2 /* RENAME_EXCHANGE */);
	return pid;
}

/* How often anybody has opened what is watched. */
static unsigned opened(int watch)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(watch, buf, sizeof(buf));

	return n > 0 ? (unsigned)((size_t)n / sizeof(struct inotify_event)) : 0;
}

/* To open a device is to act on it; a FIFO stands for one here. */
static int look_in_a_storm(const char *dir)
{
	/* In memory, where exchanges are fast. */
	bool ok = CHECK_INT(mount("tmpfs", dir, "tmpfs", 0, NULL), 0);
	struct container c = container_at(dir);
	cleanup_fd int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), first = -EBADF;
	unsigned n = 0, opens = 0;
	char path[4096];
	pid_t pid;

	tap_write(dir, "lib/libx.so.1", "no library");
	snprintf(path, sizeof(path), "%s/lib/other", dir);
	ok &= CHECK(mkfifo(path, 0600) == 0 && inotify_add_watch(watch, path, IN_OPEN) >= 0);
	/* The watch sees it. */
	first = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ok &= CHECK_INT(opened(watch), 1);
	pid = storm(c.rootfd);
	if (!CHECK(pid > 0))
		return 1;
	for (unsigned i = 0; i < LOOKS; i++) {
		struct cdilibs l = { .n = 0 };
		struct err err = ERR_INIT;

		ok &= CHECK_INT(cdilibs_add(&l, &c, "/lib", true, &err), 0);
		n += (unsigned)l.n;
		cdilibs_free(&l);
		opens += opened(watch);
	}
	kill(pid, SIGKILL);
	ok &= CHECK_INT(waitpid(pid, NULL, 0), pid);
	ok &= CHECK_INT(opens, 0);
	ok &= CHECK_INT(n, 0);
	container_close(&c);
	return ok ? 0 : 1;
}

TEST(what_is_no_file_is_never_opened)
{
	in_mount_namespace(look_in_a_storm, tap_tmpdir());
}
