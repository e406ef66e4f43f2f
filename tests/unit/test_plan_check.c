/* SPDX-License-Identifier: Apache-2.0 */
/* Doctored plans: every invariant of plan_check is broken once, and caught. */
#include <limits.h>

#include "base/path.h"
#include "scene.h"

typedef void doctor_fn(struct plan *p);

static void source_outside(struct plan *p)
{
	p->mounts[0].source = "/etc";
}
static void source_climbs(struct plan *p)
{
	p->mounts[0].source = "/opt/nvidia/../../etc";
}
static void source_store_itself(struct plan *p)
{
	p->mounts[0].source = "/opt/nvidia";
}
static void source_sibling(struct plan *p)
{
	p->mounts[0].source = "/opt/nvidia-other/x";
}
static void source_of_other_store(struct plan *p)
{
	p->mounts[0].source = p->mounts[1].source;
}
static void source_missing(struct plan *p)
{
	p->mounts[0].source = NULL;
}
static void target_elsewhere(struct plan *p)
{
	p->mounts[0].target = "/usr/lib";
}
static void target_below(struct plan *p)
{
	p->mounts[0].target = "/usr/local/nvidia/lib64";
}
static void target_relative(struct plan *p)
{
	p->mounts[0].target = "usr/local/nvidia";
}
static void target_slash(struct plan *p)
{
	p->mounts[0].target = "/usr/local/nvidia/";
}
static void target_twice(struct plan *p)
{
	p->mounts[1] = p->mounts[0];
}
static void node_sda(struct plan *p)
{
	p->nodes[0] = (struct plan_node){ "sda", 8, 0 };
}
static void node_mem(struct plan *p)
{
	p->nodes[0] = (struct plan_node){ "nvidiactl", 1, 1 };
}
static void node_minor(struct plan *p)
{
	p->nodes[0].minor = 7;
}
static void node_no_major(struct plan *p)
{
	p->nodes[0].major = INVENTORY_NO_MAJOR;
}
static void node_unknown_gpu(struct plan *p)
{
	p->nodes[0] = (struct plan_node){ "nvidia9", 195, 9 };
}
static void node_wrong_name(struct plan *p)
{
	p->nodes[0] = (struct plan_node){ "nvidia00", 195, 0 };
}
static void node_climbs(struct plan *p)
{
	p->nodes[0] = (struct plan_node){ "../nvidia0", 195, 0 };
}
static void node_empty(struct plan *p)
{
	p->nodes[0].name = NULL;
}
static void node_drm_of_nobody(struct plan *p)
{
	p->nodes[0] = (struct plan_node){ "dri/card9", 226, 9 };
}
static void node_drm_number(struct plan *p)
{
	p->nodes[0] = (struct plan_node){ "dri/card1", 226, 2 };
}
static void node_drm_major(struct plan *p)
{
	p->nodes[0] = (struct plan_node){ "dri/card1", 8, 1 };
}
static void node_drm_climbs(struct plan *p)
{
	p->nodes[0] = (struct plan_node){ "dri/../sda", 226, 1 };
}
static void node_cap_major(struct plan *p)
{
	p->nodes[0] = (struct plan_node){ "nvidia-caps/nvidia-cap1", 8, 1 };
}
static void node_imex_major(struct plan *p)
{
	p->nodes[0] = (struct plan_node){ "nvidia-caps-imex-channels/channel0", 238, 0 };
}
static void node_uvm(struct plan *p)
{
	p->nodes[0] = (struct plan_node){ "nvidia-uvm", 510, 2 };
}
static void node_twice(struct plan *p)
{
	p->nodes[1] = p->nodes[0];
}
static void ipc_docker(struct plan *p)
{
	p->ipc[0].path = "/run/docker.sock";
}
static void ipc_twice(struct plan *p)
{
	p->ipc[1] = p->ipc[0];
}
static void proc_unknown(struct plan *p)
{
	p->proc.gpus[0].pci = "0000:99:00.0";
}
static void proc_climbs(struct plan *p)
{
	p->proc.gpus[0].pci = "../x";
}
static void proc_empty(struct plan *p)
{
	p->proc.gpus[0].information = NULL;
}
static void link_shadow(struct plan *p)
{
	p->links[0].path = "/etc/shadow";
}
static void link_profile(struct plan *p)
{
	p->links[0].path = "/root/.profile";
}
static void link_conf(struct plan *p)
{
	p->links[0].path = "/etc/ld.so.conf.d/evil.conf";
}
static void link_deep(struct plan *p)
{
	p->links[0].path = "/usr/bin/a/b";
}
static void link_climbs(struct plan *p)
{
	p->links[0].path = "/usr/share/../../etc/x";
}
static void link_newline(struct plan *p)
{
	p->links[0].path = "/usr/bin/a\nb";
}
static void link_out(struct plan *p)
{
	p->links[0].target = "/bin/sh";
}
static void link_out_climbs(struct plan *p)
{
	p->links[0].target = "/usr/local/nvidia/../../../bin/sh";
}
static void link_relative(struct plan *p)
{
	p->links[0].target = "bin/sh";
}
static void link_xserver_other(struct plan *p)
{
	p->links[0].path = "/usr/lib/xorg/modules/extensions/libglx.so";
}
static void link_gbm_deep(struct plan *p)
{
	p->links[0].path = "/usr/lib64/gbm/nvidia/x.so";
}
static void link_lib(struct plan *p)
{
	p->links[0].path = "/usr/lib64/libnvidia-ml.so";
}
static void link_twice(struct plan *p)
{
	p->links[1].path = p->links[0].path;
}
static void file_passwd(struct plan *p)
{
	p->files[0].path = "/etc/passwd";
}
static void file_preload(struct plan *p)
{
	p->files[0].path = "/etc/ld.so.preload";
}
static void file_dirs(struct plan *p)
{
	p->files[0].content = "/tmp\n";
}
static void file_include(struct plan *p)
{
	p->files[0].content = "include /tmp/*\n";
}
static void file_conf(struct plan *p)
{
	p->files[0] = (struct plan_file){ "/etc/ld.so.conf", "/usr/local/nvidia/lib64\n" };
}
static void file_twice(struct plan *p)
{
	p->files[1].path = p->files[0].path;
}
static void cache_outside(struct plan *p)
{
	p->cache.first[0].path = "/tmp/libcuda.so.1";
}
static void cache_climbs(struct plan *p)
{
	p->cache.first[0].path = "/usr/local/nvidia/../../../tmp/libcuda.so.1";
}
static void cache_name(struct plan *p)
{
	p->cache.first[0].soname = "libc.so.6";
}
static void cache_class(struct plan *p)
{
	p->cache.first[0].class = 0;
}
static void cache_last(struct plan *p)
{
	p->cache.last[0].path = "/opt/libcudart.so.12";
}
static void cache_twice(struct plan *p)
{
	p->cache.first[1] = p->cache.first[0];
}
/* Each is its SONAME behind a directory of the driver's. */
static void cache_deep_name(struct plan *p)
{
	p->cache.first[0].path = "/usr/local/nvidia/lib64/x/liba.so";
	p->cache.first[0].soname = "x/liba.so";
}
static void cache_dots_name(struct plan *p)
{
	p->cache.first[0].path = "/usr/local/nvidia/lib64/..";
	p->cache.first[0].soname = "..";
}
static void cache_newline(struct plan *p)
{
	p->cache.first[0].path = "/usr/local/nvidia/lib64/a\nb";
	p->cache.first[0].soname = "a\nb";
}
static void cache_relative(struct plan *p)
{
	p->cache.first[0].path = p->cache.first[0].soname = "liba.so";
}
static void cache_in_root(struct plan *p)
{
	p->cache.first[0].path = "/liba.so";
	p->cache.first[0].soname = "liba.so";
}
/* Longer than a path can be. */
static void cache_long(struct plan *p)
{
	static char path[PATH_MAX + 50];
	const size_t name = sizeof(path) - 1 - 200;

	memset(path, 'a', sizeof(path) - 1);
	memcpy(path, "/usr/local/nvidia/", strlen("/usr/local/nvidia/"));
	for (size_t i = 200; i < name - 1; i += 200)
		path[i] = '/';
	path[name - 1] = '/';
	p->cache.first[0].path = path;
	p->cache.first[0].soname = path_base(path);
}
static void cache_nameless(struct plan *p)
{
	p->cache.first[0].soname = NULL;
}
static void cache_absent(struct plan *p)
{
	p->cache.first[0].path = NULL;
}
/* The directories' names begin alike. */
static void cache_beside(struct plan *p)
{
	p->cache.first[0].path = "/usr/local/nvidia/lib/liba.so";
	p->cache.first[0].soname = "liba.so";
	p->cache.first[1].path = "/usr/local/nvidia/lib/../../../../tmp/liba.so";
	p->cache.first[1].soname = "liba.so";
}
static void cache_twice_between_others(struct plan *p)
{
	struct plan_cache_library *l = p->cache.first;

	l[0] = (struct plan_cache_library){ "libb.so", "/usr/local/nvidia/lib64/libb.so", 64, 62 };
	l[1] = (struct plan_cache_library){ "libb.so", "/usr/local/nvidia/lib32/libb.so", 32, 3 };
	l[2] = l[0];
	p->cache.n_first = 3;
}
static void cache_prefix(struct plan *p)
{
	p->cache.own_prefixes.v[0] = "/usr";
}
static void path_elsewhere(struct plan *p)
{
	p->ld_library_path = "/usr/local/nvidia/lib64:/tmp";
}
static void path_current_dir(struct plan *p)
{
	p->ld_library_path = "/usr/local/nvidia/lib64::/usr/local/nvidia/lib32";
}
static void path_empty(struct plan *p)
{
	p->ld_library_path = "";
}
static void path_relative(struct plan *p)
{
	p->ld_library_path = "lib";
}

