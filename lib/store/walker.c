/* SPDX-License-Identifier: Apache-2.0 */
#include "store/walker.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"

struct walker {
	struct records *w;
	int dir;
	char *buf;
};

static int fail(const struct walker *k, const char *path, const char *why)
{
	cleanup_free char *what = mem_printf("%.300s: %s", path, why);

	return records_error(k->w, false, what);
}

/* So many bytes as it had when it was opened: one that grows or shrinks meanwhile is refused. */
static int put_data(const struct walker *k, int fd, uint64_t size)
{
	int r = 0;

	while (r == 0) {
		ssize_t n = read(fd, k->buf, RECORD_CHUNK_MAX);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return records_error(k->w, true, strerror(errno));
		if ((uint64_t)n > size || (n == 0 && size))
			return records_error(k->w, true, "its size changes while it is read");
		size -= (uint64_t)n;
		r = records_chunk(k->w, k->buf, (size_t)n);
		if (n == 0)
			break;
	}
	return r;
}

static int put_file(const struct walker *k, const char *path)
{
	cleanup_fd int fd = path_open_beneath(k->dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct record r = { .type = RECORD_FILE };
	struct stat st;
	int e;

	if (fd < 0)
		return fail(k, path, strerror(-fd));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return fail(k, path, "no regular file any more");
	if (st.st_mode & (S_ISUID | S_ISGID | S_ISVTX | S_IWOTH))
		return fail(k, path, "its mode has setuid, setgid or sticky, or lets everyone write");
	r.size = (uint64_t)st.st_size;
	r.executable = (st.st_mode & 0111) != 0;
	e = records_entry(k->w, &r, path, NULL);
	return e < 0 ? e : put_data(k, fd, r.size);
}

static int put_link(const struct walker *k, const char *path)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(k->dir, path, target, sizeof(target) - 1);
	struct record r = { .type = RECORD_SYMLINK };

	if (n < 0)
		return fail(k, path, strerror(errno));
	target[n] = '\0';
	return records_entry(k->w, &r, path, target);
}

static int put_one(const struct walker *k, const FTSENT *e)
{
	/* "./lib/x" */
	const char *path = e->fts_level > 0 ? e->fts_path + 2 : ".";
	struct record dir = { .type = RECORD_DIR };

	switch (e->fts_info) {
	case FTS_DP:
		return 0;
	case FTS_D:
		return e->fts_level > 0 ? records_entry(k->w, &dir, path, NULL) : 0;
	case FTS_F:
		return put_file(k, path);
	case FTS_SL:
	case FTS_SLNONE:
		return put_link(k, path);
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		return fail(k, path, strerror(e->fts_errno));
	default:
		return fail(k, path, "neither file, directory nor link");
	}
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

void walker_run(struct records *w, int dir)
{
	char *paths[] = { (char *)".", NULL };
	struct walker k = { .w = w, .dir = dir, .buf = mem_alloc(RECORD_CHUNK_MAX) };
	FTS *fts = fchdir(dir) < 0 ? NULL : fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	const FTSENT *e = NULL;
	int r = fts ? 0 : records_error(w, false, strerror(errno));

	for (errno = 0; r == 0 && (e = fts_read(fts)); errno = 0)
		r = put_one(&k, e);
	if (r == 0 && errno)
		r = records_error(w, false, strerror(errno));
	if (r == 0 && records_end(w) < 0)
		w->status = RECORDS_BROKEN;
	if (fts)
		fts_close(fts);
	free(k.buf);
}
