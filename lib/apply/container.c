/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/container.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "apply/caps.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/statx.h"
#include "host/userns.h"

/* A hook is done in some milliseconds; one that waits for a slow disk may take longer. */
#define LOCK_TRIES 1500
#define LOCK_PAUSE_MS 2

static int check_init(const struct container *c, pid_t pid, struct err *err)
{
	if (syscall(SYS_pidfd_send_signal, c->init, 0, NULL, 0) < 0)
		return err_set(err, ERR_NAMESPACE, errno, "init %d has ended", (int)pid);
	return 0;
}

/*
 * Namespace file and id maps are opened by pid, so the pidfd must still answer afterwards: then the pid was not
 * another's.
 */
static int pin(struct container *c, pid_t pid, struct err *err)
{
	char path[64];
	int r;

	c->init = (int)syscall(SYS_pidfd_open, pid, 0);
	if (c->init < 0)
		return err_set(err, errno == ENOSYS ? ERR_KERNEL : ERR_NAMESPACE, errno, "pidfd_open of init %d",
			       (int)pid);
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	c->mnt_ns = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (c->mnt_ns < 0)
		return err_set(err, ERR_NAMESPACE, errno, "%s", path);
	r = userns_root_of(pid, &c->uid, &c->gid, err);
	return r < 0 ? r : check_init(c, pid, err);
}

/* Whether `a` is what stands at `path` below the directory fd b; of b itself where path is "". 0, 1 or -errno. */
static int is_same(int a, int b, const char *path)
{
	struct stat sa, sb;

	if (fstat(a, &sa) < 0 || fstatat(b, path, &sb, AT_EMPTY_PATH) < 0)
		return -errno;
	return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/* Magic links would lead out of the namespace; everything else of root.path is the engine's own path. */
static int open_root(const char *path, struct err *err)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS };
	cleanup_fd int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	int same;

	/* EPERM: an outer filter that does not know openat2. */
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		return err_set(err, ERR_KERNEL, errno, "openat2");
	if (fd < 0)
		return err_set(err, ERR_ROOTFS, errno, "%s", path);
	same = is_same(fd, AT_FDCWD, "/");
	if (same < 0)
		return err_set(err, ERR_ROOTFS, -same, "%s", path);
	if (same)
		return err_set(err, ERR_ROOTFS, EPERM, "%s is the host's own root", path);
	return take_fd(fd);
}

static int visit(struct container *c, const char *root_path, struct err *err)
{
	int r;

	if (setns(c->mnt_ns, CLONE_NEWNS) < 0)
		return err_set(err, ERR_NAMESPACE, errno, "setns to its mount namespace");
	c->rootfd = open_root(root_path, err);
	r = setns(c->host_ns, CLONE_NEWNS);
	if (c->rootfd < 0)
		return c->rootfd;
	return r < 0 ? err_set(err, ERR_NAMESPACE, errno, "setns back to the host's mount namespace") : 0;
}

