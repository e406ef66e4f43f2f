/* SPDX-License-Identifier: Apache-2.0 */
#include "store/soname.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "store/classify.h"

static const char *const dirs[] = { "lib64", "lib32" };

/* 1 where it was made, 0 where the name was there. */
static int add(int dir, struct manifest *m, const char *path, const char *target, const struct manifest_file *like,
	       struct err *err)
{
	struct manifest_file f = { .path = path, .link = target, .kind = like->kind, .capability = like->capability };

	f.compat = like->compat;
	if (manifest_find(m, path))
		return 0;
	if (symlinkat(target, dir, path) < 0)
		return err_set(err, ERR_STORE, errno, "%s", path);
	manifest_add_file(m, &f);
	return 1;
}

/* Two files may claim one SONAME; the one that carries the driver's version has it. */
static int add_sonames(int dir, struct manifest *m, bool versioned, struct err *err)
{
	cleanup_free char *suffix = mem_printf(".so.%s", m->driver);
	size_t n = m->n_files;

	for (size_t i = 0; i < n; i++) {
		struct manifest_file f = m->files[i];
		const char *base = path_base(f.path);
		cleanup_free char *path = NULL;
		int r;

		if (f.kind != MANIFEST_LIBRARY || f.link || !f.soname || str_eq(f.soname, base) ||
		    str_ends(base, suffix) != versioned)
			continue;
		path = mem_printf("%.*s%s", (int)(base - f.path), f.path, f.soname);
		r = add(dir, m, path, base, &f, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_hint(int dir, struct manifest *m, const char *lib, const struct soname_hint *hint, struct err *err)
{
	cleanup_free char *path = mem_printf("%s/%s", lib, hint->name);
	cleanup_free char *target = mem_printf("%s/%s", lib, hint->target);
	const struct manifest_file *f = manifest_find(m, target);
	struct manifest_file like;

	if (!f || (f->kind != MANIFEST_LIBRARY && f->kind != MANIFEST_HOST))
		return 0;
	like = *f;
	return add(dir, m, path, hint->target, &like, err);
}

/* 1 where at least one was made: it may be another's target. */
static int add_hints(int dir, struct manifest *m, const struct soname_hint *hints, size_t n_hints, struct err *err)
{
	int made = 0;

	for (size_t i = 0; i < n_hints; i++) {
		for (size_t d = 0; d < ARRAY_SIZE(dirs); d++) {
			int r = add_hint(dir, m, dirs[d], &hints[i], err);

			if (r < 0)
				return r;
			made |= r;
		}
	}
	return made;
}

static int add_alias(int dir, struct manifest *m, const char *lib, const struct classify_alias *a, struct err *err)
{
	cleanup_free char *soname = mem_printf("%s/%s", lib, a->soname), *path = mem_printf("%s/%s", lib, a->alias);
	const char *slash = strchr(a->alias, '/');
	cleanup_free char *target = mem_printf("%s%s", slash ? "../" : "", a->soname);
	const struct manifest_file *f = manifest_find(m, soname);
	struct manifest_file like;

	if (!f)
		return 0;
	like = *f;
	if (slash) {
		cleanup_free char *sub = mem_strndup(path, strlen(lib) + 1 + (size_t)(slash - a->alias));

		if (mkdirat(dir, sub, 0755) < 0 && errno != EEXIST)
			return err_set(err, ERR_STORE, errno, "%s", sub);
	}
	return add(dir, m, path, target, &like, err);
}

int soname_links(int dir, struct manifest *m, const struct soname_hint *hints, size_t n_hints, struct err *err)
{
	const struct classify_alias *a;
	int r = add_sonames(dir, m, true, err);

	if (r == 0)
		r = add_sonames(dir, m, false, err);
	/* Each round needs a new link, so it ends. */
	while (r >= 0 && (r = add_hints(dir, m, hints, n_hints, err)) > 0)
		;
	for (size_t i = 0; r >= 0 && (a = classify_alias(i)); i++)
		for (size_t d = 0; r >= 0 && d < ARRAY_SIZE(dirs); d++)
			r = add_alias(dir, m, dirs[d], a, err);
	return r < 0 ? r : 0;
}
