/* SPDX-License-Identifier: Apache-2.0 */
/* A container that is being created, pinned once by fds: later steps never use a path or a pid again. */
#ifndef NVCOREOS_APPLY_CONTAINER_H
#define NVCOREOS_APPLY_CONTAINER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct made;

struct container {
	int init;	   /* its init, as a pidfd: the number may be another's as soon as init has ended */
	int mnt_ns;	   /* its mount namespace */
	int host_ns;	   /* the mount namespace that we came from */
	int rootfd;	   /* its root directory (O_PATH), opened in its mount namespace */
	int proc_self;	   /* /proc/self, opened in the host's namespace: what the container calls /proc is not asked */
	uint32_t uid, gid; /* our ids for its root, who owns what is made in it */
	struct made *made; /* where what is made in it is noted; NULL for nowhere. Not owned */
	int dev;	   /* its /dev once it has been looked at in its mount namespace (O_PATH), or -EBADF */
	uint64_t dev_mount; /* the mount that it is */
};
#define CONTAINER_INIT \
	{ \
		-EBADF, -EBADF, -EBADF, -EBADF, -EBADF, 0, 0, NULL, -EBADF, 0 \
	}

/*
 * Pins the container whose init is `pid`: enters its mount namespace, opens root_path (absolute, as the
 * runtime's mount namespace has it) there, and returns to the host's. Who its root is comes from the kernel, not from
 * config.json: that may only name a user namespace to join. Refused: a container that shares our mount namespace, a
 * root that is the host's own, and a user namespace without a root. Until container_close the container is this process's
 * alone: another that enters it waits, some three seconds, then -EINVAL with ERR_BUSY. -errno with ERR_NAMESPACE,
 * ERR_ROOTFS, ERR_MOUNT, ERR_KERNEL; container_close is due either way.
 */
int container_enter(struct container *ret, pid_t pid, const char *root_path, struct err *err) must_check;
/*
 * The same for a hook that the runtime has started in the container's namespaces (createContainer), where the root still stands
 * at the host's path: it has no init to pin, and is this process's alone as above. Refused: a root that is no mount of its own, as
 * it is one there and need not be in the host's namespace. What is made belongs to this process's own ids. -errno
 * with ERR_NAMESPACE, ERR_ROOTFS, ERR_MOUNT, ERR_KERNEL, ERR_BUSY; container_close is due either way.
 */
int container_here(struct container *ret, const char *root_path, struct err *err) must_check;
/* Moves this process into the container's mount namespace, for good. The rights for it stay raised: caps_keep is due. -errno with ERR_NAMESPACE. */
int container_join(const struct container *c, struct err *err) must_check;
/*
 * Opens what the container has at /dev, to make things there: where it is a directory, and no link. Once it is the one that
 * the mount of it is known to be, nothing can put another in its place.
 */
void container_hold_dev(struct container *c);
void container_close(struct container *c);

/*
 * While a file or directory is made in the container it belongs to the container's root: fsuid and fsgid. What begins within
 * another is part of it. 0 or -errno with ERR_PRIVILEGE.
 */
int container_own_begin(const struct container *c, struct err *err) must_check;
void container_own_end(const struct container *c);

#endif
