/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "host/inventory_extra.h"
#include "host/osver.h"
#include "plan/choose.h"

static bool host_has_no_gpu(const struct inventory *inv)
{
	return inv->passthrough || (!inv->n_gpus && !inv->has_pci_gpu);
}

static bool may_ignore(const struct prepared *p, const struct prepare_input *in)
{
	return host_has_no_gpu(&p->inventory) && in->conf->no_gpu == CONFIG_NO_GPU_IGNORE;
}

static int load_tree(struct prepared *p, const struct prepare_input *in, const char *path, struct err *err)
{
	return in->nodes_only ? tree_load_head(&p->driver, path, err) : tree_load(&p->driver, path, err);
}

static int load_driver(struct prepared *p, const struct prepare_input *in, struct err *err)
{
	cleanup_arena struct arena a = ARENA_INIT;
	const struct store_driver *d;
	const char *os;
	int r = osver_read(&a, in->os_root, NULL, &os, err);

	if (r < 0)
		return r;
	/* Nearly always the loaded driver has a tree for this OS version, and whatever else there is does not matter. */
	if (p->inventory.driver && store_has_driver(&p->store, p->inventory.driver, os) &&
	    load_tree(p, in, arena_printf(&a, "%s/%s/%s", p->store.driver_path, p->inventory.driver, os), NULL) == 0)
		return 0;
	store_free(&p->store);
	r = store_read(&p->store, in->conf, err);
	if (r < 0)
		return r;
	d = choose_driver(&p->store, &p->inventory, os, err);
	if (!d)
		return -ENOENT;
	return load_tree(p, in, arena_printf(&a, "%s/%s/%s", p->store.driver_path, d->driver, d->os), err);
}

static bool is_toolkit(const struct store *s, const struct stat *st)
{
	struct stat toolkit;

	for (size_t i = 0; i < s->n_toolkits; i++) {
		cleanup_free char *path = mem_printf("%s/%s", s->cuda_path, s->toolkits[i]);
		cleanup_fd int fd = fd_open_dir(path);

		if (fd >= 0 && fstat(fd, &toolkit) == 0 && toolkit.st_dev == st->st_dev && toolkit.st_ino == st->st_ino)
			return true;
	}
	return false;
}

/*
 * Where an engine has the hook configured twice, the second one finds the toolkit that the first has mounted. That is
 * none of the image's, and the second plan must be the first one again: the first one's files are replaced by it.
 */
static void forget_own_toolkit(struct prepared *p, const struct prepare_input *in)
{
	const struct rootfacts_path *seen = rootfacts_get(&p->facts, ROOTFACTS_CUDA);
	cleanup_fd int fd = -EBADF;
	struct stat st;

	if (!seen || (seen->kind == ROOTFACTS_ABSENT && !seen->unseen))
		return;
	fd = path_open(in->rootfd, ROOTFACTS_CUDA, O_PATH | O_DIRECTORY | O_NOFOLLOW);
	if (fd < 0 || spec_mount_over(in->spec, ROOTFACTS_CUDA) || fstat(fd, &st) < 0 || !is_toolkit(&p->store, &st))
		return;
	for (size_t i = 0; i < p->facts.n_paths; i++) {
		struct rootfacts_path *f = &p->facts.paths[i];

		if (!str_eq(f->path, ROOTFACTS_CUDA))
			continue;
		f->on_root = true;
		f->volume = NULL;
	}
	p->facts.has_cuda = false;
	p->facts.compat = NULL;
}

static int look_at_root(struct prepared *p, const struct prepare_input *in, struct err *err)
{
	cleanup_arena struct arena a = ARENA_INIT;
	struct rootfacts_ask ask = { .cuda = choose_cuda_minds_image(&p->store, in->conf, in->request) };
	int r;

	plan_candidates(&a, &ask.paths, &p->driver, in->request->capabilities, in->request->features);
	if (in->rootfd < 0) {
		rootfacts_assume(&p->facts, in->spec, &ask);
		return 0;
	}
	r = rootfacts_collect(&p->facts, in->rootfd, in->spec, &ask, err);
	if (r == 0)
		forget_own_toolkit(p, in);
	return r;
}

static int load_toolkit(struct prepared *p, const struct prepare_input *in, const char **why, struct err *err)
{
	cleanup_free char *path = NULL;
	const char *version;
	int r = choose_cuda(&p->store, in->conf, in->request, &p->facts, p->driver.cuda, &version, why, err);

	if (r < 0 || !version)
		return r;
	path = mem_printf("%s/%s", p->store.cuda_path, version);
	r = tree_load(&p->toolkit, path, err);
	p->has_toolkit = r >= 0;
	return r;
}

static int make_plan(struct prepared *p, const struct prepare_input *in, const char *why, struct err *err)
{
	struct plan_input input = {
		.conf = in->conf,
		.request = in->request,
		.inventory = &p->inventory,
		.driver = &p->driver,
		.toolkit = p->has_toolkit ? &p->toolkit : NULL,
		.toolkit_why = why,
		.facts = &p->facts,
	};
	int r = plan_make(&p->plan, &input, err);

	return r < 0 ? r : plan_check(&p->plan, &input, err);
}

/* What no part of the plan will ask for is not read. */
static int read_inventory(struct prepared *p, const struct prepare_input *in, struct err *err)
{
	const struct request *req = in->request;
	unsigned parts = 0;
	int r = 0;

	if (!in->nodes_only)
		parts |= INVENTORY_PROC;
	if (req->capabilities & (CAP_GRAPHICS | CAP_DISPLAY))
		parts |= INVENTORY_DRM;
	if (req->mig_config || req->mig_monitor)
		parts |= INVENTORY_MIG_ADMIN;
	if (in->seen && in->seen->begun) {
		p->inventory = *in->seen;
		*in->seen = (struct inventory){ .arena = ARENA_INIT };
	} else {
		r = inventory_begin(&p->inventory, in->host, err);
	}
	return r < 0 ? r : inventory_finish(&p->inventory, in->host, parts, err);
}

int prepare_plan(struct prepared *ret, const struct prepare_input *in, struct err *err)
{
	struct err local = ERR_INIT;
	const char *why = NULL;
	int r;

	memset(ret, 0, sizeof(*ret));
	r = read_inventory(ret, in, err);
	if (r == 0)
		r = inventory_extra_read(&ret->inventory, in->host, in->request->features, err);
	if (r < 0)
		return r;
	/* Before the store: a node without a GPU needs no driver to say so. */
	r = plan_host_check(&ret->inventory, in->request, &local);
	if (r == 0)
		r = store_read_toolkits(&ret->store, in->conf, &local);
	if (r == 0)
		r = store_check_rights(&ret->store, &local);
	if (r == 0)
		r = load_driver(ret, in, &local);
	if (r < 0 && may_ignore(ret, in) && (local.code == ERR_NO_GPU || local.code == ERR_NO_TREE)) {
		log_info("no GPU here, and no-gpu=ignore: the container is left alone");
		ret->no_gpu_ignored = true;
		return 0;
	}
	if (r < 0) {
		if (err)
			*err = local;
		return r;
	}
	r = look_at_root(ret, in, err);
	if (r < 0)
		return r;
	r = load_toolkit(ret, in, &why, err);
	return r < 0 ? r : make_plan(ret, in, why, err);
}

void prepare_free(struct prepared *p)
{
	plan_free(&p->plan);
	rootfacts_free(&p->facts);
	tree_free(&p->toolkit);
	tree_free(&p->driver);
	store_free(&p->store);
	inventory_free(&p->inventory);
	memset(p, 0, sizeof(*p));
}
