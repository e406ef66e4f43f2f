/* SPDX-License-Identifier: Apache-2.0 */
/* What goes with the devices of other drivers. */
#include "oci/request_features.h"
#include "plan/plan_parts.h"

/*
 * cuFile asks udev's database which disks a file lies on, and reads its settings. Not all of /run/udev: udevd's control
 * socket is there, and obeys root of any container without a user namespace.
 */
static const char *const paths[] = { "/run/udev/data", "/etc/cufile.json" };

const char *plan_extra_path(size_t i)
{
	return i < ARRAY_SIZE(paths) ? paths[i] : NULL;
}

static void show(struct plan_work *w, const char *path)
{
	struct rootfacts_path fact = plan_work_fact(w, path);
	struct plan *p = w->plan;

	if (fact.kind == ROOTFACTS_ABSENT && !fact.on_root && w->in->facts->known && !fact.unseen) {
		plan_work_note(w, "%s is left out: %s covers its place.", path, plan_work_cover(w, &fact));
		return;
	}
	if (fact.kind != ROOTFACTS_ABSENT && fact.kind != ROOTFACTS_DIR && fact.kind != ROOTFACTS_FILE) {
		plan_work_note(w, "%s is left out: the image has something else in its place.", path);
		return;
	}
	p->shown = arena_grow(&p->arena, p->shown, p->n_shown, sizeof(*p->shown));
	p->shown[p->n_shown++].path = path;
}

void plan_extra_make(struct plan_work *w)
{
	const struct request *req = w->in->request;
	const struct request_features_entry *f;

	for (size_t i = 0; (f = request_features_entry(i)); i++)
		if (req->features_denied & f->bit)
			plan_work_note(
				w,
				"%s=enabled is left out: accept-environment=privileged and the container is not privileged.",
				f->variable);
	for (size_t i = 0; w->n_choices && (req->features & REQUEST_GDS) && i < ARRAY_SIZE(paths); i++)
		show(w, paths[i]);
}
