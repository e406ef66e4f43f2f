/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/cgroup.h"

#include <errno.h>

#include "apply/caps.h"
#include "apply/cgroup_find.h"
#include "apply/cgroup_v1.h"
#include "apply/cgroup_v2.h"
#include "base/log.h"
#include "base/mem.h"
#include "host/userns.h"

static int allow(pid_t pid, int pidfd, const char *cgroups_path, const struct devprog_rule *rules, size_t n,
		 struct err *err)
{
	cleanup(cgroup_find_close) struct cgroup_places places = { .v1 = { .self = -EBADF }, .v2 = { .self = -EBADF } };
	int r = cgroup_find(&places, pid, pidfd, cgroups_path, err);

	if (r == 0 && places.v1.path)
		r = cgroup_v1_allow(&places.v1, rules, n, err);
	if (r == 0 && places.v2.path)
		r = caps_raise(CAPS_BPF, err);
	if (r == 0 && places.v2.path)
		r = cgroup_v2_allow(&places.v2, rules, n, err);
	if (r == 0 && !places.v1.path && !places.v2.path)
		log_info("init %d has no cgroup of its own: no device rules are changed", (int)pid);
	return r;
}

int cgroup_allow(pid_t pid, int pidfd, const char *cgroups_path, const struct plan *plan, struct err *err)
{
	cleanup_free struct devprog_rule *rules = mem_zalloc((plan->n_nodes + 1) * sizeof(*rules));
	int r;

	if (!plan->n_nodes)
		return 0;
	/* Both versions ask for rights in the first user namespace. */
	if (!userns_is_first()) {
		log_info("in a user namespace: the device cgroup of init %d is not ours to change", (int)pid);
		return 0;
	}
	for (size_t i = 0; i < plan->n_nodes; i++)
		rules[i] = (struct devprog_rule){ plan->nodes[i].major, plan->nodes[i].minor };
	r = caps_raise(CAPS_CGROUP, err);
	if (r == 0)
		r = allow(pid, pidfd, cgroups_path, rules, plan->n_nodes, err);
	return r < 0 ? r : caps_lower(err);
}
