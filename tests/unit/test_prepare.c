/* SPDX-License-Identifier: Apache-2.0 */
/* The whole road on a host that is made of files: no GPU, no root, no driver is needed. */
#include "apply/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "fakehost.h"
#include "host/hostroot.h"
#include "tap.h"

struct world {
	const char *dir;
	struct config conf;
	struct spec spec;
	struct request request;
	struct hostroot host;
	struct prepared prepared;
	struct err err;
	int rootfd;
};

static void world_open(struct world *w)
{
	char path[512];

	*w = (struct world){ .dir = fakehost_make(), .host = HOSTROOT_INIT };
	snprintf(path, sizeof(path), "%s/root", w->dir);
	w->rootfd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	config_init(&w->conf);
	config_set_root(&w->conf, w->dir);
	spec_init(&w->spec);
}

static int world_plan(struct world *w, const char *devices)
{
	char text[128];
	struct prepare_input in = {
		.conf = &w->conf,
		.host = &w->host,
		.spec = &w->spec,
		.request = &w->request,
		.rootfd = w->rootfd,
		.os_root = w->dir,
	};

	snprintf(text, sizeof(text), "NVIDIA_VISIBLE_DEVICES=%s", devices);
	spec_add_env(&w->spec, text);
	CHECK_INT(request_parse(&w->request, &w->spec, &w->conf, &w->err), 0);
	CHECK_INT(hostroot_open(&w->host, &w->conf, &w->err), 0);
	return prepare_plan(&w->prepared, &in, &w->err);
}

static void world_close(struct world *w)
{
	prepare_free(&w->prepared);
	hostroot_close(&w->host);
	request_free(&w->request);
	spec_free(&w->spec);
	config_free(&w->conf);
	fd_close(w->rootfd);
}

static bool has_link(const struct plan *p, const char *path)
{
	for (size_t i = 0; i < p->n_links; i++)
		if (str_eq(p->links[i].path, path))
			return true;
	return false;
}

TEST(from_files_to_a_plan)
{
	struct world w;
	char source[512];

	world_open(&w);
	fakehost_add_gpu(w.dir);
	fakehost_add_tree(w.dir);
	CHECK_INT(world_plan(&w, "all"), 0);
	CHECK_STR(w.err.what, "");
	CHECK_INT(w.prepared.plan.n_nodes, 4);
	REQUIRE(w.prepared.plan.n_mounts == 1);
	snprintf(source, sizeof(source), "%s/opt/nvidia/535.261.03/3975.2.0/views/compute+utility", w.dir);
	CHECK_STR(w.prepared.plan.mounts[0].source, source);
	CHECK(has_link(&w.prepared.plan, "/usr/bin/nvidia-smi"));
	CHECK(w.prepared.plan.cache.wanted);
	CHECK(w.prepared.facts.known);
	CHECK(!w.prepared.has_toolkit && !w.prepared.no_gpu_ignored);
	world_close(&w);
}

TEST(the_image_is_looked_at)
{
	struct world w;

	world_open(&w);
	fakehost_add_gpu(w.dir);
	fakehost_add_tree(w.dir);
	tap_write(w.dir, "root/usr/bin/nvidia-smi", "its own");
	CHECK_INT(world_plan(&w, "all"), 0);
	CHECK(!has_link(&w.prepared.plan, "/usr/bin/nvidia-smi"));
	world_close(&w);
}

TEST(without_a_root_it_is_assumed)
{
	struct world w;

	world_open(&w);
	fakehost_add_gpu(w.dir);
	fakehost_add_tree(w.dir);
	fd_close(w.rootfd);
	w.rootfd = -EBADF;
	CHECK_INT(world_plan(&w, "0"), 0);
	CHECK(!w.prepared.facts.known);
	CHECK_INT(w.prepared.plan.n_nodes, 4);
	world_close(&w);
}

