/* SPDX-License-Identifier: Apache-2.0 */
/* Links from where users and loaders look to the mounted driver. What the image has of its own stays. */
#include "plan/plan_parts.h"

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
	for (size_t i = 0; i < t->n_links; i++)
		if (tree_view_shows(w->shown, t->links[i].capability))
			add_link(w, arena_strdup(a, t->links[i].path),
				 arena_printf(a, PLAN_NVIDIA_DIR "/%s", t->links[i].target));
}