static void egl_other_gpu(struct plan *p)
{
	for (size_t i = 0; i < p->n_files; i++)
		if (str_eq(p->files[i].path, PLAN_EGL_FILE))
			p->files[i].content =
				"{\"profiles\":[{\"name\":\"_container_\",\"settings\":[\"EGLVisibleDGPUDevices\",0xf]}],"
				"\"rules\":[{\"pattern\":[],\"profile\":\"_container_\"}]}\n";
}
static void egl_empty(struct plan *p)
{
	for (size_t i = 0; i < p->n_files; i++)
		if (str_eq(p->files[i].path, PLAN_EGL_FILE))
			p->files[i].content = NULL;
}
static void dev_link_sda(struct plan *p)
{
	p->dev_links[0].name = "sda";
}
static void dev_link_climbs(struct plan *p)
{
	p->dev_links[0].name = "dri/by-path/pci-0000:01:00.0/../../card";
}
static void dev_link_nameless(struct plan *p)
{
	p->dev_links[0].name = "dri/by-path/pci-";
}
static void dev_link_absent(struct plan *p)
{
	p->dev_links[0].name = NULL;
}
static void dev_link_to_mem(struct plan *p)
{
	p->dev_links[0].target = "../../mem";
}
static void dev_link_to_another(struct plan *p)
{
	p->dev_links[0].target = "../card9";
}
static void dev_link_nowhere(struct plan *p)
{
	p->dev_links[0].target = NULL;
}
static void dev_link_twice(struct plan *p)
{
	p->dev_links[1] = p->dev_links[0];
}
static void shown_not_asked(struct plan *p)
{
	static struct plan_shown shown = { "/etc/cufile.json" };

	p->shown = &shown;
	p->n_shown = 1;
}
static void shown_passwd(struct plan *p)
{
	p->shown[0].path = "/etc/shadow";
}
static void shown_udev(struct plan *p)
{
	p->shown[0].path = "/run/udev";
}
static void shown_absent(struct plan *p)
{
	p->shown[0].path = NULL;
}
static void shown_twice(struct plan *p)
{
	p->shown[1] = p->shown[0];
}
static void extra_number(struct plan *p)
{
	p->nodes[p->n_nodes - 1].minor = 7;
}
static void extra_major(struct plan *p)
{
	p->nodes[p->n_nodes - 1].major = 8;
}
static void extra_name(struct plan *p)
{
	p->nodes[p->n_nodes - 1].name = "infiniband/umad0";
}
/* The host has it, but the container has not asked for it. */
static void extra_not_asked(struct plan *p)
{
	p->nodes[p->n_nodes - 1] = (struct plan_node){ "nvidia-nvswitchctl", 505, 255 };
}

