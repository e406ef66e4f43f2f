/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "plan/plan_parts.h"
#include "plan/require.h"

#define IPC_PERSISTENCED "/run/nvidia-persistenced/socket"
#define IPC_FABRICMANAGER "/run/nvidia-fabricmanager/socket"
#define IPC_MPS "/tmp/nvidia-mps"

int plan_host_check(const struct inventory *inv, const struct request *req, struct err *err)
{
	if (!req->n_devices)
		return 0;
	if (!inv->n_gpus && !inv->has_pci_gpu)
		return err_set(err, ERR_NO_GPU, 0, "%s was asked for", req->devices[0].text);
	if (inv->passthrough)
		return err_set(err, ERR_NO_GPU, 0, "%s", inv->passthrough);
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

/* NVIDIA's images have their toolkit in a directory that bears its version, and a link to that. */
static bool is_version_link(const char *target, const struct rootfacts_path *fact)
{
	return str_eq(target, PLAN_CUDA_DIR) && fact->kind == ROOTFACTS_LINK && fact->resolves_to_dir && fact->on_root;
}

static int add_mount(struct plan_work *w, const char *source, const char *target, struct err *err)
{
	struct plan *p = w->plan;
	struct rootfacts_path fact = plan_work_fact(w, target);

	/* Of a root that nobody has looked at, it is not known whether the volume has the directory. */
	if (fact.kind == ROOTFACTS_ABSENT && !fact.on_root && w->in->facts->known && !fact.unseen) {
		err_set(err, ERR_FOREIGN_MOUNT, 0, "%s: %s covers its place", target, plan_work_cover(w, &fact));
		return err_hint(err, "mount the volume elsewhere, or make the directory %s in it", target);
	}
	if (is_version_link(target, &fact)) {
		plan_work_note(w, "The image's %s is a link: what it leads to is covered.", target);
	} else if (fact.kind != ROOTFACTS_ABSENT && fact.kind != ROOTFACTS_DIR) {
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
		plan_work_note(w, "The installed driver has no files for %s.", capability_set_name(missing, name));
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
		plan_work_note(w, "%s", w->in->toolkit_why);
	if (!toolkit)
		return 0;
	p->cuda = arena_strdup(&p->arena, toolkit->cuda);
	plan_work_note(w, "CUDA toolkit %s is mounted at %s.", toolkit->cuda, PLAN_CUDA_DIR);
	if (w->in->facts->has_cuda)
		plan_work_note(w, "It covers the image's own CUDA, as the container asks.");
	return add_mount(w, arena_strdup(&p->arena, toolkit->path), PLAN_CUDA_DIR, err);
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
		[REQUEST_FROM_ENGINE] = "The engine gives the device nodes, as the CDI specification of nvcoreos says.",
	};

	if ((size_t)w->in->request->source < ARRAY_SIZE(sources))
		plan_work_note(w, "%s", sources[w->in->request->source]);
	if (!w->in->request->n_devices)
		plan_work_note(w, "It asks for the driver and no GPU.");
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
	plan_extra_make(w);
	plan_graphics_make(w);
	plan_proc_make(w);
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

int plan_make_nodes(struct plan *ret, const struct inventory *inv, const struct request *req, struct err *err)
{
	struct plan_input in = { .request = req, .inventory = inv };
	struct plan_work w = { .plan = ret, .in = &in, .shown = capability_view_set(req->capabilities) };
	int r;

	memset(ret, 0, sizeof(*ret));
	ret->capabilities = req->capabilities;
	r = plan_host_check(inv, req, err);
	if (r == 0)
		r = plan_devices_resolve(&w, err);
	if (r == 0)
		r = plan_nodes_make(&w, err);
	if (r < 0)
		plan_free(ret);
	return r;
}

int plan_make_proc(struct plan *ret, const struct inventory *inv, const struct spec_node *given, size_t n_given,
		   struct err *err)
{
	struct request_device device = { .kind = REQUEST_GIVEN, .text = "what the engine gives" };
	const struct request req = {
		.wanted = true,
		.source = REQUEST_FROM_ENGINE,
		.devices = &device,
		.n_devices = 1,
		.given = given,
		.n_given = n_given,
	};
	struct plan_input in = { .request = &req, .inventory = inv };
	struct plan_work w = { .plan = ret, .in = &in };
	int r = 0;

	memset(ret, 0, sizeof(*ret));
	if (!inv->proc_version)
		return 0;
	r = plan_host_check(inv, &req, err);
	if (r == 0)
		r = plan_devices_resolve(&w, err);
	if (r == 0)
		plan_proc_make(&w);
	if (r < 0)
		plan_free(ret);
	return r;
}

void plan_free(struct plan *p)
{
	arena_free(&p->arena);
	memset(p, 0, sizeof(*p));
}

void plan_candidates(struct arena *a, struct strlist *l, const struct tree *driver, unsigned capabilities,
		     unsigned features)
{
	unsigned shown = capability_view_set(capabilities);
	const char *path;

	for (size_t i = 0; (features & REQUEST_GDS) && (path = plan_extra_path(i)); i++)
		strlist_add(a, l, path);
	if (shown & CAP_GRAPHICS)
		strlist_add(a, l, PLAN_EGL_FILE);
	strlist_add(a, l, PLAN_CONF_FILE);
	strlist_add(a, l, PLAN_CUDA_CONF_FILE);
	for (size_t i = 0; i < driver->n_programs; i++)
		if (tree_view_shows(shown, driver->programs[i].capability))
			strlist_add(a, l, arena_printf(a, "/usr/bin/%s", driver->programs[i].name));
	for (size_t i = 0; i < driver->n_links; i++)
		if (tree_view_shows(shown, driver->links[i].capability))
			plan_links_candidates(a, l, driver->links[i].path);
}
