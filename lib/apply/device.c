/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/device.h"

#include <errno.h>
#include <linux/mount.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

static int open_as(const char *path, const char *type)
{
	cleanup_fd int fs = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
	int tree;

	if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "source", path, 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	tree = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
			    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return tree < 0 ? -errno : tree;
}

int device_open(const char *path)
{
	static const char *const types[] = { "ext4", "btrfs", "squashfs", "erofs" };
	int r = -EINVAL;

	/* One that is not this type, or whose type this kernel does not know, may be another. */
	for (size_t i = 0; i < ARRAY_SIZE(types) && (r == -EINVAL || r == -ENODEV); i++)
		r = open_as(path, types[i]);
	return r == -ENODEV ? -EINVAL : r;
}
