/* SPDX-License-Identifier: Apache-2.0 */
/* Links from where users and loaders look to the mounted driver. What the image has of its own stays. */
#include "plan/plan_parts.h"

/* The image's directory of libraries; Debian's, else that of the others. */
static const char *const gbm_dirs[] = { "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64" };
static const char *const xserver_dirs[] = { "/usr/lib/xorg/modules", "/usr/lib64/xorg/modules" };

/* The places of a link beside the image's own files: directories, the link's name in each; *ret_n is 0 for every other link. */
static const char *const *find_dirs(const char *path, const char **ret_rest, size_t *ret_n)
{
	*ret_n = 0;
	*ret_rest = str_after(path, TREE_LINK_GBM "/");
	if (*ret_rest) {
		*ret_rest = path + strlen("/usr/lib64/");
		*ret_n = ARRAY_SIZE(gbm_dirs);
		return gbm_dirs;
	}
	*ret_rest = str_after(path, TREE_LINK_XSERVER "/");
	*ret_n = *ret_rest ? ARRAY_SIZE(xserver_dirs) : 0;
	return xserver_dirs;
}

void plan_links_candidates(struct arena *a, struct strlist *l, const char *path)
{
	const char *rest;
	size_t n;
	const char *const *dirs = find_dirs(path, &rest, &n);

	if (n == 0)
		strlist_add(a, l, path);
	for (size_t i = 0; i < n; i++) {
		strlist_add(a, l, dirs[i]);
		strlist_add(a, l, arena_printf(a, "%s/%s", dirs[i], rest));
	}
}

/* Where a tree's link goes in this image; NULL where the image has nothing that would look for it. */
static const char *find_place(const struct plan_work *w, const char *path)
{
	const char *rest;
	size_t n;
	const char *const *dirs = find_dirs(path, &rest, &n);

	if (n == 0)
		return arena_strdup(&w->plan->arena, path);
	for (size_t i = 0; i < n; i++)
		if (plan_work_fact(w, dirs[i]).resolves_to_dir)
			return arena_printf(&w->plan->arena, "%s/%s", dirs[i], rest);
	return NULL;
}

static void add_link(struct plan_work *w, const char *path, const char *target)
{
	struct plan *p = w->plan;
	struct rootfacts_path fact = plan_work_fact(w, path);

	if (!fact.on_root) {
		plan_work_note(w, "%s is left out: %s covers its place.", path, plan_work_cover(w, &fact));
		return;
	}
	if (fact.kind != ROOTFACTS_ABSENT && fact.kind != ROOTFACTS_LINK_OURS) {
		plan_work_note(w,
			       fact.kind == ROOTFACTS_BLOCKED ? "%s is left out: its place cannot be resolved."
							      : "The image's own %s stays.",
			       path);
		return;
	}
	p->links = arena_grow(&p->arena, p->links, p->n_links, sizeof(*p->links));
	p->links[p->n_links++] = (struct plan_link){ path, target };
}

void plan_links_make(struct plan_work *w)
{
	const struct tree *t = w->in->driver;
	struct arena *a = &w->plan->arena;

	for (size_t i = 0; i < t->n_programs; i++)
		if (tree_view_shows(w->shown, t->programs[i].capability))
			add_link(w, arena_printf(a, "/usr/bin/%s", t->programs[i].name),
				 arena_printf(a, PLAN_NVIDIA_DIR "/bin/%s", t->programs[i].name));
	for (size_t i = 0; i < t->n_links; i++) {
		const char *path = NULL;

		if (tree_view_shows(w->shown, t->links[i].capability))
			path = find_place(w, t->links[i].path);
		if (path)
			add_link(w, path, arena_printf(a, PLAN_NVIDIA_DIR "/%s", t->links[i].target));
	}
}
