/* SPDX-License-Identifier: Apache-2.0 */
#include <strings.h>

#include "base/path.h"
#include "fuzz.h"
#include "oci/json.h"
#include "oracle.h"
#include "plan/render.h"

static bool names_gpu(const struct request_device *d, const struct inventory_gpu *gpu)
{
	cleanup_free char *old = NULL;

	switch (d->kind) {
	case REQUEST_ALL:
		return true;
	case REQUEST_INDEX:
	case REQUEST_MIG_INDEX:
		return d->index == gpu->index;
	case REQUEST_UUID:
		return gpu->uuid && strncasecmp(gpu->uuid, d->text, strlen(d->text)) == 0;
	case REQUEST_PCI:
		return strcasecmp(gpu->pci, d->text) == 0;
	case REQUEST_MIG_UUID:
		for (size_t i = 0; i < gpu->n_mig; i++)
			if (gpu->mig[i].uuid && strcasecmp(gpu->mig[i].uuid, d->text) == 0)
				return true;
		old = mem_printf("MIG-%s/", gpu->uuid ? gpu->uuid : "?");
		return strncasecmp(d->text, old, strlen(old)) == 0;
	case REQUEST_GIVEN: /* by nodes, which no container's words add */
		break;
	}
	return false;
}

static bool names_mig(const struct request_device *d, const struct inventory_gpu *gpu, const struct inventory_mig *mig)
{
	if (!names_gpu(d, gpu))
		return false;
	if (d->kind == REQUEST_MIG_INDEX)
		return d->mig == mig->index;
	if (d->kind != REQUEST_MIG_UUID)
		return true;
	cleanup_free char *old = mem_printf("MIG-%s/%u/%u", gpu->uuid ? gpu->uuid : "?", mig->gi, mig->ci);

	return (mig->uuid && strcasecmp(mig->uuid, d->text) == 0) || strcasecmp(old, d->text) == 0;
}

static bool gpu_is_named(const struct request *r, const struct inventory_gpu *gpu)
{
	for (size_t i = 0; i < r->n_devices; i++)
		if (names_gpu(&r->devices[i], gpu))
			return true;
	return false;
}

static bool is_of_gpu(const struct inventory_gpu *gpu, uint32_t minor)
{
	for (size_t i = 0; i < gpu->n_gi; i++)
		if (gpu->gi[i].minor == minor)
			return true;
	for (size_t i = 0; i < gpu->n_mig; i++)
		if (gpu->mig[i].ci_minor == minor)
			return true;
	return false;
}

/* Whether the request covers this minor of nvidia-caps. */
static bool cap_is_named(const struct plan_input *in, uint32_t minor)
{
	const struct request *r = in->request;
	const struct inventory *inv = in->inventory;

	if ((r->mig_config && minor == inv->mig_config_minor) || (r->mig_monitor && minor == inv->mig_monitor_minor))
		return true;
	for (size_t g = 0; r->mig_config && g < inv->n_gpus; g++)
		if (gpu_is_named(r, &inv->gpus[g]) && is_of_gpu(&inv->gpus[g], minor))
			return true;
	for (size_t g = 0; g < inv->n_gpus; g++)
		for (size_t m = 0; m < inv->gpus[g].n_mig; m++)
			for (size_t i = 0; i < r->n_devices; i++)
				if (names_mig(&r->devices[i], &inv->gpus[g], &inv->gpus[g].mig[m]) &&
				    (inv->gpus[g].mig[m].gi_minor == minor || inv->gpus[g].mig[m].ci_minor == minor))
					return true;
	return false;
}

static bool has_drm(const struct inventory_gpu *gpu, const char *name, uint32_t minor)
{
	for (size_t i = 0; i < gpu->n_drm; i++)
		if (str_eq(gpu->drm[i].name, name) && gpu->drm[i].minor == minor)
			return true;
	return false;
}

