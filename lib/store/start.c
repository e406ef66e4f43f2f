/* SPDX-License-Identifier: Apache-2.0 */
#include "store/start.h"

#include <elf.h>
#include <string.h>

#include "base/path.h"
#include "store/classify.h"

static bool is_shown(const struct manifest_file *f)
{
	return f->kind == MANIFEST_LIBRARY || f->kind == MANIFEST_PROGRAM || f->kind == MANIFEST_SHARE;
}

/* A file that two capabilities need is no sign that the driver has both. */
static unsigned settle_capabilities(struct manifest *m)
{
	unsigned have = 0;

	for (size_t i = 0; i < m->n_files; i++) {
		unsigned c = m->files[i].capability;

		if (is_shown(&m->files[i]) && !(c & (c - 1)))
			have |= c;
	}
	for (size_t i = 0; i < m->n_files; i++)
		if (m->files[i].capability & have)
			m->files[i].capability &= have;
	return have & CAP_GRAPHICS ? have | CAP_DISPLAY : have;
}

static void add_library(struct tree *t, const struct manifest_file *f, const char *dir, const char *soname)
{
	t->libraries = arena_grow(&t->arena, t->libraries, t->n_libraries, sizeof(*t->libraries));
	t->libraries[t->n_libraries++] = (struct tree_library){
		.soname = arena_strdup(&t->arena, soname),
		.dir = arena_strdup(&t->arena, dir),
		.class = f->class,
		.machine = f->machine,
		.capability = f->capability,
		.compat = f->compat,
	};
}

/* The name that the loader opens must be there and mean this file, not another of the same SONAME. */
static bool opens(const struct manifest *m, const char *dir, const char *soname, const char *base)
{
	cleanup_free char *path = mem_printf("%s/%s", dir, soname);
	const struct manifest_file *f = manifest_find(m, path);

	return f && (f->link ? str_eq(f->link, base) : str_eq(soname, base));
}

static void add_aliases(struct tree *t, const struct manifest *m, const struct manifest_file *f, const char *dir)
{
	const struct classify_alias *a;

	for (size_t i = 0; (a = classify_alias(i)); i++) {
		cleanup_free char *path = mem_printf("%s/%s", dir, a->alias);

		if (a->cached && f->soname && str_eq(a->soname, f->soname) && manifest_find(m, path))
			add_library(t, f, dir, a->alias);
	}
}

static void add_link(struct tree *t, char *path, char *target, unsigned capability)
{
	t->links = arena_grow(&t->arena, t->links, t->n_links, sizeof(*t->links));
	t->links[t->n_links++] = (struct tree_link){ path, target, capability };
}

/* Backends of libgbm are no libraries that a loader finds. */
static void add_gbm(struct tree *t, const struct manifest_file *f)
{
	const char *name = str_after(f->path, "lib64/gbm/");

	if (name)
		add_link(t, arena_printf(&t->arena, TREE_LINK_GBM "/%s", name), arena_strdup(&t->arena, f->path),
			 CAP_GRAPHICS);
}

static void add_xserver(struct tree *t, const struct manifest_file *f)
{
	const char *name = path_base(f->path), *dir;
	size_t stem;

	if (f->link || f->class != 64 || !classify_xserver(name, &dir, &stem))
		return;
	add_link(t, arena_printf(&t->arena, TREE_LINK_XSERVER "/%s/%.*s.so", dir, (int)stem, name),
		 arena_printf(&t->arena, TREE_XSERVER "/%s/%s", dir, name), CAP_GRAPHICS);
}

static void add_share(struct tree *t, const struct manifest_file *f)
{
	struct classify_input in = { .name = path_base(f->path), .driver = t->driver };
	struct classify c;

	if (!classify_file(&in, &c) || !c.link_dir)
		return;
	add_link(t, arena_printf(&t->arena, "%s/%s", c.link_dir, in.name), arena_strdup(&t->arena, f->path),
		 f->capability);
}

static void add_program(struct tree *t, const struct manifest_file *f)
{
	t->programs = arena_grow(&t->arena, t->programs, t->n_programs, sizeof(*t->programs));
	t->programs[t->n_programs++] =
		(struct tree_program){ arena_strdup(&t->arena, path_base(f->path)), f->capability };
}

void start_driver(struct tree *t, struct manifest *m, const char *path)
{
	*t = (struct tree){ .arena = ARENA_INIT };
	t->path = arena_strdup(&t->arena, path);
	t->driver = arena_strdup(&t->arena, m->driver);
	t->os = arena_strdup(&t->arena, m->os);
	t->cuda = m->cuda ? arena_strdup(&t->arena, m->cuda) : NULL;
	t->capabilities = settle_capabilities(m);
	for (size_t i = 0; i < m->n_files; i++) {
		const struct manifest_file *f = &m->files[i];
		const char *base = path_base(f->path), *soname = f->soname ? f->soname : base;
		cleanup_free char *dir = mem_strndup(f->path, base == f->path ? 0 : (size_t)(base - f->path) - 1);

		if (f->kind == MANIFEST_HOST && t->capabilities & CAP_GRAPHICS)
			add_xserver(t, f);
		if (f->link && t->capabilities & CAP_GRAPHICS)
			add_gbm(t, f);
		if (f->link || !is_shown(f))
			continue;
		if (f->kind == MANIFEST_PROGRAM)
			add_program(t, f);
		if (f->kind == MANIFEST_SHARE)
			add_share(t, f);
		if (f->kind != MANIFEST_LIBRARY || !opens(m, dir, soname, base))
			continue;
		add_library(t, f, dir, soname);
		add_aliases(t, m, f, dir);
	}
}

/* A directory whose libraries the loader must find, unless it is a link to another. */
static void add_dir(struct strlist *dirs, struct arena *arena, const struct manifest *m, const char *dir,
		    unsigned machine)
{
	size_t n = strlen(dir);

	for (size_t i = 0; i < m->n_files; i++) {
		const struct manifest_file *f = &m->files[i];

		if (f->soname && f->machine == machine && strncmp(f->path, dir, n) == 0 && f->path[n] == '/' &&
		    !strchr(f->path + n + 1, '/')) {
			strlist_add(arena, dirs, dir);
			return;
		}
	}
}

void start_dirs(struct strlist *dirs, struct arena *arena, const struct manifest *m)
{
	bool arm = m->arch && str_eq(m->arch, "aarch64");
	unsigned machine = arm ? EM_AARCH64 : EM_X86_64;

	add_dir(dirs, arena, m, "lib64", machine);
	add_dir(dirs, arena, m, arm ? "targets/sbsa-linux/lib" : "targets/x86_64-linux/lib", machine);
	add_dir(dirs, arena, m, "lib", machine);
	add_dir(dirs, arena, m, "extras/CUPTI/lib64", machine);
}

void start_toolkit(struct tree *t, const struct manifest *m, const char *path)
{
	*t = (struct tree){ .arena = ARENA_INIT, .is_cuda = true };
	t->path = arena_strdup(&t->arena, path);
	t->cuda = arena_strdup(&t->arena, m->cuda);
	start_dirs(&t->dirs, &t->arena, m);
	for (size_t i = 0; i < m->n_files; i++) {
		const struct manifest_file *f = &m->files[i];
		const char *base = path_base(f->path);
		cleanup_free char *dir = mem_strndup(f->path, base == f->path ? 0 : (size_t)(base - f->path) - 1);

		if (f->class && f->machine && f->soname && strlist_has(&t->dirs, dir))
			add_library(t, f, dir, f->soname);
	}
}
