/* SPDX-License-Identifier: Apache-2.0 */
/* Single decisions of the planner; whole plans stand in tests/golden. */
#include "scene.h"

static void check_error(const char *text, enum err_code code, const char *part)
{
	struct scene s;

	CHECK(scene_plan(&s, text) < 0);
	CHECK_INT(s.err.code, code);
	if (!strstr(s.err.what, part) && !strstr(s.err.hint, part))
		CHECK_STR(s.err.what, part);
	CHECK(!s.plan.n_nodes && !s.plan.n_mounts);
	scene_close(&s);
}

TEST(errors_name_what_is_wrong)
{
	check_error("{\"env\":[\"NVIDIA_VISIBLE_DEVICES=5\"],\"host\":\"three\"}", ERR_GPU_UNKNOWN,
		    "this host has 0-2");
	check_error("{\"env\":[\"NVIDIA_VISIBLE_DEVICES=5\"]}", ERR_GPU_UNKNOWN, "this host has GPU 0 alone");
	check_error("{\"env\":[\"NVIDIA_VISIBLE_DEVICES=0,5\"],\"host\":\"three\"}", ERR_GPU_UNKNOWN, "5");
	check_error("{\"env\":[\"NVIDIA_VISIBLE_DEVICES=0000:99:00.0\"],\"host\":\"three\"}", ERR_GPU_UNKNOWN,
		    "0000:81:00.0");
	check_error("{\"env\":[\"NVIDIA_VISIBLE_DEVICES=0:0\"]}", ERR_GPU_UNKNOWN, "not in MIG mode");
	check_error("{\"env\":[\"NVIDIA_VISIBLE_DEVICES=0:7\"],\"host\":\"mig\"}", ERR_GPU_UNKNOWN, "2 MIG devices");
	check_error("{\"env\":[\"NVIDIA_VISIBLE_DEVICES=GPU-11111111\"],\"host\":\"three\"}", ERR_GPU_UNKNOWN,
		    "more than one");
	check_error("{\"env\":[\"NVIDIA_VISIBLE_DEVICES=MIG-33333333-aaaa-4444-8888-000000000009\"],\"host\":\"mig\"}",
		    ERR_GPU_UNKNOWN, "MIG-33333333-aaaa-4444-8888-000000000009");
	check_error("{\"env\":[\"NVIDIA_VISIBLE_DEVICES=MIG-33333333-aaaa-4444-8888-000000000001\"]}", ERR_GPU_UNKNOWN,
		    "no MIG device");
	check_error("{\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\"],\"host\":\"none\"}", ERR_NO_GPU, "all");
	check_error("{\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\"],\"host\":\"unloaded\"}", ERR_NOT_LOADED, "nvidia");
	check_error("{\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\"],\"host\":\"no-uvm\"}", ERR_NOT_LOADED, "nvidia-uvm");
	check_error("{\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\",\"NVIDIA_REQUIRE_CUDA=cuda>=99\"]}", ERR_REQUIRE,
		    "cuda>=99");
	check_error("{\"env\":[\"NVIDIA_VISIBLE_DEVICES=none\",\"NVIDIA_REQUIRE_CUDA=cuda>=99\"],\"host\":\"none\"}",
		    ERR_REQUIRE, "cuda>=99");
	check_error("{\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\",\"NVIDIA_IMEX_CHANNELS=0\"],\"host\":\"mig\"}", ERR_NODE,
		    "nvidia-caps-imex-channels/channel0");
	check_error("{\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\",\"NVIDIA_MIG_CONFIG_DEVICES=all\"],\"privileged\":true}",
		    ERR_NODE, "the kernel tells no number");
}

TEST(targets)
{
	static const char *const kinds[] = { "file", "link", "ours", "other", "blocked" };
	char text[256];
	struct scene s;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		snprintf(text, sizeof(text),
			 "{\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\"],\"facts\":{\"paths\":{\"%s\":\"%s\"}}}",
			 PLAN_NVIDIA_DIR, kinds[i]);
		check_error(text, ERR_TARGET, PLAN_NVIDIA_DIR);
	}
	check_error("{\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\"],\"facts\":{\"volumes\":[\"/usr\"]}}", ERR_FOREIGN_MOUNT,
		    "the volume /usr");
	check_error("{\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\",\"NVCOREOS_CUDA=12\"],\"toolkits\":[\"12.2.2\"],"
		    "\"facts\":{\"paths\":{\"/usr/local/cuda\":\"link\"}}}",
		    ERR_TARGET, PLAN_CUDA_DIR);
	/* A directory is there, whoever owns it. */
	CHECK_INT(scene_plan(&s, "{\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\"],\"facts\":{\"volumes\":[\"/usr/local\"],"
				 "\"paths\":{\"/usr/local/nvidia\":\"dir\"}}}"),
		  0);
	CHECK_INT(s.plan.n_mounts, 1);
	scene_close(&s);
}

