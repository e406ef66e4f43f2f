/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

/* Of ext4's superblock, little-endian. */
#define EXT4_SUPER 1024
#define EXT4_SUPER_SIZE 1024
#define EXT4_MAGIC 0x38 /* 16 bits */
#define EXT4_RO_COMPAT 0x64
#define EXT4_LAST_ORPHAN 0xe8
#define EXT4_ORPHAN_PRESENT 0x10000u

static uint32_t le32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Files that were removed while they were open: ext4 frees them on the device, however it is mounted. */
static bool has_orphans(const char *path)
{
	cleanup_fd int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	unsigned char super[EXT4_SUPER_SIZE];

	if (fd < 0 || pread(fd, super, sizeof(super), EXT4_SUPER) != (ssize_t)sizeof(super))
		return false;
	return super[EXT4_MAGIC] == 0x53 && super[EXT4_MAGIC + 1] == 0xef &&
	       (le32(super + EXT4_LAST_ORPHAN) || (le32(super + EXT4_RO_COMPAT) & EXT4_ORPHAN_PRESENT));
}

/* Read-only is not enough: the kernel replays a dirty journal onto the device all the same, unless it is told not to. */
struct type {
	const char *name, *option, *value; /* option: a flag where there is no value; NULL: it has no journal */
};

static int set_option(int fs, const struct type *type)
{
	unsigned command = type->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;

	return type->option ? (int)syscall(SYS_fsconfig, fs, command, type->option, type->value, 0) : 0;
}

static int open_as(const char *path, const struct type *type)
{
	cleanup_fd int fs = (int)syscall(SYS_fsopen, type->name, FSOPEN_CLOEXEC);
	int tree;

	if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "source", path, 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0 || set_option(fs, type) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	tree = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
			    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return tree < 0 ? -errno : tree;
}

int device_open(const char *path)
{
	static const struct type types[] = {
		{ "ext4", "noload", NULL },
		{ "btrfs", "rescue", "nologreplay" },
		{ "squashfs", NULL, NULL },
		{ "erofs", NULL, NULL },
	};
	int r = -EINVAL;

	if (has_orphans(path))
		return -EUCLEAN;
	/* One that is not this type, or whose type this kernel does not know, may be another. */
	for (size_t i = 0; i < ARRAY_SIZE(types) && (r == -EINVAL || r == -ENODEV); i++)
		r = open_as(path, &types[i]);
	return r == -ENODEV ? -EINVAL : r;
}