TEST(toolkit)
{
	struct world w;

	world_open(&w);
	fakehost_add_gpu(w.dir);
	fakehost_add_tree(w.dir);
	tap_write(w.dir, "opt/cuda/12.2.2/start.json", FAKEHOST_CUDA);
	CHECK_INT(world_plan(&w, "all"), 0);
	CHECK(w.prepared.has_toolkit);
	CHECK_INT(w.prepared.plan.n_mounts, 2);
	CHECK_STR(w.prepared.plan.cuda, "12.2.2");
	world_close(&w);
}

TEST(no_gpu)
{
	struct world w;

	world_open(&w);
	CHECK(world_plan(&w, "all") < 0);
	CHECK_INT(w.err.code, ERR_NO_GPU);
	world_close(&w);
}

TEST(no_gpu_ignored)
{
	struct world w;

	world_open(&w);
	w.conf.no_gpu = CONFIG_NO_GPU_IGNORE;
	CHECK_INT(world_plan(&w, "all"), 0);
	CHECK(w.prepared.no_gpu_ignored);
	CHECK_STR(w.err.what, "");
	CHECK(!w.prepared.plan.n_mounts && !w.prepared.plan.n_nodes);
	world_close(&w);
	/* The driver and no GPU is asked for, and there is neither. */
	world_open(&w);
	w.conf.no_gpu = CONFIG_NO_GPU_IGNORE;
	CHECK_INT(world_plan(&w, "none"), 0);
	CHECK(w.prepared.no_gpu_ignored);
	world_close(&w);
}

TEST(ignoring_is_for_nodes_without_gpu_alone)
{
	struct world w;

	world_open(&w);
	fakehost_add_gpu(w.dir);
	w.conf.no_gpu = CONFIG_NO_GPU_IGNORE;
	CHECK(world_plan(&w, "all") < 0);
	CHECK_INT(w.err.code, ERR_NO_TREE);
	CHECK(!w.prepared.no_gpu_ignored);
	world_close(&w);
	world_open(&w);
	fakehost_add_gpu(w.dir);
	fakehost_add_tree(w.dir);
	w.conf.no_gpu = CONFIG_NO_GPU_IGNORE;
	CHECK(world_plan(&w, "3") < 0);
	CHECK_INT(w.err.code, ERR_GPU_UNKNOWN);
	world_close(&w);
}

TEST(none_works_without_gpu)
{
	struct world w;
	char link[512];

	world_open(&w);
	fakehost_add_tree(w.dir);
	snprintf(link, sizeof(link), "%s/opt/nvidia/current", w.dir);
	CHECK_INT(symlink("535.261.03/3975.2.0", link), 0);
	CHECK_INT(world_plan(&w, "none"), 0);
	CHECK_STR(w.err.what, "");
	CHECK_INT(w.prepared.plan.n_nodes, 0);
	CHECK_INT(w.prepared.plan.n_mounts, 1);
	world_close(&w);
}

TEST(not_loaded)
{
	struct world w;

	world_open(&w);
	tap_write(w.dir, "sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n");
	tap_write(w.dir, "sys/bus/pci/devices/0000:01:00.0/class", "0x030200\n");
	w.conf.no_gpu = CONFIG_NO_GPU_IGNORE;
	CHECK(world_plan(&w, "all") < 0);
	CHECK_INT(w.err.code, ERR_NOT_LOADED);
	world_close(&w);
}

TEST(damaged_tree)
{
	struct world w;

	world_open(&w);
	fakehost_add_gpu(w.dir);
	tap_write(w.dir, "opt/nvidia/535.261.03/3975.2.0/start.json", "{");
	CHECK(world_plan(&w, "all") < 0);
	CHECK_INT(w.err.code, ERR_TREE);
	world_close(&w);
	world_open(&w);
	fakehost_add_gpu(w.dir);
	fakehost_add_tree(w.dir);
	tap_write(w.dir, "opt/cuda/12.2.2/start.json", "[]");
	CHECK(world_plan(&w, "all") < 0);
	CHECK_INT(w.err.code, ERR_TREE);
	world_close(&w);
}
