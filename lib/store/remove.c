/* SPDX-License-Identifier: Apache-2.0 */
#include "store/remove.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "store/repair.h"
#include "store/usage.h"

const char *remove_name(struct arena *a, const struct store_tree *t)
{
	return t->is_cuda ? arena_printf(a, "cuda/%s", t->cuda) : arena_printf(a, "%s/%s", t->driver, t->os);
}

/* To a name that nothing has: what an earlier run could not move back may be in use still. */
static int take_away(int storefd, const char *path, struct arena *a, const char *name, const char **ret_gone)
{
	struct stat st;

	*ret_gone = name;
	for (unsigned i = 2; fstatat(storefd, *ret_gone, &st, AT_SYMLINK_NOFOLLOW) == 0; i++)
		*ret_gone = arena_printf(a, "%s.%u", name, i);
	return renameat(AT_FDCWD, path, storefd, *ret_gone) < 0 ? -errno : 0;
}

/* A container may have been started between the last look at mounts and the moment in which nobody found the tree any more. */
static int ask_again(const char *store, int storefd, const char *path, const char *gone, const struct guard *guard,
		     struct err *err)
{
	cleanup_free char *moved = mem_printf("%s/%s", store, gone);
	int r = guard_ask(guard, moved, path, err);

	if (r < 0 && renameat2(storefd, gone, AT_FDCWD, path, RENAME_NOREPLACE) < 0)
		guard_stays(err, path, moved, errno);
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
	const char *name = t->is_cuda ? arena_printf(&s->arena, REPAIR_REMOVED "%s", t->cuda)
				      : arena_printf(&s->arena, REPAIR_REMOVED "%s-%s", t->driver, t->os),
		   *gone;
	cleanup_fd int fd = fd_open_dir(store);
	uint64_t bytes = usage_of(t->path).freed;
	int r;

	if (fd < 0)
		return err_set(err, ERR_STORE, -fd, "%s", store);
	r = take_away(fd, t->path, &s->arena, name, &gone);
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
