/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts by file descriptor: cloned detached in the host's namespace, moved in the container's. A tree that is
 * never moved is gone with its fd.
 */
#ifndef NVCOREOS_APPLY_MNT_H
#define NVCOREOS_APPLY_MNT_H

#include <stdint.h>

#include "base/err.h"

enum mnt_kind {
	MNT_FILES,  /* read-only, nosuid, nodev */
	MNT_NODE,   /* read-only, nosuid, noexec: a device node */
	MNT_SOCKET, /* nosuid, nodev, noexec */
};

/*
 * A private, detached clone of what stands at `path` below the directory fd, a link itself, or of what fd points to where it is
 * "": without submounts. What it is the caller finds out by the fd that comes back; `what` names it in errors. fd or
 * -errno with ERR_MOUNT or ERR_KERNEL.
 */
int mnt_clone(int fd, const char *path, enum mnt_kind kind, const char *what, struct err *err) must_check;
/* A new empty tmpfs, detached and writable through the fd that comes back; mnt_seal makes it read-only. */
int mnt_tmpfs(struct err *err) must_check;
int mnt_seal(int tree, struct err *err) must_check;
/* Attaches a detached tree on `target` (O_PATH), in the current mount namespace. */
int mnt_move(int tree, int target, const char *what, struct err *err) must_check;
/*
 * Keeps what is mounted on `root` (the root of a mount) from being seen outside: a shared mount becomes a
 * slave, 1. A directory that is no mount's root is left, 0. -errno with ERR_MOUNT or ERR_KERNEL.
 */
int mnt_contain(int root, struct err *err) must_check;
/*
 * Whether the mount with this id is shared with another namespace, by the file mountinfo below `proc_self` (/proc/self,
 * opened before the namespace was entered). 0, 1, or -errno; -ENOENT where there is no such mount.
 */
int mnt_is_shared(int proc_self, uint64_t mount_id) must_check;
/* The same out of a mountinfo's text, which is taken apart. Lines that are none are passed over. */
int mnt_is_shared_by(char *mountinfo, uint64_t mount_id) must_check;

#endif
