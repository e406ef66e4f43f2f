/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/str.h"
#include "conf/capability.h"
#include "oci/request_features.h"
#include "request_run.h"

TEST(nothing_asked)
{
	static const char *const env[] = { "PATH=/bin",
					   "NVIDIA_VISIBLE_DEVICES=",
					   "NVIDIA_VISIBLE_DEVICES=void",
					   "NVIDIA_VISIBLE_DEVICE=0",
					   "XNVIDIA_VISIBLE_DEVICES=0",
					   "DOCKER_RESOURCE_GPU=",
					   "NVIDIA_DRIVER_CAPABILITIES=gpu",
					   "NVCOREOS_CUDA=../x",
					   "CUDA_VERSION=" };

	for (size_t i = 0; i < ARRAY_SIZE(env); i++) {
		struct run t;

		run_env(&t, env[i], NULL);
		tap_check_int(t.r, 0, __FILE__, __LINE__, env[i]);
		CHECK(!t.req.wanted && !t.req.why_not);
		CHECK_INT(t.req.source, REQUEST_FROM_NOTHING);
		run_free(&t);
	}
}

TEST(defaults_of_a_request)
{
	struct run t;

	run_env(&t, "NVIDIA_VISIBLE_DEVICES=0", "NVIDIA_VISIBLE_DEVICES=1", NULL);
	CHECK_INT(t.r, 0);
	CHECK(t.req.wanted);
	CHECK_INT(t.req.source, REQUEST_FROM_ENVIRONMENT);
	/* Set twice, the last one counts, as runc has it. */
	CHECK_STR(devices(&t.req), "1");
	CHECK_INT(t.req.capabilities, CAP_COMPUTE | CAP_UTILITY);
	CHECK_INT(t.req.n_requirements, 0);
	CHECK_STR(t.req.cuda, NULL);
	CHECK(!t.req.mig_config && !t.req.mig_monitor);
	CHECK_INT(t.req.n_imex_channels, 0);
	run_free(&t);
	run_env(&t, "NVIDIA_VISIBLE_DEVICES=none", NULL);
	CHECK(t.req.wanted);
	CHECK_INT(t.req.n_devices, 0);
	run_free(&t);
}

#define DIR "/var/run/nvidia-container-devices/"
#define NUL "/dev/null"

/* Who says what, and what comes of it. */
struct saying {
	const char *visible, *swarm, *annotation, *mount; /* NULL: says nothing */
	bool gated;					  /* accept-environment=privileged, and the container is not */
	char source;	  /* E, L, S, M, C as REQUEST_FROM_*; 0: nothing is asked; !: refused */
	const char *want; /* the devices; the reason where nothing is asked; the error */
};

