/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/statx.h"
#include "base/str.h"

#define RETRY_NS 2000000L
#define RETRY_MIN 64 /* whoever was off the processor all the time has not tried yet */

static long elapsed_ns(const struct timespec *since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - since->tv_sec) * 1000000000L + now.tv_nsec - since->tv_nsec;
}

static int open_resolved(int rootfd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = (unsigned)(flags | O_CLOEXEC),
		.mode = mode,
		.resolve = RESOLVE_NO_MAGICLINKS | resolve,
	};
	struct timespec start;
	bool again = false;

	for (unsigned tries = 0;; tries++) {
		long fd = syscall(SYS_openat2, rootfd, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		/* EAGAIN: something was renamed while the kernel walked; it says so rather than risk an escape. */
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (!again)
			clock_gettime(CLOCK_MONOTONIC, &start);
		else if (tries >= RETRY_MIN && elapsed_ns(&start) > RETRY_NS)
			return -EAGAIN;
		again = true;
	}
}

int path_open(int rootfd, const char *path, int flags)
{
	return open_resolved(rootfd, path, flags, 0, RESOLVE_IN_ROOT);
}

int path_open_same_mount(int rootfd, const char *path, int flags)
{
	return open_resolved(rootfd, path, flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_XDEV);
}

int path_open_beneath(int rootfd, const char *path, int flags)
{
	return open_resolved(rootfd, path, flags, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

int path_reopen(int proc_self, int fd, struct stat *ret)
{
	/*
	 * The one magic link that is followed: our own. O_NONBLOCK: whoever holds a lease on the file would make us wait for as long as
	 * the kernel lets him, 45 s.
	 */
	struct open_how how = { .flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC };
	char name[32];
	int r;

	if (fstat(fd, ret) < 0)
		return -errno;
	if (!S_ISREG(ret->st_mode))
		return -EMEDIUMTYPE;
	snprintf(name, sizeof(name), "fd/%d", fd);
	r = (int)syscall(SYS_openat2, proc_self, name, &how, sizeof(how));
	return r < 0 ? -errno : r;
}

int path_create(int dir, const char *name, mode_t mode)
{
	return open_resolved(dir, name, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode,
			     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

int path_look(int fd, const char *name, struct path_facts *ret)
{
	const int flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
	struct statx sx;

	if (statx(fd, name, flags, STATX_BASIC_STATS | STATX_MNT_ID, &sx) < 0)
		return -errno;
	if (!(sx.stx_mask & STATX_MNT_ID))
		return -ENOSYS;
	*ret = (struct path_facts){
		.dev = makedev(sx.stx_dev_major, sx.stx_dev_minor),
		.rdev = makedev(sx.stx_rdev_major, sx.stx_rdev_minor),
		.ino = sx.stx_ino,
		.mode = sx.stx_mode,
		.size = (off_t)sx.stx_size,
		.mount = sx.stx_mnt_id,
	};
	return 0;
}

int path_mount_id(int fd, uint64_t *ret)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_MNT_ID, &sx) < 0)
		return -errno;
	if (!(sx.stx_mask & STATX_MNT_ID))
		return -ENOSYS;
	*ret = sx.stx_mnt_id;
	return 0;
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

size_t path_parent_length(const char *path)
{
	size_t n = (size_t)(path_base(path) - path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	return n;
}

int path_parent(const char *path, char *buf, size_t size)
{
	size_t n = path_parent_length(path);

	if (n == 0)
		path = ".", n = 1;
	if (n >= size)
		return -ENAMETOOLONG;
	memcpy(buf, path, n);
	buf[n] = '\0';
	return 0;
}

bool path_is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (n == 1 && dir[0] == '/')
		return path[0] == '/';
	return strncmp(path, dir, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

int path_normalize(const char *path, char *buf, size_t size)
{
	size_t o = 0;

	if (path[0] != '/' || size < 2)
		return path[0] != '/' ? -EINVAL : -ENAMETOOLONG;
	while (*path) {
		size_t n;

		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (o > 0 && buf[--o] != '/')
				;
		} else if (n > 0 && !(n == 1 && path[0] == '.')) {
			if (o + n + 2 > size)
				return -ENAMETOOLONG;
			buf[o++] = '/';
			memcpy(buf + o, path, n);
			o += n;
		}
		path += n;
	}
	if (o == 0)
		buf[o++] = '/';
	buf[o] = '\0';
	return 0;
}

bool path_is_normal(const char *path)
{
	const char *p = path, *part;

	if (path[0] == '/' && !path[1])
		return true;
	/* Parts are short, and there are thousands: no call for each. */
	while (*p == '/') {
		for (part = ++p; *p && *p != '/'; p++)
			;
		if (p == part || (part[0] == '.' && (p == part + 1 || (part[1] == '.' && p == part + 2))))
			return false;
	}
	return p > path && p - path < PATH_MAX;
}

/* Who is told of each directory that was made. */
struct maker {
	path_made_fn *made;
	void *data;
};

static int failed(int r, const char *path, struct err *err)
{
	if (r == -ENOSYS)
		return err_set(err, ERR_KERNEL, ENOSYS, "openat2 or statx of %s", path);
	return err_set(err, ERR_TARGET, -r, "%s", path);
}

/*
 * The directory, where it lies on the root's mount, even if the way to it leads over another one; else -EXDEV. Nearly always
 * no mount is on the way.
 */
static int open_on_root(int rootfd, const char *path)
{
	cleanup_fd int fd = path_open_same_mount(rootfd, path, O_PATH | O_DIRECTORY);
	uint64_t root_id = 0, id = 1;
	int r = 0;

	if (fd != -EXDEV)
		return take_fd(fd);
	fd = path_open(rootfd, path, O_PATH | O_DIRECTORY);
	if (fd >= 0)
		r = path_mount_id(rootfd, &root_id);
	if (fd >= 0 && r == 0)
		r = path_mount_id(fd, &id);
	if (r < 0)
		return r;
	return fd < 0 || id == root_id ? take_fd(fd) : -EXDEV;
}

/*
 * The next prefix of a path, made in the one above where it is missing; *made: above was, and this one is then. *ret, like above:
 * -EXDEV where it lies on another mount.
 */
static int descend(int rootfd, int above, const char *path, const struct maker *m, bool *made, int *ret,
		   struct err *err)
{
	bool is_new = false;

	/* In what was made a moment ago there is nothing yet. */
	*ret = *made ? -ENOENT : open_on_root(rootfd, path);
	if (*ret == -ENOENT) {
		if (above == -EXDEV)
			return err_set(err, ERR_FOREIGN_MOUNT, EXDEV, "%s", path);
		is_new = mkdirat(above, path_base(path), 0755) == 0;
		if (!is_new && errno != EEXIST)
			return err_set(err, ERR_WRITE, errno, "%s", path);
		/* What was made, by its name alone: the path can lead to somebody else's by now, which is not to be told as ours. */
		*ret = is_new ? path_open_same_mount(above, path_base(path), O_PATH | O_DIRECTORY | O_NOFOLLOW)
			      : open_on_root(rootfd, path);
	}
	*made = is_new;
	if (is_new)
		m->made(m->data, path, *ret);
	if (*ret >= 0 || *ret == -EXDEV)
		return 0;
	return failed(*ret, path, err);
}

static void note_nothing(void *data, const char *path, int fd)
{
	(void)data;
	(void)path;
	(void)fd;
}

int path_make_dir(int rootfd, const char *path, struct err *err)
{
	return path_make_dir_noting(rootfd, path, note_nothing, NULL, err);
}

int path_make_dir_noting(int rootfd, const char *path, path_made_fn *made, void *data, struct err *err)
{
	const struct maker maker = { made, data };
	char norm[PATH_MAX], prefix[PATH_MAX];
	cleanup_fd int dir = -EBADF;
	bool is_new = false;
	int above = rootfd, next, r = path_normalize(path, norm, sizeof(norm));
	size_t end = 0;

	if (r < 0)
		return err_set(err, ERR_TARGET, -r, "%s", path);
	/* Nearly always it is there. */
	dir = open_on_root(rootfd, norm);
	if (dir >= 0)
		return take_fd(dir);
	if (dir == -ENOSYS)
		return failed(dir, norm, err);
	/* Prefix by prefix from the root, so that symlinks among them are always resolved inside it. */
	while (norm[end]) {
		end += 1 + strcspn(norm + end + 1, "/");
		memcpy(prefix, norm, end);
		prefix[end] = '\0';
		r = descend(rootfd, above, prefix, &maker, &is_new, &next, err);
		if (r < 0)
			return r;
		fd_close(dir);
		above = dir = next;
	}
	return dir < 0 ? err_set(err, ERR_FOREIGN_MOUNT, -dir, "%s", norm) : take_fd(dir);
}
