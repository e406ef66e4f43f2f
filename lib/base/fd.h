/* SPDX-License-Identifier: Apache-2.0 */
/* File descriptors: every one close-on-exec, -EBADF when there is none; reading with a limit, replacing by rename. */
#ifndef NVCOREOS_BASE_FD_H
#define NVCOREOS_BASE_FD_H

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/err.h"

/* Closes once (EINTR is not retried: the number may be another's by then) and keeps errno. Negative fds are left. */
void fd_close(int fd);
static inline void cleanup_fd_p(int *fd)
{
	fd_close(*fd);
}
#define cleanup_fd cleanup(cleanup_fd_p)
static inline int take_fd_p(int *fd)
{
	int v = *fd;

	*fd = -EBADF;
	return v;
}
#define take_fd(fd) take_fd_p(&(fd))

/*
 * Reads to the end, at most `max` bytes. *ret_buf is malloc'd, with a NUL behind its *ret_len bytes. 0 or
 * -errno; -EFBIG when there is more.
 */
int fd_read_all(int fd, size_t max, char **ret_buf, size_t *ret_len) must_check;
/*
 * The same for a file whose size fstat has told: as many bytes are read, or fewer where it has become shorter. One of size 0,
 * as those of procfs are, is read to its end, at most `max` bytes.
 */
int fd_read_sized(int fd, off_t size, size_t max, char **ret_buf, size_t *ret_len) must_check;
/* The same for a file by path below dirfd (or AT_FDCWD); it must be a regular file or a file of procfs. */
int fd_read_file_at(int dirfd, const char *path, size_t max, char **ret_buf, size_t *ret_len) must_check;
/* Reads `max` bytes from `offset` on, fewer only at the end of the file; the file's own offset stays. Their number, or -errno. */
ssize_t fd_read_at(int fd, void *buf, size_t max, uint64_t offset) must_check;
/* Writes all of it. 0 or -errno. */
int fd_write_all(int fd, const void *buf, size_t len) must_check;
/* Writes a line of PIPE_BUF bytes at most, or drops it where nobody takes it now. For signal handlers too. */
static inline void fd_say(int fd, const char *line, size_t len)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	/* A pipe that says so takes as much as that in one piece. */
	if (poll(&p, 1, 0) > 0 && (p.revents & POLLOUT))
		(void)!write(fd, line, len);
}

enum {
	FD_REPLACE_SYNC = 1 << 0, /* file and directory are synced */
	/*
	 * What a run that was killed has left beside `name` goes. That it is none of a run that lives is known by a lock on the
	 * directory, taken if nobody has it.
	 */
	FD_REPLACE_TIDY = 1 << 1,
};
#define FD_TEMP_TIDY ".nvcoreos-" /* how the temporary file's name begins then; `name` follows */
/*
 * Makes `name` (one component) in dirfd a new regular file with this content and mode, by a temporary file
 * of ours beside it and one rename. What stood there is replaced, a symlink too, never followed. 0 or -errno; on
 * failure nothing is left.
 */
int fd_replace_file(int dirfd, const char *name, const void *buf, size_t len, mode_t mode, unsigned flags) must_check;
/*
 * The same, and the new file has mode and, as far as this process may give it away, owner of `like`, before it takes the
 * old one's place. Not synced.
 */
int fd_replace_file_like(int dirfd, const char *name, const void *buf, size_t len, const struct stat *like) must_check;
/* Makes `name` in dirfd a symlink to target in the same way, but never synced. */
int fd_replace_link(int dirfd, const char *name, const char *target, unsigned flags) must_check;

/* Opens a host path (trusted) as a directory, O_PATH or readable. fd or -errno. */
int fd_open_dir(const char *path) must_check;
/*
 * Calls fn for each name in the directory fd but "." and "..", from where it stands, until fn returns something else than 0,
 * which is passed on. 0 or -errno.
 */
typedef int fd_name_fn(void *data, const char *name);
int fd_each_name(int fd, fd_name_fn *fn, void *data) must_check;
/* Puts the names in a host directory (trusted path) on disk. 0 or -errno. */
int fd_sync_dir(const char *path) must_check;
/* mkdir -p below dirfd for a host path (trusted, no symlink may stand in it but those already there). 0 or -errno. */
int fd_mkdir_p(int dirfd, const char *path, mode_t mode) must_check;
/* Removes name below dirfd with all it holds; absent is fine. Does not follow symlinks. 0 or the first -errno. */
int fd_remove_tree(int dirfd, const char *name) must_check;

#endif
