/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/container.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>

#include "apply/caps.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "faults.h"
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

static const struct fault_row {
	const char *call;
	unsigned nth;
	int errnum, r;
	enum err_code code;
	const char *what; /* the end of the error's */
} fault_rows[] = {
	{ "cap_set_proc", 1, EPERM, -EPERM, ERR_PRIVILEGE, "setting capabilities" },
	{ "openat", 1, EMFILE, -EMFILE, ERR_NAMESPACE, "/proc/self" },
	{ "fstatfs", 1, EIO, -EIO, ERR_NAMESPACE, "/proc/self" },
	{ "fstatfs", 1, 0, -EINVAL, ERR_NAMESPACE, "/proc is no procfs here" },
	{ "openat", 2, EMFILE, -EMFILE, ERR_NAMESPACE, "/proc/self/ns/mnt" },
	{ "pidfd_open", 1, ENOSYS, -ENOSYS, ERR_KERNEL, "" },
	{ "pidfd_open", 1, ESRCH, -ESRCH, ERR_NAMESPACE, "" },
	{ "openat", 3, ENOENT, -ENOENT, ERR_NAMESPACE, "/ns/mnt" },
	{ "stat", 2, EACCES, -EACCES, ERR_NAMESPACE, "/ns/user" },
	{ "pidfd_send_signal", 1, ESRCH, -ESRCH, ERR_NAMESPACE, "has ended" },
	{ "fstat", 1, EIO, -EIO, ERR_NAMESPACE, "" },
	{ "fstatat", 1, EIO, -EIO, ERR_NAMESPACE, "" },
	{ "flock", 1, EIO, -EIO, ERR_NAMESPACE, "locking its mount namespace" },
	{ "flock", 1, EINTR, 0, ERR_NONE, "" },
	{ "setns", 1, EPERM, -EPERM, ERR_NAMESPACE, "setns to its mount namespace" },
	{ "openat2", 1, ENOSYS, -ENOSYS, ERR_KERNEL, "" },
	{ "openat2", 1, EPERM, -EPERM, ERR_KERNEL, "openat2" },
	{ "openat2", 1, EACCES, -EACCES, ERR_ROOTFS, "" },
	{ "fstat", 2, EIO, -EIO, ERR_ROOTFS, "" },
	{ "fstatat", 2, EIO, -EIO, ERR_ROOTFS, "" },
	{ "setns", 2, EPERM, -EPERM, ERR_NAMESPACE, "back to the host's mount namespace" },
	{ "cap_set_proc", 2, EPERM, -EPERM, ERR_PRIVILEGE, "setting capabilities" },
};
static const struct fault_row *row;

static int enter_with_a_fault(const char *dir)
{
	struct container c;
	struct err err = ERR_INIT;
	pid_t pid = start(dir, true);
	unsigned fds = tap_open_fds();
	bool ok;

	faults_arm(row->call, row->nth, row->errnum);
	ok = CHECK_INT(container_enter(&c, pid, dir, &err), row->r);
	ok &= CHECK_INT(faults_disarm(), 1);
	ok &= CHECK_INT(err.code, row->code);
	ok &= CHECK(str_ends(err.what, row->what));
	/* Its fds are closed in every case, and nothing else was opened. */
	container_close(&c);
	ok &= CHECK_INT(tap_open_fds(), fds);
	stop(pid);
	if (!ok)
		printf("# %s %u: %s\n", row->call, row->nth, err.what);
	return ok ? 0 : 1;
}

TEST(each_call_of_entering_fails)
{
	const char *dir = tap_tmpdir();

	for (row = fault_rows; row < fault_rows + ARRAY_SIZE(fault_rows); row++)
		in_mount_namespace(enter_with_a_fault, dir);
}

static int stand_here(const char *dir)
{
	struct container c = CONTAINER_INIT;
	struct err err = ERR_INIT;
	cleanup_free char *sub = mem_printf("%s/sub", dir), *within = mem_printf("%s/sub/within", dir);
	unsigned fds = tap_open_fds();
	bool ok = CHECK(mkdir(sub, 0755) == 0 || errno == EEXIST);

	ok &= CHECK_INT(container_here(&c, sub, &err), -EINVAL);
	ok &= CHECK_INT(err.code, ERR_NAMESPACE);
	container_close(&c);
	ok &= CHECK_INT(caps_restore(&err), 0);
	ok &= CHECK(mount("tmpfs", sub, "tmpfs", 0, NULL) == 0);
	tap_write(sub, "within", "x");
	ok &= CHECK_INT(container_here(&c, sub, &err), 0);
	ok &= CHECK(c.init < 0 && c.host_ns < 0 && c.uid == geteuid() && c.gid == getegid());
	int fd = path_open(c.rootfd, "/within", O_PATH);

	ok &= CHECK(fd >= 0);
	fd_close(fd);
	/* Nothing of ours is left on it. */
	ok &= CHECK(access(within, F_OK) == 0);
	container_close(&c);
	ok &= CHECK(container_here(&c, "/", &err) < 0 && err.code == ERR_ROOTFS);
	container_close(&c);
	ok &= CHECK(container_here(&c, "/nowhere", &err) < 0 && err.code == ERR_ROOTFS);
	container_close(&c);
	ok &= CHECK_INT(tap_open_fds(), fds);
	return ok ? 0 : 1;
}

TEST(in_its_own_namespaces_a_root_is_a_mount)
{
	in_mount_namespace(stand_here, tap_tmpdir());
}

