/* SPDX-License-Identifier: Apache-2.0 */
/* From what a container asks for to GPUs and MIG devices of this host. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "plan/plan_parts.h"

static void add_choice(struct plan_work *w, const struct inventory_gpu *gpu, const struct inventory_mig *mig)
{
	struct plan_choice *c;

	for (size_t i = 0; i < w->n_choices; i++)
		if (w->choices[i].gpu == gpu && w->choices[i].mig == mig)
			return;
	w->choices = arena_grow(&w->plan->arena, w->choices, w->n_choices, sizeof(*w->choices));
	c = &w->choices[w->n_choices++];
	c->gpu = gpu;
	c->mig = mig;
}

/* A GPU in MIG mode computes through its MIG devices alone, so a name of the GPU means all of them. */
static void add_gpu(struct plan_work *w, const struct inventory_gpu *gpu)
{
	if (!gpu->mig_mode || !gpu->n_mig) {
		add_choice(w, gpu, NULL);
		if (gpu->mig_mode)
			plan_work_note(w, "GPU %u is in MIG mode and has no MIG device: nothing can compute on it yet.",
				       gpu->index);
		return;
	}
	for (size_t i = 0; i < gpu->n_mig; i++)
		add_choice(w, gpu, &gpu->mig[i]);
	plan_work_note(w, "GPU %u is in MIG mode: its %zu MIG devices are given.", gpu->index, gpu->n_mig);
}

static int unknown(const struct plan_work *w, const struct request_device *d, struct err *err)
{
	const struct inventory *inv = w->in->inventory;

	err_set(err, ERR_GPU_UNKNOWN, 0, "%s", d->text);
	if (inv->n_gpus == 1)
		return err_hint(err, "this host has GPU 0 alone, see 'nvcoreos gpus'");
	return err_hint(err, "this host has 0-%zu, see 'nvcoreos gpus'", inv->n_gpus - 1);
}

static const struct inventory_gpu *gpu_by_index(const struct inventory *inv, uint32_t index)
{
	for (size_t i = 0; i < inv->n_gpus; i++)
		if (inv->gpus[i].index == index)
			return &inv->gpus[i];
	return NULL;
}

static int resolve_uuid(struct plan_work *w, const struct request_device *d, struct err *err)
{
	const struct inventory *inv = w->in->inventory;
	const struct inventory_gpu *found = NULL;
	bool unknown_uuid = false;

	for (size_t i = 0; i < inv->n_gpus; i++) {
		const struct inventory_gpu *gpu = &inv->gpus[i];

		if (!gpu->uuid)
			unknown_uuid = true;
		if (!gpu->uuid || strncasecmp(gpu->uuid, d->text, strlen(d->text)) != 0)
			continue;
		if (found) {
			err_set(err, ERR_GPU_UNKNOWN, 0, "%s names more than one GPU", d->text);
			return err_hint(err, "write more of the UUID: GPU %u and GPU %u begin with it", found->index,
					gpu->index);
		}
		found = gpu;
	}
	if (found) {
		add_gpu(w, found);
		return 0;
	}
	unknown(w, d, err);
	if (unknown_uuid)
		err_hint(err, "the UUID of a GPU here is not known yet: run 'nvcoreos gpus --refresh'");
	return -EINVAL;
}

static int resolve_pci(struct plan_work *w, const struct request_device *d, struct err *err)
{
	const struct inventory *inv = w->in->inventory;

	for (size_t i = 0; i < inv->n_gpus; i++) {
		if (strcasecmp(inv->gpus[i].pci, d->text) != 0)
			continue;
		add_gpu(w, &inv->gpus[i]);
		return 0;
	}
	unknown(w, d, err);
	if (inv->n_gpus == 1)
		return err_hint(err, "this host has %s", inv->gpus[0].pci);
	return err_hint(err, "this host has %zu GPUs from %s to %s", inv->n_gpus, inv->gpus[0].pci,
			inv->gpus[inv->n_gpus - 1].pci);
}

static int resolve_mig_index(struct plan_work *w, const struct request_device *d, struct err *err)
{
	const struct inventory_gpu *gpu = gpu_by_index(w->in->inventory, d->index);

	if (!gpu)
		return unknown(w, d, err);
	for (size_t i = 0; i < gpu->n_mig; i++) {
		if (gpu->mig[i].index != d->mig)
			continue;
		add_choice(w, gpu, &gpu->mig[i]);
		return 0;
	}
	err_set(err, ERR_GPU_UNKNOWN, 0, "%s", d->text);
	if (!gpu->mig_mode)
		return err_hint(err, "GPU %u is not in MIG mode", gpu->index);
	return err_hint(err, "GPU %u has %zu MIG devices, see 'nvcoreos gpus'", gpu->index, gpu->n_mig);
}

/*
 * Drivers before 470 wrote MIG-GPU-<uuid>/<GPU instance>/<compute instance>; device plugins of that time
 * still do.
 */