static int open_proc_self(struct err *err)
{
	cleanup_fd int fd = openat(AT_FDCWD, "/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return err_set(err, ERR_NAMESPACE, errno, "/proc/self");
	if (fs.f_type != PROC_SUPER_MAGIC)
		return err_set(err, ERR_NAMESPACE, EINVAL, "/proc is no procfs here");
	return take_fd(fd);
}

/*
 * One hook at a time works on a container: engines can have it configured as prestart and as createRuntime, and a killed
 * one's successor may come while it still ends. The lock is on the namespace itself, so there is no file that could be
 * left, and nobody can hold it who may not trace the container's init. 0, or more where others were waited for.
 */
static int lock(int ns, struct err *err)
{
	int i = 0;

	for (; flock(ns, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_set(err, ERR_NAMESPACE, errno, "locking its mount namespace");
		if (i == LOCK_TRIES)
			return err_set(err, ERR_BUSY, 0, "another nvcoreos-hook works on this container");
		poll(NULL, 0, LOCK_PAUSE_MS);
	}
	return i;
}

int container_enter(struct container *ret, pid_t pid, const char *root_path, struct err *err)
{
	int r = caps_raise(CAPS_ENTER, err);

	*ret = (struct container)CONTAINER_INIT;
	if (r < 0)
		return r;
	ret->proc_self = open_proc_self(err);
	if (ret->proc_self < 0)
		return ret->proc_self;
	ret->host_ns = openat(ret->proc_self, "ns/mnt", O_RDONLY | O_CLOEXEC);
	if (ret->host_ns < 0)
		return err_set(err, ERR_NAMESPACE, errno, "/proc/self/ns/mnt");
	r = pin(ret, pid, err);
	if (r < 0)
		return r;
	r = is_same(ret->mnt_ns, ret->host_ns, "");
	if (r)
		return err_set(err, ERR_NAMESPACE, r < 0 ? -r : EPERM, "it shares the host's mount namespace");
	r = lock(ret->mnt_ns, err);
	/* Others were waited for. */
	if (r > 0)
		r = check_init(ret, pid, err);
	if (r == 0)
		r = visit(ret, root_path, err);
	if (r < 0)
		return r;
	return caps_lower(err);
}

/* Runtimes bind the root to its place in the container's namespace; a path that is none leads to a directory of somebody else's mount. */
static int check_own_mount(int root, const char *path, struct err *err)
{
	struct statx sx;

	if (statx(root, "", AT_EMPTY_PATH, STATX_TYPE, &sx) < 0)
		return err_set(err, ERR_ROOTFS, errno, "%s", path);
	if (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT)
		return 0;
	err_set(err, ERR_NAMESPACE, EINVAL, "%s is no mount here", path);
	return err_hint(err, "use the createContainer stage");
}

int container_here(struct container *ret, const char *root_path, struct err *err)
{
	int r = caps_raise(CAPS_READ, err);

	*ret = (struct container)CONTAINER_INIT;
	if (r < 0)
		return r;
	ret->uid = geteuid();
	ret->gid = getegid();
	ret->proc_self = open_proc_self(err);
	if (ret->proc_self < 0)
		return ret->proc_self;
	ret->mnt_ns = openat(ret->proc_self, "ns/mnt", O_RDONLY | O_CLOEXEC);
	if (ret->mnt_ns < 0)
		return err_set(err, ERR_NAMESPACE, errno, "/proc/self/ns/mnt");
	r = lock(ret->mnt_ns, err);
	if (r < 0)
		return r;
	ret->rootfd = open_root(root_path, err);
	if (ret->rootfd < 0)
		return ret->rootfd;
	r = check_own_mount(ret->rootfd, root_path, err);
	return r < 0 ? r : caps_lower(err);
}

int container_join(const struct container *c, struct err *err)
{
	int r = caps_raise(CAPS_ENTER, err);

	if (r < 0)
		return r;
	/* The next step begins by giving them up for good. */
	if (setns(c->mnt_ns, CLONE_NEWNS) < 0)
		return err_set(err, ERR_NAMESPACE, errno, "setns to its mount namespace");
	return 0;
}

void container_hold_dev(struct container *c)
{
	/* Not through a link: an image may have put one into a volume. */
	cleanup_fd int fd = path_open(c->rootfd, "/dev", O_PATH | O_DIRECTORY | O_NOFOLLOW);

	if (fd >= 0 && path_mount_id(fd, &c->dev_mount) == 0)
		c->dev = take_fd(fd);
}

void container_close(struct container *c)
{
	fd_close(take_fd(c->dev));
	fd_close(take_fd(c->init));
	fd_close(take_fd(c->mnt_ns));
	fd_close(take_fd(c->host_ns));
	fd_close(take_fd(c->rootfd));
	fd_close(take_fd(c->proc_self));
}

/* How many have begun. */
static unsigned owning;

/* Whether the container's root is somebody else. Who we are is what we were at our execve, which the kernel has told us. */
static bool is_foreign(const struct container *c)
{
	return c->uid != getauxval(AT_EUID) || c->gid != getauxval(AT_EGID);
}

int container_own_begin(const struct container *c, struct err *err)
{
	int r;

	if (owning) {
		owning++;
		return 0;
	}
	if (is_foreign(c)) {
		r = caps_raise(CAPS_OWN, err);
		if (r < 0)
			return r;
		/* The group first: without uid 0 the kernel would no longer let us. setfsuid tells no error; asking again does. */
		setfsgid(c->gid);
		setfsuid(c->uid);
		if ((uint32_t)setfsuid((uid_t)-1) != c->uid || (uint32_t)setfsgid((gid_t)-1) != c->gid)
			return err_set(err, ERR_PRIVILEGE, EPERM, "becoming uid %u, gid %u", c->uid, c->gid);
	}
	/* Distributions ship /usr/bin with mode 0555, and images give /etc to others: neither keeps root out elsewhere. */
	r = caps_raise(CAPS_WRITE, err);
	owning = r == 0;
	return r;
}

void container_own_end(const struct container *c)
{
	struct err ignored = ERR_INIT;

	if (owning > 1) {
		owning--;
		return;
	}
	owning = 0;
	if (is_foreign(c)) {
		setfsuid(geteuid());
		setfsgid(getegid());
	}
	/* Taking away needs no right: it cannot fail, and the kernel has given some back with the uid. */
	if (caps_lower(&ignored) < 0)
		log_error("capabilities are not lowered");
}
