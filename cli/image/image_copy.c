/* SPDX-License-Identifier: Apache-2.0 */
#include "image_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"

static int copy_file(const char *from, int to, const char *name, mode_t mode)
{
	cleanup_fd int in = open(from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), out = -EBADF;
	ssize_t n;

	if (in < 0)
		return -errno;
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	while ((n = sendfile(out, in, NULL, 1u << 20)) > 0)
		;
	return n < 0 || fchmod(out, mode & 0755) < 0 ? -errno : 0;
}

static int copy_link(const char *from, int to, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlink(from, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, to, name) < 0 ? -errno : 0;
}

static int copy_entry(const FTSENT *e, int to, const char *name)
{
	switch (e->fts_info) {
	case FTS_D:
		return mkdirat(to, name, 0755) < 0 ? -errno : 0;
	case FTS_DP:
		return 0;
	case FTS_F:
		return copy_file(e->fts_accpath, to, name, e->fts_statp->st_mode);
	case FTS_SL:
	case FTS_SLNONE:
		return copy_link(e->fts_accpath, to, name);
	default:
		return e->fts_errno ? -e->fts_errno : -EINVAL;
	}
}

/* All below the image's directory `path` into the empty directory `to`. */
static int copy_tree(const char *path, int to)
{
	char *const paths[] = { (char *)path, NULL };
	FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	int r = fts ? 0 : -errno;

	while (r == 0) {
		FTSENT *e = fts_read(fts);

		if (!e) {
			r = -errno;
			break;
		}
		if (e->fts_level > 0)
			r = copy_entry(e, to, e->fts_path + strlen(path) + 1);
		else if (e->fts_info == FTS_NS || e->fts_info == FTS_DNR)
			r = -e->fts_errno;
	}
	if (fts)
		fts_close(fts);
	return r;
}

/* The directory that holds `path` on the host (on an ostree host /opt is a link), made where it is missing. */
static int open_parent(int rootfd, const char *path)
{
	char parent[PATH_MAX];
	int r = path_parent(path, parent, sizeof(parent)), fd;

	if (r < 0)
		return r;
	fd = path_open(rootfd, parent, O_RDONLY | O_DIRECTORY);
	if (fd != -ENOENT || strchr(parent + 1, '/'))
		return fd;
	if (mkdirat(rootfd, parent + 1, 0755) < 0 && errno != EEXIST)
		return -errno;
	return path_open(rootfd, parent, O_RDONLY | O_DIRECTORY);
}

static int put_in_place(int dir, const char *staged, const char *name)
{
	if (renameat2(dir, staged, dir, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	/* What was there goes with the staging name. */
	return renameat2(dir, staged, dir, name, RENAME_EXCHANGE) < 0 ? -errno : 0;
}

static int stage(int dir, const char *staged, const char *path, const char *name, const char *text)
{
	cleanup_fd int to = -EBADF;
	int r = fd_remove_tree(dir, staged);

	if (r == 0 && mkdirat(dir, staged, 0755) < 0)
		r = -errno;
	if (r < 0)
		return r;
	to = openat(dir, staged, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = to < 0 ? -errno : copy_tree(path, to);
	if (r == 0)
		r = fd_replace_file(to, name, text, strlen(text), 0644, 0);
	return r == 0 && syncfs(to) < 0 ? -errno : r;
}

int image_copy_prefix(int rootfd, const char *path, const char *name, const char *text, struct err *err)
{
	cleanup_free char *staged = mem_printf(".%s.new", path_base(path));
	cleanup_fd int dir = open_parent(rootfd, path);
	int r = dir, gone;

	if (dir >= 0)
		r = stage(dir, staged, path, name, text);
	if (r == 0)
		r = put_in_place(dir, staged, path_base(path));
	if (r == 0 && fsync(dir) < 0)
		r = -errno;
	gone = dir < 0 ? 0 : fd_remove_tree(dir, staged);
	if (r == 0)
		r = gone;
	return r < 0 ? err_set(err, ERR_IO, -r, "%s", path) : 0;
}

int image_copy_remove(int rootfd, const char *path, struct err *err)
{
	cleanup_free char *staged = mem_printf(".%s.old", path_base(path));
	char parent[PATH_MAX];
	cleanup_fd int dir = -EBADF;
	int r = path_parent(path, parent, sizeof(parent));

	if (r == 0)
		r = dir = path_open(rootfd, parent, O_RDONLY | O_DIRECTORY);
	if (r >= 0)
		r = fd_remove_tree(dir, staged);
	if (r == 0 && renameat(dir, path_base(path), dir, staged) < 0)
		r = -errno;
	if (r == 0)
		r = fd_remove_tree(dir, staged);
	return r < 0 && r != -ENOENT ? err_set(err, ERR_IO, -r, "%s", path) : 0;
}
