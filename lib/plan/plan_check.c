/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last look at a plan before anybody with privilege acts on it. It trusts neither the planner nor the
 * trees: what is not known to be one of the places and devices of a plan is refused.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "plan/plan_parts.h"

static int refuse(struct err *err, const char *what, const char *why)
{
	err_set(err, ERR_VALUE, 0, "%s: %s", what ? what : "(nothing)", why);
	return err_hint(err,
			"this is a fault of nvcoreos or of an installed tree: install the tree again, then report it");
}

static bool is_plain(const char *path)
{
	return path && path_is_normal(path) && !strchr(path, '\n') && !strchr(path, '\r');
}

/* Strictly below: the directory itself does not count. */
static bool is_under(const char *path, const char *dir)
{
	return is_plain(path) && path_is_below(path, dir) && !str_eq(path, dir);
}

static int check_mounts(const struct plan *p, const struct plan_input *in, struct err *err)
{
	for (size_t i = 0; i < p->n_mounts; i++) {
		const struct plan_mount *m = &p->mounts[i];
		bool driver = m->target && str_eq(m->target, PLAN_NVIDIA_DIR);

		if (!driver && !(m->target && str_eq(m->target, PLAN_CUDA_DIR)))
			return refuse(err, m->target, "no target of a mount");
		if (!is_under(m->source, driver ? in->conf->driver_store : in->conf->cuda_store))
			return refuse(err, m->source, "a mount's source outside the store");
		for (size_t k = 0; k < i; k++)
			if (str_eq(p->mounts[k].target, m->target))
				return refuse(err, m->target, "mounted twice");
	}
	return 0;
}

static bool number_behind(const char *name, const char *prefix, uint32_t number)
{
	const char *rest = str_after(name, prefix);
	uint64_t v;

	return rest && str_to_u64(rest, UINT32_MAX, &v) == 0 && v == number;
}

static bool drm_of_host(const struct inventory *inv, const struct plan_node *n)
{
	const char *name = str_after(n->name, "dri/");

	if (!name || n->major != PLAN_DRM_MAJOR || !str_is_name(name))
		return false;
	for (size_t g = 0; g < inv->n_gpus; g++)
		for (size_t i = 0; i < inv->gpus[g].n_drm; i++)
			if (str_eq(inv->gpus[g].drm[i].name, name) && inv->gpus[g].drm[i].minor == n->minor)
				return true;
	return false;
}

static bool gpu_of_host(const struct inventory *inv, const struct plan_node *n)
{
	for (size_t g = 0; g < inv->n_gpus; g++)
		if (inv->gpus[g].minor == n->minor)
			return number_behind(n->name, "nvidia", n->minor);
	return false;
}

/* Devices of other drivers are those that the host has of what was asked for. */
static bool extra_of_host(const struct plan_input *in, const struct plan_node *n)
{
	const struct inventory *inv = in->inventory;

	for (size_t i = 0; i < inv->n_extra; i++) {
		const struct inventory_extra *e = &inv->extra[i];

		if ((e->feature & in->request->features) && str_eq(e->name, n->name) && e->major == n->major &&
		    e->minor == n->minor)
			return true;
	}
	return false;
}

/* A node's name and number must both be what the driver means by the other. */
static bool node_is_nvidia(const struct inventory *inv, const struct plan_node *n)
{
	if (n->major == INVENTORY_NO_MAJOR || n->minor == INVENTORY_NO_MAJOR)
		return false;
	if (str_eq(n->name, "nvidiactl"))
		return n->major == inv->major && n->minor == PLAN_CONTROL_MINOR;
	if (str_eq(n->name, "nvidia-modeset"))
		return n->major == inv->major && n->minor == PLAN_MODESET_MINOR;
	if (str_eq(n->name, "nvidia-uvm"))
		return n->major == inv->major_uvm && n->minor == 0;
	if (str_eq(n->name, "nvidia-uvm-tools"))
		return n->major == inv->major_uvm && n->minor == 1;
	if (number_behind(n->name, "nvidia-caps/nvidia-cap", n->minor))
		return n->major == inv->major_caps;
	if (number_behind(n->name, "nvidia-caps-imex-channels/channel", n->minor))
		return n->major == inv->major_imex;
	if (n->major == inv->major)
		return gpu_of_host(inv, n);
	return drm_of_host(inv, n);
}

