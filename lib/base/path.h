/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one resolver (design rule 2). Every path below a root directory fd goes through openat2 with
 * RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS; after that only single components on the fd that came back. There is no
 * fallback: where the kernel refuses openat2 the error is ERR_KERNEL (-ENOSYS).
 */
#ifndef NVCOREOS_BASE_PATH_H
#define NVCOREOS_BASE_PATH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/err.h"

/*
 * Opens `path` (absolute or not, taken from the root) below rootfd. flags as for open (O_CLOEXEC is added; O_PATH,
 * O_NOFOLLOW as needed); never O_CREAT. A rename storm's EAGAIN is tried again for 2 ms and 64 times. fd or -errno.
 */
int path_open(int rootfd, const char *path, int flags) must_check;
/* The same, and no mount point may be crossed on the way (RESOLVE_NO_XDEV): -EXDEV otherwise. */
int path_open_same_mount(int rootfd, const char *path, int flags) must_check;
/*
 * For a path that the kernel wrote (a cgroup's): relative, below rootfd on the same mount, and no symlink on the way
 * (RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS|RESOLVE_NO_XDEV). fd or -errno.
 */
int path_open_beneath(int rootfd, const char *path, int flags) must_check;

/*
 * Opens the regular file that fd (O_PATH) is of, to read it: nothing else can come in its place any more, and nothing else is opened, for
 * that alone acts on a device or waits at a FIFO. proc_self: /proc/self. The fd, and what it is in *ret; -errno: -EMEDIUMTYPE where it is
 * no regular file, -EAGAIN where a process holds a lease on it.
 */
int path_reopen(int proc_self, int fd, struct stat *ret) must_check;

/*
 * A new empty file at `name`, a single component of the directory fd, on that directory's mount: never what stands there
 * already. An fd for reading, or -errno: -EEXIST, and -EXDEV where something is mounted there.
 */
int path_create(int dir, const char *name, mode_t mode) must_check;

/* What statx tells of one thing. */
struct path_facts {
	dev_t dev, rdev;
	ino_t ino;
	mode_t mode;
	off_t size;
	uint64_t mount; /* that it lies on */
};
/*
 * What stands at `name`, a single component of the directory fd: a link itself, or what is mounted there; with "" what fd is
 * of. 0 or -errno; -ENOSYS where the kernel tells no mount.
 */
int path_look(int fd, const char *name, struct path_facts *ret) must_check;
/* The mount that an fd lies on, as statx tells it. 0 or -errno. */
int path_mount_id(int fd, uint64_t *ret) must_check;

/*
 * Opens the directory `path` below rootfd for making things in it (O_PATH|O_DIRECTORY). Missing directories are
 * made (mode 0755), but only on the mount that rootfd lies on; symlinks that stand in the way are followed inside the
 * root. fd, or -errno with *err set: ERR_FOREIGN_MOUNT (-EXDEV) where it lies, or something would have to be made, on another
 * mount, ERR_TARGET where something that is no directory stands in the way, ERR_WRITE where mkdir failed.
 */
int path_make_dir(int rootfd, const char *path, struct err *err) must_check;
/* The same; made(data, path, fd) is called for each directory that was made, the outer one first; fd < 0: it is already gone. */
typedef void path_made_fn(void *data, const char *path, int fd);
int path_make_dir_noting(int rootfd, const char *path, path_made_fn *made, void *data, struct err *err) must_check;

/*
 * The last component of a path, and its parent with no trailing slash ("/" for the root). NULL-safe for
 * literals only.
 */
const char *path_base(const char *path);
/* How much of an absolute path is its parent: of "/" all of it. */
size_t path_parent_length(const char *path);
/* Copies the parent of path into buf. 0 or -ENAMETOOLONG. */
int path_parent(const char *path, char *buf, size_t size) must_check;
/* Whether `path` is `dir` or lies below it, as text; both absolute and normalized. */
bool path_is_below(const char *path, const char *dir);
/*
 * Normalizes an absolute path as text (double slashes, ".", ".."; ".." does not leave "/"). 0, -EINVAL when it is
 * not absolute, -ENAMETOOLONG.
 */
int path_normalize(const char *path, char *buf, size_t size) must_check;
/* Whether path_normalize would leave it as it is. */
bool path_is_normal(const char *path);

#endif
