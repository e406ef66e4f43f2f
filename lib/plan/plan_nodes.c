/* SPDX-License-Identifier: Apache-2.0 */
/* Which device nodes a request covers; exactly these are bound and allowed. */
#include <stdio.h>

#include "oci/request_features.h"
#include "plan/plan_parts.h"

struct adder {
	struct plan_work *w;
	struct err *err;
	int r; /* the first failure: callers look once at the end */
};

static void add(struct adder *a, const char *name, uint32_t major, uint32_t minor)
{
	struct plan *p = a->w->plan;

	if (a->r < 0)
		return;
	if (major == INVENTORY_NO_MAJOR || minor == INVENTORY_NO_MAJOR) {
		a->r = err_set(a->err, ERR_NODE, 0, "%s: the kernel tells no number for it", name);
		return;
	}
	for (size_t i = 0; i < p->n_nodes; i++)
		if (str_eq(p->nodes[i].name, name))
			return;
	p->nodes = arena_grow(&p->arena, p->nodes, p->n_nodes, sizeof(*p->nodes));
	p->nodes[p->n_nodes++] = (struct plan_node){ arena_strdup(&p->arena, name), major, minor };
}

static void add_cap(struct adder *a, uint32_t minor)
{
	char name[48] = "nvidia-caps";

	if (minor != INVENTORY_NO_MAJOR)
		snprintf(name, sizeof(name), "nvidia-caps/nvidia-cap%u", minor);
	add(a, name, a->w->in->inventory->major_caps, minor);
}

static void add_control(struct adder *a)
{
	const struct inventory *inv = a->w->in->inventory;

	add(a, "nvidiactl", inv->major, PLAN_CONTROL_MINOR);
	if (a->w->shown & CAP_COMPUTE) {
		if (inv->major_uvm == INVENTORY_NO_MAJOR && a->r == 0)
			a->r = err_set(a->err, ERR_NOT_LOADED, 0, "nvidia-uvm");
		add(a, "nvidia-uvm", inv->major_uvm, 0);
		add(a, "nvidia-uvm-tools", inv->major_uvm, 1);
	}
	if (a->w->in->request->capabilities & CAP_DISPLAY)
		add(a, "nvidia-modeset", inv->major, PLAN_MODESET_MINOR);
}

static void add_choice(struct adder *a, const struct plan_choice *c)
{
	char name[80];

	snprintf(name, sizeof(name), "nvidia%u", c->gpu->minor);
	add(a, name, a->w->in->inventory->major, c->gpu->minor);
	if (c->mig) {
		add_cap(a, c->mig->gi_minor);
		add_cap(a, c->mig->ci_minor);
		return;
	}
	if (!(a->w->shown & CAP_GRAPHICS))
		return;
	for (size_t i = 0; i < c->gpu->n_drm; i++) {
		const struct inventory_drm *drm = &c->gpu->drm[i];

		snprintf(name, sizeof(name), "dri/%s", drm->name);
		add(a, name, drm->major, drm->minor);
	}
	if (!c->gpu->n_drm)
		plan_work_note(a->w, "GPU %u has no /dev/dri node: nvidia-drm is not loaded.", c->gpu->index);
}

/* The engine makes the nodes and allows them, and nothing more is allowed than that: what was wanted besides is said. */
static void leave_to_engine(struct plan_work *w)
{
	struct plan *p = w->plan;

	for (size_t i = 0; i < p->n_nodes; i++)
		if (!plan_devices_given(w->in->request, p->nodes[i].major, p->nodes[i].minor))
			plan_work_note(
				w,
				"The engine gives no /dev/%s: name a device of another set, see 'nvcoreos cdi list'.",
				p->nodes[i].name);
	p->n_nodes = 0;
}

/* Devices of other drivers; where there are none, it is as with NVIDIA's tools: said, and no reason to fail. */
static void add_extra(struct adder *a)
{
	const struct inventory *inv = a->w->in->inventory;
	const struct request_features_entry *f;
	unsigned found = 0;

	for (size_t i = 0; i < inv->n_extra; i++) {
		const struct inventory_extra *e = &inv->extra[i];

		if (!(e->feature & a->w->in->request->features))
			continue;
		add(a, e->name, e->major, e->minor);
		found |= e->feature;
	}
	for (size_t i = 0; (f = request_features_entry(i)); i++)
		if (f->bit & a->w->in->request->features & ~found)
			plan_work_note(a->w, "%s=enabled: this host has no %s.", f->variable, f->devices);
}

/* Who makes and removes compute instances opens the GPU instances that they are in, and sees what is there. */
static void add_mig_config(struct adder *a)
{
	add_cap(a, a->w->in->inventory->mig_config_minor);
	for (size_t i = 0; i < a->w->n_choices; i++) {
		const struct inventory_gpu *gpu = a->w->choices[i].gpu;

		for (size_t k = 0; k < gpu->n_gi; k++)
			add_cap(a, gpu->gi[k].minor);
		for (size_t k = 0; k < gpu->n_mig; k++)
			add_cap(a, gpu->mig[k].ci_minor);
	}
}

int plan_nodes_make(struct plan_work *w, struct err *err)
{
	const struct inventory *inv = w->in->inventory;
	const struct request *req = w->in->request;
	struct adder a = { w, err, 0 };

	if (!w->n_choices) {
		if (req->mig_config || req->mig_monitor || req->n_imex_channels)
			plan_work_note(w, "MIG management and IMEX channels are left out: no GPU is asked for.");
		if (req->features)
			plan_work_note(w, "Devices that go with GPUs are left out: no GPU is asked for.");
		return 0;
	}
	add_control(&a);
	for (size_t i = 0; i < w->n_choices; i++)
		add_choice(&a, &w->choices[i]);
	if (req->mig_config)
		add_mig_config(&a);
	if (req->mig_monitor)
		add_cap(&a, inv->mig_monitor_minor);
	for (size_t i = 0; i < req->n_imex_channels; i++) {
		char name[64];

		snprintf(name, sizeof(name), "nvidia-caps-imex-channels/channel%u", req->imex_channels[i]);
		add(&a, name, inv->major_imex, req->imex_channels[i]);
	}
	add_extra(&a);
	if (a.r == 0 && req->source == REQUEST_FROM_ENGINE)
		leave_to_engine(w);
	return a.r;
}
