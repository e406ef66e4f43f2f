/* SPDX-License-Identifier: Apache-2.0 */
#include "store/archive.h"

#include <archive.h>
#include <archive_entry.h>
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

#define CHUNK (128u << 10)
#define NOBODY 65534
#define MEMORY_MAX (1ull << 30)

/* On the pipe: a record, then path and target; a file's data follows as chunks, the last one empty. */
enum record_type { RECORD_FILE, RECORD_DIR, RECORD_SYMLINK, RECORD_HARDLINK, RECORD_OTHER, RECORD_END, RECORD_ERROR };
struct record {
	uint64_t size;
	uint32_t path_len, target_len;
	uint8_t type, executable;
	uint8_t unused[6];
};
#define CHUNK_ERROR UINT32_MAX

/* The child: it only ever reads the archive and writes the pipe, and ends with the first thing that is wrong. */

struct decoder {
	int in, out;
	struct archive *raw, *tar;
	char *block;
	uint32_t crc, length; /* of the decompressed bytes, as gzip counts them */
	uint32_t table[256];
};

static void noreturn_fn send_error(const struct decoder *d, bool in_data, const char *what)
{
	struct record r = { .type = RECORD_ERROR, .path_len = (uint32_t)strnlen(what, 512) };
	uint32_t mark = CHUNK_ERROR;

	if ((in_data && fd_write_all(d->out, &mark, sizeof(mark)) < 0) || fd_write_all(d->out, &r, sizeof(r)) < 0 ||
	    fd_write_all(d->out, what, r.path_len) < 0)
		_exit(2);
	_exit(1);
}

static const char *reason(struct archive *a)
{
	const char *s = archive_error_string(a);

	return s ? s : "damaged";
}

static void count(struct decoder *d, const unsigned char *p, size_t n)
{
	uint32_t crc = ~d->crc;

	for (size_t i = 0; i < n; i++)
		crc = d->table[(crc ^ p[i]) & 0xff] ^ (crc >> 8);
	d->crc = ~crc;
	d->length += (uint32_t)n;
}

static la_ssize_t read_block(struct archive *a, void *data, const void **ret)
{
	struct decoder *d = data;
	la_ssize_t n = archive_read_data(d->raw, d->block, CHUNK);

	if (n < 0) {
		archive_set_error(a, EINVAL, "%s", reason(d->raw));
		return -1;
	}
	if (archive_filter_code(d->raw, 0) == ARCHIVE_FILTER_GZIP)
		count(d, (const unsigned char *)d->block, (size_t)n);
	*ret = d->block;
	return n;
}

static void open_filters(struct decoder *d)
{
	struct archive_entry *e;
	int code;

	d->raw = archive_read_new();
	/* A filter that is not built in answers ARCHIVE_WARN and would run a program. */
	if (archive_read_support_filter_bzip2(d->raw) != ARCHIVE_OK ||
	    archive_read_support_filter_xz(d->raw) != ARCHIVE_OK ||
	    archive_read_support_filter_gzip(d->raw) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(d->raw) != ARCHIVE_OK ||
	    archive_read_support_format_raw(d->raw) != ARCHIVE_OK)
		send_error(d, false, "libarchive lacks a compression");
	if (archive_read_open_fd(d->raw, d->in, CHUNK) != ARCHIVE_OK ||
	    archive_read_next_header(d->raw, &e) != ARCHIVE_OK)
		send_error(d, false, reason(d->raw));
	code = archive_filter_code(d->raw, 0);
	if (code != ARCHIVE_FILTER_BZIP2 && code != ARCHIVE_FILTER_XZ && code != ARCHIVE_FILTER_GZIP &&
	    code != ARCHIVE_FILTER_ZSTD)
		send_error(d, false, "not compressed with bzip2, xz, gzip or zstd");
	d->tar = archive_read_new();
	if (archive_read_support_format_tar(d->tar) != ARCHIVE_OK ||
	    archive_read_open(d->tar, d, NULL, read_block, NULL) != ARCHIVE_OK)
		send_error(d, false, reason(d->tar));
}

