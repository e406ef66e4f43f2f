/* SPDX-License-Identifier: Apache-2.0 */
/* The cgroups of a container's init as directory fds, opened beneath a mount of their hierarchy and nowhere else. */
#ifndef NVCOREOS_APPLY_CGROUP_FIND_H
#define NVCOREOS_APPLY_CGROUP_FIND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define CGROUP_LEVELS_MAX 4

/* What the container has of one hierarchy. */
struct cgroup_place {
	char *path;		       /* init's cgroup; NULL: none of its own */
	int levels[CGROUP_LEVELS_MAX]; /* the container's outermost cgroup first, init's own last */
	size_t n_levels;
	pid_t pid; /* init's */
	int pidfd; /* and as the process that it is; not owned */
	int self;  /* v2: the cgroup of this process; -EBADF where it cannot be opened */
};

struct cgroup_places {
	struct cgroup_place v1, v2;
};

/*
 * Finds the cgroups of init, the process that `pidfd` is and whose number is `pid`; it must not end while this runs (else
 * -ESRCH), and pidfd is used as long as *ret is: a hierarchy where it is in our own cgroup, or in one above us, is none of the container's. Cgroups above the init's are the container's too where
 * cgroups_path (linux.cgroupsPath, NULL if absent) says so and nothing else lies in them. -errno with ERR_CGROUP;
 * cgroup_find_close is due in every case.
 */
int cgroup_find(struct cgroup_places *ret, pid_t pid, int pidfd, const char *cgroups_path, struct err *err) must_check;
/*
 * To be asked before a place is changed: whether its init is still there. Its number may be another's as soon as it is not,
 * and its cgroups another container's. 0, or -ESRCH with ERR_CGROUP.
 */
int cgroup_find_alive(const struct cgroup_place *p, struct err *err) must_check;
void cgroup_find_close(struct cgroup_places *p);

#endif
