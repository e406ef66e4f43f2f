/* SPDX-License-Identifier: Apache-2.0 */
#include "cdifile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "rootfile.h"

#define LOCK_FILE "cdi.lock"
#define LOCK_SECONDS 120
#define TRIES 16

/* --- the lock --- */

static int open_lock(const struct cli *cli)
{
	cleanup_fd int dir = -EBADF;
	int fd;

	/* On another host's root run-dir is not ours to make, and nothing refreshes there. */
	if (!*cli->root && fd_mkdir_p(AT_FDCWD, cli->conf.run_dir, 0755) < 0)
		return -EBADF;
	dir = fd_open_dir(cli->conf.run_dir);
	fd = dir < 0 ? dir : openat(dir, LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? -EBADF : fd;
}

/* In a directory that everyone may read anyone could hold a lock: this file is root's alone. */
int cdifile_lock(const struct cli *cli, struct err *err)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000000L };
	cleanup_fd int fd = open_lock(cli);

	for (unsigned i = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -EBADF;
		if (i == LOCK_SECONDS * 50) {
			err_set(err, ERR_BUSY, EWOULDBLOCK, "%s/" LOCK_FILE, cli->conf.run_dir);
			return err_hint(err, "another nvcoreos has been at work for %u s: see what it waits for",
					LOCK_SECONDS);
		}
		nanosleep(&pause, NULL);
	}
	return take_fd(fd);
}

/* --- writing --- */

/* The directory of path, made where it is not there: what is missing is made on the mount of what is there. */
static int open_parent(int rootfd, const char *path)
{
	char dir[PATH_MAX], there[PATH_MAX], up[PATH_MAX];
	cleanup_fd int fd = -EBADF, made = -EBADF;

	if (path_parent(path, dir, sizeof(dir)) < 0)
		return -ENAMETOOLONG;
	memcpy(there, dir, sizeof(there));
	while ((fd = path_open(rootfd, there, O_RDONLY | O_DIRECTORY)) == -ENOENT && there[1] &&
	       path_parent(there, up, sizeof(up)) == 0)
		memcpy(there, up, sizeof(there));
	if (fd < 0 || str_eq(there, dir))
		return take_fd(fd);
	made = path_make_dir(fd, dir + (there[1] ? strlen(there) : 0), NULL);
	return made < 0 ? made : path_open(rootfd, dir, O_RDONLY | O_DIRECTORY);
}

/* Ends as no specification does: engines never read it. */
static char *temp_prefix(const char *name)
{
	return mem_printf(".%.180s.nvcoreos-", name);
}

/* Whoever writes holds a lock on his temporary file: what nobody holds is of one that was killed. */
static void sweep(int dir, const char *prefix)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!d) {
		fd_close(fd);
		return;
	}
	while ((e = readdir(d))) {
		cleanup_fd int temp = -EBADF;

		if (!str_starts(e->d_name, prefix))
			continue;
		temp = openat(dir, e->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (temp >= 0 && flock(temp, LOCK_EX | LOCK_NB) == 0 && unlinkat(dir, e->d_name, 0) < 0)
			log_debug("%s: %s", e->d_name, strerror(errno));
	}
	closedir(d);
}

/* A new file, locked, under a name that *ret holds. Another's sweep may have had it between both: then it is tried again. */
static int make_temp(int dir, const char *prefix, char **ret)
{
	int r = -EEXIST;

	for (unsigned i = 0; i < TRIES; i++) {
		cleanup_fd int fd = -EBADF;
		struct timespec t;
		struct stat st;

		clock_gettime(CLOCK_MONOTONIC, &t);
		*ret = mem_printf("%s%x-%lx", prefix, (unsigned)getpid(), (unsigned long)t.tv_nsec);
		fd = openat(dir, *ret, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		r = fd < 0 ? -errno : 0;
		if (r == 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink == 1)
			return take_fd(fd);
		free(*ret);
		*ret = NULL;
		if (r < 0 && r != -EEXIST)
			return r;
	}
	return r < 0 ? r : -EAGAIN;
}

static int fill(int fd, const struct rootfile *like, const struct strbuf *text)
{
	int r = fd_write_all(fd, text->buf, text->len);

	if (r == 0 && like->exists && fchown(fd, like->uid, like->gid) < 0 && errno != EPERM)
		r = -errno;
	if (r == 0 && (fchmod(fd, like->mode & 0777) < 0 || fsync(fd) < 0))
		r = -errno;
	return r;
}

static int replace(int dir, const char *name, const struct rootfile *old, const struct strbuf *text)
{
	cleanup_free char *prefix = temp_prefix(name), *temp = NULL;
	cleanup_fd int fd = -EBADF;
	int r;

	sweep(dir, prefix);
	fd = make_temp(dir, prefix, &temp);
	if (fd < 0)
		return fd;
	r = fill(fd, old, text);
	if (r == 0 && renameat(dir, temp, dir, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir, temp, 0);
	return r < 0 || fsync(dir) == 0 ? r : -errno;
}

int cdifile_write(const struct cli *cli, const char *path, const struct strbuf *text, struct err *err)
{
	cleanup_fd int rootfd = rootfile_open_root(cli->root, err), dir = -EBADF;
	struct rootfile f;
	int r = rootfd < 0 ? rootfd : rootfile_read(rootfd, path, ERR_IO, &f, err);

	if (r < 0)
		return r;
	if (!f.exists || f.text.len != text->len || memcmp(f.text.buf, text->buf, text->len) != 0) {
		dir = open_parent(rootfd, path);
		r = dir < 0 ? dir : replace(dir, path_base(path), &f, text);
		r = r < 0 ? err_set(err, ERR_IO, -r, "%s", path) : 1;
	}
	rootfile_free(&f);
	return r;
}