static void send_data(struct decoder *d)
{
	cleanup_free char *buf = mem_alloc(CHUNK);
	la_ssize_t n;

	do {
		uint32_t len;

		n = archive_read_data(d->tar, buf, CHUNK);
		if (n < 0)
			send_error(d, true, reason(d->tar));
		len = (uint32_t)n;
		if (fd_write_all(d->out, &len, sizeof(len)) < 0 || fd_write_all(d->out, buf, len) < 0)
			_exit(2);
	} while (n > 0);
}

static uint8_t entry_type(struct archive_entry *e)
{
	if (archive_entry_hardlink(e))
		return RECORD_HARDLINK;
	switch (archive_entry_filetype(e)) {
	case AE_IFREG:
		return RECORD_FILE;
	case AE_IFDIR:
		return RECORD_DIR;
	case AE_IFLNK:
		return RECORD_SYMLINK;
	default:
		return RECORD_OTHER;
	}
}

static void send_entry(struct decoder *d, struct archive_entry *e)
{
	const char *path = archive_entry_pathname(e), *target = NULL;
	struct record r = { .type = entry_type(e), .executable = (archive_entry_perm(e) & 0111) != 0 };

	if (r.type == RECORD_HARDLINK)
		target = archive_entry_hardlink(e);
	if (r.type == RECORD_SYMLINK)
		target = archive_entry_symlink(e);
	if (!path || (!target && (r.type == RECORD_HARDLINK || r.type == RECORD_SYMLINK)))
		send_error(d, false, "a name in it cannot be read");
	r.path_len = (uint32_t)strnlen(path, 1u << 20);
	r.target_len = target ? (uint32_t)strnlen(target, 1u << 20) : 0;
	if (r.type == RECORD_FILE)
		r.size = (uint64_t)archive_entry_size(e);
	if (fd_write_all(d->out, &r, sizeof(r)) < 0 || fd_write_all(d->out, path, r.path_len) < 0 ||
	    fd_write_all(d->out, target, r.target_len) < 0)
		_exit(2);
	if (r.type == RECORD_FILE)
		send_data(d);
}

/* libarchive does not compare gzip's own checksum, so a flipped bit could pass. */
static void check_gzip(const struct decoder *d)
{
	unsigned char t[8];
	struct stat st;
	uint32_t crc, length;

	if (fstat(d->in, &st) < 0 || st.st_size < 18 || pread(d->in, t, sizeof(t), st.st_size - 8) != sizeof(t))
		send_error(d, false, "truncated gzip input");
	crc = t[0] | (uint32_t)t[1] << 8 | (uint32_t)t[2] << 16 | (uint32_t)t[3] << 24;
	length = t[4] | (uint32_t)t[5] << 8 | (uint32_t)t[6] << 16 | (uint32_t)t[7] << 24;
	if (crc != d->crc || length != d->length)
		send_error(d, false, "gzip checksum differs");
}

static void noreturn_fn decode(struct decoder *d)
{
	struct record end = { .type = RECORD_END };
	const void *block;
	struct archive_entry *e;
	la_ssize_t n;
	int r;

	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int k = 0; k < 8; k++)
			c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
		d->table[i] = c;
	}
	d->block = mem_alloc(CHUNK);
	open_filters(d);
	while ((r = archive_read_next_header(d->tar, &e)) == ARCHIVE_OK || r == ARCHIVE_WARN)
		send_entry(d, e);
	if (r != ARCHIVE_EOF)
		send_error(d, false, reason(d->tar));
	/* To the end of the compressed stream: its checksums come last. */
	while ((n = read_block(d->tar, d, &block)) > 0)
		;
	if (n < 0)
		send_error(d, false, reason(d->tar));
	if (archive_filter_code(d->raw, 0) == ARCHIVE_FILTER_GZIP)
		check_gzip(d);
	_exit(fd_write_all(d->out, &end, sizeof(end)) < 0 ? 2 : 0);
}

static void limit(int what, rlim_t max)
{
	struct rlimit l = { max, max };

	setrlimit((__rlimit_resource_t)what, &l);
}

