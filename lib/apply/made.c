/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/made.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"

void made_note_at(struct made *m, const char *path, int fd, const char *name)
{
	struct path_facts f;

	/* Renamed or removed by somebody in the meantime: then it is no longer ours to remove. */
	if (m && path_look(fd, name, &f) == 0)
		made_note_seen(m, path, &f);
}

void made_note_seen(struct made *m, const char *path, const struct path_facts *f)
{
	if (!m)
		return;
	m->v = arena_grow(&m->arena, m->v, m->n, sizeof(*m->v));
	m->v[m->n++] = (struct made_entry){ arena_strdup(&m->arena, path), f->mount, f->dev, f->ino, f->mode };
}

static void undo(const struct made *m, const struct made_entry *e)
{
	cleanup_fd int dir = -EBADF;
	char parent[PATH_MAX];
	struct stat st;
	uint64_t mount;

	if (path_parent(e->path, parent, sizeof(parent)) < 0)
		return;
	dir = path_open(m->rootfd, parent, O_PATH | O_DIRECTORY);
	if (dir < 0 || path_mount_id(dir, &mount) < 0 || mount != e->mount ||
	    fstatat(dir, path_base(e->path), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (st.st_dev != e->dev || st.st_ino != e->ino || (st.st_mode & S_IFMT) != (e->mode & S_IFMT))
		return;
	if (unlinkat(dir, path_base(e->path), S_ISDIR(e->mode) ? AT_REMOVEDIR : 0) < 0)
		log_debug("%s stays in the container: %s", e->path, strerror(errno));
}

void made_undo(const struct made *m)
{
	for (size_t i = m->n; i > 0; i--)
		undo(m, &m->v[i - 1]);
}

void made_free(struct made *m)
{
	arena_free(&m->arena);
	*m = (struct made)MADE_INIT(-EBADF);
}