/* clang-format off */
static const struct saying sayings[] = {
	/* One source alone. */
	{ .visible = "0,1", .source = 'E', .want = "0,1" }, { .swarm = "3", .source = 'S', .want = "3" },
	{ .annotation = "1", .source = 'C', .want = "1" }, { .mount = "2", .source = 'M', .want = "2" },
	{ .annotation = "all", .source = 'C', .want = "all" }, { .swarm = "none", .source = 'S', .want = "-" },
	/* void, and nothing: no variable and no annotation asks; what they say is not even parsed. */
	{ .visible = "void", .source = 0 }, { .visible = "", .source = 0 },
	{ .visible = "nvidia.com/gpu=void", .annotation = "all", .source = 0, .want = "empty or void" },
	{ .visible = "void", .annotation = "all", .source = 0, .want = "empty or void" },
	{ .visible = "", .annotation = "all", .source = 0, .want = "empty or void" },
	{ .visible = "void", .swarm = "all", .source = 0, .want = "empty or void" },
	{ .visible = "", .swarm = "0", .source = 0, .want = "empty or void" },
	{ .visible = "", .swarm = "void", .source = 0 }, { .visible = "void", .swarm = "", .source = 0 },
	{ .visible = "void", .swarm = "sda", .annotation = "sda", .source = 0, .want = "empty or void" },
	{ .visible = "void", .annotation = "0", .mount = "1", .source = 'M', .want = "1" },
	/* none is final too, of what is understood. */
	{ .visible = "none", .source = 'E', .want = "-" }, { .visible = "none", .annotation = "all", .source = 'E', .want = "-" },
	{ .visible = "none", .swarm = "all", .source = 'E', .want = "-" },
	{ .visible = "none", .swarm = "0", .annotation = "1", .source = 'E', .want = "-" },
	{ .visible = "none", .swarm = "sda", .source = '!', .want = "DOCKER_RESOURCE_GPU: sda: not a device" },
	{ .visible = "none", .mount = "1", .source = 'M', .want = "1" },
	/* all gives way to what is narrower. */
	{ .visible = "all", .swarm = "3", .source = 'S', .want = "3" }, { .visible = "all", .annotation = "3", .source = 'C', .want = "3" },
	{ .visible = "all", .swarm = "all", .source = 'S', .want = "all" }, { .visible = "all", .swarm = "none", .source = 'S', .want = "-" },
	{ .visible = "all", .swarm = "", .source = 0 }, { .visible = "all", .annotation = "void", .source = 0 },
	{ .visible = "all", .swarm = "3", .annotation = "3", .source = 'C', .want = "3" },
	/* A list stands. */
	{ .visible = "0", .swarm = "all", .source = 'E', .want = "0" }, { .visible = "0", .annotation = "all", .source = 'E', .want = "0" },
	{ .visible = "0", .swarm = "all", .annotation = "all", .source = 'E', .want = "0" },
	{ .visible = "0,1", .swarm = "1,0", .source = 'E', .want = "0,1" }, { .visible = "0", .annotation = "0", .source = 'E', .want = "0" },
	{ .visible = "0", .swarm = "1", .source = '!',
	  .want = "NVIDIA_VISIBLE_DEVICES=0 and DOCKER_RESOURCE_GPU=1 ask for different devices" },
	{ .visible = "0", .annotation = "1", .source = '!',
	  .want = "NVIDIA_VISIBLE_DEVICES=0 and cdi.k8s.io=nvidia.com/gpu=1 ask for different devices" },
	{ .visible = "0", .swarm = "GPU-2d4e8a1c", .source = '!',
	  .want = "NVIDIA_VISIBLE_DEVICES=0 and DOCKER_RESOURCE_GPU=GPU-2d4e8a1c ask for different devices" },
	{ .visible = "0,1", .swarm = "0,2", .source = '!',
	  .want = "NVIDIA_VISIBLE_DEVICES=0,1 and DOCKER_RESOURCE_GPU=0,2 ask for different devices" },
	{ .visible = "0", .swarm = "0,1", .source = '!',
	  .want = "NVIDIA_VISIBLE_DEVICES=0 and DOCKER_RESOURCE_GPU=0,1 ask for different devices" },
	{ .visible = "0,1", .swarm = "0", .source = '!',
	  .want = "NVIDIA_VISIBLE_DEVICES=0,1 and DOCKER_RESOURCE_GPU=0 ask for different devices" },
	{ .visible = "0", .swarm = "none", .source = '!',
	  .want = "NVIDIA_VISIBLE_DEVICES=0 and DOCKER_RESOURCE_GPU=none ask for different devices" },
	{ .visible = "0", .swarm = "", .source = '!',
	  .want = "NVIDIA_VISIBLE_DEVICES=0 and DOCKER_RESOURCE_GPU= ask for different devices" },
	{ .swarm = "none", .annotation = "void", .source = '!',
	  .want = "cdi.k8s.io=nvidia.com/gpu=void and DOCKER_RESOURCE_GPU=none ask for different devices" },
	/* Swarm and annotations. */
	{ .swarm = "0", .annotation = "0", .source = 'C', .want = "0" }, { .swarm = "0", .annotation = "all", .source = 'S', .want = "0" },
	{ .swarm = "all", .annotation = "0", .source = 'C', .want = "0" },
	{ .swarm = "0", .annotation = "1", .source = '!',
	  .want = "cdi.k8s.io=nvidia.com/gpu=1 and DOCKER_RESOURCE_GPU=0 ask for different devices" },
	{ .visible = "all", .swarm = "0", .annotation = "1", .source = '!',
	  .want = "cdi.k8s.io=nvidia.com/gpu=1 and DOCKER_RESOURCE_GPU=0 ask for different devices" },
	/* Mounts count before all others, which are not parsed: device plugins set NVIDIA_VISIBLE_DEVICES to the directory. */
	{ .visible = DIR, .mount = "2", .source = 'M', .want = "2" }, { .visible = "all", .annotation = "all", .mount = "2", .source = 'M', .want = "2" },
	{ .swarm = "all", .mount = "void", .source = 0 },
	/* Words that nobody knows, of the one that another overrides too. */
	{ .visible = "0", .swarm = "sda", .source = '!', .want = "DOCKER_RESOURCE_GPU: sda: not a device" },
	{ .visible = "sda", .swarm = "0", .source = '!', .want = "NVIDIA_VISIBLE_DEVICES: sda: not a device" },
	{ .visible = "0", .annotation = "sda", .source = '!', .want = "cdi.k8s.io: nvidia.com/gpu=sda: not a device" },
	/* The gate. */
	{ .visible = "0", .gated = true, .source = 0, .want = "accept-environment" },
	{ .swarm = "0", .gated = true, .source = 0, .want = "accept-environment" },
	{ .annotation = "0", .gated = true, .source = 0, .want = "accept-environment" },
	{ .annotation = "sda", .gated = true, .source = 0, .want = "accept-environment" },
	{ .visible = "void", .gated = true, .source = 0 },
	{ .visible = "void", .annotation = "all", .gated = true, .source = 0, .want = "empty or void" },
	{ .visible = "none", .annotation = "all", .gated = true, .source = 0, .want = "accept-environment" },
	{ .annotation = "all", .mount = "2", .gated = true, .source = 'M', .want = "2" },
};
/* clang-format on */