TEST(index_is_the_rank_and_the_node_is_the_minor)
{
	struct scene s;

	REQUIRE(scene_plan(&s, "{\"env\":[\"NVIDIA_VISIBLE_DEVICES=0\"],\"host\":\"three\"}") == 0);
	CHECK(scene_has_node(&s, "nvidia2", 195, 2));
	CHECK(!scene_has_node(&s, "nvidia0", 195, 0));
	CHECK_INT(s.plan.n_nodes, 4);
	CHECK_INT(s.plan.proc.n_gpus, 1);
	CHECK_STR(s.plan.proc.gpus[0].pci, "0000:01:00.0");
	scene_close(&s);
}

TEST(a_gpu_named_twice_is_one)
{
	struct scene s;

	REQUIRE(scene_plan(&s, "{\"env\":[\"NVIDIA_VISIBLE_DEVICES=1,GPU-11111111-b\"],\"host\":\"three\"}") == 0);
	CHECK_INT(s.plan.n_gpus, 1);
	CHECK_INT(s.plan.n_nodes, 4);
	scene_close(&s);
}

TEST(old_names_of_mig_devices)
{
	struct scene s;

	REQUIRE(scene_plan(&s, "{\"env\":[\"NVIDIA_VISIBLE_DEVICES=MIG-GPU-11111111-aaaa-4444-8888-000000000001/2/0\"],"
			       "\"host\":\"mig\"}") == 0);
	CHECK_INT(s.plan.n_gpus, 1);
	CHECK(scene_has_node(&s, "nvidia-caps/nvidia-cap21", 238, 21));
	CHECK(scene_has_node(&s, "nvidia-caps/nvidia-cap22", 238, 22));
	CHECK(!scene_has_node(&s, "nvidia-caps/nvidia-cap12", 238, 12));
	scene_close(&s);
}

TEST(none_gives_no_device)
{
	struct scene s;

	REQUIRE(scene_plan(&s,
			   "{\"env\":[\"NVIDIA_VISIBLE_DEVICES=none\",\"NVIDIA_DRIVER_CAPABILITIES=all\","
			   "\"NVIDIA_IMEX_CHANNELS=0\",\"NVIDIA_MIG_CONFIG_DEVICES=all\"],\"privileged\":true}") == 0);
	CHECK_INT(s.plan.n_nodes, 0);
	CHECK_INT(s.plan.n_gpus, 0);
	CHECK_INT(s.plan.proc.n_gpus, 0);
	CHECK_INT(s.plan.n_mounts, 1);
	scene_close(&s);
}

