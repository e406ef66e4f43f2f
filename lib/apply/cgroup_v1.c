/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/cgroup_v1.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"

static int allow(int cgroup, const char *path, const struct devprog_rule *rules, size_t n, struct err *err)
{
	cleanup_fd int file = openat(cgroup, "devices.allow", O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	if (file < 0)
		return err_set(err, ERR_CGROUP, errno, "%s/devices.allow", path);
	for (size_t i = 0; i < n; i++) {
		char rule[64];
		int r;

		snprintf(rule, sizeof(rule), "c %u:%u rw", rules[i].major, rules[i].minor);
		/* One rule a write is all that the kernel takes. */
		r = fd_write_all(file, rule, strlen(rule));
		if (r < 0)
			return err_set(err, ERR_CGROUP, -r, "%s into %s/devices.allow", rule, path);
	}
	return 0;
}

int cgroup_v1_allow(const struct cgroup_place *p, const struct devprog_rule *rules, size_t n, struct err *err)
{
	int r = cgroup_find_alive(p, err);

	for (size_t i = 0; r == 0 && i < p->n_levels; i++)
		r = allow(p->levels[i], p->path, rules, n, err);
	return r;
}