static void add_variable(struct run *t, const char *name, const char *value)
{
	cleanup_free char *assignment = mem_printf("%s=%s", name, value);

	spec_add_env(&t->spec, assignment);
}

static void say(struct run *t, const struct saying *s)
{
	struct arena *a = &t->spec.arena;

	run_init(t);
	/* What an image of old says matters only where nothing else is said. */
	add_variable(t, "CUDA_VERSION", "12.4.1");
	if (s->visible)
		add_variable(t, "NVIDIA_VISIBLE_DEVICES", s->visible);
	if (s->swarm)
		add_variable(t, "DOCKER_RESOURCE_NVIDIA_GPU", s->swarm);
	add_annotation(t, "cdi.k8s.io/other", "vendor.com/nic=eth0");
	if (s->annotation)
		add_annotation(t, "cdi.k8s.io/x",
			       arena_printf(a, "vendor.com/nic=eth1,nvidia.com/gpu=%s", s->annotation));
	if (s->mount)
		add_mount(t, arena_printf(a, DIR "%s", s->mount), NUL);
	t->conf.accept_environment = s->gated ? CONFIG_ACCEPT_PRIVILEGED : CONFIG_ACCEPT_ALL;
	parse(t);
}

TEST(precedence)
{
	static const char letters[] = { [REQUEST_FROM_ENVIRONMENT] = 'E',
					[REQUEST_FROM_LEGACY] = 'L',
					[REQUEST_FROM_SWARM] = 'S',
					[REQUEST_FROM_MOUNTS] = 'M',
					[REQUEST_FROM_CDI] = 'C' };

	for (size_t i = 0; i < ARRAY_SIZE(sayings); i++) {
		const struct saying *s = &sayings[i];
		cleanup_free char *row = mem_printf("row %zu", i);
		struct run t;

		say(&t, s);
		tap_check_int(t.r, s->source == '!' ? -EINVAL : 0, __FILE__, __LINE__, row);
		tap_check_int(letters[t.req.source], s->source == '!' ? 0 : s->source, __FILE__, __LINE__, row);
		tap_check_int(t.req.wanted, s->source && s->source != '!', __FILE__, __LINE__, row);
		if (s->source == '!')
			tap_check_str(t.err.what, s->want, __FILE__, __LINE__, row);
		else if (s->source)
			tap_check_str(devices(&t.req), s->want, __FILE__, __LINE__, row);
		else
			tap_check_int(s->want ? t.req.why_not && strstr(t.req.why_not, s->want) : !t.req.why_not, 1,
				      __FILE__, __LINE__, row);
		if (s->source == '!')
			CHECK_INT(t.err.code, ERR_VALUE);
		/* To privileged containers the gate is open. */
		t.spec.privileged = true;
		parse(&t);
		CHECK(!s->gated || !t.req.why_not || strstr(t.req.why_not, "void"));
		run_free(&t);
	}
}

TEST(many_of_one_source)
{
	struct run t;

	run_env(&t, "DOCKER_RESOURCE_NVIDIA_GPU=3", "DOCKER_RESOURCE_NVIDIA-GPU=GPU-2d4e8a1c",
		"DOCKER_RESOURCE_GPU=4,6", NULL);
	CHECK_STR(devices(&t.req), "4,6,3,GPU-2d4e8a1c");
	add_mount(&t, DIR "2", NUL);
	add_mount(&t, "/run/nvidia-container-devices/MIG-GPU-" UUID "/1/0", NUL);
	parse(&t);
	CHECK_STR(devices(&t.req), "2,MIG-GPU-" UUID "/1/0");
	t.conf.accept_mounts = false;
	parse(&t);
	CHECK_INT(t.req.source, REQUEST_FROM_SWARM);
	CHECK(!t.req.why_not);
	run_free(&t);
	run_env(&t, "DOCKER_RESOURCE_GPU=0", "DOCKER_RESOURCE_NVIDIA_GPU=0", NULL);
	CHECK_INT(t.r, -EINVAL);
	CHECK_STR(t.err.what, "DOCKER_RESOURCE_GPU: 0: named twice");
	run_free(&t);
	run_env(&t, "NVIDIA_VISIBLE_DEVICES=0", NULL);
	add_annotation(&t, "cdi.k8s.io/a", "nvidia.com/gpu=1");
	add_annotation(&t, "cdi.k8s.io/b", "nvidia.com/gpu=0");
	parse(&t);
	CHECK_STR(t.err.what, "NVIDIA_VISIBLE_DEVICES=0 and cdi.k8s.io=nvidia.com/gpu=1,... ask for different devices");
	run_free(&t);
}