static int check_nodes(const struct plan *p, const struct plan_input *in, struct err *err)
{
	if (p->n_nodes && !in->request->n_devices)
		return refuse(err, p->nodes[0].name, "a device for a container that asked for none");
	for (size_t i = 0; i < p->n_nodes; i++) {
		const struct plan_node *n = &p->nodes[i];

		if (!n->name || (!node_is_nvidia(in->inventory, n) && !extra_of_host(in, n)))
			return refuse(err, n->name, "no device of NVIDIA's or of its GPUs");
		for (size_t k = 0; k < i; k++)
			if (str_eq(p->nodes[k].name, n->name) ||
			    (p->nodes[k].major == n->major && p->nodes[k].minor == n->minor))
				return refuse(err, n->name, "a device that stands there twice");
	}
	return 0;
}

static int check_ipc(const struct plan *p, struct err *err)
{
	static const char *const places[] = { "/run/nvidia-persistenced/socket", "/run/nvidia-fabricmanager/socket",
					      "/tmp/nvidia-mps" };

	for (size_t i = 0; i < p->n_ipc; i++) {
		bool known = false;

		for (size_t k = 0; k < ARRAY_SIZE(places); k++)
			known = known || (p->ipc[i].path && str_eq(p->ipc[i].path, places[k]));
		if (!known)
			return refuse(err, p->ipc[i].path, "no socket of NVIDIA's services");
		for (size_t k = 0; k < i; k++)
			if (str_eq(p->ipc[k].path, p->ipc[i].path))
				return refuse(err, p->ipc[i].path, "shown twice");
	}
	return 0;
}

static int check_shown(const struct plan *p, const struct plan_input *in, struct err *err)
{
	for (size_t i = 0; i < p->n_shown; i++) {
		const char *path = p->shown[i].path, *known;
		size_t k = 0;

		while ((known = plan_extra_path(k)) && !(path && str_eq(path, known)))
			k++;
		if (!known || !(in->request->features & REQUEST_GDS) || !in->request->n_devices)
			return refuse(err, path, "no file of the host that containers see");
		for (k = 0; k < i; k++)
			if (str_eq(p->shown[k].path, path))
				return refuse(err, path, "shown twice");
	}
	return 0;
}

/* Under CDI the engine has given it. */
static bool is_given_drm(const struct plan_input *in, const char *name)
{
	for (size_t i = 0; i < in->inventory->n_gpus; i++) {
		const struct inventory_gpu *gpu = &in->inventory->gpus[i];

		for (size_t k = 0; k < gpu->n_drm; k++)
			if (str_eq(gpu->drm[k].name, name) &&
			    plan_devices_given(in->request, gpu->drm[k].major, gpu->drm[k].minor))
				return true;
	}
	return false;
}

/* One component, of a node that the plan or the engine has. */
static bool leads_to_node(const struct plan *p, const struct plan_input *in, const char *target)
{
	const char *name = target ? str_after(target, "../") : NULL;

	for (size_t i = 0; name && i < p->n_nodes; i++) {
		const char *drm = str_after(p->nodes[i].name, "dri/");

		if (drm && str_eq(drm, name))
			return true;
	}
	return name && is_given_drm(in, name);
}

static int check_dev_links(const struct plan *p, const struct plan_input *in, struct err *err)
{
	for (size_t i = 0; i < p->n_dev_links; i++) {
		const struct plan_dev_link *l = &p->dev_links[i];
		const char *name = l->name ? str_after(l->name, "dri/by-path/pci-") : NULL;

		if (!name || !*name || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789:.-") != strlen(name))
			return refuse(err, l->name, "no place for a link in /dev");
		if (!leads_to_node(p, in, l->target))
			return refuse(err, l->target, "a link to no node of the container's");
		for (size_t k = 0; k < i; k++)
			if (str_eq(p->dev_links[k].name, l->name))
				return refuse(err, l->name, "linked twice");
	}
	return 0;
}

static int check_proc(const struct plan *p, const struct plan_input *in, struct err *err)
{
	for (size_t i = 0; i < p->proc.n_gpus; i++) {
		const char *pci = p->proc.gpus[i].pci;
		bool known = false;

		for (size_t g = 0; pci && g < in->inventory->n_gpus; g++)
			known = known || str_eq(in->inventory->gpus[g].pci, pci);
		if (!known || !p->proc.gpus[i].information || strchr(pci, '/'))
			return refuse(err, pci, "no GPU of this host");
		for (size_t k = 0; k < i; k++)
			if (str_eq(p->proc.gpus[k].pci, pci))
				return refuse(err, pci, "a GPU that stands there twice");
	}
	for (size_t i = 0; i < p->proc.n_caps; i++) {
		const char *path = p->proc.caps[i].path;

		if (!path || strspn(path, "abcdefghijklmnopqrstuvwxyz0123456789/") != strlen(path) || path[0] == '/' ||
		    strstr(path, "//") || str_ends(path, "/"))
			return refuse(err, path, "no capability of the driver");
	}
	return 0;
}

/* What the image's libgbm and X server open, beside its own. */
static bool is_module_place(const char *path)
{
	static const char *const dirs[] = {
		"/usr/lib/x86_64-linux-gnu/gbm/",
		"/usr/lib/aarch64-linux-gnu/gbm/",
		"/usr/lib64/gbm/",
		"/usr/lib/xorg/modules/drivers/",
		"/usr/lib/xorg/modules/extensions/",
		"/usr/lib64/xorg/modules/drivers/",
		"/usr/lib64/xorg/modules/extensions/",
	};

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		const char *name = str_after(path, dirs[i]);

		if (name)
			return strstr(name, "nvidia") && str_ends(name, ".so") && !strchr(name, '/');
	}
	return false;
}

