/* SPDX-License-Identifier: Apache-2.0 */
/* The device cgroup, where no shim has put the rules into config.json: v1 by devices.allow. */
#ifndef NVCOREOS_APPLY_CGROUP_H
#define NVCOREOS_APPLY_CGROUP_H

#include <sys/types.h>

#include "base/err.h"
#include "plan/plan.h"

/*
 * Allows exactly the plan's nodes ("c MAJOR:MINOR rw") in the device cgroup of init `pid`. -errno with
 * ERR_CGROUP; -EOPNOTSUPP where devices are controlled by cgroup v2 programs: there the shim must have set the
 * rules.
 */
int cgroup_allow(pid_t pid, const struct plan *plan, struct err *err) must_check;

#endif
