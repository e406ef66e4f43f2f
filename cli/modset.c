/* SPDX-License-Identifier: Apache-2.0 */
#include "modset.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

static int refuse(const struct modset *s, const char *file, struct err *err)
{
	err_set(err, ERR_LOAD, 0, "%s/%s: no form of a module that can be read", s->dir, file);
	return err_hint(err, "take it away, or make it a .ko, .ko.xz or .ko.zst");
}

static int add(struct modset *s, int dirfd, const char *file, struct err *err)
{
	static const char *const suffixes[] = { "", ".xz", ".zst" };
	const char *ko = strstr(file, ".ko");
	struct modset_file *f;
	struct stat st;
	size_t i = 0;

	while (i < ARRAY_SIZE(suffixes) && !str_eq(ko + 3, suffixes[i]))
		i++;
	if (i == ARRAY_SIZE(suffixes))
		return refuse(s, file, err);
	s->v = arena_grow(&s->arena, s->v, s->n, sizeof(*s->v));
	f = &s->v[s->n++];
	f->name = arena_strndup(&s->arena, file, (size_t)(ko - file));
	f->file = arena_strdup(&s->arena, file);
	f->fd = openat(dirfd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (f->fd < 0)
		return err_set(err, ERR_LOAD, errno, "%s/%s", s->dir, file);
	return fstat(f->fd, &st) == 0 && S_ISREG(st.st_mode) ? 0 : refuse(s, file, err);
}

static int by_name(const void *a, const void *b)
{
	const struct modset_file *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int modset_open(struct modset *ret, const char *dir, struct err *err)
{
	const struct dirent *e;
	DIR *d = opendir(dir);
	int r = 0;

	*ret = (struct modset)MODSET_INIT;
	if (!d)
		return errno == ENOENT ? 0 : err_set(err, ERR_LOAD, errno, "%s", dir);
	ret->dir = arena_strdup(&ret->arena, dir);
	for (errno = 0; r == 0 && (e = readdir(d)); errno = 0)
		if (e->d_name[0] != '.' && strstr(e->d_name, ".ko"))
			r = add(ret, dirfd(d), e->d_name, err);
	if (r == 0 && errno)
		r = err_set(err, ERR_LOAD, errno, "%s", dir);
	closedir(d);
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_name);
	return r < 0 ? r : 1;
}

static bool same(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (*a != *b && !(strchr("-_", *a) && strchr("-_", *b)))
			return false;
	return *a == *b;
}

const struct modset_file *modset_find(const struct modset *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (same(s->v[i].name, name))
			return &s->v[i];
	return NULL;
}

void modset_close(struct modset *s)
{
	for (size_t i = 0; i < s->n; i++)
		fd_close(s->v[i].fd);
	arena_free(&s->arena);
	*s = (struct modset)MODSET_INIT;
}
