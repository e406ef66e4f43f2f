/* SPDX-License-Identifier: Apache-2.0 */
#include "host/userns.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "tap.h"

TEST(where_a_map_puts_root)
{
	static const struct {
		const char *text;
		int want;
		uint32_t id;
	} t[] = {
		{ "         0          0 4294967295\n", 0, 0 },
		{ "0 100000 65536\n", 0, 100000 },
		{ "0 1001 1\n1 100000 65536\n", 0, 1001 },
		{ "1 100000 65536\n0 1001 1\n", 0, 1001 },
		{ "0 4294967294 1\n", 0, 4294967294U },
		{ "1 100000 65536\n", -EINVAL, 0 },
		{ "0 100000 0\n", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "0 100000\n", -EINVAL, 0 },
		{ "0 -1 5\n", -EINVAL, 0 },
		{ "0 4294967296 5\n", -EINVAL, 0 },
		{ "x\n0 5 1\n", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		uint32_t id = 0;

		CHECK_INT(userns_map_root(t[i].text, &id), t[i].want);
		CHECK_INT(id, t[i].id);
	}
}

static bool write_map(pid_t pid, const char *name, const char *text)
{
	cleanup_free char *path = mem_printf("/proc/%d/%s", (int)pid, name);
	cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && fd_write_all(fd, text, strlen(text)) == 0;
}

/* A child in a user namespace of its own, which is there when this returns; -1 where there can be none. */
static pid_t start(void)
{
	int ready[2];
	char c = 0;
	pid_t pid;

	if (pipe(ready) < 0)
		return -1;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWUSER) < 0 || write(ready[1], "+", 1) != 1)
			_exit(77);
		close(ready[1]);
		pause();
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		pid = -1;
	close(ready[0]);
	return pid;
}

TEST(root_of_a_process)
{
	uint32_t uid = 9, gid = 9;
	struct err err = ERR_INIT;
	pid_t pid;

	CHECK_INT(userns_root_of(getpid(), &uid, &gid, &err), 0);
	CHECK_INT(uid, 0);
	CHECK_INT(gid, 0);
	if (geteuid() != 0 || !userns_is_first() || (pid = start()) < 0) {
		tap_skip("needs root and user namespaces");
		return;
	}
	CHECK_INT(userns_root_of(pid, &uid, &gid, &err), -EINVAL);
	CHECK_INT(err.code, ERR_NAMESPACE);
	CHECK(write_map(pid, "uid_map", "0 100000 1000") && write_map(pid, "gid_map", "5 5 1\n0 200000 5\n"));
	CHECK_INT(userns_root_of(pid, &uid, &gid, &err), 0);
	CHECK_INT(uid, 100000);
	CHECK_INT(gid, 200000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CHECK(userns_root_of(pid, &uid, &gid, &err) < 0);
	CHECK_INT(err.code, ERR_NAMESPACE);
}

TEST(the_first_namespace_is_told_from_others)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) < 0 ? 77 : userns_is_first());
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		tap_skip("no user namespaces here");
		return;
	}
	CHECK_INT(WEXITSTATUS(status), 0);
}
