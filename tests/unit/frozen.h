/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children that SIGKILL does not end, as one that waits in a driver: frozen by the freezer of cgroup v1. For use in a mount
 * namespace (sandbox.h).
 */
#ifndef NVCOREOS_TESTS_FROZEN_H
#define NVCOREOS_TESTS_FROZEN_H

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

static inline bool frozen_put(const char *group, const char *file, const char *text)
{
	char path[400];
	int fd;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", group, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

/* A cgroup below dir that is this process's from now on, and its children's. false: there is no such freezer here. */
static inline bool frozen_enter(const char *dir, char group[300])
{
	snprintf(group, 300, "%s/nvcoreos-test-%d", dir, (int)getpid());
	if (mount("none", dir, "cgroup", 0, "freezer") == 0 && mkdir(group, 0755) == 0 &&
	    frozen_put(group, "cgroup.procs", "0"))
		return true;
	rmdir(group);
	return false;
}

/* After ms this process leaves the group, and what is in it then is frozen. The number of the helper that does it. */
static inline pid_t frozen_later(const char *dir, const char *group, unsigned ms)
{
	char self[16];
	pid_t pid;

	snprintf(self, sizeof(self), "%d", (int)getpid());
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		frozen_put(dir, "cgroup.procs", "0");
		usleep(ms * 1000);
		_exit(frozen_put(dir, "cgroup.procs", self) && frozen_put(group, "freezer.state", "FROZEN") ? 0 : 1);
	}
	return pid;
}

/* All of it ends now; the children are reaped. Whether the helper had done its work. */
static inline bool frozen_end(const char *dir, const char *group, pid_t helper)
{
	int status = -1;
	bool ok = waitpid(helper, &status, 0) == helper && status == 0;

	frozen_put(group, "freezer.state", "THAWED");
	frozen_put(dir, "cgroup.procs", "0");
	while (wait(NULL) > 0)
		;
	for (int i = 0; i < 100 && rmdir(group) < 0; i++)
		usleep(20000);
	umount2(dir, MNT_DETACH);
	return ok;
}

#endif
