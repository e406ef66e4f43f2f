/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "apply/made.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"

/* Not in every release's headers. */
#ifndef CONFIGFS_MAGIC
#define CONFIGFS_MAGIC 0x62656570
#endif
#ifndef MQUEUE_MAGIC
#define MQUEUE_MAGIC 0x19800202
#endif

static void note(void *data, const char *path, int fd)
{
	made_note_at(data, path, fd, "");
}

/*
 * Opens the directory of a file of ours; what is missing is made on the root's mount, and the directory must
 * lie there too.
 */
static int parent_on_root(const struct container *c, const char *path, struct err *err)
{
	char parent[PATH_MAX];
	int r = path_parent(path, parent, sizeof(parent));

	if (r < 0)
		return err_set(err, ERR_TARGET, -r, "%s", path);
	r = path_make_dir_noting(c->rootfd, parent, note, c->made, err);
	return r == -EXDEV ? err_set(err, ERR_FOREIGN_MOUNT, EXDEV, "%s", path) : r;
}

/* Whether two directories are the same one, seen through the same mount. */
static bool same_dir(int a, const struct stat *b, uint64_t b_mount)
{
	struct stat st;
	uint64_t id;

	return fstat(a, &st) == 0 && path_mount_id(a, &id) == 0 && st.st_dev == b->st_dev && st.st_ino == b->st_ino &&
	       id == b_mount;
}

/*
 * What a link leads to, where that is a directory beside it on the root's own mount. Nothing else: a link of the image
 * could lead to its own root, or to a volume.
 */
