/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in a directory, as sorted text with one line for each name, to be compared. */
#ifndef NVCOREOS_TESTS_LISTING_H
#define NVCOREOS_TESTS_LISTING_H

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum listing_what {
	LISTING_CONTENT, /* type, mode, owner, device, link and a digest of the content: equal after a second run */
	LISTING_INODE,	 /* inode, size, times to the nanosecond besides: equal only where nothing was touched */
};

struct listing {
	char **line;
	size_t n, room;
};

static inline void listing_add(struct listing *s, const char *fmt, ...)
{
	va_list ap;

	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 256;
		s->line = realloc(s->line, s->room * sizeof(*s->line));
		if (!s->line)
			abort();
	}
	va_start(ap, fmt);
	if (vasprintf(&s->line[s->n++], fmt, ap) < 0)
		abort();
	va_end(ap);
}

static inline void listing_free(struct listing *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->line[i]);
	free(s->line);
	*s = (struct listing){ 0 };
}

/* FNV-1a: no adversary here, and short files. */
static inline uint64_t listing_digest(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	unsigned char buf[65536];
	ssize_t n;

	while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++)
			h = (h ^ buf[i]) * UINT64_C(0x100000001b3);
	if (fd >= 0)
		close(fd);
	return h;
}

static inline void listing_entry(struct listing *s, int dir, const char *name, const char *path, const struct stat *st,
				 enum listing_what what)
{
	char target[4096] = "", more[160] = "";
	ssize_t n;

	if (S_ISLNK(st->st_mode) && (n = readlinkat(dir, name, target, sizeof(target) - 1)) >= 0)
		target[n] = '\0';
	if (what == LISTING_INODE)
		snprintf(more, sizeof(more), " ino %ju size %jd mtime %jd.%09ld ctime %jd.%09ld", (uintmax_t)st->st_ino,
			 (intmax_t)st->st_size, (intmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
			 (intmax_t)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
	else if (S_ISREG(st->st_mode))
		snprintf(more, sizeof(more), " size %jd digest %016jx", (intmax_t)st->st_size,
			 (uintmax_t)listing_digest(dir, name));
	listing_add(s, "%s mode %o owner %u:%u dev %jx%s%s%s", path, st->st_mode, st->st_uid, st->st_gid,
		    (uintmax_t)(S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode) ? st->st_rdev : 0), more,
		    *target ? " -> " : "", target);
}

/* Takes fd over. Stays on one file system. */
static inline void listing_walk(struct listing *s, int fd, const char *path, dev_t dev, enum listing_what what)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char sub[4096];
		struct stat st;
		int child;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		listing_entry(s, dirfd(d), e->d_name, sub, &st, what);
		if (!S_ISDIR(st.st_mode) || st.st_dev != dev)
			continue;
		child = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (child >= 0)
			listing_walk(s, child, sub, dev, what);
	}
	if (d)
		closedir(d);
	else
		close(fd);
}

static inline int listing_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Adds what stands below dir; names are shown below `label`. false where dir cannot be opened. */
static inline bool listing_take(struct listing *s, const char *dir, const char *label, enum listing_what what)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	listing_walk(s, fd, label, st.st_dev, what);
	qsort(s->line, s->n, sizeof(*s->line), listing_compare);
	return true;
}

static inline bool listing_has(const struct listing *s, const char *line)
{
	return s->n && bsearch(&line, s->line, s->n, sizeof(*s->line), listing_compare);
}

/* Prints what one has and the other has not; returns how many lines that are. */
static inline size_t listing_diff(const struct listing *want, const struct listing *got, FILE *out)
{
	size_t n = 0;

	for (size_t i = 0; i < want->n; i++)
		if (!listing_has(got, want->line[i]) && ++n && out)
			fprintf(out, "#   - %s\n", want->line[i]);
	for (size_t i = 0; i < got->n; i++)
		if (!listing_has(want, got->line[i]) && ++n && out)
			fprintf(out, "#   + %s\n", got->line[i]);
	return n;
}

#endif
