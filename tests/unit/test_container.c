/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/container.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>

#include "apply/caps.h"
#include "base/fd.h"
#include "base/path.h"
#include "sandbox.h"
#include "tap.h"

/*
 * A child with a mount namespace of its own where `dir` is a tmpfs with the file "inside". Ready when the pipe
 * closes.
 */
static pid_t start(const char *dir, bool own_ns)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready) < 0)
		return -1;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (own_ns && (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
			       mount("tmpfs", dir, "tmpfs", 0, NULL) < 0))
			_exit(9);
		if (own_ns)
			tap_write(dir, "inside", "");
		close(ready[0]);
		close(ready[1]);
		pause();
		_exit(0);
	}
	close(ready[1]);
	(void)!read(ready[0], &c, 1);
	close(ready[0]);
	return pid;
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

TEST(the_root_is_the_containers_and_we_come_back)
{
	const char *dir = tap_tmpdir();
	struct container c = CONTAINER_INIT;
	struct err err = ERR_INIT;
	char path[4096];

	if (geteuid() != 0) {
		tap_skip("needs root");
		return;
	}
	pid_t pid = start(dir, true);

	CHECK_INT(container_enter(&c, pid, dir, &err), 0);
	CHECK(c.rootfd >= 0);
	int fd = path_open(c.rootfd, "/inside", O_PATH);
	CHECK(fd >= 0);
	fd_close(fd);
	fd = path_open(c.own_files, "/inside", O_RDONLY);
	CHECK(fd >= 0);
	fd_close(fd);
	fd = path_open(c.proc_self, "mountinfo", O_RDONLY);
	CHECK(fd >= 0);
	fd_close(fd);
	snprintf(path, sizeof(path), "%s/inside", dir);
	CHECK(access(path, F_OK) < 0);
	container_close(&c);
	CHECK_INT(c.rootfd, -EBADF);
	CHECK(container_enter(&c, pid, "/", &err) < 0);
	CHECK_INT(err.code, ERR_ROOTFS);
	container_close(&c);
	CHECK(container_enter(&c, pid, "/nowhere", &err) < 0);
	CHECK_INT(err.code, ERR_ROOTFS);
	container_close(&c);
	CHECK(container_enter(&c, pid, "/proc/self/root", &err) < 0);
	container_close(&c);
	stop(pid);
	CHECK(container_enter(&c, pid, dir, &err) < 0);
	CHECK_INT(err.code, ERR_NAMESPACE);
	container_close(&c);
	CHECK_INT(caps_restore(&err), 0);
}

TEST(the_hosts_own_mount_namespace_is_refused)
{
	const char *dir = tap_tmpdir();
	struct container c = CONTAINER_INIT;
	struct err err = ERR_INIT;

	if (geteuid() != 0) {
		tap_skip("needs root");
		return;
	}
	pid_t pid = start(dir, false);

	CHECK(container_enter(&c, pid, dir, &err) < 0);
	CHECK_INT(err.code, ERR_NAMESPACE);
	container_close(&c);
	stop(pid);
	CHECK_INT(caps_restore(&err), 0);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

TEST(one_at_a_time_works_on_a_container)
{
	const char *dir = tap_tmpdir();
	struct container c = CONTAINER_INIT;
	struct err err = ERR_INIT;
	int ready[2];
	char byte;

	if (geteuid() != 0) {
		tap_skip("needs root");
		return;
	}
	REQUIRE(pipe(ready) == 0);
	fflush(stdout);
	pid_t init = start(dir, true), other = fork();

	if (other == 0) {
		if (container_enter(&c, init, dir, &err) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		usleep(300000);
		/* Its end, of whatever kind, is enough. */
		kill(getpid(), SIGKILL);
	}
	CHECK_INT(read(ready[0], &byte, 1), 1);
	double before = seconds();

	CHECK_INT(container_enter(&c, init, dir, &err), 0);
	CHECK(seconds() - before > 0.2);
	waitpid(other, NULL, 0);
	container_close(&c);
	before = seconds();
	CHECK_INT(container_enter(&c, init, dir, &err), 0);
	CHECK(seconds() - before < 0.2);
	container_close(&c);
	stop(init);
	CHECK_INT(caps_restore(&err), 0);
}
