/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules of cgroup v2. A device passes where every program that is attached to the cgroup and to those above
 * it lets it pass, so each of the container's own gets our rules before it, and takes its own old place in one
 * step (BPF_F_REPLACE). Nothing is ever attached beside them or detached.
 */
#ifndef NVCOREOS_APPLY_CGROUP_V2_H
#define NVCOREOS_APPLY_CGROUP_V2_H

#include "apply/cgroup_find.h"
#include "apply/devprog.h"

/*
 * Allows exactly these devices in the place's cgroups. All new programs are loaded before the first one is replaced; a
 * replacement that another writer came before is tried again with what is there then, three times in all. Programs
 * that have our rules already, or allow everything, stay. Where the place has no program nothing is attached: that
 * is no error if none holds there, or only such as hold for this process too.
 *
 * -errno with ERR_CGROUP: -ESRCH where the place's init has ended before the first replacement; -EPERM where only programs of cgroups above the container's hold; -EOPNOTSUPP for programs that
 * are not attached with BPF_F_ALLOW_MULTI, or by a link, or cannot be read back or loaded again; -EBUSY where others
 * keep changing them; the kernel's own reasons (-E2BIG: 64 programs, or the verifier's limits).
 */
int cgroup_v2_allow(const struct cgroup_place *p, const struct devprog_rule *rules, size_t n,
		    struct err *err) must_check;

#endif
