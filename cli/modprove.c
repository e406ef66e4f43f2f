/* SPDX-License-Identifier: Apache-2.0 */
#include "modprove.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

struct set {
	struct arena arena;
	struct modcheck_module *v;
	size_t n;
};

static int read_modules(struct set *s, struct kmodfile *k, DIR *d, const char *dir, bool open, struct err *err)
{
	const struct dirent *e;
	int r = 0;

	for (errno = 0; r == 0 && (e = readdir(d)); errno = 0) {
		if (e->d_name[0] == '.' || !strstr(e->d_name, ".ko"))
			continue;
		s->v = arena_grow(&s->arena, s->v, s->n, sizeof(*s->v));
		r = kmodfile_read(k, arena_printf(&s->arena, "%s/%s", dir, e->d_name), &s->arena, &s->v[s->n], err);
		s->v[s->n++].open = open;
	}
	return r == 0 && errno ? err_set(err, ERR_LOAD, errno, "%s", dir) : r;
}

static int by_name(const void *a, const void *b)
{
	const struct modcheck_module *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int modprove_dir(struct modcheck *ret, const char *dir, bool open, const struct kernelsyms_source *src, struct err *err)
{
	struct kmodfile *k cleanup_kmodfile = NULL;
	struct set s = { .arena = ARENA_INIT };
	struct modcheck_kernel kernel;
	DIR *d = opendir(dir);
	int r;

	if (!d)
		return errno == ENOENT ? 0 : err_set(err, ERR_LOAD, errno, "%s", dir);
	r = kmodfile_open(&k, err);
	if (r == 0)
		r = read_modules(&s, k, d, dir, open, err);
	closedir(d);
	if (r == 0 && s.n)
		r = kernelsyms_read(&s.arena, &kernel, k, src, s.v, s.n, err);
	if (r == 0 && s.n) {
		/* "nvidia" is the first, and what is said of it says most. */
		qsort(s.v, s.n, sizeof(*s.v), by_name);
		modcheck_run(ret, s.v, s.n, &kernel);
		r = 1;
	}
	arena_free(&s.arena);
	return r;
}