struct doctor {
	const char *name;
	doctor_fn *fn;
};

static const struct doctor doctors[] = {
#define D(fn) \
	{ \
#fn, fn \
	}
	D(source_outside),
	D(source_climbs),
	D(source_store_itself),
	D(source_sibling),
	D(source_of_other_store),
	D(source_missing),
	D(target_elsewhere),
	D(target_below),
	D(target_relative),
	D(target_slash),
	D(target_twice),
	D(node_sda),
	D(node_mem),
	D(node_minor),
	D(node_no_major),
	D(node_unknown_gpu),
	D(node_wrong_name),
	D(node_climbs),
	D(node_empty),
	D(node_drm_of_nobody),
	D(node_drm_number),
	D(node_drm_major),
	D(node_drm_climbs),
	D(node_cap_major),
	D(node_imex_major),
	D(node_uvm),
	D(node_twice),
	D(ipc_docker),
	D(ipc_twice),
	D(proc_unknown),
	D(proc_climbs),
	D(proc_empty),
	D(link_shadow),
	D(link_profile),
	D(link_conf),
	D(link_deep),
	D(link_climbs),
	D(link_newline),
	D(link_out),
	D(link_out_climbs),
	D(link_relative),
	D(link_xserver_other),
	D(link_gbm_deep),
	D(link_lib),
	D(link_twice),
	D(file_passwd),
	D(file_preload),
	D(file_dirs),
	D(file_include),
	D(file_conf),
	D(file_twice),
	D(cache_outside),
	D(cache_climbs),
	D(cache_name),
	D(cache_class),
	D(cache_last),
	D(cache_twice),
	D(cache_deep_name),
	D(cache_dots_name),
	D(cache_newline),
	D(cache_relative),
	D(cache_in_root),
	D(cache_long),
	D(cache_nameless),
	D(cache_absent),
	D(cache_beside),
	D(cache_twice_between_others),
	D(cache_prefix),
	D(path_elsewhere),
	D(path_current_dir),
	D(path_empty),
	D(path_relative),
	D(egl_other_gpu),
	D(egl_empty),
	D(dev_link_sda),
	D(dev_link_climbs),
	D(dev_link_nameless),
	D(dev_link_absent),
	D(dev_link_to_mem),
	D(dev_link_to_another),
	D(dev_link_nowhere),
	D(dev_link_twice),
	D(shown_not_asked),
};

