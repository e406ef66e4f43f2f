/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/driver/nvidia as the container will see it. */
#include <string.h>

#include "plan/plan_parts.h"

static const char *hide_modify(struct arena *a, const char *params)
{
	static const char key[] = "ModifyDeviceFiles:";
	cleanup_strbuf struct strbuf out = STRBUF_INIT;
	bool found = false;

	while (*params) {
		size_t n = strcspn(params, "\n");

		if (strncmp(params, key, strlen(key)) == 0) {
			strbuf_printf(&out, "%s 0", key);
			found = true;
		} else {
			strbuf_add(&out, params, n);
		}
		strbuf_putc(&out, '\n');
		params += n + (params[n] == '\n');
	}
	if (!found)
		strbuf_printf(&out, "%s 0\n", key);
	return arena_strdup(a, out.buf);
}

static void add_cap(struct plan_work *w, char *path, uint32_t minor)
{
	struct plan_proc *proc = &w->plan->proc;

	for (size_t i = 0; i < proc->n_caps; i++)
		if (str_eq(proc->caps[i].path, path))
			return;
	proc->caps = arena_grow(&w->plan->arena, proc->caps, proc->n_caps, sizeof(*proc->caps));
	proc->caps[proc->n_caps++] = (struct plan_proc_cap){ path, minor };
}

static void add_gi(struct plan_work *w, const struct inventory_gpu *gpu, uint32_t gi, uint32_t minor)
{
	add_cap(w, arena_printf(&w->plan->arena, "gpu%u/mig/gi%u/access", gpu->minor, gi), minor);
}

static void add_ci(struct plan_work *w, const struct inventory_gpu *gpu, const struct inventory_mig *mig)
{
	add_cap(w, arena_printf(&w->plan->arena, "gpu%u/mig/gi%u/ci%u/access", gpu->minor, mig->gi, mig->ci),
		mig->ci_minor);
}

/* All instances of the GPUs: whoever makes and removes them needs those that there are. */
static void add_all_caps(struct plan_work *w)
{
	for (size_t i = 0; i < w->n_choices; i++) {
		const struct inventory_gpu *gpu = w->choices[i].gpu;

		for (size_t k = 0; k < gpu->n_gi; k++)
			add_gi(w, gpu, gpu->gi[k].gi, gpu->gi[k].minor);
		for (size_t k = 0; k < gpu->n_mig; k++)
			add_ci(w, gpu, &gpu->mig[k]);
	}
}

static void add_mig_caps(struct plan_work *w)
{
	const struct request *req = w->in->request;
	struct arena *a = &w->plan->arena;

	for (size_t i = 0; i < w->n_choices; i++) {
		const struct inventory_mig *mig = w->choices[i].mig;

		if (!mig)
			continue;
		add_gi(w, w->choices[i].gpu, mig->gi, mig->gi_minor);
		add_ci(w, w->choices[i].gpu, mig);
	}
	if (req->mig_config)
		add_all_caps(w);
	if (w->n_choices && req->mig_config)
		add_cap(w, arena_strdup(a, "mig/config"), w->in->inventory->mig_config_minor);
	if (w->n_choices && req->mig_monitor)
		add_cap(w, arena_strdup(a, "mig/monitor"), w->in->inventory->mig_monitor_minor);
}

void plan_proc_make(struct plan_work *w)
{
	const struct inventory *inv = w->in->inventory;
	struct plan_proc *proc = &w->plan->proc;
	struct arena *a = &w->plan->arena;

	if (!inv->proc_version)
		return;
	proc->wanted = true;
	proc->version = arena_strdup(a, inv->proc_version);
	proc->params = inv->proc_params ? hide_modify(a, inv->proc_params) : NULL;
	proc->registry = inv->proc_registry ? arena_strdup(a, inv->proc_registry) : NULL;
	for (size_t i = 0; i < w->n_choices; i++) {
		const struct inventory_gpu *gpu = w->choices[i].gpu;
		bool known = false;

		for (size_t k = 0; k < i; k++)
			known = known || w->choices[k].gpu == gpu; /* by another MIG device of the same GPU */
		if (known || !gpu->information)
			continue;
		proc->gpus = arena_grow(a, proc->gpus, proc->n_gpus, sizeof(*proc->gpus));
		proc->gpus[proc->n_gpus++] =
			(struct plan_proc_gpu){ arena_strdup(a, gpu->pci), arena_strdup(a, gpu->information) };
	}
	add_mig_caps(w);
}