TEST(legacy_images)
{
	struct run t;

	run_env(&t, "CUDA_VERSION=10.1.243", "NVIDIA_REQUIRE_OTHER=driver>=1", NULL);
	CHECK_INT(t.r, 0);
	CHECK_INT(t.req.source, REQUEST_FROM_LEGACY);
	CHECK_STR(devices(&t.req), "all");
	CHECK_INT(t.req.capabilities, CAP_ALL);
	REQUIRE(t.req.n_requirements == 2);
	CHECK_STR(t.req.requirements[1].name, "CUDA_VERSION");
	CHECK_STR(t.req.requirements[1].value, "cuda>=10.1");
	run_free(&t);
	run_env(&t, "CUDA_VERSION=12", "NVIDIA_DRIVER_CAPABILITIES=utility", NULL);
	CHECK_INT(t.req.capabilities, CAP_UTILITY);
	REQUIRE(t.req.n_requirements == 1);
	CHECK_STR(t.req.requirements[0].value, "cuda>=12");
	run_free(&t);
	run_env(&t, "CUDA_VERSION=12.4", "NVIDIA_DISABLE_REQUIRE=true", NULL);
	CHECK(t.req.wanted);
	CHECK_INT(t.req.n_requirements, 0);
	run_free(&t);
	run_env(&t, "CUDA_VERSION=12.4", "NVIDIA_REQUIRE_CUDA=cuda>=12.4", NULL);
	CHECK(t.r == 0 && !t.req.wanted);
	run_free(&t);
	/* Asked for in another way: what it needs stays what it needs. */
	run_env(&t, "CUDA_VERSION=12.4.1", "NVIDIA_VISIBLE_DEVICES=0", NULL);
	CHECK_INT(t.req.source, REQUEST_FROM_ENVIRONMENT);
	CHECK_INT(t.req.capabilities, CAP_COMPUTE | CAP_UTILITY);
	REQUIRE(t.req.n_requirements == 1);
	CHECK_STR(t.req.requirements[0].value, "cuda>=12.4");
	run_free(&t);
	run_env(&t, "CUDA_VERSION=12.4.1", "NVIDIA_VISIBLE_DEVICES=0", "NVIDIA_REQUIRE_CUDA=cuda>=12.0", NULL);
	REQUIRE(t.req.n_requirements == 1);
	CHECK_STR(t.req.requirements[0].value, "cuda>=12.0");
	run_free(&t);
	run_env(&t, "CUDA_VERSION=cu124", "NVIDIA_VISIBLE_DEVICES=0", NULL);
	CHECK_INT(t.req.n_requirements, 0);
	run_free(&t);
	run_env(&t, "CUDA_VERSION=12.4", "NVIDIA_REQUIRE_CUDA=", NULL);
	CHECK_INT(t.req.source, REQUEST_FROM_LEGACY);
	CHECK_INT(t.req.n_requirements, 1);
	run_free(&t);
	run_env(&t, "CUDA_VERSION=12-4", NULL);
	CHECK(t.r == 0 && !t.req.wanted && t.req.why_not);
	run_free(&t);
}

