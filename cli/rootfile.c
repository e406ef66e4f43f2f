/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"

#define FILE_SIZE_MAX (4u << 20)
#define LOCK_WAIT 10u /* seconds */

int rootfile_open_root(const char *root, struct err *err)
{
	int fd = fd_open_dir(*root ? root : "/");

	return fd < 0 ? err_set(err, ERR_IO, -fd, "%s", root) : fd;
}

int rootfile_lock(int rootfd, struct err *err)
{
	const struct timespec pause = { .tv_nsec = 50000000 };

	for (unsigned waited = 0; flock(rootfd, LOCK_EX | LOCK_NB) < 0; waited++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_set(err, ERR_IO, errno, "lock on the root directory");
		if (waited == LOCK_WAIT * 20) {
			err_set(err, ERR_BUSY, EBUSY, "lock on the root directory");
			return err_hint(err, "wait until the other nvcoreos has ended; lslocks shows who holds it");
		}
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* Prefix by prefix; path_make_dir will not do here: on an ostree host /etc is another mount than the root. */
static int make_dir(int rootfd, const char *path)
{
	cleanup_fd int dir = path_open(rootfd, "/", O_PATH | O_DIRECTORY);
	char prefix[PATH_MAX];
	size_t end = 0;

	while (dir >= 0 && path[end] && path[1]) {
		int next;

		end += 1 + strcspn(path + end + 1, "/");
		snprintf(prefix, sizeof(prefix), "%.*s", (int)end, path);
		next = path_open(rootfd, prefix, O_PATH | O_DIRECTORY);
		if (next == -ENOENT)
			next = mkdirat(dir, path_base(prefix), 0755) == 0 || errno == EEXIST
				       ? path_open(rootfd, prefix, O_PATH | O_DIRECTORY)
				       : -errno;
		if (next < 0)
			return next;
		fd_close(dir);
		dir = next;
	}
	return take_fd(dir);
}

static int open_parent(int rootfd, const char *path, bool make)
{
	char parent[PATH_MAX];
	int r = path_parent(path, parent, sizeof(parent));

	if (r < 0)
		return r;
	return make ? make_dir(rootfd, parent) : path_open(rootfd, parent, O_PATH | O_DIRECTORY);
}

/* What helps against the kernel's reason; NULL: what the error's code says by itself. */
static const char *advice(int errnum)
{
	static const struct {
		int errnum;
		const char *what;
	} table[] = {
		{ ELOOP, "it is a symlink: name the file itself" },
		{ EISDIR, "it is not a regular file: take it away, or name another" },
		{ EINVAL, "it is not a regular file: take it away, or name another" },
		{ ENXIO, "it is not a regular file: take it away, or name another" },
		{ ENOTDIR, "what should be a directory is none: take it away" },
		{ EFBIG, "it may have 4 MiB at most" },
		{ EACCES, "run as root, or name a file of your own" },
		{ EROFS, "make it writable there, or name another file" },
		{ ENOSPC, "make room there" },
		{ EDQUOT, "make room there" },
		{ EBUSY, "something is mounted on it: change the file behind that mount" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].errnum == errnum)
			return table[i].what;
	return NULL;
}

/* -errno; r is one. */
static int refuse(struct err *err, enum err_code code, int r, const char *path)
{
	const char *what = advice(-r);

	err_set(err, code, -r, "%s", path);
	if (what)
		err_hint(err, "%s", what);
	return r;
}

static int read_at(int dir, const char *name, struct rootfile *ret)
{
	struct stat st;
	char *text;
	size_t len;
	int r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	/* The rename would put a file where the link is, and leave what it names unchanged. */
	if (S_ISLNK(st.st_mode))
		return -ELOOP;
	r = fd_read_file_at(dir, name, FILE_SIZE_MAX, &text, &len);
	if (r < 0)
		return r;
	strbuf_add(&ret->text, text, len);
	free(text);
	ret->exists = true;
	ret->mode = st.st_mode & 07777;
	ret->uid = st.st_uid;
	ret->gid = st.st_gid;
	return 0;
}

int rootfile_read(int rootfd, const char *path, enum err_code code, struct rootfile *ret, struct err *err)
{
	cleanup_fd int dir = open_parent(rootfd, path, false);
	int r = dir;

	*ret = (struct rootfile){ .path = path, .mode = 0644, .text = STRBUF_INIT };
	if (dir >= 0)
		r = read_at(dir, path_base(path), ret);
	if (r == -ENOENT || r >= 0)
		return 0;
	return refuse(err, code, r, path);
}

int rootfile_read_through(int rootfd, const char *path, enum err_code code, struct rootfile *ret, struct err *err)
{
	cleanup_fd int fd = path_open(rootfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	char *text = NULL;
	size_t len;
	int r = fd;

	*ret = (struct rootfile){ .path = path, .mode = 0644, .text = STRBUF_INIT };
	if (fd >= 0)
		r = fd_read_all(fd, FILE_SIZE_MAX, &text, &len);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return refuse(err, code, r, path);
	strbuf_add(&ret->text, text, len);
	free(text);
	ret->exists = true;
	return 0;
}

int rootfile_names(int rootfd, const char *path, struct arena *arena, struct strlist *names, struct err *err)
{
	int fd = path_open(rootfd, path, O_RDONLY | O_DIRECTORY);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (fd == -ENOENT)
		return 0;
	if (!d) {
		int e2 = fd < 0 ? -fd : errno;

		fd_close(fd);
		return refuse(err, ERR_ENGINE, -e2, path);
	}
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			strlist_add(arena, names, e->d_name);
	closedir(d);
	return 0;
}

/* By its descriptor: in a directory of somebody else's a link may have taken the name. */
static int set_owner(int dir, const char *temp, const struct rootfile *f)
{
	cleanup_fd int fd = openat(dir, temp, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || st.st_uid != geteuid())
		return -EPERM;
	if (f->exists && fchown(fd, f->uid, f->gid) < 0)
		return -errno;
	return fchmod(fd, f->mode & 0777) < 0 ? -errno : 0;
}

#define TEMP ".nvcoreos."

static int temp_name(const char *name, char **ret)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	*ret = mem_printf(".%s" TEMP "%016" PRIx64, name, random);
	return 0;
}

/*
 * Where the file of this path is made, whose directory is open: CRI-O reads whatever lies in a directory of drop-ins, hidden or
 * not, and so what a killed run leaves lies one up, where a rename leads from there.
 */
static int open_temp_dir(int rootfd, const char *path, int dir)
{
	cleanup_fd int up = -EBADF;
	char parent[PATH_MAX];
	uint64_t here, there;

	if (path_parent(path, parent, sizeof(parent)) == 0 && str_ends(parent, ".d"))
		up = open_parent(rootfd, parent, false);
	if (up >= 0 && path_mount_id(up, &there) == 0 && path_mount_id(dir, &here) == 0 && here == there &&
	    faccessat(up, ".", W_OK, AT_EACCESS) == 0)
		return take_fd(up);
	up = openat(dir, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return up < 0 ? -errno : take_fd(up);
}

/* fd_replace_file knows no owner: the file gets it under a name of its own, before it takes the place of the old one. */
static int replace_at(int temp_dir, int dir, const char *name, const struct rootfile *f, const struct strbuf *text)
{
	cleanup_free char *temp = NULL;
	int r = temp_name(name, &temp);

	if (r == 0)
		r = fd_replace_file(temp_dir, temp, text->buf, text->len, 0600, FD_REPLACE_SYNC);
	if (r < 0)
		return r;
	r = set_owner(temp_dir, temp, f);
	if (r == 0 && renameat(temp_dir, temp, dir, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(temp_dir, temp, 0);
	return r;
}

static int sync_dir(int dir)
{
	cleanup_fd int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int rootfile_write(int rootfd, const struct rootfile *f, const struct strbuf *text, struct err *err)
{
	cleanup_fd int dir = open_parent(rootfd, f->path, true), temp_dir = -EBADF;
	int r = dir;

	if (dir >= 0)
		r = temp_dir = open_temp_dir(rootfd, f->path, dir);
	if (r >= 0)
		r = replace_at(temp_dir, dir, path_base(f->path), f, text);
	if (r == 0)
		r = sync_dir(dir);
	return r < 0 ? refuse(err, ERR_IO, r, f->path) : 0;
}

/* What replace_at makes, and what fd_replace_file calls its own beside it. */
static void remove_temps(int dir, const char *name)
{
	cleanup_free char *outer = mem_printf(".%s" TEMP, name), *inner = mem_printf("..%s" TEMP, name);
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!d) {
		fd_close(fd);
		return;
	}
	while ((e = readdir(d)))
		if ((str_starts(e->d_name, outer) || str_starts(e->d_name, inner)) && unlinkat(dir, e->d_name, 0) < 0)
			log_debug("%s: %s", e->d_name, strerror(errno));
	closedir(d);
}

void rootfile_tidy(int rootfd, const char *path)
{
	cleanup_fd int dir = open_parent(rootfd, path, false), temp_dir = -EBADF;

	if (dir < 0)
		return;
	remove_temps(dir, path_base(path));
	temp_dir = open_temp_dir(rootfd, path, dir);
	if (temp_dir >= 0)
		remove_temps(temp_dir, path_base(path));
}

int rootfile_remove(int rootfd, const char *path, struct err *err)
{
	cleanup_fd int dir = open_parent(rootfd, path, false);

	if (dir < 0)
		return dir == -ENOENT ? 0 : refuse(err, ERR_IO, dir, path);
	if (unlinkat(dir, path_base(path), 0) < 0 && errno != ENOENT)
		return refuse(err, ERR_IO, -errno, path);
	rootfile_tidy(rootfd, path);
	return 0;
}

void rootfile_free(struct rootfile *f)
{
	strbuf_free(&f->text);
}

int rootfile_link(int rootfd, const char *path, const char *target, struct err *err)
{
	cleanup_fd int dir = open_parent(rootfd, path, true);
	int r = dir;

	if (dir >= 0)
		r = fd_replace_link(dir, path_base(path), target, 0);
	return r < 0 ? refuse(err, ERR_IO, r, path) : 0;
}

char *rootfile_target(int rootfd, const char *path)
{
	cleanup_fd int dir = open_parent(rootfd, path, false);
	char target[PATH_MAX];
	ssize_t n;

	if (dir < 0)
		return NULL;
	n = readlinkat(dir, path_base(path), target, sizeof(target));
	if (n < 0)
		return errno == ENOENT ? NULL : mem_strdup("");
	return mem_strndup(target, (size_t)n);
}

bool rootfile_can_make(int rootfd, const char *path)
{
	char dir[PATH_MAX], parent[PATH_MAX];

	if (path_normalize(path, dir, sizeof(dir)) < 0)
		return false;
	for (;;) {
		cleanup_fd int fd = path_open(rootfd, dir, O_RDONLY | O_DIRECTORY);

		if (fd >= 0)
			return faccessat(fd, ".", W_OK, AT_EACCESS) == 0;
		if (fd != -ENOENT || path_parent(dir, parent, sizeof(parent)) < 0)
			return false;
		memcpy(dir, parent, sizeof(dir));
	}
}
