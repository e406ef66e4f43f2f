/* SPDX-License-Identifier: Apache-2.0 */
/* The texts that tell where a process's cgroups are: /proc/PID/cgroup and mountinfo. Pure: no system call. */
#ifndef NVCOREOS_APPLY_CGROUP_PATHS_H
#define NVCOREOS_APPLY_CGROUP_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* A process's place in the two hierarchies that control devices: "/docker/ID". NULL where it is in none. */
struct cgroup_paths {
	char *v1; /* the devices hierarchy of cgroup v1 */
	char *v2;
};

/*
 * Parses /proc/PID/cgroup; cgroup_paths_free is due where it returned 0. -errno with ERR_CGROUP: -EBADMSG for lines that
 * are none, paths with empty, "." or ".." parts within them, a hierarchy that stands there twice; -ENOENT for a cgroup
 * that has been removed; -EXDEV for one outside of our cgroup namespace ("/..").
 */
int cgroup_paths_parse(struct cgroup_paths *ret, const char *text, size_t len, struct err *err) must_check;
void cgroup_paths_free(struct cgroup_paths *p);

/*
 * How much of `path`, from its start, is the container's outermost cgroup, by linux.cgroupsPath as runc and crun take it
 * ("/docker/ID", or "slice:prefix:name" for systemd): runtimes may put the init into a cgroup below it. All of
 * it where cgroups_path is NULL or is not found in it.
 */
size_t cgroup_paths_own(const char *path, const char *cgroups_path);

/* A mount of one of the two hierarchies: one line of mountinfo, which the pointers point into. */
struct cgroup_mount {
	bool v2;
	dev_t dev;
	const char *root, *target;
};
/*
 * Takes the next line from *text (writing into it) that is such a mount. false: there is none left. A line that cannot be
 * understood is none.
 */
bool cgroup_paths_mount(char **text, struct cgroup_mount *ret);

/* The cgroup `path` as seen from a mount of this root: a relative path ("." for the root itself), NULL if not in it. */
const char *cgroup_paths_in(const char *root, const char *path);

#endif