TEST(environment_of_unprivileged_containers)
{
	static const char *const env[] = { "NVIDIA_VISIBLE_DEVICES=all", "DOCKER_RESOURCE_GPU=0", "CUDA_VERSION=12.4",
					   "NVIDIA_VISIBLE_DEVICES=../x" };
	struct run t;

	for (size_t i = 0; i < ARRAY_SIZE(env); i++) {
		run_init(&t);
		t.conf.accept_environment = CONFIG_ACCEPT_PRIVILEGED;
		spec_add_env(&t.spec, env[i]);
		spec_add_env(&t.spec, "NVIDIA_IMEX_CHANNELS=1");
		parse(&t);
		CHECK_INT(t.r, 0);
		CHECK(!t.req.wanted);
		CHECK(t.req.why_not && strstr(t.req.why_not, "accept-environment"));
		CHECK_INT(t.req.n_devices, 0);
		CHECK_INT(t.req.n_imex_channels, 0);
		/* Mounts come from who made the container: they count, the image's channels do not. */
		add_mount(&t, "/var/run/nvidia-container-devices/0", "/dev/null");
		parse(&t);
		CHECK(t.req.wanted && !t.req.why_not);
		CHECK_STR(devices(&t.req), "0");
		CHECK_INT(t.req.n_imex_channels, 0);
		run_free(&t);
	}
	run_init(&t);
	t.conf.accept_environment = CONFIG_ACCEPT_PRIVILEGED;
	t.spec.privileged = true;
	spec_add_env(&t.spec, "NVIDIA_VISIBLE_DEVICES=all");
	parse(&t);
	CHECK_INT(t.req.source, REQUEST_FROM_ENVIRONMENT);
	t.spec.privileged = false;
	spec_add_env(&t.spec, "NVIDIA_VISIBLE_DEVICES=void");
	parse(&t);
	CHECK(!t.req.wanted && !t.req.why_not);
	run_free(&t);
}

TEST(sandboxes_get_nothing)
{
	struct run t;

	run_env(&t, "NVIDIA_VISIBLE_DEVICES=all", NULL);
	add_annotation(&t, "cdi.k8s.io/x", "nvidia.com/gpu=0");
	parse(&t);
	CHECK_INT(t.req.source, REQUEST_FROM_CDI);
	t.spec.sandbox = true;
	parse(&t);
	CHECK(t.r == 0 && !t.req.wanted);
	CHECK(t.req.why_not && strstr(t.req.why_not, "sandbox"));
	run_free(&t);
}

TEST(mounts)
{
	/* clang-format off */
	static const struct {
		const char *destination, *source, *want; /* NULL: refused; "": nothing asked */
	} all[] = {
		{ DIR "all", NUL, "all" }, { DIR "none", NUL, "-" }, { DIR "void", NUL, "" },
		{ DIR "GPU-" UUID, NUL, "GPU-" UUID }, { DIR "0:1", NUL, "0:1" },
		{ DIR "0000:01:00.0", NUL, "0000:01:00.0" }, { DIR "cdi/nvidia.com/gpu/0", NUL, "0" },
		{ DIR "cdi/nvidia.com/gpu=0", NUL, "0" }, { DIR "cdi/runtime.nvidia.com/gpu/all", NUL, "all" },
		{ "/run/nvidia-container-devices/cdi/vendor.com/nic/eth0", NUL, "" },
		{ DIR "imex/7", NUL, "" }, { DIR "0", "/etc/passwd", "" }, { DIR "0", "", "" },
		/* VOLUME of an image. */
		{ DIR "all", "/var/lib/docker/volumes/0f3c/_data", "" }, { DIR "all", "/dev/null/", "" },
		{ "/var/run/nvidia-container-devices", NUL, "" }, { DIR, NUL, "" },
		{ "/var/run/nvidia-container-devicesx/0", NUL, "" },
		{ "/srv/var/run/nvidia-container-devices/0", NUL, "" }, { DIR "0,1", NUL, NULL },
		{ DIR "0/1", NUL, NULL }, { DIR "sda", NUL, NULL }, { DIR "cdi/x", NUL, NULL },
		{ DIR "cdi/nvidia.com/gpu/x", NUL, NULL }, { DIR "cdi/nvidia.com/gpu/a/b", NUL, NULL },
		{ DIR "cdi/nvidia.com/gpu=0=1", NUL, NULL }, { DIR "cdi//gpu/0", NUL, NULL },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct run t;

		run_init(&t);
		add_mount(&t, all[i].destination, all[i].source);
		parse(&t);
		tap_check_int(t.r, all[i].want ? 0 : -EINVAL, __FILE__, __LINE__, all[i].destination);
		tap_check_int(t.req.wanted, all[i].want && *all[i].want, __FILE__, __LINE__, all[i].destination);
		if (all[i].want && *all[i].want)
			tap_check_str(devices(&t.req), all[i].want, __FILE__, __LINE__, all[i].destination);
		else
			CHECK_INT(t.req.n_devices, 0);
		t.conf.accept_mounts = false;
		parse(&t);
		CHECK(t.r == 0 && !t.req.wanted);
		run_free(&t);
	}
}