static bool is_one_gpu(const struct plan_input *in, const struct plan_node *n)
{
	const char *drm = str_after(n->name, "dri/");

	for (size_t g = 0; g < in->inventory->n_gpus; g++) {
		const struct inventory_gpu *gpu = &in->inventory->gpus[g];
		bool here = drm ? n->major == 226 && has_drm(gpu, drm, n->minor)
				: n->major == in->inventory->major && n->minor == gpu->minor;

		if (here && gpu_is_named(in->request, gpu))
			return true;
	}
	return false;
}

static bool is_channel(const struct request *r, uint32_t channel)
{
	for (size_t i = 0; i < r->n_imex_channels; i++)
		if (r->imex_channels[i] == channel)
			return true;
	return false;
}

static bool is_extra(const struct plan_input *in, const struct plan_node *n)
{
	for (size_t i = 0; i < in->inventory->n_extra; i++) {
		const struct inventory_extra *e = &in->inventory->extra[i];

		if (str_eq(e->name, n->name))
			return (e->feature & in->request->features) && e->major == n->major && e->minor == n->minor;
	}
	return false;
}

static void check_node(const struct plan_input *in, const struct plan_node *n)
{
	const struct inventory *inv = in->inventory;

	MUST(in->request->n_devices > 0);
	MUST(fuzz_matches(n->name, "^[a-zA-Z0-9-]+(/[a-zA-Z0-9_-]+)?$"));
	if (n->major == inv->major && n->minor >= 254)
		return;
	if (n->major == inv->major_uvm && n->minor < 2)
		return;
	if (n->major == inv->major_caps)
		MUST(cap_is_named(in, n->minor));
	else if (n->major == inv->major_imex)
		MUST(is_channel(in->request, n->minor));
	else
		MUST(is_extra(in, n) || is_one_gpu(in, n));
}

static bool in_driver(const char *path)
{
	return fuzz_is_normal(path) && str_starts(path, "/usr/local/nvidia/");
}

static bool in_ours(const char *path)
{
	return in_driver(path) || (fuzz_is_normal(path) && str_starts(path, "/usr/local/cuda/"));
}

static void check_paths(const struct plan *p, const struct plan_input *in)
{
	for (size_t i = 0; i < p->n_mounts; i++) {
		MUST(str_eq(p->mounts[i].target, "/usr/local/nvidia") ||
		     str_eq(p->mounts[i].target, "/usr/local/cuda"));
		MUST(fuzz_is_normal(p->mounts[i].source));
		MUST(path_is_below(p->mounts[i].source, in->conf->driver_store) ||
		     path_is_below(p->mounts[i].source, in->conf->cuda_store));
	}
	for (size_t i = 0; i < p->n_links; i++) {
		MUST(fuzz_is_normal(p->links[i].path) && in_driver(p->links[i].target));
		MUST(fuzz_matches(
			p->links[i].path,
			"^(/usr/bin/[^/]+|/(usr/share|etc)/[^/]+/.+|/usr/lib(64|/[a-z0-9_]+-linux-gnu)/gbm/[^/]*nvidia[^/]*\\.so|"
			"/usr/lib(64)?/xorg/modules/(drivers|extensions)/[^/]*nvidia[^/]*\\.so)$"));
	}
	for (size_t i = 0; i < p->n_files; i++)
		MUST(fuzz_matches(p->files[i].path,
				  "^/etc/(ld\\.so\\.conf(\\.d/(00-nvcoreos|zz-nvcoreos-cuda)\\.conf)?|nvidia/"
				  "nvidia-application-profiles-rc\\.d/10-container\\.conf)$"));
	for (size_t i = 0; i < p->n_dev_links; i++) {
		MUST(fuzz_matches(p->dev_links[i].name, "^dri/by-path/pci-[0-9a-f:.]+-(card|render)$"));
		MUST(fuzz_matches(p->dev_links[i].target, "^\\.\\./(card|renderD)[0-9]+$"));
	}
	for (size_t i = 0; i < p->n_shown; i++)
		MUST((in->request->features & REQUEST_GDS) && in->request->n_devices &&
		     fuzz_matches(p->shown[i].path, "^/(run/udev/data|etc/cufile\\.json)$"));
	for (size_t i = 0; i < p->cache.n_first; i++)
		MUST(in_ours(p->cache.first[i].path));
	for (size_t i = 0; i < p->cache.n_last; i++)
		MUST(in_ours(p->cache.last[i].path));
	MUST(p->n_ipc == 0 || in->conf->ipc);
}