static bool is_old_name(const struct inventory_gpu *gpu, const struct inventory_mig *mig, const char *text)
{
	char name[128];

	if (!gpu->uuid)
		return false;
	snprintf(name, sizeof(name), "MIG-%s/%u/%u", gpu->uuid, mig->gi, mig->ci);
	return strcasecmp(name, text) == 0;
}

static int resolve_mig_uuid(struct plan_work *w, const struct request_device *d, struct err *err)
{
	const struct inventory *inv = w->in->inventory;
	bool unknown_uuid = false, any = false;

	for (size_t g = 0; g < inv->n_gpus; g++) {
		const struct inventory_gpu *gpu = &inv->gpus[g];

		for (size_t i = 0; i < gpu->n_mig; i++) {
			const struct inventory_mig *mig = &gpu->mig[i];

			any = true;
			unknown_uuid = unknown_uuid || !mig->uuid;
			if (!(mig->uuid && strcasecmp(mig->uuid, d->text) == 0) && !is_old_name(gpu, mig, d->text))
				continue;
			add_choice(w, gpu, mig);
			return 0;
		}
	}
	err_set(err, ERR_GPU_UNKNOWN, 0, "%s", d->text);
	if (unknown_uuid)
		return err_hint(err, "the UUID of a MIG device here is not known yet: run 'nvcoreos gpus --refresh'");
	return err_hint(err,
			any ? "see 'nvcoreos gpus' for the MIG devices of this host" : "this host has no MIG device");
}

bool plan_devices_given(const struct request *req, uint32_t major, uint32_t minor)
{
	for (size_t i = 0; i < req->n_given; i++)
		if (req->given[i].major == major && req->given[i].minor == minor)
			return true;
	return false;
}

/* A MIG device's own nodes decide: every one of a GPU needs the GPU's. */
static void add_given(struct plan_work *w, const struct inventory_gpu *gpu)
{
	const struct request *req = w->in->request;
	const struct inventory *inv = w->in->inventory;

	if (!plan_devices_given(req, inv->major, gpu->minor))
		return;
	if (!gpu->mig_mode || !gpu->n_mig) {
		add_gpu(w, gpu);
		return;
	}
	for (size_t i = 0; i < gpu->n_mig; i++)
		if (plan_devices_given(req, inv->major_caps, gpu->mig[i].gi_minor) &&
		    plan_devices_given(req, inv->major_caps, gpu->mig[i].ci_minor))
			add_choice(w, gpu, &gpu->mig[i]);
}

static int resolve(struct plan_work *w, const struct request_device *d, struct err *err)
{
	const struct inventory *inv = w->in->inventory;
	const struct inventory_gpu *gpu;

	switch (d->kind) {
	case REQUEST_ALL:
		for (size_t i = 0; i < inv->n_gpus; i++)
			add_gpu(w, &inv->gpus[i]);
		return 0;
	case REQUEST_INDEX:
		gpu = gpu_by_index(inv, d->index);
		if (!gpu)
			return unknown(w, d, err);
		add_gpu(w, gpu);
		return 0;
	case REQUEST_UUID:
		return resolve_uuid(w, d, err);
	case REQUEST_PCI:
		return resolve_pci(w, d, err);
	case REQUEST_MIG_INDEX:
		return resolve_mig_index(w, d, err);
	case REQUEST_MIG_UUID:
		return resolve_mig_uuid(w, d, err);
	case REQUEST_GIVEN:
		for (size_t i = 0; i < inv->n_gpus; i++)
			add_given(w, &inv->gpus[i]);
		if (!w->n_choices)
			plan_work_note(w, "None of the nodes that the engine gives is a GPU's.");
		return 0;
	}
	return err_set(err, ERR_VALUE, 0, "%s", d->text);
}

int plan_devices_resolve(struct plan_work *w, struct err *err)
{
	const struct request *req = w->in->request;
	struct arena *a = &w->plan->arena;

	for (size_t i = 0; i < req->n_devices; i++) {
		int r = resolve(w, &req->devices[i], err);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < w->n_choices; i++) {
		const struct inventory_gpu *gpu = w->choices[i].gpu;
		const struct inventory_mig *mig = w->choices[i].mig;
		const char *uuid = mig ? mig->uuid : gpu->uuid;
		struct plan *p = w->plan;

		p->gpus = arena_grow(a, p->gpus, p->n_gpus, sizeof(*p->gpus));
		p->gpus[p->n_gpus++] = (struct plan_gpu){
			.index = mig ? arena_printf(a, "%u:%u", gpu->index, mig->index)
				     : arena_printf(a, "%u", gpu->index),
			.uuid = uuid ? arena_strdup(a, uuid) : NULL,
			.pci = arena_strdup(a, gpu->pci),
			.model = arena_strdup(a, gpu->model),
		};
	}
	return 0;
}