TEST(capabilities)
{
	/* clang-format off */
	static const struct {
		const char *value;
		unsigned want; /* 0: refused */
	} all[] = {
		{ "", CAP_COMPUTE | CAP_UTILITY }, { ",", CAP_COMPUTE | CAP_UTILITY }, { "all", CAP_ALL },
		{ "graphics,display", CAP_GRAPHICS | CAP_DISPLAY },
		{ "compute, utility", CAP_COMPUTE | CAP_UTILITY }, { "gpu", 0 }, { "compute,gpu", 0 },
		{ "compute\n", 0 },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		cleanup_free char *assignment = mem_printf("NVIDIA_DRIVER_CAPABILITIES=%s", all[i].value);
		struct run t;

		run_env(&t, "NVIDIA_VISIBLE_DEVICES=0", assignment, NULL);
		CHECK_INT(t.r, all[i].want ? 0 : -EINVAL);
		CHECK_INT(t.err.code, all[i].want ? ERR_NONE : ERR_CAPABILITY);
		CHECK_INT(t.req.capabilities, all[i].want);
		CHECK_INT(t.req.wanted, all[i].want != 0);
		run_free(&t);
	}
}

TEST(requirements)
{
	static const char *const truth[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const lies[] = { "", "0", "f", "F", "false", "FALSE", "False" };
	static const char *const bad[] = { "yes", "no", "tRUE", "2", " 1", "1\n", "truee" };
	struct run t;

	run_env(&t, "NVIDIA_VISIBLE_DEVICES=0", "NVIDIA_REQUIRE_CUDA=cuda>=11", "NVIDIA_REQUIRE_JETPACK=csv-mounts=all",
		"NVIDIA_REQUIRE_JETPACK_X=1", "NVIDIA_REQUIRE_MINE=driver>=535",
		"NVIDIA_REQUIRE_NONE=", "NVIDIA_REQUIRE_CUDA=cuda>=12.4 brand=tesla,driver>=535", NULL);
	REQUIRE(t.req.n_requirements == 2);
	CHECK_STR(t.req.requirements[0].name, "NVIDIA_REQUIRE_MINE");
	CHECK_STR(t.req.requirements[0].value, "driver>=535");
	CHECK_STR(t.req.requirements[1].name, "NVIDIA_REQUIRE_CUDA");
	CHECK_STR(t.req.requirements[1].value, "cuda>=12.4 brand=tesla,driver>=535");
	run_free(&t);
	for (size_t i = 0; i < ARRAY_SIZE(truth) + ARRAY_SIZE(lies); i++) {
		bool lie = i >= ARRAY_SIZE(truth);
		cleanup_free char *v =
			mem_printf("NVIDIA_DISABLE_REQUIRE=%s", lie ? lies[i - ARRAY_SIZE(truth)] : truth[i]);

		run_env(&t, "NVIDIA_VISIBLE_DEVICES=0", "NVIDIA_REQUIRE_CUDA=cuda>=11", v, NULL);
		tap_check_int((long long)t.req.n_requirements, lie, __FILE__, __LINE__, v);
		run_free(&t);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cleanup_free char *v = mem_printf("NVIDIA_DISABLE_REQUIRE=%s", bad[i]);

		run_env(&t, "NVIDIA_VISIBLE_DEVICES=0", v, NULL);
		tap_check_int(t.r, -EINVAL, __FILE__, __LINE__, v);
		CHECK_INT(t.err.code, ERR_VALUE);
		run_free(&t);
	}
}

TEST(many_requirements)
{
	cleanup_free char *big = mem_printf("NVIDIA_REQUIRE_BIG=%070000d", 1);
	struct run t;

	run_env(&t, "NVIDIA_VISIBLE_DEVICES=0", NULL);
	for (int i = 0; i < 64; i++) {
		cleanup_free char *v = mem_printf("NVIDIA_REQUIRE_%d=cuda>=1", i);

		spec_add_env(&t.spec, v);
	}
	parse(&t);
	CHECK_INT(t.req.n_requirements, 64);
	spec_add_env(&t.spec, "NVIDIA_REQUIRE_0=cuda>=2");
	parse(&t);
	CHECK_INT(t.err.code, ERR_VALUE);
	run_free(&t);
	run_env(&t, "NVIDIA_VISIBLE_DEVICES=0", big, NULL);
	CHECK_INT(t.err.code, ERR_VALUE);
	run_free(&t);
}

TEST(cuda)
{
	static const char *const good[] = { "auto", "none", "12.4", "12.4.1" };
	static const char *const bad[] = { "../x", "..", "/opt/cuda", "12.4/..", "latest",   "12.4 ",
					   "v12",  "%s", "12..4",     "12.4\n",	 "\xd9\xa3", "AUTO" };

	for (size_t i = 0; i < ARRAY_SIZE(good) + ARRAY_SIZE(bad); i++) {
		bool refused = i >= ARRAY_SIZE(good);
		const char *value = refused ? bad[i - ARRAY_SIZE(good)] : good[i];
		cleanup_free char *v = mem_printf("NVCOREOS_CUDA=%s", value);
		struct run t;

		run_env(&t, "NVIDIA_VISIBLE_DEVICES=0", v, NULL);
		tap_check_int(t.r, refused ? -EINVAL : 0, __FILE__, __LINE__, v);
		CHECK_INT(t.err.code, refused ? ERR_CUDA_UNKNOWN : ERR_NONE);
		CHECK_STR(t.req.cuda, refused ? NULL : value);
		spec_add_env(&t.spec, "NVCOREOS_CUDA=");
		parse(&t);
		CHECK(t.r == 0 && !t.req.cuda);
		run_free(&t);
	}
}

TEST(mig)
{
	struct run t;

	run_env(&t, "NVIDIA_VISIBLE_DEVICES=0", "NVIDIA_MIG_CONFIG_DEVICES=all", NULL);
	CHECK_INT(t.r, -EINVAL);
	CHECK_INT(t.err.code, ERR_NOT_PRIVILEGED);
	CHECK(!t.req.wanted);
	t.spec.privileged = true;
	parse(&t);
	CHECK(t.req.wanted && t.req.mig_config && !t.req.mig_monitor);
	spec_add_env(&t.spec, "NVIDIA_MIG_MONITOR_DEVICES=all");
	spec_add_env(&t.spec, "NVIDIA_MIG_CONFIG_DEVICES=");
	parse(&t);
	CHECK(t.req.wanted && !t.req.mig_config && t.req.mig_monitor);
	spec_add_env(&t.spec, "NVIDIA_MIG_MONITOR_DEVICES=0");
	parse(&t);
	CHECK_INT(t.r, -EINVAL);
	CHECK_INT(t.err.code, ERR_VALUE);
	run_free(&t);
}

TEST(imex)
{
	static const char *const bad[] = { "1048576", "-1", "0,,1", "0 1",	  "1,1",
					   "all,1",   "x",  "01",   "4294967296", "0\n" };
	struct run t;

	run_env(&t, "NVIDIA_VISIBLE_DEVICES=0", "NVIDIA_IMEX_CHANNELS=0,1048575", NULL);
	REQUIRE(t.req.n_imex_channels == 2);
	CHECK_INT(t.req.imex_channels[0], 0);
	CHECK_INT(t.req.imex_channels[1], 1048575);
	spec_add_env(&t.spec, "NVIDIA_IMEX_CHANNELS=all");
	parse(&t);
	CHECK(t.r == 0 && t.req.n_imex_channels == 0);
	add_mount(&t, "/var/run/nvidia-container-devices/imex/7", "/dev/null");
	parse(&t);
	REQUIRE(t.req.n_imex_channels == 1);
	CHECK_INT(t.req.imex_channels[0], 7);
	run_free(&t);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cleanup_free char *v = mem_printf("NVIDIA_IMEX_CHANNELS=%s", bad[i]);

		run_env(&t, "NVIDIA_VISIBLE_DEVICES=0", v, NULL);
		tap_check_int(t.r, -EINVAL, __FILE__, __LINE__, v);
		CHECK_INT(t.err.code, ERR_VALUE);
		run_free(&t);
	}
}

