/* SPDX-License-Identifier: Apache-2.0 */
#include "store/remove.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "store/repair.h"

const char *remove_name(struct arena *a, const struct store_tree *t)
{
	return t->is_cuda ? arena_printf(a, "cuda/%s", t->cuda) : arena_printf(a, "%s/%s", t->driver, t->os);
}

/* A view's links are links of the tree's own: only a file with more links than the tree itself has is shared. */
struct seen {
	dev_t dev;
	ino_t ino;
	nlink_t links;
	uint64_t bytes;
};

static int by_inode(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static uint64_t count(struct seen *seen, size_t n)
{
	uint64_t bytes = 0;

	if (n)
		qsort(seen, n, sizeof(*seen), by_inode);
	for (size_t i = 0, next; i < n; i = next) {
		for (next = i + 1; next < n && by_inode(&seen[i], &seen[next]) == 0;)
			next++;
		if (next - i >= seen[i].links)
			bytes += seen[i].bytes;
	}
	return bytes;
}

uint64_t remove_would_free(const struct store_tree *t)
{
	struct arena arena = ARENA_INIT;
	struct seen *seen = NULL;
	uint64_t bytes;
	size_t n = 0;
	cleanup_free char *path = mem_strdup(t->path);
	char *const roots[] = { path, NULL };
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *e;

	if (!fts)
		return 0;
	while ((e = fts_read(fts))) {
		const struct stat *st = e->fts_statp;

		if (e->fts_info != FTS_F)
			continue;
		seen = arena_grow(&arena, seen, n, sizeof(*seen));
		seen[n++] = (struct seen){ st->st_dev, st->st_ino, st->st_nlink, (uint64_t)st->st_blocks * 512 };
	}
	fts_close(fts);
	bytes = count(seen, n);
	arena_free(&arena);
	return bytes;
}

static int take_away(const char *store, const char *parent, int storefd, const char *path, const char *gone)
{
	int r = fd_remove_tree(storefd, gone);

	if (r < 0)
		return r;
	if (renameat(AT_FDCWD, path, storefd, gone) < 0)
		return -errno;
	r = fd_sync_dir(store);
	if (r == 0 && parent)
		r = fd_sync_dir(parent);
	return r;
}

int remove_tree(struct store *s, const struct store_tree *t, uint64_t *ret_freed, struct err *err)
{
	const char *store = t->is_cuda ? s->cuda_path : s->driver_path;
	const char *parent = t->is_cuda ? NULL : arena_printf(&s->arena, "%s/%s", store, t->driver);
	const char *gone = t->is_cuda ? arena_printf(&s->arena, REPAIR_REMOVED "%s", t->cuda)
				      : arena_printf(&s->arena, REPAIR_REMOVED "%s-%s", t->driver, t->os);
	cleanup_fd int fd = fd_open_dir(store);
	uint64_t bytes = remove_would_free(t);
	int r;

	if (fd < 0)
		return err_set(err, ERR_STORE, -fd, "%s", store);
	r = take_away(store, parent, fd, t->path, gone);
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
