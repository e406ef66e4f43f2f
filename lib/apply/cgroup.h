/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device cgroup of a container, where no shim has put the rules into config.json: v1 by devices.allow, v2 by our
 * rules before those of the programs that are attached; a container that is in both gets both.
 */
#ifndef NVCOREOS_APPLY_CGROUP_H
#define NVCOREOS_APPLY_CGROUP_H

#include <sys/types.h>

#include "base/err.h"
#include "plan/plan.h"

/*
 * Allows exactly the plan's nodes, reading and writing, in the cgroups of init, the process that `pidfd` is and
 * whose number is `pid`: one that has ended is refused, whoever has the number now. cgroups_path is
 * linux.cgroupsPath, NULL if absent. There is never a moment with wider rights, and what fails midway has granted
 * nothing but a part of this. Nothing is done, and said in the log, where the container has no cgroup of its own, and
 * in a user namespace of the engine's own (rootless), where no cgroup is to be changed. Runs with CAPS_CGROUP and CAPS_BPF,
 * ends with none. -errno with ERR_CGROUP, ERR_PRIVILEGE or ERR_KERNEL.
 */
int cgroup_allow(pid_t pid, int pidfd, const char *cgroups_path, const struct plan *plan, struct err *err) must_check;

#endif