TEST(features)
{
	static const char *const bad[] = { "NVIDIA_GDS=yes", "NVIDIA_MOFED=1", "NVIDIA_GDRCOPY=Enabled",
					   "NVIDIA_NVSWITCH= enabled", "NVIDIA_GDS=all" };
	cleanup_free char *huge = mem_printf("NVIDIA_GDS=%0200d", 0);
	const struct request_features_entry *f;
	struct run t;

	for (size_t i = 0; (f = request_features_entry(i)); i++) {
		cleanup_free char *enabled = mem_printf("%s=enabled", f->variable);

		run_env(&t, "NVIDIA_VISIBLE_DEVICES=0", enabled, NULL);
		CHECK_INT(t.req.features, f->bit);
		CHECK_INT(t.req.features_denied, 0);
		/* By a mount the GPU is given, but what the image says beside it does not count. */
		t.conf.accept_environment = CONFIG_ACCEPT_PRIVILEGED;
		add_mount(&t, "/var/run/nvidia-container-devices/0", "/dev/null");
		parse(&t);
		CHECK_INT(t.req.features, 0);
		CHECK_INT(t.req.features_denied, f->bit);
		t.spec.privileged = true;
		parse(&t);
		CHECK_INT(t.req.features, f->bit);
		run_free(&t);
	}
	run_env(&t, "NVIDIA_VISIBLE_DEVICES=0", "NVIDIA_GDS=disabled", "NVIDIA_MOFED=", "NVIDIA_GDRCOPY=enabled",
		"NVIDIA_GDRCOPY=disabled", NULL);
	CHECK_INT(t.r, 0);
	CHECK_INT(t.req.features, 0);
	run_free(&t);
	/* Alone they are no request. */
	run_env(&t, "NVIDIA_GDS=yes", NULL);
	CHECK(t.r == 0 && !t.req.wanted);
	run_free(&t);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		run_env(&t, "NVIDIA_VISIBLE_DEVICES=0", bad[i], NULL);
		tap_check_int(t.r, -EINVAL, __FILE__, __LINE__, bad[i]);
		CHECK_INT(t.err.code, ERR_VALUE);
		CHECK(!t.req.wanted && !t.req.features);
		run_free(&t);
	}
	run_env(&t, "NVIDIA_VISIBLE_DEVICES=0", huge, NULL);
	CHECK(t.r < 0 && strlen(t.err.what) < 160 && str_ends(t.err.what, "0..."));
	run_free(&t);
}

