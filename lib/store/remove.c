/* SPDX-License-Identifier: Apache-2.0 */
#include "store/remove.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "store/repair.h"
#include "store/usage.h"

const char *remove_name(struct arena *a, const struct store_tree *t)
{
	return t->is_cuda ? arena_printf(a, "cuda/%s", t->cuda) : arena_printf(a, "%s/%s", t->driver, t->os);
}

static int take_away(int storefd, const char *path, const char *gone)
{
	int r = fd_remove_tree(storefd, gone);

	if (r < 0)
		return r;
	return renameat(AT_FDCWD, path, storefd, gone) < 0 ? -errno : 0;
}

/* A container may have been started between the last look at mounts and the moment in which nobody found the tree any more. */
static int ask_again(const char *store, int storefd, const char *path, const char *gone, const struct guard *guard,
		     struct err *err)
{
	cleanup_free char *moved = mem_printf("%s/%s", store, gone);
	int r = guard ? guard->may_go(guard->data, moved, true, err) : 0;

	if (r < 0 && renameat2(storefd, gone, AT_FDCWD, path, RENAME_NOREPLACE) < 0)
		log_warning("%s stays: %s", moved, strerror(errno));
	return r;
}

static int sync_dirs(const char *store, const char *parent)
{
	int r = fd_sync_dir(store);

	return r == 0 && parent ? fd_sync_dir(parent) : r;
}

int remove_tree(struct store *s, const struct store_tree *t, const struct guard *guard, uint64_t *ret_freed,
		struct err *err)
{
	const char *store = t->is_cuda ? s->cuda_path : s->driver_path;
	const char *parent = t->is_cuda ? NULL : arena_printf(&s->arena, "%s/%s", store, t->driver);
	const char *gone = t->is_cuda ? arena_printf(&s->arena, REPAIR_REMOVED "%s", t->cuda)
				      : arena_printf(&s->arena, REPAIR_REMOVED "%s-%s", t->driver, t->os);
	cleanup_fd int fd = fd_open_dir(store);
	uint64_t bytes = usage_of(t->path).freed;
	int r;

	if (fd < 0)
		return err_set(err, ERR_STORE, -fd, "%s", store);
	r = take_away(fd, t->path, gone);
	if (r == 0) {
		r = ask_again(store, fd, t->path, gone, guard, err);
		if (r < 0)
			return r;
		r = sync_dirs(store, parent);
	}
	/* Of another OS version's tree, the directory stays. */
	if (r == 0 && parent && rmdir(parent) < 0 && errno != ENOTEMPTY && errno != EEXIST)
		r = -errno;
	if (r == 0)
		r = fd_remove_tree(fd, gone);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0)
		return err_set(err, ERR_STORE, -r, "%s", t->path);
	if (ret_freed)
		*ret_freed = bytes;
	return 0;
}