static int follow_beside(const struct container *c, const char *path, struct path_facts *seen, struct err *err)
{
	/* With its slash, so that it is never empty. */
	cleanup_free char *above = mem_strndup(path, (size_t)(path_base(path) - path));
	cleanup_fd int fd = path_open(c->rootfd, path, O_PATH | O_DIRECTORY), parent = -EBADF;
	struct stat up;
	uint64_t root_id;

	if (fd < 0)
		return err_set(err, ERR_TARGET, -fd, "%s", path);
	parent = path_open(c->rootfd, above, O_PATH | O_DIRECTORY);
	if (parent < 0 || path_mount_id(c->rootfd, &root_id) < 0 || path_look(fd, "", seen) < 0 ||
	    fstatat(fd, "..", &up, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(err, ERR_TARGET, errno, "%s", path);
	if (seen->mount != root_id)
		return err_set(err, ERR_FOREIGN_MOUNT, EXDEV, "%s", path);
	if (!same_dir(parent, &up, root_id))
		return err_set(err, ERR_TARGET, ELOOP, "%s leads out of %s", path, above);
	return take_fd(fd);
}

/* An image's links can make a target of a place in /proc, /sys or a control group: nothing of ours is ever mounted there. */
static int not_the_kernels(int fd, const char *path, struct err *err)
{
	static const unsigned long kernels[] = {
		BPF_FS_MAGIC,	    CGROUP2_SUPER_MAGIC, CGROUP_SUPER_MAGIC, CONFIGFS_MAGIC, DEBUGFS_MAGIC,
		DEVPTS_SUPER_MAGIC, EFIVARFS_MAGIC,	 MQUEUE_MAGIC,	     NSFS_MAGIC,     PROC_SUPER_MAGIC,
		PSTOREFS_MAGIC,	    SECURITYFS_MAGIC,	 SYSFS_MAGIC,	     TRACEFS_MAGIC,
	};
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return err_set(err, ERR_TARGET, errno, "%s", path);
	for (size_t i = 0; i < ARRAY_SIZE(kernels); i++)
		if ((unsigned long)fs.f_type == kernels[i])
			return err_set(err, ERR_TARGET, 0, "%s lies on a file system of the kernel's", path);
	return 0;
}

static int make_target_dir(const struct container *c, const char *path, struct path_facts *seen, struct err *err)
{
	cleanup_fd int dir = parent_on_root(c, path, err), fd = -EBADF;
	bool made;
	int r;

	if (dir < 0)
		return dir;
	made = mkdirat(dir, path_base(path), 0755) == 0;
	if (!made && errno != EEXIST)
		return err_set(err, ERR_WRITE, errno, "%s", path);
	fd = path_open(dir, path_base(path), O_PATH | O_DIRECTORY | O_NOFOLLOW);
	r = fd < 0 ? fd : path_look(fd, "", seen);
	if (r < 0)
		return err_set(err, ERR_TARGET, -r, "%s", path);
	if (made)
		made_note_seen(c->made, path, seen);
	return take_fd(fd);
}

static int target_dir(const struct container *c, const char *path, bool follow, struct path_facts *seen,
		      struct err *err)
{
	cleanup_fd int fd = path_open(c->rootfd, path, O_PATH | O_NOFOLLOW);
	int r;

	if (fd == -ENOENT)
		return make_target_dir(c, path, seen, err);
	r = fd < 0 ? fd : path_look(fd, "", seen);
	if (r < 0)
		return err_set(err, ERR_TARGET, -r, "%s", path);
	if (follow && S_ISLNK(seen->mode))
		return follow_beside(c, path, seen, err);
	/* A symlink as a mount target could name any place of the image. */
	if (!S_ISDIR(seen->mode))
		return err_set(err, ERR_TARGET, ENOTDIR, "%s", path);
	r = not_the_kernels(fd, path, err);
	return r < 0 ? r : take_fd(fd);
}

int inside_target_dir(const struct container *c, const char *path, bool follow, struct path_facts *seen,
		      struct err *err)
{
	int r = container_own_begin(c, err);

	if (r < 0)
		return r;
	r = target_dir(c, path, follow, seen, err);
	container_own_end(c);
	return r;
}

/* Whether its /dev is held, and is the one that it was seen to have. */
static bool holds_dev(const struct container *c, uint64_t own_dev)
{
	return own_dev && c->dev >= 0 && c->dev_mount == own_dev;
}

/* Where things may be made below /dev: its own tmpfs, or the root's mount where /dev is none. */
static int open_dev_parent(const struct container *c, const char *path, uint64_t own_dev, struct err *err)
{
	cleanup_fd int dev = -EBADF;
	char parent[PATH_MAX];
	uint64_t mount = 0;
	int r = path_parent(path, parent, sizeof(parent));

	if (r < 0)
		return err_set(err, ERR_TARGET, -r, "%s", path);
	if (!own_dev)
		return parent_on_root(c, path, err);
	/* Since it was looked at somebody may have put a link there, or have exchanged it with a volume's directory. */
	if (holds_dev(c, own_dev))
		dev = path_open(c->dev, ".", O_PATH | O_DIRECTORY);
	else
		dev = path_open(c->rootfd, "/dev", O_PATH | O_DIRECTORY | O_NOFOLLOW);
	if (dev < 0)
		return err_set(err, ERR_TARGET, -dev, "/dev");
	if (path_mount_id(dev, &mount) < 0 || mount != own_dev)
		return err_set(err, ERR_TARGET, EBUSY, "/dev is another one than a moment ago");
	if (strcmp(parent, "/dev") == 0)
		return take_fd(dev);
	/* There its own mount is the root that things may be made on; a directory that is there can be a volume. */
	r = path_make_dir(dev, parent + strlen("/dev"), err);
	/* That names what it was given, which is below /dev. */
	return r < 0 ? err_set(err, err->code, -r, "%s", path) : r;
}

static int classify_node(const struct path_facts *f, const char *path, dev_t rdev, struct err *err)
{
	if (S_ISCHR(f->mode) && f->rdev == rdev)
		return INSIDE_NODE_THERE;
	if (S_ISREG(f->mode) && f->size == 0)
		return INSIDE_NODE_TARGET;
	err_set(err, ERR_TARGET, EEXIST, "%s is something else than the device", path);
	return err_hint(err, "remove it from the image or from the volume over /dev");
}

/* An empty file in dir, and what it is; what may stand there is opened as a path alone. */
static int make_empty_file(const struct container *c, int dir, const char *path, struct path_facts *ret,
			   struct err *err)
{
	cleanup_fd int fd = path_create(dir, path_base(path), 0666);
	const bool made = fd >= 0;
	int r;

	/* EXDEV: what stands there is mounted. */
	if (!made && fd != -EEXIST && fd != -EXDEV)
		return err_set(err, ERR_WRITE, -fd, "%s", path);
	if (!made)
		fd = path_open(dir, path_base(path), O_PATH | O_NOFOLLOW);
	r = fd < 0 ? fd : path_look(fd, "", ret);
	if (r < 0)
		return err_set(err, ERR_TARGET, -r, "%s", path);
	if (made)
		made_note_seen(c->made, path, ret);
	return take_fd(fd);
}

/* What stands at a node's place, made where nothing does. */
static int open_node(const struct container *c, const char *path, uint64_t own_dev, struct path_facts *ret,
		     struct err *err)
{
	cleanup_fd int fd = -EBADF, dir = -EBADF;
	int r;

	/* Nearly always nothing stands there yet. */
	if (holds_dev(c, own_dev) && path_base(path) == path + strlen("/dev/"))
		return make_empty_file(c, c->dev, path, ret, err);
	fd = path_open(c->rootfd, path, O_PATH | O_NOFOLLOW);
	if (fd == -ENOENT) {
		dir = open_dev_parent(c, path, own_dev, err);
		return dir < 0 ? dir : make_empty_file(c, dir, path, ret, err);
	}
	r = fd < 0 ? fd : path_look(fd, "", ret);
	return r < 0 ? err_set(err, ERR_TARGET, -r, "%s", path) : take_fd(fd);
}

static int target_node(const struct container *c, const char *path, dev_t rdev, uint64_t own_dev, int *ret_fd,
		       struct path_facts *seen, struct err *err)
{
	cleanup_fd int fd = open_node(c, path, own_dev, seen, err);
	int r = 0;

	if (fd < 0)
		return fd;
	/* The mount at /dev that is the container's own is known to be a tmpfs. */
	if (!own_dev || seen->mount != own_dev)
		r = not_the_kernels(fd, path, err);
	if (r == 0)
		r = classify_node(seen, path, rdev, err);
	if (r == INSIDE_NODE_TARGET)
		*ret_fd = take_fd(fd);
	return r;
}

int inside_target_node(const struct container *c, const char *name, dev_t rdev, uint64_t own_dev, int *ret_fd,
		       struct path_facts *seen, struct err *err)
{
	cleanup_free char *path = mem_printf("/dev/%s", name);
	int r = container_own_begin(c, err);

	if (r < 0)
		return r;
	r = target_node(c, path, rdev, own_dev, ret_fd, seen, err);
	container_own_end(c);
	return r;
}

int inside_dev_link(const struct container *c, const char *name, const char *target, uint64_t own_dev, struct err *err)
{
	cleanup_free char *path = mem_printf("/dev/%s", name);
	cleanup_fd int there = path_open(c->rootfd, path, O_PATH | O_NOFOLLOW), dir = -EBADF;
	int r;

	/* The host's, or an earlier hook's: of what leads elsewhere the devices are closed. */
	if (there >= 0)
		return 0;
	r = container_own_begin(c, err);
	if (r < 0)
		return r;
	dir = open_dev_parent(c, path, own_dev, err);
	if (dir < 0)
		r = dir;
	else if (symlinkat(target, dir, path_base(path)) == 0)
		made_note_at(c->made, path, dir, path_base(path));
	else
		r = err_set(err, ERR_WRITE, errno, "%s", path);
	container_own_end(c);
	return r;
}

static int open_file(const struct container *c, const char *path, struct path_facts *seen, struct err *err)
{
	cleanup_fd int fd = path_open(c->rootfd, path, O_PATH | O_NOFOLLOW), dir = -EBADF;
	int r;

	if (fd == -ENOENT) {
		dir = parent_on_root(c, path, err);
		return dir < 0 ? dir : make_empty_file(c, dir, path, seen, err);
	}
	r = fd < 0 ? fd : path_look(fd, "", seen);
	return r < 0 ? err_set(err, ERR_TARGET, -r, "%s", path) : take_fd(fd);
}

static int target_file(const struct container *c, const char *path, struct path_facts *seen, struct err *err)
{
	cleanup_fd int fd = open_file(c, path, seen, err);
	int r;

	if (fd < 0)
		return fd;
	if (!S_ISREG(seen->mode) && !S_ISSOCK(seen->mode))
		return err_set(err, ERR_TARGET, EEXIST, "%s", path);
	r = not_the_kernels(fd, path, err);
	return r < 0 ? r : take_fd(fd);
}

int inside_target_ipc(const struct container *c, const char *path, mode_t mode, struct path_facts *seen,
		      struct err *err)
{
	int r;

	if (S_ISDIR(mode))
		return inside_target_dir(c, path, false, seen, err);
	r = container_own_begin(c, err);
	if (r < 0)
		return r;
	r = target_file(c, path, seen, err);
	container_own_end(c);
	return r;
}

int inside_open(const struct container *c, const char *path, int flags, struct stat *ret)
{
	cleanup_fd int fd = path_open_same_mount(c->rootfd, path, O_PATH | flags);

	return fd < 0 ? fd : path_reopen(c->proc_self, fd, ret);
}

/* Whether nothing of that name stands in dir: then what is written there is new. */
static bool is_free(int dir, const char *path)
{
	struct stat st;

	return dir >= 0 && fstatat(dir, path_base(path), &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

int inside_write(const struct container *c, const char *path, const void *data, size_t len, struct err *err)
{
	cleanup_fd int dir = -EBADF;
	int r = container_own_begin(c, err);
	bool is_new;

	if (r < 0)
		return r;
	dir = parent_on_root(c, path, err);
	is_new = is_free(dir, path);
	r = dir < 0 ? dir : fd_replace_file(dir, path_base(path), data, len, 0644, FD_REPLACE_TIDY);
	if (r == 0 && is_new)
		made_note_at(c->made, path, dir, path_base(path));
	container_own_end(c);
	return r < 0 && dir >= 0 ? err_set(err, ERR_WRITE, -r, "%s", path) : r;
}

static int make_link(const struct container *c, int dir, const struct plan_link *l, struct err *err)
{
	const char *name = path_base(l->path);
	int r = symlinkat(l->target, dir, name) < 0 ? -errno : 0;

	if (r == 0)
		made_note_at(c->made, l->path, dir, name);
	else if (r == -EEXIST)
		r = fd_replace_link(dir, name, l->target, FD_REPLACE_TIDY);
	return r < 0 ? err_set(err, ERR_WRITE, -r, "%s", l->path) : 0;
}

static bool are_beside(const char *a, const char *b)
{
	size_t n = (size_t)(path_base(a) - a);

	return n == (size_t)(path_base(b) - b) && memcmp(a, b, n) == 0;
}

int inside_links(const struct container *c, const struct plan_link *links, size_t n, struct err *err)
{
	cleanup_fd int dir = -EBADF;
	int r = container_own_begin(c, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < n; i++) {
		/* Nearly all lie beside the one before. */
		if (i == 0 || !are_beside(links[i].path, links[i - 1].path)) {
			fd_close(dir);
			dir = parent_on_root(c, links[i].path, err);
		}
		r = dir < 0 ? dir : make_link(c, dir, &links[i], err);
	}
	container_own_end(c);
	return r;
}

int inside_link(const struct container *c, const char *path, const char *target, struct err *err)
{
	const struct plan_link link = { path, target };

	return inside_links(c, &link, 1, err);
}