/* Programs in /usr/bin; data at least one directory deep in /usr/share and /etc, and nothing of the loader's. */
static bool is_link_place(const char *path)
{
	const char *rest;

	if (!is_plain(path))
		return false;
	if (is_module_place(path))
		return true;
	rest = str_after(path, "/usr/bin/");
	if (rest)
		return *rest && !strchr(rest, '/');
	rest = str_after(path, "/usr/share/");
	if (!rest)
		rest = str_after(path, "/etc/");
	return rest && strchr(rest, '/') && !str_starts(path, "/etc/ld.so");
}

static int check_links(const struct plan *p, struct err *err)
{
	for (size_t i = 0; i < p->n_links; i++) {
		const struct plan_link *l = &p->links[i];

		if (!is_link_place(l->path))
			return refuse(err, l->path, "no place for a link");
		if (!is_under(l->target, PLAN_NVIDIA_DIR))
			return refuse(err, l->target, "a link out of the driver");
		for (size_t k = 0; k < i; k++)
			if (str_eq(p->links[k].path, l->path))
				return refuse(err, l->path, "linked twice");
	}
	return 0;
}

static bool is_our_dir(const char *path)
{
	return is_under(path, PLAN_NVIDIA_DIR) || is_under(path, PLAN_CUDA_DIR);
}

/* Each part of a list of our directories; parts are copied because the list is constant. */
static bool all_our_dirs(const char *list, char separator, bool conf)
{
	const char sep[2] = { separator, '\0' };

	while (*list) {
		size_t n = strcspn(list, sep);
		char part[PATH_MAX];

		if (n >= sizeof(part))
			return false;
		memcpy(part, list, n);
		part[n] = '\0';
		if (!(conf && part[0] == '#') && !is_our_dir(part))
			return false;
		list += n + (list[n] == separator);
	}
	return true;
}

static bool is_listed(const struct plan *p, const char *pci)
{
	for (size_t i = 0; i < p->n_gpus; i++)
		if (str_eq(p->gpus[i].pci, pci))
			return true;
	return false;
}

/* EGL is told of just the GPUs whose nodes the container has, from the plan or from the engine. */
static bool is_profile(const struct plan *p, const struct plan_input *in, const char *content)
{
	cleanup_free char *want = NULL;
	uint64_t minors = 0;

	for (size_t i = 0; i < p->n_nodes; i++)
		if (p->nodes[i].minor < 64 && number_behind(p->nodes[i].name, "nvidia", p->nodes[i].minor))
			minors |= UINT64_C(1) << p->nodes[i].minor;
	for (size_t i = 0; i < in->inventory->n_gpus; i++) {
		const struct inventory_gpu *gpu = &in->inventory->gpus[i];

		if (gpu->minor < 64 && is_listed(p, gpu->pci) &&
		    plan_devices_given(in->request, in->inventory->major, gpu->minor))
			minors |= UINT64_C(1) << gpu->minor;
	}
	want = plan_graphics_profile(minors);
	return minors && content && str_eq(content, want);
}

static int check_files(const struct plan *p, const struct plan_input *in, struct err *err)
{
	for (size_t i = 0; i < p->n_files; i++) {
		const struct plan_file *f = &p->files[i];
		bool egl = f->path && str_eq(f->path, PLAN_EGL_FILE);
		bool ours = f->path && (str_eq(f->path, PLAN_CONF_FILE) || str_eq(f->path, PLAN_CUDA_CONF_FILE));
		bool conf = f->path && str_eq(f->path, ROOTFACTS_CONF);

		if (!ours && !conf && !egl)
			return refuse(err, f->path, "no file of a plan");
		if (egl && !is_profile(p, in, f->content))
			return refuse(err, f->path, "other GPUs than the container's");
		if (!f->content || (conf && !str_eq(f->content, PLAN_CONF_INCLUDE "\n")) ||
		    (ours && !all_our_dirs(f->content, '\n', true)))
			return refuse(err, f->path, "content that names other directories than ours");
		for (size_t k = 0; k < i; k++)
			if (str_eq(p->files[k].path, f->path))
				return refuse(err, f->path, "written twice");
	}
	return 0;
}

