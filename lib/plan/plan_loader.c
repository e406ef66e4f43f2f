/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What makes the container's loader find the driver: its configuration, so that an ldconfig in the
 * container keeps it, and its cache, so that it is found at once. Where neither can be written,
 * LD_LIBRARY_PATH.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "plan/plan_parts.h"

static int compare_majors(const char *a, const char *b)
{
	char x[32], y[32];

	snprintf(x, sizeof(x), "%.*s", (int)strcspn(a, "."), a);
	snprintf(y, sizeof(y), "%.*s", (int)strcspn(b, "."), b);
	return str_version_cmp(x, y);
}

/* CUDA's forward compatibility is for data-center GPUs; a brand that nobody knows gets the benefit of the doubt. */
static const struct inventory_gpu *consumer_gpu(const struct plan_work *w)
{
	for (size_t i = 0; i < w->n_choices; i++) {
		const char *brand = w->choices[i].gpu->brand;

		if (brand && (strncasecmp(brand, "geforce", 7) == 0 || strncasecmp(brand, "titan", 5) == 0))
			return w->choices[i].gpu;
	}
	return NULL;
}

void plan_loader_compat(struct plan_work *w)
{
	const char *compat = w->in->facts->compat, *driver = w->in->driver->driver;
	const struct inventory_gpu *consumer = consumer_gpu(w);

	if (!compat || !(w->shown & CAP_COMPUTE) || w->in->facts->libc != ROOTFACTS_GLIBC)
		return;
	if (compare_majors(compat, driver) <= 0) {
		plan_work_note(w, "The image's libcuda %s is of no newer branch than driver %s: the driver's is used.",
			       compat, driver);
		return;
	}
	if (!w->in->conf->cuda_compat)
		plan_work_note(w, "The image's newer libcuda %s is not used: cuda-compat=off.", compat);
	else if (w->in->toolkit)
		plan_work_note(w, "The image's newer libcuda %s is not used: the mounted toolkit covers it.", compat);
	else if (consumer)
		plan_work_note(
			w,
			"The image's newer libcuda %s is not used: GPU %u is of brand %s, which it does not support.",
			compat, consumer->index, consumer->brand);
	else
		w->compat = true;
	if (w->compat)
		plan_work_note(w, "Forward compatibility: the image's libcuda %s stands in for that of driver %s.",
			       compat, driver);
}

/* The directories in the order in which the loader is to look, one a line. */
static void driver_dirs(const struct plan_work *w, char separator, struct strbuf *out)
{
	if (w->compat)
		strbuf_printf(out, "%s%c", PLAN_COMPAT_DIR, separator);
	strbuf_printf(out, "%s/lib64%c", PLAN_NVIDIA_DIR, separator);
	if (w->shown & CAP_COMPAT32)
		strbuf_printf(out, "%s/lib32%c", PLAN_NVIDIA_DIR, separator);
}

static void cuda_dirs(const struct plan_work *w, char separator, struct strbuf *out)
{
	for (size_t i = 0; w->in->toolkit && i < w->in->toolkit->dirs.n; i++)
		strbuf_printf(out, "%s/%s%c", PLAN_CUDA_DIR, w->in->toolkit->dirs.v[i], separator);
}

static void add_file(struct plan_work *w, const char *path, const char *content)
{
	struct plan *p = w->plan;

	p->files = arena_grow(&p->arena, p->files, p->n_files, sizeof(*p->files));
	p->files[p->n_files++] = (struct plan_file){ path, arena_strdup(&p->arena, content) };
}

/* A rename replaces files and links of any kind, and nothing else. */
static bool replaceable(const struct plan_work *w, const char *path)
{
	struct rootfacts_path fact = plan_work_fact(w, path);

	return fact.on_root && fact.kind != ROOTFACTS_DIR && fact.kind != ROOTFACTS_BLOCKED;
}

static bool conf_dir_usable(const struct plan_work *w)
{
	struct rootfacts_path dir = plan_work_fact(w, ROOTFACTS_CONF_D);

	return dir.kind == ROOTFACTS_ABSENT || dir.resolves_to_dir || dir.kind == ROOTFACTS_DIR;
}

static bool make_files(struct plan_work *w)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	if (!conf_dir_usable(w) || !replaceable(w, PLAN_CONF_FILE) || !replaceable(w, PLAN_CUDA_CONF_FILE))
		return false;
	strbuf_puts(&text, PLAN_CONF_HEAD);
	driver_dirs(w, '\n', &text);
	add_file(w, PLAN_CONF_FILE, text.buf);
	text.len = 0;
	/*
	 * A plan deletes nothing: where an earlier start left directories and no toolkit is mounted now,
	 * the file is emptied.
	 */
	if (w->in->toolkit || plan_work_fact(w, PLAN_CUDA_CONF_FILE).kind != ROOTFACTS_ABSENT) {
		strbuf_puts(&text, PLAN_CONF_HEAD);
		cuda_dirs(w, '\n', &text);
		add_file(w, PLAN_CUDA_CONF_FILE, text.buf);
	}
	if (w->in->facts->lacks_conf) {
		add_file(w, ROOTFACTS_CONF, PLAN_CONF_INCLUDE "\n");
		plan_work_note(w, "The image has an ldconfig and no %s: one is written.", ROOTFACTS_CONF);
	}
	return true;
}