static int drop_privilege(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	/* Where nobody is not mapped (a user namespace) the capabilities go all the same. */
	if (geteuid() == 0 && setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
	    setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capset, &header, none) < 0)
		return -errno;
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_FSIZE, 0);
	limit(RLIMIT_NPROC, 0);
#ifndef __SANITIZE_ADDRESS__
	limit(RLIMIT_AS, MEMORY_MAX);
#endif
	return 0;
}

static void noreturn_fn child(int in, int out, pid_t parent)
{
	struct decoder d = { 0 };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* Above what they are moved to, so that neither overwrites the other. */
	in = fcntl(in, F_DUPFD, 16);
	out = fcntl(out, F_DUPFD, 16);
	signal(SIGPIPE, SIG_DFL);
	if (in < 0 || out < 0 || chdir("/") < 0)
		_exit(2);
	for (int fd = 0; fd < 3; fd++)
		if (null >= 0)
			dup2(null, fd);
	d.in = dup2(in, 3);
	d.out = dup2(out, 4);
	if (d.in != 3 || d.out != 4 || close_range(5, ~0u, 0) < 0 || drop_privilege() < 0)
		_exit(2);
	/* After the change of user, which forgets it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(2);
	decode(&d);
}

/* The parent: every length is checked before it is used. */

struct archive_stream {
	int in;
	pid_t pid;
	char *name, *buf;
	bool in_data;
	uint64_t left, total; /* of the entry; of all */
	unsigned entries;
	char path[256]; /* of the entry, for messages */
};

int archive_stream_open(struct archive_stream **ret, int fd, const char *name, struct err *err)
{
	struct archive_stream *s;
	int pipes[2];
	pid_t pid, self = getpid();

	if (lseek(fd, 0, SEEK_SET) < 0 || pipe2(pipes, O_CLOEXEC) < 0)
		return err_set(err, ERR_IO, errno, "%s", name);
	pid = fork();
	if (pid == 0)
		child(fd, pipes[1], self);
	if (pid < 0) {
		int e = errno;

		fd_close(pipes[0]);
		fd_close(pipes[1]);
		return err_set(err, ERR_IO, e, "%s", name);
	}
	fd_close(pipes[1]);
	s = mem_zalloc(sizeof(*s));
	s->in = pipes[0];
	s->pid = pid;
	s->name = mem_strdup(name);
	s->buf = mem_alloc(CHUNK);
	*ret = s;
	return 0;
}

void archive_stream_close(struct archive_stream *s)
{
	if (!s)
		return;
	fd_close(s->in);
	kill(s->pid, SIGKILL);
	while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		;
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
	if (len == CHUNK_ERROR) {
		r = get(s, &record, sizeof(record), err);
		return r < 0 ? r : get_error(s, &record, err);
	}
	if (len > CHUNK || len > s->left || (len == 0 && s->left))
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
	}
	digest_end(take_ptr(d), hex);
	return 0;
}

int archive_stream_next(struct archive_stream *s, struct archive_stream_entry *ret, struct err *err)
{
	struct record record = { 0 };
	int r = 0;

	while (r >= 0 && s->in_data)
		r = get_chunk(s, err);
	s->path[0] = '\0';
	if (r >= 0)
		r = get(s, &record, sizeof(record), err);
	if (r < 0 || record.type == RECORD_END)
		return r < 0 ? r : 0;
	if (record.type == RECORD_ERROR)
		return get_error(s, &record, err);
	r = get_text(s, ret->path, sizeof(ret->path), record.path_len, err);
	if (r == 0)
		r = get_text(s, ret->target, sizeof(ret->target), record.target_len, err);
	if (r < 0)
		return r;
	snprintf(s->path, sizeof(s->path), "%.255s", ret->path);
	if (record.type >= RECORD_OTHER)
		return refuse(s, "neither file, directory nor link", err);
	if (++s->entries > ARCHIVE_ENTRIES_MAX || record.size > ARCHIVE_BYTES_MAX - s->total)
		return refuse(s, "more than an archive may hold", err);
	s->total += record.size;
	s->left = record.size;
	s->in_data = record.type == RECORD_FILE;
	ret->type = (enum archive_stream_type)record.type;
	ret->size = record.size;
	ret->executable = record.executable != 0;
	return 1;
}