static const struct doctor extra_doctors[] = {
	D(shown_passwd), D(shown_udev),	 D(shown_absent), D(shown_twice),
	D(extra_number), D(extra_major), D(extra_name),	  D(extra_not_asked),
#undef D
};

static const char text[] =
	"{\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\",\"NVIDIA_DRIVER_CAPABILITIES=all\",\"NVIDIA_IMEX_CHANNELS=0\"],"
	"\"toolkits\":[\"12.2.2\"],\"config\":\"ipc=persistenced mps\",\"host\":\"three\"}";

TEST(a_good_plan_passes)
{
	struct scene s;

	REQUIRE(scene_plan(&s, text) == 0);
	CHECK_INT(plan_check(&s.plan, &s.in, &s.err), 0);
	CHECK_STR(s.err.what, "");
	scene_close(&s);
}

/* Libraries in any order, in several directories. */
TEST(so_does_one_whose_libraries_are_in_no_order)
{
	struct plan_cache_library *l;
	struct scene s;

	REQUIRE(scene_plan(&s, text) == 0);
	REQUIRE(s.plan.cache.n_first >= 4);
	l = s.plan.cache.first;
	l[0] = (struct plan_cache_library){ "libb.so", "/usr/local/nvidia/lib64/libb.so", 64, 62 };
	l[1] = (struct plan_cache_library){ "liba.so", "/usr/local/nvidia/lib64/liba.so", 64, 62 };
	l[2] = (struct plan_cache_library){ "libb.so", "/usr/local/nvidia/lib32/libb.so", 32, 3 };
	l[3] = (struct plan_cache_library){ "libc.so", "/usr/local/nvidia/libc.so", 64, 62 };
	s.plan.cache.n_first = 4;
	CHECK_INT(plan_check(&s.plan, &s.in, &s.err), 0);
	/* And one directory below the other. */
	l[1] = (struct plan_cache_library){ "liba.so", "/usr/local/nvidia/lib64/deep/liba.so", 64, 62 };
	CHECK_INT(plan_check(&s.plan, &s.in, &s.err), 0);
	CHECK_STR(s.err.what, "");
	scene_close(&s);
}

static void try_doctors(const char *scene, const struct doctor *d, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct scene s;

		CHECK_INT(scene_plan(&s, scene), 0);
		CHECK_INT(plan_check(&s.plan, &s.in, &s.err), 0);
		d[i].fn(&s.plan);
		if (!CHECK(plan_check(&s.plan, &s.in, &s.err) < 0))
			tap_check_str(d[i].name, "", __FILE__, __LINE__, "not caught");
		CHECK_INT(s.err.code, ERR_VALUE);
		scene_close(&s);
	}
}

TEST(every_doctored_plan_is_caught)
{
	try_doctors(text, doctors, ARRAY_SIZE(doctors));
}

TEST(so_are_those_with_devices_of_other_drivers)
{
	try_doctors("{\"env\":[\"NVIDIA_VISIBLE_DEVICES=0\",\"NVIDIA_GDS=enabled\",\"NVIDIA_MOFED=enabled\"],"
		    "\"host\":\"extra\"}",
		    extra_doctors, ARRAY_SIZE(extra_doctors));
}

TEST(none_may_have_no_node)
{
	struct plan_node node = { "nvidiactl", 195, 255 };
	struct scene s;

	REQUIRE(scene_plan(&s, "{\"env\":[\"NVIDIA_VISIBLE_DEVICES=none\"]}") == 0);
	CHECK_INT(plan_check(&s.plan, &s.in, &s.err), 0);
	s.plan.nodes = &node;
	s.plan.n_nodes = 1;
	CHECK(plan_check(&s.plan, &s.in, &s.err) < 0);
	scene_close(&s);
}
