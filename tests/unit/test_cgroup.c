/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/cgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apply/caps.h"
#include "base/fd.h"
#include "base/str.h"
#include "tap.h"

#define DEVICES "/sys/fs/cgroup/devices"

static bool put(const char *dir, const char *name, const char *text)
{
	char path[256];
	cleanup_fd int fd = -EBADF;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && fd_write_all(fd, text, strlen(text)) == 0;
}

static pid_t sleeper(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	return pid;
}

TEST(exactly_the_nodes_are_allowed)
{
	struct plan_node nodes[] = { { "nvidiactl", 195, 255 }, { "nvidia1", 195, 1 } };
	struct plan plan = { .nodes = nodes, .n_nodes = 2 };
	struct err err = ERR_INIT;
	char dir[128], text[32];
	cleanup_free char *list = NULL;
	size_t len;
	pid_t pid;

	snprintf(dir, sizeof(dir), DEVICES "/nvcoreos-unit-%d", (int)getpid());
	if (mkdir(dir, 0755) < 0) {
		tap_skip("needs root and a devices hierarchy of cgroup v1");
		return;
	}
	pid = sleeper();
	snprintf(text, sizeof(text), "%d", (int)pid);
	CHECK(put(dir, "devices.deny", "a") && put(dir, "cgroup.procs", text));
	CHECK_INT(cgroup_allow(pid, &plan, &err), 0);
	CHECK_INT(caps_restore(&err), 0);
	snprintf(text, sizeof(text), "/devices.list");
	strncat(dir, text, sizeof(dir) - strlen(dir) - 1);
	CHECK_INT(fd_read_file_at(AT_FDCWD, dir, 4096, &list, &len), 0);
	CHECK_STR(list, "c 195:255 rw\nc 195:1 rw\n");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	dir[strlen(dir) - strlen("/devices.list")] = '\0';
	for (int i = 0; rmdir(dir) < 0 && i < 50; i++)
		usleep(20000);
	CHECK(access(dir, F_OK) < 0);
}

TEST(a_process_in_the_hosts_own_cgroup_is_refused)
{
	struct plan_node node = { "nvidiactl", 195, 255 };
	struct plan plan = { .nodes = &node, .n_nodes = 1 };
	struct err err = ERR_INIT;
	cleanup_free char *own = NULL;
	size_t len;
	pid_t pid;

	if (geteuid() != 0 || fd_read_file_at(AT_FDCWD, "/proc/self/cgroup", 65536, &own, &len) < 0 ||
	    !strstr(own, "devices:/\n")) {
		tap_skip("needs root in the topmost devices cgroup");
		return;
	}
	pid = sleeper();
	CHECK(cgroup_allow(pid, &plan, &err) < 0);
	CHECK_INT(err.code, ERR_CGROUP);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CHECK_INT(caps_restore(&err), 0);
	CHECK(cgroup_allow(pid, &plan, &err) < 0);
	CHECK_INT(caps_restore(&err), 0);
}
