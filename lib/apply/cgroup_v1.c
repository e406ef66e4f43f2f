/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/cgroup_v1.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"

#define LIST_MAX (1u << 20)
#define ALL "a *:* rwm\n"

static int allow(int cgroup, const char *path, const struct devprog_rule *rules, size_t n, struct err *err)
{
	cleanup_free char *list = NULL;
	cleanup_fd int file = -EBADF;
	size_t len;
	int r = fd_read_file_at(cgroup, "devices.list", LIST_MAX, &list, &len);

	if (r < 0)
		return err_set(err, ERR_CGROUP, -r, "%s/devices.list", path);
	if (str_eq(list, ALL))
		return 0;
	file = openat(cgroup, "devices.allow", O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (file < 0)
		return err_set(err, ERR_CGROUP, errno, "%s/devices.allow", path);
	for (size_t i = 0; i < n; i++) {
		char rule[64];

		snprintf(rule, sizeof(rule), "c %u:%u rw", rules[i].major, rules[i].minor);
		r = fd_write_all(file, rule, strlen(rule));
		if (r < 0)
			return err_set(err, ERR_CGROUP, -r, "%s into %s/devices.allow", rule, path);
	}
	return 0;
}

int cgroup_v1_allow(const struct cgroup_place *p, const struct devprog_rule *rules, size_t n, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->n_levels; i++)
		r = allow(p->levels[i], p->path, rules, n, err);
	return r;
}