/* Each variable has its limit, and what is over it is refused, cut and named. */
TEST(long_values)
{
	static const struct {
		const char *prefix;
		size_t len;
		enum err_code code;
	} t[] = {
		{ "NVIDIA_VISIBLE_DEVICES=", 4097, ERR_VALUE },	    { "NVIDIA_VISIBLE_DEVICES=", 129, ERR_VALUE },
		{ "NVIDIA_DRIVER_CAPABILITIES=", 4097, ERR_VALUE }, { "NVIDIA_DISABLE_REQUIRE=", 129, ERR_VALUE },
		{ "NVIDIA_IMEX_CHANNELS=", 4097, ERR_VALUE },	    { "NVIDIA_IMEX_CHANNELS=", 129, ERR_VALUE },
		{ "NVCOREOS_CUDA=", 65, ERR_CUDA_UNKNOWN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		cleanup_free char *v = repeat(t[i].prefix, 'x', t[i].len);
		struct run r;

		run_env(&r, "NVIDIA_VISIBLE_DEVICES=0", v, NULL);
		tap_check_int(r.r, -EINVAL, __FILE__, __LINE__, t[i].prefix);
		CHECK_INT(r.err.code, t[i].code);
		CHECK(strstr(r.err.what, "xxx...") && strlen(r.err.what) < 256);
		run_free(&r);
	}
}

TEST(long_mounts)
{
	cleanup_free char *destination = repeat("/run/nvidia-container-devices/", '0', 4097);
	struct run t;

	run_init(&t);
	add_mount(&t, destination, "/dev/null");
	parse(&t);
	CHECK(t.r == -EINVAL && !t.req.wanted);
	CHECK_INT(t.err.code, ERR_VALUE);
	run_free(&t);
}

TEST(empty_parts)
{
	struct run t;

	/* Of swarm's variables one is empty. */
	run_env(&t, "DOCKER_RESOURCE_GPU=0", "DOCKER_RESOURCE_NVIDIA_GPU=", NULL);
	CHECK_STR(devices(&t.req), "0");
	/* An entry without "=" is no variable; whoever made the spec should have left it out. */
	strlist_add(&t.spec.arena, &t.spec.env, "NVIDIA_REQUIRE_CUDA");
	spec_add_env(&t.spec, "NVIDIA_IMEX_CHANNELS=");
	parse(&t);
	CHECK(t.r == 0 && t.req.wanted);
	CHECK_INT(t.req.n_requirements, 0);
	CHECK_INT(t.req.n_imex_channels, 0);
	run_free(&t);
}

TEST(imex_channels_have_a_limit)
{
	struct run t;

	run_env(&t, "NVIDIA_VISIBLE_DEVICES=0", NULL);
	for (int i = 0; i < 64; i++)
		add_mount(&t, arena_printf(&t.spec.arena, "/run/nvidia-container-devices/imex/%d", i), "/dev/null");
	parse(&t);
	CHECK(t.r == 0 && t.req.n_imex_channels == 64);
	add_mount(&t, "/run/nvidia-container-devices/imex/64", "/dev/null");
	parse(&t);
	CHECK(t.r == -EINVAL && t.req.n_imex_channels == 0);
	CHECK_STR(t.err.what, "NVIDIA_IMEX_CHANNELS: 64");
	run_free(&t);
}
