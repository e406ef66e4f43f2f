/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "plan/plan_parts.h"
#include "plan/require.h"

#define IPC_PERSISTENCED "/run/nvidia-persistenced/socket"
#define IPC_FABRICMANAGER "/run/nvidia-fabricmanager/socket"
#define IPC_MPS "/tmp/nvidia-mps"

void plan_note(struct plan_work *w, const char *fmt, ...)
{
	char raw[1024], text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	str_escape(raw, text, sizeof(text));
	strlist_add(&w->plan->arena, &w->plan->notes, arena_strdup(&w->plan->arena, text));
}

struct rootfacts_path plan_fact(const struct plan_work *w, const char *path)
{
	const struct rootfacts_path *p = rootfacts_get(w->in->facts, path);

	if (p)
		return *p;
	return (struct rootfacts_path){ .path = path, .kind = ROOTFACTS_ABSENT, .on_root = true };
}

const char *plan_cover(const struct plan_work *w, const struct rootfacts_path *fact)
{
	if (!fact->volume)
		return "another mount";
	return fact->volume[0] == '/' ? arena_printf(&w->plan->arena, "the volume %s", fact->volume) : fact->volume;
}

int plan_host_check(const struct inventory *inv, const struct request *req, struct err *err)
{
	if (!req->n_devices)
		return 0;
	if (!inv->n_gpus && !inv->has_pci_gpu)
		return err_set(err, ERR_NO_GPU, 0, "%s was asked for", req->devices[0].text);
	if (!inv->driver)
		return err_set(err, ERR_NOT_LOADED, 0, "nvidia");
	if (!inv->n_gpus) {
		err_set(err, ERR_NOT_LOADED, 0, "driver %s has taken no GPU of this host", inv->driver);
		return err_hint(err, "see 'dmesg' for why, or use a driver that supports the GPU");
	}
	return 0;
}