static void check_proc(const struct plan *p, const struct plan_input *in)
{
	for (size_t i = 0; i < p->proc.n_gpus; i++) {
		bool named = false;

		for (size_t g = 0; g < in->inventory->n_gpus; g++)
			named |= str_eq(in->inventory->gpus[g].pci, p->proc.gpus[i].pci) &&
				 gpu_is_named(in->request, &in->inventory->gpus[g]);
		MUST(named);
	}
	for (size_t i = 0; i < p->proc.n_caps; i++)
		MUST(cap_is_named(in, p->proc.caps[i].minor));
}

/* As JSON it can be read, as text nothing of the container's reaches a terminal. */
static void check_renderings(const struct plan *p)
{
	cleanup_strbuf struct strbuf json = STRBUF_INIT, text = STRBUF_INIT;
	char why[160];
	struct json *j;

	render_json(p, &json);
	j = json_parse(json.buf, json.len, why, sizeof(why));
	MUST(json_is_object(j));
	json_free(j);
	render_text(p, &text);
	for (size_t i = 0; i < text.len; i++)
		MUST(text.buf[i] == '\n' || (text.buf[i] >= ' ' && text.buf[i] <= '~'));
}

bool oracle_plan(const struct plan_input *in, bool trusted)
{
	struct err err = ERR_INIT;
	struct plan p;

	if (plan_make(&p, in, &err) < 0) {
		fuzz_refused(&err, ERR_NO_GPU, ERR_GPU_UNKNOWN, ERR_NOT_LOADED, ERR_NODE, ERR_REQUIRE,
			     ERR_FOREIGN_MOUNT, ERR_TARGET, ERR_VALUE, ERR_NONE);
		return false;
	}
	if (plan_check(&p, in, &err) < 0) {
		fuzz_refused(&err, ERR_VALUE, ERR_NONE);
		MUST(!trusted);
		plan_free(&p);
		return false;
	}
	for (size_t i = 0; i < p.n_nodes; i++)
		check_node(in, &p.nodes[i]);
	check_paths(&p, in);
	check_proc(&p, in);
	check_renderings(&p);
	plan_free(&p);
	return true;
}

void oracle_plan_all(const struct inventory *host, const struct tree *driver, const struct tree *toolkit)
{
	cleanup_arena struct arena a = ARENA_INIT;
	const struct tree plain = { .driver = "535.261.03",
				    .os = "3975.2.0",
				    .path = "/opt/nvidia/535.261.03/3975.2.0",
				    .cuda = "12.2",
				    .capabilities = CAP_ALL };
	struct request_device all = { .kind = REQUEST_ALL, .text = "all" };
	const struct request request = { .wanted = true, .devices = &all, .n_devices = 1, .capabilities = CAP_ALL };
	struct rootfacts_ask ask = { 0 };
	struct rootfacts facts = { 0 };
	struct config conf;
	struct spec spec;
	struct plan_input in = { .conf = &conf, .request = &request, .inventory = host, .facts = &facts };

	in.driver = driver ? driver : &plain;
	in.toolkit = toolkit;
	config_init(&conf);
	spec_init(&spec);
	plan_candidates(&a, &ask.paths, in.driver, CAP_ALL, 0);
	rootfacts_assume(&facts, &spec, &ask);
	oracle_plan(&in, !driver && !toolkit);
	rootfacts_free(&facts);
	spec_free(&spec);
	config_free(&conf);
}