/* The libraries looked at so far. There are hundreds, nearly in order, and nearly always in one directory. */
struct seen {
	const char **paths; /* in order */
	size_t n;
	size_t dir;    /* how much of the last one is its directory, with the slash behind it */
	size_t shared; /* the same of them all; 0 where they lie in several */
};

static bool is_library_dir(const char *path, size_t len)
{
	char dir[PATH_MAX - NAME_MAX]; /* with room for a name behind it */

	if (len < 2 || len > sizeof(dir))
		return false;
	memcpy(dir, path, len - 1);
	dir[len - 1] = '\0';
	return is_plain(dir) && (path_is_below(dir, PLAN_NVIDIA_DIR) || path_is_below(dir, PLAN_CUDA_DIR));
}

static bool is_named(const struct plan_cache_library *l, size_t dir)
{
	return l->soname == l->path + dir || str_eq(l->soname, l->path + dir);
}

/* Below driver or toolkit, and named as its SONAME. */
static bool is_library(struct seen *s, const struct plan_cache_library *l, const char *before)
{
	if (!l->soname || !l->path || !tree_is_file_name(l->soname))
		return false;
	/* A SONAME has no slash: with nothing but it behind that directory, it lies in it. */
	if (before && strncmp(l->path, before, s->dir) == 0 && is_named(l, s->dir))
		return true;
	s->dir = (size_t)(path_base(l->path) - l->path);
	s->shared = before ? 0 : s->dir;
	return is_library_dir(l->path, s->dir) && is_named(l, s->dir);
}

/* Where the path stands, or would stand. */
static size_t find_place(const struct seen *s, const char *path)
{
	size_t from = 0, to = s->n;

	/* Nearly all come behind the last one. */
	if (to && strcmp(s->paths[to - 1] + s->shared, path + s->shared) < 0)
		return to;
	while (from < to) {
		size_t half = from + (to - from) / 2;

		if (strcmp(s->paths[half] + s->shared, path + s->shared) < 0)
			from = half + 1;
		else
			to = half;
	}
	return from;
}

static bool add_seen(struct seen *s, const char *path)
{
	size_t at = find_place(s, path);

	if (at < s->n && str_eq(s->paths[at], path))
		return false;
	memmove(s->paths + at + 1, s->paths + at, (s->n - at) * sizeof(*s->paths));
	s->paths[at] = path;
	s->n++;
	return true;
}

static int check_libraries(const struct plan_cache_library *v, size_t n, struct err *err)
{
	cleanup_free const char **paths = mem_realloc_array(NULL, n, sizeof(*paths));
	struct seen seen = { .paths = paths };

	for (size_t i = 0; i < n; i++) {
		if (!is_library(&seen, &v[i], i ? v[i - 1].path : NULL))
			return refuse(err, v[i].path, "a library of the cache outside driver and toolkit");
		if (v[i].class != 32 && v[i].class != 64)
			return refuse(err, v[i].path, "a library of no known class");
		if (!add_seen(&seen, v[i].path))
			return refuse(err, v[i].path, "in the cache twice");
	}
	return 0;
}

static int check_loader(const struct plan *p, struct err *err)
{
	const struct plan_cache *c = &p->cache;
	int r = check_libraries(c->first, c->n_first, err);

	if (r < 0)
		return r;
	r = check_libraries(c->last, c->n_last, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < c->own_prefixes.n; i++)
		if (!str_eq(c->own_prefixes.v[i], PLAN_NVIDIA_DIR) && !str_eq(c->own_prefixes.v[i], PLAN_CUDA_DIR))
			return refuse(err, c->own_prefixes.v[i], "entries of the image's cache would be dropped");
	if (p->ld_library_path && (!*p->ld_library_path || !all_our_dirs(p->ld_library_path, ':', false)))
		return refuse(err, p->ld_library_path, "LD_LIBRARY_PATH names other directories than ours");
	return 0;
}

int plan_check(const struct plan *p, const struct plan_input *in, struct err *err)
{
	int r = check_mounts(p, in, err);

	if (r < 0)
		return r;
	r = check_nodes(p, in, err);
	if (r < 0)
		return r;
	r = check_ipc(p, err);
	if (r < 0)
		return r;
	r = check_shown(p, in, err);
	if (r < 0)
		return r;
	r = check_dev_links(p, in, err);
	if (r < 0)
		return r;
	r = check_proc(p, in, err);
	if (r < 0)
		return r;
	r = check_links(p, err);
	if (r < 0)
		return r;
	r = check_files(p, in, err);
	if (r < 0)
		return r;
	return check_loader(p, err);
}
