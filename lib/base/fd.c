/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

/* Of st_mode: permissions, set-user-ID, set-group-ID and sticky. */
#define MODE_BITS 07777

void fd_close(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
}

int fd_read_all(int fd, size_t max, char **ret_buf, size_t *ret_len)
{
	cleanup_strbuf struct strbuf b = STRBUF_INIT;
	char chunk[16384];

	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		if ((size_t)n > max - b.len)
			return -EFBIG;
		strbuf_add(&b, chunk, (size_t)n);
	}
	*ret_len = b.len;
	*ret_buf = strbuf_steal(&b);
	return 0;
}

int fd_read_sized(int fd, off_t size, size_t max, char **ret_buf, size_t *ret_len)
{
	cleanup_free char *buf = NULL;
	size_t len = 0;

	if (size <= 0)
		return fd_read_all(fd, max, ret_buf, ret_len);
	if ((size_t)size > max)
		return -EFBIG;
	buf = mem_alloc((size_t)size + 1);
	while (len < (size_t)size) {
		ssize_t n = read(fd, buf + len, (size_t)size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	buf[len] = '\0';
	*ret_len = len;
	*ret_buf = take_ptr(buf);
	return 0;
}

int fd_read_file_at(int dirfd, const char *path, size_t max, char **ret_buf, size_t *ret_len)
{
	/* O_NONBLOCK: a FIFO in the place of a file must not stop us. */
	cleanup_fd int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return fd_read_sized(fd, st.st_size, max, ret_buf, ret_len);
}

ssize_t fd_read_at(int fd, void *buf, size_t max, uint64_t offset)
{
	size_t done = 0;

	while (done < max) {
		ssize_t n = pread(fd, (char *)buf + done, max - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int fd_write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* openat2, because a hook inside a container may call no other; of one component. */
static int open_beneath(int dirfd, const char *name, int flags, mode_t mode)
{
	struct open_how how = { .flags = (unsigned)(flags | O_NOFOLLOW | O_CLOEXEC),
				.mode = mode,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV };
	int fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/*
 * While this fd is open no other process tidies in the directory, or takes the names of one who does. -errno where another
 * is at it, or the directory cannot be read: then the names are such that nobody else takes them.
 */
static int lock_dir(int dirfd)
{
	cleanup_fd int fd = open_beneath(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	return take_fd(fd);
}

/*
 * A name that nobody else takes: process and clock, retried on EEXIST. Who tidies takes the same name each time, so that the
 * next run finds what a killed one has left; only where something stands there that cannot be removed it is another.
 */
static void temp_name(char *buf, size_t size, const char *name, bool tidy, unsigned attempt)
{
	struct timespec t;

	if (tidy && attempt < 2) {
		snprintf(buf, size, FD_TEMP_TIDY "%.200s", name);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &t);
	snprintf(buf, size, ".%.200s.%x-%lx%x", name, (unsigned)getpid(), (unsigned long)t.tv_nsec, attempt);
}

/* The umask or the directory's default ACL may have taken its part of the mode that it was opened with. */
static int settle_mode(int fd, mode_t opened, mode_t mode)
{
	struct stat st;

	if (opened == mode && fstat(fd, &st) < 0)
		return -errno;
	if (opened == mode && (st.st_mode & MODE_BITS) == mode)
		return 0;
	return fchmod(fd, mode) < 0 ? -errno : 0;
}

static int write_new(int dirfd, const char *temp, const void *buf, size_t len, mode_t mode, unsigned flags,
		     const struct stat *like)
{
	/* Nobody reads it before it has its owner. */
	const mode_t opened = like ? 0600 : mode;
	cleanup_fd int fd = open_beneath(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL, opened);
	int r;

	if (fd < 0)
		return fd;
	r = fd_write_all(fd, buf, len);
	if (r == 0 && like && fchown(fd, like->st_uid, like->st_gid) < 0 && errno != EPERM)
		r = -errno;
	if (r == 0)
		r = settle_mode(fd, opened, mode);
	if (r == 0 && (flags & FD_REPLACE_SYNC) && fsync(fd) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dirfd, temp, 0);
	return r;
}

static int rename_over(int dirfd, const char *temp, const char *name)
{
	int r;

	if (renameat(dirfd, temp, dirfd, name) == 0)
		return 0;
	r = -errno;
	unlinkat(dirfd, temp, 0);
	return r;
}

static int replace(int dirfd, const char *name, const void *buf, size_t len, mode_t mode, unsigned flags,
		   const struct stat *like)
{
	cleanup_fd int lock = flags & FD_REPLACE_TIDY ? lock_dir(dirfd) : -EBADF;
	char temp[256];
	int r = -EEXIST;

	for (unsigned i = 0; r == -EEXIST && i < 16; i++) {
		temp_name(temp, sizeof(temp), name, lock >= 0, i);
		r = write_new(dirfd, temp, buf, len, mode, flags, like);
		if (r == -EEXIST && lock >= 0 && i == 0)
			unlinkat(dirfd, temp, 0);
	}
	if (r == 0)
		r = rename_over(dirfd, temp, name);
	if (r == 0 && (flags & FD_REPLACE_SYNC)) {
		cleanup_fd int d = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (d < 0 || fsync(d) < 0)
			r = -errno;
	}
	return r;
}

int fd_replace_file(int dirfd, const char *name, const void *buf, size_t len, mode_t mode, unsigned flags)
{
	return replace(dirfd, name, buf, len, mode, flags, NULL);
}

int fd_replace_file_like(int dirfd, const char *name, const void *buf, size_t len, const struct stat *like)
{
	return replace(dirfd, name, buf, len, like->st_mode & 07777, 0, like);
}

int fd_replace_link(int dirfd, const char *name, const char *target, unsigned flags)
{
	cleanup_fd int lock = -EBADF;
	char temp[256];
	int r = -EEXIST;

	/* A link comes whole: where nothing is to be replaced none is needed beside. */
	if (symlinkat(target, dirfd, name) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (flags & FD_REPLACE_TIDY)
		lock = lock_dir(dirfd);
	for (unsigned i = 0; r == -EEXIST && i < 16; i++) {
		temp_name(temp, sizeof(temp), name, lock >= 0, i);
		r = symlinkat(target, dirfd, temp) < 0 ? -errno : 0;
		if (r == -EEXIST && lock >= 0 && i == 0)
			unlinkat(dirfd, temp, 0);
	}
	return r == 0 ? rename_over(dirfd, temp, name) : r;
}

int fd_open_dir(const char *path)
{
	int fd = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Not readdir, which asks for a few things more. */
int fd_each_name(int fd, fd_name_fn *fn, void *data)
{
	_Alignas(struct dirent) char buf[4096];
	ssize_t n;
	int r = 0;

	while ((n = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct dirent *e = (const struct dirent *)(const void *)(buf + at);

			at += e->d_reclen;
			if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
				r = fn(data, e->d_name);
			if (r != 0)
				return r;
		}
	return n < 0 ? -errno : 0;
}

int fd_sync_dir(const char *path)
{
	cleanup_fd int fd = fd_open_dir(path);

	if (fd < 0)
		return fd;
	return fsync(fd) < 0 ? -errno : 0;
}

int fd_mkdir_p(int dirfd, const char *path, mode_t mode)
{
	cleanup_free char *copy = mem_strdup(path);

	for (char *p = copy + (*copy == '/'); *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (*copy && mkdirat(dirfd, copy, mode) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	if (mkdirat(dirfd, copy, mode) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

/* Below a directory of our own, as deep as what we put there. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static int remove_children(int dirfd)
{
	DIR *d = fdopendir(dirfd);
	struct dirent *e;
	int first = 0;

	if (!d) {
		first = -errno;
		fd_close(dirfd);
		return first;
	}
	while ((e = readdir(d))) {
		int r;

		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		r = fd_remove_tree(dirfd, e->d_name);
		if (r < 0 && first == 0)
			first = r;
	}
	closedir(d);
	return first;
}

/* NOLINTNEXTLINE(misc-no-recursion): as above. */
int fd_remove_tree(int dirfd, const char *name)
{
	int fd, r;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = remove_children(fd);
	if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && r == 0)
		r = -errno;
	return r;
}