TEST(params_hide_the_making_of_nodes)
{
	static const struct {
		const char *have, *want;
	} all[] = {
		{ "A: 1\nModifyDeviceFiles: 1\nB: 2\n", "A: 1\nModifyDeviceFiles: 0\nB: 2\n" },
		{ "ModifyDeviceFiles: 1", "ModifyDeviceFiles: 0\n" },
		{ "A: 1\n", "A: 1\nModifyDeviceFiles: 0\n" },
		{ "", "ModifyDeviceFiles: 0\n" },
		{ "XModifyDeviceFiles: 1\n", "XModifyDeviceFiles: 1\nModifyDeviceFiles: 0\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct scene s;

		CHECK_INT(scene_plan(&s, "{\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\"]}"), 0);
		plan_free(&s.plan);
		s.inventory.proc_params = all[i].have;
		CHECK_INT(plan_make(&s.plan, &s.in, &s.err), 0);
		CHECK_STR(s.plan.proc.params, all[i].want);
		scene_close(&s);
	}
}

TEST(loader_files)
{
	struct scene s;

	REQUIRE(scene_plan(&s,
			   "{\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\",\"NVIDIA_DRIVER_CAPABILITIES=compute,compat32\"],"
			   "\"toolkits\":[\"12.2.2\"]}") == 0);
	CHECK_STR(scene_file(&s, PLAN_CONF_FILE),
		  "# Written by nvcoreos; replaced at each start.\n/usr/local/nvidia/lib64\n/usr/local/nvidia/lib32\n");
	CHECK_STR(scene_file(&s, PLAN_CUDA_CONF_FILE),
		  "# Written by nvcoreos; replaced at each start.\n"
		  "/usr/local/cuda/targets/x86_64-linux/lib\n/usr/local/cuda/nvvm/lib64\n");
	CHECK(!scene_file(&s, "/etc/ld.so.conf"));
	scene_close(&s);
	/* An earlier start left our file, and no toolkit is mounted now. */
	REQUIRE(scene_plan(&s, "{\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\"],"
			       "\"facts\":{\"paths\":{\"/etc/ld.so.conf.d/zz-nvcoreos-cuda.conf\":\"file\"}}}") == 0);
	CHECK_STR(scene_file(&s, PLAN_CUDA_CONF_FILE), "# Written by nvcoreos; replaced at each start.\n");
	scene_close(&s);
}

TEST(loader_files_that_cannot_be_written)
{
	struct scene s;

	REQUIRE(scene_plan(
			&s,
			"{\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\"],\"facts\":{\"volumes\":[\"/etc/ld.so.conf.d\"]}}") ==
		0);
	CHECK_INT(s.plan.n_files, 0);
	CHECK(s.plan.cache.wanted);
	CHECK_STR(s.plan.ld_library_path, "/usr/local/nvidia/lib64");
	CHECK(scene_notes(&s, "the volume /etc/ld.so.conf.d"));
	scene_close(&s);
	REQUIRE(scene_plan(
			&s,
			"{\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\"],\"facts\":{\"paths\":{\"/etc/ld.so.cache\":\"dir\"},"
			"\"compat\":\"550.1\",\"cuda\":true}}") == 0);
	CHECK(!s.plan.cache.wanted);
	CHECK_STR(s.plan.ld_library_path, "/usr/local/cuda/compat:/usr/local/nvidia/lib64");
	scene_close(&s);
	REQUIRE(scene_plan(&s, "{\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\"],"
			       "\"facts\":{\"paths\":{\"/etc/ld.so.conf.d\":\"file\"}}}") == 0);
	CHECK_INT(s.plan.n_files, 0);
	CHECK(s.plan.ld_library_path);
	scene_close(&s);
}

TEST(compat_needs_a_newer_branch_and_its_gpu)
{
	static const struct {
		const char *compat, *host, *more;
		bool used;
	} all[] = {
		{ "550.54.15", "one", "", true },      { "550.54.15", "three", "", true },
		{ "1000.1", "one", "", true },	       { "535.999.99", "one", "", false },
		{ "535.261.03", "one", "", false },    { "99.1", "one", "", false },
		{ "550.54.15", "geforce", "", false }, { "550.54.15", "one", ",\"config\":\"cuda-compat=off\"", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		char text[512];
		struct scene s;

		snprintf(text, sizeof(text),
			 "{\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\"],\"host\":\"%s\","
			 "\"facts\":{\"cuda\":true,\"compat\":\"%s\"}%s}",
			 all[i].host, all[i].compat, all[i].more);
		CHECK_INT(scene_plan(&s, text), 0);
		CHECK_INT(str_ends(s.plan.view, ".nocuda"), all[i].used);
		CHECK_STR(s.plan.cache.first[0].path,
			  all[i].used ? "/usr/local/cuda/compat/libcuda.so.1" : "/usr/local/nvidia/lib64/libcuda.so.1");
		CHECK(scene_notes(&s, all[i].compat));
		scene_close(&s);
	}
}

TEST(compat_is_for_compute_and_glibc)
{
	struct scene s;

	REQUIRE(scene_plan(&s, "{\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\",\"NVIDIA_DRIVER_CAPABILITIES=utility\"],"
			       "\"facts\":{\"compat\":\"550.1\"}}") == 0);
	CHECK_STR(s.plan.view, "utility");
	scene_close(&s);
	REQUIRE(scene_plan(&s, "{\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\"],"
			       "\"facts\":{\"libc\":\"musl\",\"compat\":\"550.1\"}}") == 0);
	CHECK_STR(s.plan.view, "compute+utility");
	CHECK(!s.plan.ld_library_path && !s.plan.n_files && !s.plan.cache.wanted);
	scene_close(&s);
}

TEST(the_shim_decides_nothing_about_an_unseen_root)
{
	struct scene s;

	REQUIRE(scene_plan(&s, "{\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\"],"
			       "\"facts\":{\"known\":false,\"volumes\":[\"/usr/local/nvidia\"]}}") == 0);
	CHECK_INT(s.plan.n_mounts, 1);
	scene_close(&s);
}

TEST(notes_are_printable)
{
	struct scene s;

	REQUIRE(scene_plan(&s, "{\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\"],\"facts\":{\"volumes\":[\"/etc\"]}}") == 0);
	plan_free(&s.plan);
	for (size_t i = 0; i < s.facts.n_paths; i++)
		if (s.facts.paths[i].volume)
			s.facts.paths[i].volume = "/etc\x1b[2J\n";
	CHECK_INT(plan_make(&s.plan, &s.in, &s.err), 0);
	for (size_t i = 0; i < s.plan.notes.n; i++)
		CHECK(!strpbrk(s.plan.notes.v[i], "\x1b\n"));
	scene_close(&s);
}
