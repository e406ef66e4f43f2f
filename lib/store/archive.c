/* SPDX-License-Identifier: Apache-2.0 */
#include "store/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/names.h"
#include "store/records.h"
#include "store/walker.h"

#define NOBODY 65534
#define MEMORY_MAX (1ull << 30)
#define SECONDS_MAX 3600 /* of computing: the largest toolkit takes minutes */

/* The child: it only ever reads its source and writes the pipe. */

static int (*guard)(void);

void archive_set_guard(int (*fn)(void))
{
	guard = fn;
}

static void limit(int what, rlim_t max)
{
	struct rlimit l = { max, max };

	setrlimit((__rlimit_resource_t)what, &l);
}

/* `keep`: the capabilities that stay, and with them the user. */
static int drop_privilege(uint32_t keep)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { .effective = keep, .permitted = keep } };

	/* Where nobody is not mapped (a user namespace) the capabilities go all the same. */
	if (!keep && geteuid() == 0 && setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
	    setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capset, &header, data) < 0)
		return -errno;
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_FSIZE, 0);
	limit(RLIMIT_NPROC, 0);
	limit(RLIMIT_CPU, SECONDS_MAX);
#ifndef __SANITIZE_ADDRESS__
	limit(RLIMIT_AS, MEMORY_MAX);
#endif
	return 0;
}

/* What of CAP_DAC_READ_SEARCH there is: a directory may hold files that only root reads. */
static uint32_t reading_privilege(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	if (syscall(SYS_capget, &header, data) < 0)
		return 0;
	return data[0].permitted & (1u << CAP_DAC_READ_SEARCH);
}

static void noreturn_fn child(const struct archive_source *src, bool is_dir, int out, pid_t parent)
{
	struct records w = { .out = -EBADF };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), in;

	/* Above what they are moved to, so that neither overwrites the other. */
	in = fcntl(src->fd, F_DUPFD, 16);
	out = fcntl(out, F_DUPFD, 16);
	signal(SIGPIPE, SIG_DFL);
	if (in < 0 || out < 0 || chdir("/") < 0)
		_exit(2);
	for (int fd = 0; fd < 3; fd++)
		if (null >= 0)
			dup2(null, fd);
	in = dup2(in, 3);
	w.out = dup2(out, 4);
	if (in != 3 || w.out != 4 || close_range(5, ~0u, 0) < 0 || drop_privilege(is_dir ? reading_privilege() : 0) < 0)
		_exit(2);
	/* After the change of user, which forgets it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(2);
	if (is_dir)
		walker_run(&w, in);
	else if (guard && guard() < 0)
		_exit(2);
	else if (src->packed)
		decoder_run_packed(&w, in, src->compression);
	else
		decoder_run(&w, in, src->offset, src->compression);
	_exit(w.status);
}

/* The parent: every length is checked before it is used. */

struct archive_stream {
	int in;
	pid_t pid; /* 0: none */
	char *name, *buf;
	struct names *names;
	bool in_data;
	uint64_t left, total, max; /* of the entry; of all; what all may be */
	unsigned entries;
	char path[256]; /* of the entry, for messages */
	archive_watch_fn *watch;
	void *watch_data;
	int file; /* the archive, whose offset the child moves; -EBADF: a directory */
	uint64_t offset;
};

struct archive_stream *archive_stream_of_records(int fd, const char *name)
{
	struct archive_stream *s = mem_zalloc(sizeof(*s));

	s->in = fd;
	s->name = mem_strdup(name);
	s->buf = mem_alloc(RECORD_CHUNK_MAX);
	s->names = names_new();
	s->max = ARCHIVE_BYTES_MAX;
	s->file = -EBADF;
	return s;
}

int archive_stream_open(struct archive_stream **ret, const struct archive_source *src, struct err *err)
{
	int pipes[2];
	pid_t pid, self = getpid();
	struct stat st;
	uint64_t max = ARCHIVE_BYTES_MAX;

	if (fstat(src->fd, &st) < 0 || pipe2(pipes, O_CLOEXEC) < 0)
		return err_set(err, ERR_IO, errno, "%s", src->name);
	if (!S_ISDIR(st.st_mode) && decoder_limit((uint64_t)st.st_size) < max)
		max = decoder_limit((uint64_t)st.st_size);
	pid = fork();
	if (pid == 0)
		child(src, S_ISDIR(st.st_mode), pipes[1], self);
	if (pid < 0) {
		int e = errno;

		fd_close(pipes[0]);
		fd_close(pipes[1]);
		return err_set(err, ERR_IO, e, "%s", src->name);
	}
	fd_close(pipes[1]);
	*ret = archive_stream_of_records(pipes[0], src->name);
	(*ret)->pid = pid;
	(*ret)->max = max;
	(*ret)->file = S_ISDIR(st.st_mode) ? -EBADF : src->fd;
	(*ret)->offset = src->offset;
	return 0;
}

void archive_stream_watch(struct archive_stream *s, archive_watch_fn *fn, void *data)
{
	s->watch = fn;
	s->watch_data = data;
}

