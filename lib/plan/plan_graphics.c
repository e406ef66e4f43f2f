/* SPDX-License-Identifier: Apache-2.0 */
/* What graphics need beside nodes and libraries. */
#include <inttypes.h>

#include "plan/plan_parts.h"

#define MASK_BITS 64

char *plan_graphics_profile(uint64_t minors)
{
	return mem_printf("{\"profiles\":[{\"name\":\"_container_\",\"settings\":[\"EGLVisibleDGPUDevices\",0x%" PRIx64
			  "]}],\"rules\":[{\"pattern\":[],\"profile\":\"_container_\"}]}\n",
			  minors);
}

/* Without it EGL and Vulkan try all GPUs that the driver has, and fail at the first that is closed to the container. */
static void add_profile(struct plan_work *w)
{
	struct rootfacts_path fact = plan_work_fact(w, PLAN_EGL_FILE);
	cleanup_free char *text = NULL;
	struct plan *p = w->plan;
	uint64_t minors = 0;

	for (size_t i = 0; i < w->n_choices; i++) {
		if (w->choices[i].gpu->minor >= MASK_BITS) {
			plan_work_note(w, "%s is left out: it knows no minor over %d.", PLAN_EGL_FILE, MASK_BITS - 1);
			return;
		}
		minors |= UINT64_C(1) << w->choices[i].gpu->minor;
	}
	if (!fact.on_root) {
		plan_work_note(w, "%s is left out: %s covers its place.", PLAN_EGL_FILE, plan_work_cover(w, &fact));
		return;
	}
	if (fact.kind != ROOTFACTS_ABSENT && fact.kind != ROOTFACTS_FILE && fact.kind != ROOTFACTS_LINK) {
		plan_work_note(w, "%s is left out: its place is taken.", PLAN_EGL_FILE);
		return;
	}
	text = plan_graphics_profile(minors);
	p->files = arena_grow(&p->arena, p->files, p->n_files, sizeof(*p->files));
	p->files[p->n_files++] = (struct plan_file){ PLAN_EGL_FILE, arena_strdup(&p->arena, text) };
}

/* The first node of a kind is the one that udev's name leads to. */
static bool is_first(const struct inventory_gpu *gpu, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_starts(gpu->drm[i].name, "card") == str_starts(gpu->drm[n].name, "card"))
			return false;
	return true;
}

/* An engine may have given the GPU without it. */
static bool has_node(const struct plan_work *w, const struct inventory_drm *drm)
{
	return w->in->request->source != REQUEST_FROM_ENGINE ||
	       plan_devices_given(w->in->request, drm->major, drm->minor);
}

/* As udev names the nodes, for programs that look for a GPU by its place. */
static void add_links(struct plan_work *w, const struct inventory_gpu *gpu)
{
	struct plan *p = w->plan;

	for (size_t i = 0; i < gpu->n_drm; i++) {
		const char *name = gpu->drm[i].name, *kind = str_starts(name, "card") ? "card" : "render";

		if (!is_first(gpu, i) || !has_node(w, &gpu->drm[i]))
			continue;
		p->dev_links = arena_grow(&p->arena, p->dev_links, p->n_dev_links, sizeof(*p->dev_links));
		p->dev_links[p->n_dev_links++] = (struct plan_dev_link){
			arena_printf(&p->arena, "dri/by-path/pci-%s-%s", gpu->pci, kind),
			arena_printf(&p->arena, "../%s", name),
		};
	}
}

void plan_graphics_make(struct plan_work *w)
{
	if (!(w->shown & CAP_GRAPHICS) || !w->n_choices)
		return;
	add_profile(w);
	/* A MIG device has no node there. */
	for (size_t i = 0; i < w->n_choices; i++)
		if (!w->choices[i].mig)
			add_links(w, w->choices[i].gpu);
}
