/* SPDX-License-Identifier: Apache-2.0 */
/* Device rules of cgroup v1: lines written to devices.allow. */
#ifndef NVCOREOS_APPLY_CGROUP_V1_H
#define NVCOREOS_APPLY_CGROUP_V1_H

#include "apply/cgroup_find.h"
#include "apply/devprog.h"

/*
 * Allows exactly these devices ("c MAJOR:MINOR rw") in each of the place's cgroups, the outermost first: a cgroup
 * has no right that the one above it has not. Where everything is allowed that changes nothing. 0 or -errno with
 * ERR_CGROUP; -ESRCH where the place's init has ended, and nothing is changed.
 */
int cgroup_v1_allow(const struct cgroup_place *p, const struct devprog_rule *rules, size_t n,
		    struct err *err) must_check;

#endif
