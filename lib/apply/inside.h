/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets, files and links in a container's root, all resolved below its root fd; made only on the root's own
 * mount, and owned by the container's root.
 */
#ifndef NVCOREOS_APPLY_INSIDE_H
#define NVCOREOS_APPLY_INSIDE_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "apply/container.h"
#include "base/err.h"
#include "base/path.h"
#include "plan/plan.h"

/*
 * The directory `path` as a mount target (O_PATH), made where it is missing, and what it is in *seen; with `follow` a link at its place is
 * followed to a directory beside it on the root's own mount. -errno with ERR_TARGET, ERR_FOREIGN_MOUNT, ERR_WRITE.
 */
int inside_target_dir(const struct container *c, const char *path, bool follow, struct path_facts *seen,
		      struct err *err) must_check;

enum inside_node {
	INSIDE_NODE_TARGET, /* *ret_fd is an empty file to mount on, *seen what it is */
	INSIDE_NODE_THERE,  /* the device stands there already */
};
/*
 * The target for a device node at /dev/<name>: an empty file in the container's own /dev, made where it is
 * missing. `own_dev`: the mount at /dev that is a file system of the container's alone, 0 where there is none. -errno
 * with ERR_TARGET (a symlink, another device, another mount at /dev than that), ERR_FOREIGN_MOUNT (missing, and /dev is a volume), ERR_WRITE.
 */
int inside_target_node(const struct container *c, const char *name, dev_t rdev, uint64_t own_dev, int *ret_fd,
		       struct path_facts *seen, struct err *err) must_check;

/*
 * A symlink at /dev/<name>, on the same mount as a node would be made; what stands there already stays. -errno with
 * ERR_TARGET, ERR_FOREIGN_MOUNT, ERR_WRITE.
 */
int inside_dev_link(const struct container *c, const char *name, const char *target, uint64_t own_dev,
		    struct err *err) must_check;

/* An empty file as the target for a host file or socket, or a directory for a host directory, as `mode` says. */
int inside_target_ipc(const struct container *c, const char *path, mode_t mode, struct path_facts *seen,
		      struct err *err) must_check;

/*
 * Opens a regular file of the image to read it, by path_reopen, on the root's own mount: a volume over it is another's. flags: 0 or
 * O_NOFOLLOW. The fd, and what it is in *ret; -errno: -EXDEV on another mount, and path_reopen's.
 */
int inside_open(const struct container *c, const char *path, int flags, struct stat *ret) must_check;

/*
 * Writes a whole file by rename. -EXDEV with ERR_FOREIGN_MOUNT where its directory lies on another mount than
 * the root.
 */
int inside_write(const struct container *c, const char *path, const void *data, size_t len, struct err *err) must_check;
/* Makes symlinks, by rename where something stands there; the same rules. The first that fails ends it; those before stay, and are noted. */
int inside_links(const struct container *c, const struct plan_link *links, size_t n, struct err *err) must_check;
int inside_link(const struct container *c, const char *path, const char *target, struct err *err) must_check;

#endif