struct libraries {
	struct plan_cache_library *v;
	size_t n;
};

static struct plan_cache_library *room_for(struct arena *a, size_t n)
{
	return n ? arena_alloc(a, n * sizeof(struct plan_cache_library)) : NULL;
}

/* A directory that libraries lie in, in the container, with a slash behind it. */
struct place {
	const char *of; /* below a tree */
	const char *dir;
	size_t n;
};

static const struct place compat_place = { .dir = PLAN_COMPAT_DIR "/", .n = sizeof(PLAN_COMPAT_DIR "/") - 1 };

/* Nearly always it is that of the library before. */
static const struct place *set_place(struct place *p, struct arena *a, const char *top, const struct tree_library *lib)
{
	if (p->of && (p->of == lib->dir || str_eq(p->of, lib->dir)))
		return p;
	p->of = lib->dir;
	p->dir = arena_printf(a, "%s/%s/", top, lib->dir);
	p->n = strlen(p->dir);
	return p;
}

static void add_library(struct plan_work *w, struct libraries *l, const struct tree_library *lib, const struct place *p)
{
	size_t m = strlen(lib->soname);
	char *path = arena_alloc(&w->plan->arena, p->n + m + 1);

	/* There are hundreds: no printf. */
	memcpy(path, p->dir, p->n);
	memcpy(path + p->n, lib->soname, m);
	l->v[l->n++] = (struct plan_cache_library){ path + p->n, path, lib->class, lib->machine };
}

static bool library_shown(const struct plan_work *w, const struct tree_library *lib)
{
	if (lib->class == 32 && !(w->shown & CAP_COMPAT32))
		return false;
	return tree_view_shows(w->shown, lib->capability);
}

static void make_cache(struct plan_work *w)
{
	struct plan_cache *c = &w->plan->cache;
	const struct tree *driver = w->in->driver, *toolkit = w->in->toolkit;
	struct arena *a = &w->plan->arena;
	struct libraries first = { room_for(a, driver->n_libraries), 0 };
	struct libraries last = { toolkit ? room_for(a, toolkit->n_libraries) : NULL, 0 };
	struct place place = { 0 };

	for (size_t i = 0; i < driver->n_libraries; i++) {
		const struct tree_library *lib = &driver->libraries[i];

		if (!library_shown(w, lib))
			continue;
		if (!w->compat || !lib->compat)
			add_library(w, &first, lib, set_place(&place, a, PLAN_NVIDIA_DIR, lib));
		else if (lib->class == 64) /* the compat directory holds nothing else */
			add_library(w, &first, lib, &compat_place);
	}
	place = (struct place){ 0 };
	for (size_t i = 0; toolkit && i < toolkit->n_libraries; i++) {
		const struct tree_library *lib = &toolkit->libraries[i];

		add_library(w, &last, lib, set_place(&place, a, PLAN_CUDA_DIR, lib));
	}
	strlist_add(a, &c->own_prefixes, PLAN_NVIDIA_DIR);
	/* With a CUDA of the image's own there, entries below it are the image's. */
	if (toolkit || !w->in->facts->has_cuda)
		strlist_add(a, &c->own_prefixes, PLAN_CUDA_DIR);
	c->wanted = true;
	c->first = first.v;
	c->n_first = first.n;
	c->last = last.v;
	c->n_last = last.n;
}

static void make_library_path(struct plan_work *w)
{
	cleanup_strbuf struct strbuf path = STRBUF_INIT;

	driver_dirs(w, ':', &path);
	cuda_dirs(w, ':', &path);
	w->plan->ld_library_path = arena_strndup(&w->plan->arena, path.buf, path.len - 1);
}

static const char *obstacle(const struct plan_work *w, const char *path)
{
	struct rootfacts_path fact = plan_work_fact(w, path);

	return fact.on_root ? "what the image has" : plan_work_cover(w, &fact);
}

void plan_loader_make(struct plan_work *w)
{
	bool files, cache;

	if (w->in->facts->libc != ROOTFACTS_GLIBC) {
		plan_work_note(
			w, w->in->facts->libc == ROOTFACTS_MUSL
				   ? "The image has musl's loader, which is left alone: no loader files are written."
				   : "The image has no libc: no loader files are written.");
		return;
	}
	files = make_files(w);
	cache = replaceable(w, ROOTFACTS_CACHE);
	if (!files)
		plan_work_note(w, "%s is left out: %s is in its way.", PLAN_CONF_FILE, obstacle(w, PLAN_CONF_FILE));
	if (cache)
		make_cache(w);
	else
		plan_work_note(w, "%s is left out: %s is in its way.", ROOTFACTS_CACHE, obstacle(w, ROOTFACTS_CACHE));
	if (files && cache)
		return;
	make_library_path(w);
	plan_work_note(w, "LD_LIBRARY_PATH is needed instead; nvcoreos-runtime sets it, a hook alone cannot.");
}
