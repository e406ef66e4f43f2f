/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/mnt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#ifndef MS_PRIVATE
#define MS_PRIVATE (1 << 18)
#endif
#ifndef MS_SLAVE
#define MS_SLAVE (1 << 19)
#endif
#define MOUNTINFO_MAX (64u << 20)

static const uint64_t attributes[] = {
	[MNT_FILES] = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
	[MNT_NODE] = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
	[MNT_SOCKET] = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
};

static int fail(struct err *err, const char *call, const char *what)
{
	return err_set(err, errno == ENOSYS ? ERR_KERNEL : ERR_MOUNT, errno, "%s of %s", call, what);
}

static int set_attributes(int tree, uint64_t set, uint64_t propagation)
{
	struct mount_attr attr = { .attr_set = set, .propagation = propagation };

	return (int)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr));
}

int mnt_clone(int fd, const char *path, enum mnt_kind kind, const char *what, struct err *err)
{
	cleanup_fd int tree = (int)syscall(SYS_open_tree, fd, path,
					   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);

	if (tree < 0)
		return fail(err, "open_tree", what);
	if (set_attributes(tree, attributes[kind], MS_PRIVATE) < 0)
		return fail(err, "mount_setattr", what);
	return take_fd(tree);
}

int mnt_tmpfs(struct err *err)
{
	cleanup_fd int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	int tree;

	if (fs < 0)
		return fail(err, "fsopen", "tmpfs");
	if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "size", "4m", 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fail(err, "fsconfig", "tmpfs");
	tree = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return tree < 0 ? fail(err, "fsmount", "tmpfs") : tree;
}

int mnt_seal(int tree, struct err *err)
{
	return set_attributes(tree, MOUNT_ATTR_RDONLY, MS_PRIVATE) < 0 ? fail(err, "mount_setattr", "tmpfs") : 0;
}

int mnt_move(int tree, int target, const char *what, struct err *err)
{
	if (syscall(SYS_move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return fail(err, "move_mount", what);
	return 0;
}

int mnt_contain(int root, struct err *err)
{
	/* EINVAL: this directory is not the root of its mount, so nobody shared it on its own. */
	if (set_attributes(root, 0, MS_SLAVE) == 0)
		return 1;
	return errno == EINVAL ? 0 : fail(err, "mount_setattr", "the container's root");
}

/* A line: id parent maj:min root target options [tags...] - type source options. */
static int line_is_shared(char *line, uint64_t id)
{
	char *end = strstr(line, " - "), *space = line + strcspn(line, " ");
	uint64_t v;

	if (!end)
		return -EBADMSG;
	*end = *space = '\0';
	if (str_to_u64(line, UINT64_MAX, &v) < 0 || v != id)
		return -ENOENT;
	return strstr(space + 1, " shared:") != NULL;
}

int mnt_is_shared_by(char *mountinfo, uint64_t mount_id)
{
	char *rest = NULL;

	for (char *line = strtok_r(mountinfo, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		int r = line_is_shared(line, mount_id);

		if (r >= 0)
			return r;
	}
	return -ENOENT;
}

int mnt_is_shared(int proc_self, uint64_t mount_id)
{
	cleanup_fd int fd = path_open(proc_self, "mountinfo", O_RDONLY);
	cleanup_free char *text = NULL;
	size_t len;
	int r = fd < 0 ? fd : fd_read_all(fd, MOUNTINFO_MAX, &text, &len);

	return r < 0 ? r : mnt_is_shared_by(text, mount_id);
}