static const struct fault_row here_rows[] = {
	{ "cap_set_proc", 1, EPERM, -EPERM, ERR_PRIVILEGE, "setting capabilities" },
	{ "openat", 1, EMFILE, -EMFILE, ERR_NAMESPACE, "/proc/self" },
	{ "openat", 2, EMFILE, -EMFILE, ERR_NAMESPACE, "/proc/self/ns/mnt" },
	{ "flock", 1, EIO, -EIO, ERR_NAMESPACE, "locking its mount namespace" },
	{ "openat2", 1, EACCES, -EACCES, ERR_ROOTFS, "" },
	{ "statx", 1, EIO, -EIO, ERR_ROOTFS, "" },
	{ "statx", 1, 0, -EINVAL, ERR_NAMESPACE, " is no mount here" },
	{ "cap_set_proc", 2, EPERM, -EPERM, ERR_PRIVILEGE, "setting capabilities" },
};

static int stand_with_a_fault(const char *dir)
{
	struct container c;
	struct err err = ERR_INIT;
	unsigned fds = tap_open_fds();
	bool ok = CHECK(mount("tmpfs", dir, "tmpfs", 0, NULL) == 0);

	faults_arm(row->call, row->nth, row->errnum);
	ok &= CHECK_INT(container_here(&c, dir, &err), row->r);
	ok &= CHECK_INT(faults_disarm(), 1);
	ok &= CHECK_INT(err.code, row->code);
	ok &= CHECK(str_ends(err.what, row->what));
	container_close(&c);
	ok &= CHECK_INT(tap_open_fds(), fds);
	if (!ok)
		printf("# %s %u: %s\n", row->call, row->nth, err.what);
	return ok ? 0 : 1;
}

TEST(each_call_of_standing_in_its_namespaces_fails)
{
	const char *dir = tap_tmpdir();

	for (row = here_rows; row < here_rows + ARRAY_SIZE(here_rows); row++)
		in_mount_namespace(stand_with_a_fault, dir);
}

/* Another hook that does not come to its end: no start waits for ever. */
static int wait_for_another(const char *dir)
{
	struct container c;
	struct err err = ERR_INIT;
	pid_t pid = start(dir, true);
	bool ok;

	faults_pretend("clock_nanosleep");
	faults_arm_from("flock", 1, EWOULDBLOCK);
	ok = CHECK(container_enter(&c, pid, dir, &err) < 0);
	ok &= CHECK(faults_disarm() > 1000);
	ok &= CHECK_INT(err.code, ERR_BUSY);
	container_close(&c);
	stop(pid);
	return ok ? 0 : 1;
}

TEST(another_hook_is_not_waited_for_without_end)
{
	in_mount_namespace(wait_for_another, tap_tmpdir());
}

static int join_with_faults(const char *dir)
{
	struct container c = CONTAINER_INIT;
	struct err err = ERR_INIT;
	char path[4096];
	pid_t pid = start(dir, true);
	bool ok;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	c.mnt_ns = open(path, O_RDONLY | O_CLOEXEC);
	faults_arm("cap_set_proc", 1, EPERM);
	ok = CHECK_INT(container_join(&c, &err), -EPERM);
	ok &= CHECK_INT(err.code, ERR_PRIVILEGE);
	faults_arm("setns", 1, EPERM);
	ok &= CHECK_INT(container_join(&c, &err), -EPERM);
	ok &= CHECK_INT(err.code, ERR_NAMESPACE);
	snprintf(path, sizeof(path), "%s/inside", dir);
	ok &= CHECK(access(path, F_OK) < 0);
	ok &= CHECK_INT(faults_disarm(), 1);
	ok &= CHECK_INT(container_join(&c, &err), 0);
	ok &= CHECK(access(path, F_OK) == 0);
	container_close(&c);
	stop(pid);
	return ok ? 0 : 1;
}

TEST(joining_is_for_good_or_not_at_all)
{
	in_mount_namespace(join_with_faults, tap_tmpdir());
}

static int own_with_faults(const char *unused)
{
	struct container c = CONTAINER_INIT;
	struct err err = ERR_INIT;
	bool ok = true;

	(void)unused;
	c.gid = 100001;
	ok &= CHECK_INT(container_own_begin(&c, &err), 0);
	ok &= CHECK_INT(setfsgid((gid_t)-1), 100001);
	/* One within it begins and ends nothing. */
	ok &= CHECK_INT(container_own_begin(&c, &err), 0);
	container_own_end(&c);
	ok &= CHECK_INT(setfsgid((gid_t)-1), 100001);
	container_own_end(&c);
	ok &= CHECK_INT(setfsgid((gid_t)-1), 0);
	c.uid = 100000;
	/* An id that was not taken would make files that belong to the host's root. */
	faults_arm("setfsuid", 1, EPERM);
	ok &= CHECK_INT(container_own_begin(&c, &err), -EPERM);
	ok &= CHECK_INT(err.code, ERR_PRIVILEGE);
	ok &= CHECK_STR(err.what, "becoming uid 100000, gid 100001");
	container_own_end(&c);
	faults_arm("setfsgid", 1, EPERM);
	ok &= CHECK_INT(container_own_begin(&c, &err), -EPERM);
	container_own_end(&c);
	for (unsigned nth = 1; nth <= 2; nth++) {
		faults_arm("cap_set_proc", nth, EPERM);
		ok &= CHECK_INT(container_own_begin(&c, &err), -EPERM);
		ok &= CHECK_STR(err.what, "setting capabilities");
		ok &= CHECK_INT(faults_disarm(), 1);
		container_own_end(&c);
		ok &= CHECK(setfsuid((uid_t)-1) == 0 && setfsgid((gid_t)-1) == 0);
	}
	faults_arm("cap_set_proc", 1, EPERM);
	container_own_end(&c);
	ok &= CHECK_INT(faults_disarm(), 1);
	return ok ? 0 : 1;
}

TEST(owning_fails_where_an_id_is_not_taken)
{
	in_mount_namespace(own_with_faults, NULL);
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
