/* SPDX-License-Identifier: Apache-2.0 */
/* Cgroups made by hand with device programs and a process in them, and what a process there may open. As root. */
#ifndef NVCOREOS_TESTS_DEVCGROUP_H
#define NVCOREOS_TESTS_DEVCGROUP_H

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apply/bpf.h"
#include "apply/caps.h"
#include "apply/cgroup.h"
#include "base/fd.h"
#include "tap.h"

#define DEVCGROUP_V1 "/sys/fs/cgroup/devices"

struct devcgroup {
	char dir[256];
	int fd;
};

static inline bool devcgroup_is(const char *path, long magic)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == magic;
}

/* Where cgroup2 is mounted; NULL where it is not. */
static inline const char *devcgroup_v2(void)
{
	static const char *const places[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (devcgroup_is(places[i], CGROUP2_SUPER_MAGIC))
			return places[i];
	return NULL;
}

static inline bool devcgroup_put(const char *dir, const char *name, const char *text)
{
	char path[512];
	cleanup_fd int fd = -EBADF;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && fd_write_all(fd, text, strlen(text)) == 0;
}

/* A child of the test in that cgroup that waits to be ended. */
static inline pid_t devcgroup_init(const struct devcgroup *c)
{
	int ready[2];
	char byte;
	pid_t pid;

	fflush(stdout);
	if (pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!devcgroup_put(c->dir, "cgroup.procs", "0") || write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	CHECK(read(ready[0], &byte, 1) == 1);
	close(ready[0]);
	return pid;
}

/* cgroup_allow for a process that nobody waits for meanwhile. */
static inline int devcgroup_allow(pid_t pid, const char *cgroups_path, const struct plan *plan, struct err *err)
{
	cleanup_fd int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	return cgroup_allow(pid, pidfd, cgroups_path, plan, err);
}

static inline void devcgroup_end(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static inline void devcgroup_remove(struct devcgroup *c)
{
	struct err err = ERR_INIT;

	CHECK_INT(caps_restore(&err), 0);
	if (c->fd < 0)
		return;
	fd_close(take_fd(c->fd));
	for (int i = 0; rmdir(c->dir) < 0 && errno == EBUSY && i < 100; i++)
		usleep(10000);
	CHECK(access(c->dir, F_OK) < 0);
}

/* Attaches a program and returns its id; 0 where that failed. */
static inline uint32_t devcgroup_attach(int cgroup, const struct bpf_insn *insns, size_t n, unsigned flags)
{
	cleanup_fd int prog = bpf_load(insns, n);
	struct bpf_prog_info info = { 0 };
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cgroup;
	attr.attach_bpf_fd = (uint32_t)prog;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = flags;
	if (prog < 0 || syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)) < 0)
		return 0;
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)prog;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uint64_t)(uintptr_t)&info;
	return syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)) < 0 ? 0 : info.id;
}

/* The same by a link: its fd, which holds the program there; or -errno. */
static inline int devcgroup_link(int cgroup, const struct bpf_insn *insns, size_t n)
{
	cleanup_fd int prog = bpf_load(insns, n);
	union bpf_attr attr;
	long r;

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (uint32_t)prog;
	attr.link_create.target_fd = (uint32_t)cgroup;
	attr.link_create.attach_type = BPF_CGROUP_DEVICE;
	r = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
	return r < 0 ? -errno : (int)r;
}

#define DEVCGROUP_MKNOD 8
/*
 * What a process in the cgroup is answered: 0 or an errno. access(2) asks the same question as opening does and wants no
 * driver. mode: R_OK|W_OK, or DEVCGROUP_MKNOD.
 */
static inline int devcgroup_ask(const struct devcgroup *c, mode_t type, unsigned maj, unsigned min, int mode)
{
	static const char *dir;
	char node[512];
	int status = 0;
	pid_t pid;

	if (!dir)
		dir = tap_tmpdir();
	snprintf(node, sizeof(node), "%s/%s-%u-%u", dir, mode == DEVCGROUP_MKNOD ? "new" : "node", maj, min);
	unlink(node);
	if (mode != DEVCGROUP_MKNOD && mknod(node, type | 0666, makedev(maj, min)) < 0)
		return -errno;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (!devcgroup_put(c->dir, "cgroup.procs", "0"))
			_exit(255);
		if (mode == DEVCGROUP_MKNOD)
			_exit(mknod(node, type | 0666, makedev(maj, min)) < 0 ? errno : 0);
		_exit(access(node, mode) < 0 ? errno : 0);
	}
	waitpid(pid, &status, 0);
	unlink(node);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline bool devcgroup_opens(const struct devcgroup *c, unsigned maj, unsigned min)
{
	return devcgroup_ask(c, S_IFCHR, maj, min, R_OK | W_OK) == 0;
}

/* Nothing but what tests ask for passes: other numbers, other types, mknod. */
static inline bool devcgroup_closed_otherwise(const struct devcgroup *c)
{
	return devcgroup_ask(c, S_IFCHR, 195, 2, R_OK) == EPERM && devcgroup_ask(c, S_IFCHR, 1, 7, R_OK) == EPERM &&
	       devcgroup_ask(c, S_IFCHR, 196, 255, W_OK) == EPERM &&
	       devcgroup_ask(c, S_IFBLK, 195, 255, R_OK) == EPERM &&
	       devcgroup_ask(c, S_IFCHR, 195, 255, DEVCGROUP_MKNOD) == EPERM;
}

/* A cgroup nvcoreos-unit-PID[NAME]; one in it where NAME begins with a slash. false where that cannot be done or tested here. */
static inline bool devcgroup_make(struct devcgroup *ret, const char *top, const char *name)
{
	*ret = (struct devcgroup){ .fd = -EBADF };
	if (!top || geteuid() != 0)
		return false;
	snprintf(ret->dir, sizeof(ret->dir), "%s/nvcoreos-unit-%d%s", top, (int)getpid(), name);
	if (mkdir(ret->dir, 0755) < 0)
		return false;
	ret->fd = open(ret->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Where the machine is itself a container, its own rules may hold already; nothing can be seen below them. */
	if (ret->fd >= 0 && (name[0] == '/' || devcgroup_opens(ret, 195, 255)))
		return true;
	devcgroup_remove(ret);
	return false;
}

#endif
