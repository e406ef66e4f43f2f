/* SPDX-License-Identifier: Apache-2.0 */
#include "load_busy.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "host/inventory_text.h"

const char *const load_busy_order[] = {
	"nvidia_peermem", "nvidia_drm", "nvidia_modeset", "nvidia_uvm", "nvidia", NULL
};

static bool is_ours(const char *name)
{
	for (size_t i = 0; load_busy_order[i]; i++)
		if (str_eq(name, load_busy_order[i]))
			return true;
	return false;
}

const char *load_busy_join(struct arena *a, const struct strlist *names)
{
	const char *all = "";

	for (size_t i = 0; i < names->n; i++)
		all = arena_printf(a, "%s%s%s", all, i ? ", " : "", names->v[i]);
	return all;
}

static int refuse(const char *name, const char *users, struct err *err)
{
	err_set(err, ERR_BUSY, 0, users ? "%s is used by the modules %s" : "%s is used", name, users);
	err_hint(err, users ? "unload these first" : "end what uses the GPUs, the console among it, or reboot");
	return -EBUSY;
}

static int check(const struct inventory_dir *sys, struct arena *a, const char *name, struct err *err)
{
	struct strlist holders, others = { 0 };
	const char *count = NULL;
	uint64_t users;
	int r = inventory_text_list(sys, a, arena_printf(a, "module/%s/holders", name), &holders, err);

	if (r == 0)
		r = inventory_text_read(sys, a, arena_printf(a, "module/%s/refcnt", name), &count, err);
	/* Without a count it is not loaded, or this kernel unloads none. */
	if (r < 0 || !count)
		return r;
	for (size_t i = 0; i < holders.n; i++)
		if (!is_ours(holders.v[i]))
			strlist_add(a, &others, holders.v[i]);
	if (others.n)
		return refuse(name, load_busy_join(a, &others), err);
	/* Each that stands on it is counted once: the rest are users, be it that no process shows them. */
	if (str_to_u64(arena_strndup(a, count, strcspn(count, "\n")), UINT32_MAX, &users) == 0 && users <= holders.n)
		return 0;
	return refuse(name, NULL, err);
}

int load_busy_check(const char *sys_root, struct err *err)
{
	cleanup_arena struct arena a = ARENA_INIT;
	cleanup_fd int fd = fd_open_dir(sys_root);
	const struct inventory_dir sys = { fd, "sys-root" };
	int r = fd < 0 ? err_set(err, ERR_HOST, -fd, "%s", sys_root) : 0;

	for (size_t i = 0; r == 0 && load_busy_order[i]; i++)
		r = check(&sys, &a, load_busy_order[i], err);
	return r;
}