static void report(const struct archive_stream *s)
{
	off_t at = s->file < 0 ? -1 : lseek(s->file, 0, SEEK_CUR);

	if (!s->watch)
		return;
	if (s->file < 0)
		s->watch(s->watch_data, s->total - s->left);
	else if (at >= (off_t)s->offset)
		s->watch(s->watch_data, (uint64_t)at - s->offset);
}

void archive_stream_close(struct archive_stream *s)
{
	if (!s)
		return;
	fd_close(s->in);
	if (s->pid) {
		kill(s->pid, SIGKILL);
		while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	names_free(s->names);
	free(s->name);
	free(s->buf);
	free(s);
}

static int refuse(const struct archive_stream *s, const char *why, struct err *err)
{
	if (s->path[0])
		return err_set(err, ERR_ARCHIVE, 0, "%s: %s: %s", s->name, s->path, why);
	return err_set(err, ERR_ARCHIVE, 0, "%s: %s", s->name, why);
}

static int get(const struct archive_stream *s, void *buf, size_t len, struct err *err)
{
	while (len) {
		ssize_t n = read(s->in, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, ERR_IO, errno, "%s", s->name);
		if (n == 0)
			return refuse(s, "reading it ended unexpectedly", err);
		buf = (char *)buf + n;
		len -= (size_t)n;
	}
	return 0;
}

/* A string of `len` bytes; one with a NUL in it is refused. */
static int get_text(const struct archive_stream *s, char *buf, size_t size, uint32_t len, struct err *err)
{
	int r;

	if (len >= size)
		return refuse(s, "a name in it is too long", err);
	r = get(s, buf, len, err);
	if (r < 0)
		return r;
	buf[len] = '\0';
	return strlen(buf) == len ? 0 : refuse(s, "a name in it holds a NUL byte", err);
}

static int get_error(const struct archive_stream *s, const struct record *r, struct err *err)
{
	char why[513];
	int e = get_text(s, why, sizeof(why), r->path_len, err);

	return e < 0 ? e : refuse(s, why, err);
}

/* One chunk into s->buf: its length, 0 behind the last one. */
static int get_chunk(struct archive_stream *s, struct err *err)
{
	struct record record;
	uint32_t len;
	int r = get(s, &len, sizeof(len), err);

	if (r < 0)
		return r;
	if (len == RECORD_CHUNK_ERROR) {
		r = get(s, &record, sizeof(record), err);
		return r < 0 ? r : get_error(s, &record, err);
	}
	if (len > RECORD_CHUNK_MAX || len > s->left || (len == 0 && s->left))
		return refuse(s, "its size is not what it says", err);
	s->left -= len;
	s->in_data = len != 0;
	r = get(s, s->buf, len, err);
	return r < 0 ? r : (int)len;
}

int archive_stream_copy(struct archive_stream *s, int out, char hex[DIGEST_HEX], struct err *err)
{
	cleanup_digest struct digest *d = digest_new();

	while (s->in_data) {
		int n = get_chunk(s, err), r;

		if (n < 0)
			return n;
		digest_add(d, s->buf, (size_t)n);
		r = fd_write_all(out, s->buf, (size_t)n);
		if (r < 0)
			return err_set(err, ERR_STORE, -r, "%s", s->path);
		report(s);
	}
	digest_end(take_ptr(d), hex);
	return 0;
}

/* The entry behind a record; 0 where it is the top directory itself. */
static int get_entry(struct archive_stream *s, const struct record *record, struct archive_stream_entry *ret,
		     struct err *err)
{
	const char *why;
	int r = get_text(s, ret->path, sizeof(ret->path), record->path_len, err);

	if (r == 0)
		r = get_text(s, ret->target, sizeof(ret->target), record->target_len, err);
	if (r < 0)
		return r;
	snprintf(s->path, sizeof(s->path), "%.255s", ret->path);
	why = names_add(s->names, (enum names_type)record->type, ret->path, ret->target);
	if (why)
		return refuse(s, why, err);
	if (++s->entries > ARCHIVE_ENTRIES_MAX || record->size > s->max - s->total)
		return refuse(s, "more than an archive may hold", err);
	s->total += record->size;
	s->left = record->size;
	s->in_data = record->type == RECORD_FILE;
	ret->type = (enum archive_stream_type)record->type;
	ret->size = record->size;
	ret->executable = record->executable != 0;
	return ret->path[0] ? 1 : 0;
}

int archive_stream_next(struct archive_stream *s, struct archive_stream_entry *ret, struct err *err)
{
	struct record record = { 0 };
	int r = 0;

	while (r >= 0 && s->in_data)
		r = get_chunk(s, err);
	while (r >= 0) {
		s->path[0] = '\0';
		r = get(s, &record, sizeof(record), err);
		if (r < 0)
			break;
		if (record.type == RECORD_END)
			return 0;
		if (record.type == RECORD_ERROR)
			return get_error(s, &record, err);
		if (record.type > RECORD_HARDLINK)
			return refuse(s, "reading it ended unexpectedly", err);
		r = get_entry(s, &record, ret, err);
		if (r != 0)
			break;
	}
	return r;
}