static int check_requirement(const struct plan_work *w, const struct inventory_gpu *gpu, struct err *err)
{
	const struct request *req = w->in->request;
	char name[32];
	struct require_facts facts = {
		.driver = w->in->driver->driver,
		.cuda = w->in->driver->cuda,
	};

	if (gpu) {
		snprintf(name, sizeof(name), "GPU %u", gpu->index);
		facts.arch = gpu->arch;
		facts.brand = gpu->brand;
		facts.gpu = name;
	}
	for (size_t i = 0; i < req->n_requirements; i++) {
		int r = require_check(req->requirements[i].name, req->requirements[i].value, &facts, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int check_requirements(const struct plan_work *w, struct err *err)
{
	if (!w->n_choices)
		return check_requirement(w, NULL, err);
	for (size_t i = 0; i < w->n_choices; i++) {
		int r = check_requirement(w, w->choices[i].gpu, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int add_mount(struct plan_work *w, const char *source, const char *target, struct err *err)
{
	struct plan *p = w->plan;
	struct rootfacts_path fact = plan_fact(w, target);

	/* Of a root that nobody has looked at, it is not known whether the volume has the directory. */
	if (fact.kind == ROOTFACTS_ABSENT && !fact.on_root && w->in->facts->known) {
		err_set(err, ERR_FOREIGN_MOUNT, 0, "%s: %s covers its place", target, plan_cover(w, &fact));
		return err_hint(err, "mount the volume elsewhere, or make the directory %s in it", target);
	}
	if (fact.kind != ROOTFACTS_ABSENT && fact.kind != ROOTFACTS_DIR) {
		err_set(err, ERR_TARGET, 0, "%s is no directory in the image", target);
		return err_hint(err, "make it a directory in the image, or remove it there");
	}
	p->mounts = arena_grow(&p->arena, p->mounts, p->n_mounts, sizeof(*p->mounts));
	p->mounts[p->n_mounts++] = (struct plan_mount){ source, target };
	return 0;
}

static void note_missing(struct plan_work *w)
{
	unsigned missing = w->shown & ~w->in->driver->capabilities;
	char name[CAPABILITY_NAME_MAX];

	if (missing)
		plan_note(w, "The installed driver has no files for %s.", capability_set_name(missing, name));
}

static int make_mounts(struct plan_work *w, struct err *err)
{
	const struct tree *driver = w->in->driver, *toolkit = w->in->toolkit;
	struct plan *p = w->plan;
	char view[TREE_VIEW_MAX];
	int r;

	p->view = arena_strdup(&p->arena, tree_view_name(driver, w->in->request->capabilities, w->compat, view));
	note_missing(w);
	r = add_mount(w, arena_printf(&p->arena, "%s/views/%s", driver->path, p->view), PLAN_NVIDIA_DIR, err);
	if (r < 0)
		return r;
	if (w->in->toolkit_why)
		plan_note(w, "%s", w->in->toolkit_why);
	if (!toolkit)
		return 0;
	p->cuda = arena_strdup(&p->arena, toolkit->cuda);
	plan_note(w, "CUDA toolkit %s is mounted at %s.", toolkit->cuda, PLAN_CUDA_DIR);
	if (w->in->facts->has_cuda)
		plan_note(w, "It covers the image's own CUDA, as the container asks.");
	return add_mount(w, arena_strdup(&p->arena, toolkit->path), PLAN_CUDA_DIR, err);
}

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

static void add_proc_cap(struct plan_work *w, char *path, uint32_t minor)
{
	struct plan_proc *proc = &w->plan->proc;

	for (size_t i = 0; i < proc->n_caps; i++)
		if (str_eq(proc->caps[i].path, path))
			return;
	proc->caps = arena_grow(&w->plan->arena, proc->caps, proc->n_caps, sizeof(*proc->caps));
	proc->caps[proc->n_caps++] = (struct plan_proc_cap){ path, minor };
}

static void make_proc_caps(struct plan_work *w)
{
	const struct request *req = w->in->request;
	struct arena *a = &w->plan->arena;

	for (size_t i = 0; i < w->n_choices; i++) {
		const struct inventory_mig *mig = w->choices[i].mig;
		unsigned gpu = w->choices[i].gpu->minor;

		if (!mig)
			continue;
		add_proc_cap(w, arena_printf(a, "gpu%u/mig/gi%u/access", gpu, mig->gi), mig->gi_minor);
		add_proc_cap(w, arena_printf(a, "gpu%u/mig/gi%u/ci%u/access", gpu, mig->gi, mig->ci), mig->ci_minor);
	}
	if (w->n_choices && req->mig_config)
		add_proc_cap(w, arena_strdup(a, "mig/config"), w->in->inventory->mig_config_minor);
	if (w->n_choices && req->mig_monitor)
		add_proc_cap(w, arena_strdup(a, "mig/monitor"), w->in->inventory->mig_monitor_minor);
}

static void make_proc(struct plan_work *w)
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
	make_proc_caps(w);
}

static void make_ipc(struct plan_work *w)
{
	static const struct {
		unsigned bit;
		const char *path;
	} table[] = {
		{ CONFIG_IPC_PERSISTENCED, IPC_PERSISTENCED },
		{ CONFIG_IPC_FABRICMANAGER, IPC_FABRICMANAGER },
		{ CONFIG_IPC_MPS, IPC_MPS },
	};
	struct plan *p = w->plan;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (!(w->in->conf->ipc & table[i].bit))
			continue;
		p->ipc = arena_grow(&p->arena, p->ipc, p->n_ipc, sizeof(*p->ipc));
		p->ipc[p->n_ipc++].path = table[i].path;
	}
}

static void note_request(struct plan_work *w)
{
	static const char *const sources[] = {
		[REQUEST_FROM_NOTHING] = "The request is not the container's.",
		[REQUEST_FROM_ENVIRONMENT] = "The container asks by NVIDIA_VISIBLE_DEVICES.",
		[REQUEST_FROM_LEGACY] =
			"The image sets CUDA_VERSION alone, as images before NVIDIA_VISIBLE_DEVICES did: all GPUs.",
		[REQUEST_FROM_SWARM] = "The container asks by swarm resources.",
		[REQUEST_FROM_MOUNTS] = "The container asks by mounts below /var/run/nvidia-container-devices.",
		[REQUEST_FROM_CDI] = "The container asks by CDI names.",
	};

	if ((size_t)w->in->request->source < ARRAY_SIZE(sources))
		plan_note(w, "%s", sources[w->in->request->source]);
	if (!w->in->request->n_devices)
		plan_note(w, "It asks for the driver and no GPU.");
}

static int make_parts(struct plan_work *w, struct err *err)
{
	int r = plan_host_check(w->in->inventory, w->in->request, err);

	if (r < 0)
		return r;
	note_request(w);
	r = plan_devices_resolve(w, err);
	if (r < 0)
		return r;
	r = check_requirements(w, err);
	if (r < 0)
		return r;
	plan_loader_compat(w);
	r = make_mounts(w, err);
	if (r < 0)
		return r;
	r = plan_nodes_make(w, err);
	if (r < 0)
		return r;
	make_ipc(w);
	make_proc(w);
	plan_links_make(w);
	plan_loader_make(w);
	return 0;
}

int plan_make(struct plan *ret, const struct plan_input *in, struct err *err)
{
	struct plan_work w = { .plan = ret, .in = in, .shown = capability_view_set(in->request->capabilities) };
	int r;

	memset(ret, 0, sizeof(*ret));
	ret->driver = arena_strdup(&ret->arena, in->driver->driver);
	ret->capabilities = in->request->capabilities;
	r = make_parts(&w, err);
	if (r < 0)
		plan_free(ret);
	return r;
}

void plan_free(struct plan *p)
{
	arena_free(&p->arena);
	memset(p, 0, sizeof(*p));
}

void plan_candidates(struct arena *a, struct strlist *l, const struct tree *driver, unsigned capabilities)
{
	unsigned shown = capability_view_set(capabilities);

	strlist_add(a, l, PLAN_CONF_FILE);
	strlist_add(a, l, PLAN_CUDA_CONF_FILE);
	for (size_t i = 0; i < driver->n_programs; i++)
		if (tree_view_shows(shown, driver->programs[i].capability))
			strlist_add(a, l, arena_printf(a, "/usr/bin/%s", driver->programs[i].name));
	for (size_t i = 0; i < driver->n_links; i++)
		if (tree_view_shows(shown, driver->links[i].capability))
			strlist_add(a, l, driver->links[i].path);
}
