/* SPDX-License-Identifier: Apache-2.0 */
#include "store/usage.h"

#include <fts.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"

/* A view's links are links of the tree's own: only a file with more links than the tree itself has is shared. */
struct seen {
	dev_t dev;
	ino_t ino;
	nlink_t links;
	uint64_t blocks, size;
};

static int by_inode(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static struct usage count(struct seen *seen, size_t n)
{
	struct usage u = { 0 };

	if (n)
		qsort(seen, n, sizeof(*seen), by_inode);
	for (size_t i = 0, next; i < n; i = next) {
		for (next = i + 1; next < n && by_inode(&seen[i], &seen[next]) == 0;)
			next++;
		if (next - i >= seen[i].links)
			u.freed += seen[i].blocks;
		else
			u.shared += seen[i].size;
	}
	return u;
}

struct usage usage_of(const char *path)
{
	struct arena arena = ARENA_INIT;
	struct seen *seen = NULL;
	struct usage u = { 0 };
	size_t n = 0;
	char *const roots[] = { (char *)path, NULL };
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *e;

	if (!fts)
		return u;
	while ((e = fts_read(fts))) {
		const struct stat *st = e->fts_statp;

		if (e->fts_info != FTS_F)
			continue;
		seen = arena_grow(&arena, seen, n, sizeof(*seen));
		seen[n++] = (struct seen){ st->st_dev, st->st_ino, st->st_nlink, (uint64_t)st->st_blocks * 512,
					   (uint64_t)st->st_size };
	}
	fts_close(fts);
	u = count(seen, n);
	arena_free(&arena);
	return u;
}
