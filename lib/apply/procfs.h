/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/driver/nvidia as a container sees it: a small read-only tmpfs with only its GPUs. */
#ifndef NVCOREOS_APPLY_PROCFS_H
#define NVCOREOS_APPLY_PROCFS_H

#include "base/err.h"
#include "plan/plan.h"

/* Builds it as a detached mount, sealed. fd, or -errno with ERR_MOUNT. */
int procfs_build(const struct plan_proc *p, struct err *err) must_check;
/* Fills a directory; what procfs_build does with its tmpfs. */
int procfs_fill(int dir, const struct plan_proc *p, struct err *err) must_check;

#endif
