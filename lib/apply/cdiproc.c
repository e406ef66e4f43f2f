/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/cdiproc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include "apply/caps.h"
#include "apply/mnt.h"
#include "apply/procfs.h"
#include "base/fd.h"
#include "base/path.h"
#include "host/inventory.h"
#include "host/rootfacts.h"
#include "plan/plan.h"

/* A directory of that name that is not the kernel's is not it: an image's, or the tmpfs that an earlier hook put there. */
static int open_place(const struct container *c)
{
	cleanup_fd int fd = path_open(c->rootfd, PLAN_PROC_DIR, O_PATH | O_DIRECTORY | O_NOFOLLOW);
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return -ENOENT;
	return take_fd(fd);
}

int cdiproc_build(const struct container *c, const struct hostroot *host, const struct spec *spec, struct err *err)
{
	cleanup_fd int place = open_place(c), tree = -EBADF;
	struct inventory inv = { .driver = NULL };
	struct plan plan = { .proc = { .wanted = false } };
	int r;

	if (place < 0)
		return place;
	r = inventory_read(&inv, host, err);
	if (r == 0)
		r = plan_make_proc(&plan, &inv, spec->nodes, spec->n_nodes, err);
	inventory_free(&inv);
	if (r < 0)
		return r;
	r = plan.proc.wanted ? caps_raise(CAPS_MOUNT, err) : -ENOENT;
	if (r == 0)
		tree = procfs_build(&plan.proc, err);
	plan_free(&plan);
	if (r < 0 || tree < 0)
		return r < 0 ? r : tree;
	r = caps_lower(err);
	return r < 0 ? r : take_fd(tree);
}

/* Engines may share mounts with the host (rshared): what is mounted here must stay here. */
static int contain(const struct container *c, int place, struct err *err)
{
	cleanup_fd int proc = path_open(c->rootfd, "/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW);
	uint64_t own, above = 0;
	int contained = proc < 0 ? 0 : mnt_contain(proc, err), r;

	if (contained < 0)
		return contained;
	r = path_mount_id(place, &own);
	if (r == 0 && contained)
		r = path_mount_id(proc, &above);
	if (r == 0 && (!contained || own != above))
		r = mnt_is_shared(c->proc_self, own);
	if (r > 0)
		return err_set(err, ERR_FOREIGN_MOUNT, EPERM, "%s lies on a mount that is shared with the host",
			       PLAN_PROC_DIR);
	return r < 0 ? err_set(err, ERR_KERNEL, -r, "mount of %s", PLAN_PROC_DIR) : 0;
}

int cdiproc_show(const struct container *c, int tree, struct err *err)
{
	cleanup_fd int place = open_place(c);
	int r;

	if (place < 0)
		return err_set(err, ERR_TARGET, EBUSY, "%s is another one than a moment ago", PLAN_PROC_DIR);
	r = caps_raise(CAPS_MOUNT, err);
	if (r == 0)
		r = contain(c, place, err);
	if (r == 0)
		r = mnt_move(tree, place, PLAN_PROC_DIR, err);
	return r < 0 ? r : caps_lower(err);
}
