/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked by CDI: by annotations, and by the nodes that an engine gives. */
#include <errno.h>

#include "base/str.h"
#include "conf/capability.h"
#include "request_run.h"

TEST(cdi_annotations)
{
	static const struct {
		const char *key, *value, *want; /* "": nothing asked */
	} good[] = {
		{ "cdi.k8s.io/a", "nvidia.com/gpu=0", "0" },
		{ "cdi.k8s.io/a", "nvidia.com/gpu=0,nvidia.com/gpu=1:0", "0,1:0" },
		{ "cdi.k8s.io/a", "runtime.nvidia.com/gpu=all", "all" },
		{ "cdi.k8s.io/a", "nvidia.com/gpu=GPU-" UUID, "GPU-" UUID },
		{ "cdi.k8s.io/a", "nvidia.com/imex-channel=0", "" },
		{ "cdi.k8s.io/a", "vendor.com/net-x_y=e.t:h", "" },
		{ "cdi.k8s.io/a", "", "" },
		/* Other vendors' annotations are none of our business, well-formed or not. */
		{ "cdi.k8s.io/a", "0", "" },
		{ "cdi.k8s.io/a", "acme.com/gizmo", "" },
		{ "cdi.k8s.io/a", "-/x=0", "" },
		{ "cdi.k8s.io/a", "/=", "" },
		{ "cdi.k8s.io", "nvidia.com/gpu=0", "" },
		{ "x/cdi.k8s.io/", "nvidia.com/gpu=0", "" },
	};
	static const char *const bad[] = {
		"nvidia.com/gpu=0,1",
		"nvidia.com/gpu=",
		"nvidia.com/gpu",
		"nvidia.com/gpu=..",
		"nvidia.com/gpu=../x",
		"nvidia.com/gpu=0/1",
		"nvidia.com/gpu=0=1",
		"nvidia.com/../gpu=0",
		"../nvidia.com/gpu=0",
		"nvidia.com/gpu=0,",
		"nvidia.com/gpu=0, nvidia.com/gpu=1",
		"nvidia.com/gpu=0\n",
		"nvidia.com/gpu=0,nvidia.com/gpu=0",
		"nvidia.com/gpu=0,nvidia.com/gpu=all",
		"nvidia.com/gpu=sda",
	};
	struct run t;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		run_init(&t);
		add_annotation(&t, good[i].key, good[i].value);
		parse(&t);
		tap_check_int(t.r, 0, __FILE__, __LINE__, good[i].value);
		tap_check_int(t.req.wanted, *good[i].want != '\0', __FILE__, __LINE__, good[i].value);
		if (t.req.wanted)
			CHECK_STR(devices(&t.req), good[i].want);
		run_free(&t);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		run_init(&t);
		add_annotation(&t, "cdi.k8s.io/a", bad[i]);
		spec_add_env(&t.spec, "NVIDIA_VISIBLE_DEVICES=all");
		parse(&t);
		tap_check_int(t.r, -EINVAL, __FILE__, __LINE__, bad[i]);
		CHECK_INT(t.err.code, ERR_VALUE);
		CHECK(!t.req.wanted);
		run_free(&t);
	}
}

TEST(long_annotations)
{
	cleanup_free char *value = repeat("nvidia.com/gpu=", '0', 4096);
	struct run t;

	run_init(&t);
	add_annotation(&t, "cdi.k8s.io/a", value);
	parse(&t);
	CHECK(t.r == -EINVAL && !t.req.wanted);
	CHECK_INT(t.err.code, ERR_VALUE);
	run_free(&t);
}

/* No variable, annotation or mount adds a device to what the engine gives. */
TEST(what_the_engine_gives)
{
	struct spec_node nodes[] = { { 195, 0 }, { 195, 255 } };
	struct run t;

	run_init(&t);
	spec_add_env(&t.spec, "NVIDIA_VISIBLE_DEVICES=../no device");
	spec_add_env(&t.spec, "NVIDIA_IMEX_CHANNELS=0");
	spec_add_env(&t.spec, "NVIDIA_MIG_CONFIG_DEVICES=all");
	spec_add_env(&t.spec, "NVIDIA_DRIVER_CAPABILITIES=video");
	spec_add_env(&t.spec, "NVIDIA_REQUIRE_CUDA=cuda>=12.0");
	spec_add_env(&t.spec, "NVCOREOS_CUDA=none");
	add_annotation(&t, "cdi.k8s.io/x", "nvidia.com/gpu=all");
	t.spec.nodes = nodes;
	t.spec.n_nodes = 2;
	t.conf.accept_environment = CONFIG_ACCEPT_PRIVILEGED;
	REQUIRE(request_from_engine(&t.req, &t.spec, &t.conf, &t.err) == 0);
	CHECK(t.req.wanted);
	CHECK_INT(t.req.source, REQUEST_FROM_ENGINE);
	REQUIRE(t.req.n_devices == 1);
	CHECK_INT(t.req.devices[0].kind, REQUEST_GIVEN);
	CHECK(t.req.given == nodes && t.req.n_given == 2);
	CHECK(!t.req.mig_config && !t.req.n_imex_channels);
	CHECK_INT(t.req.capabilities, CAP_VIDEO);
	CHECK_INT(t.req.n_requirements, 1);
	CHECK_STR(t.req.cuda, "none");
	request_free(&t.req);
	t.spec.sandbox = true;
	REQUIRE(request_from_engine(&t.req, &t.spec, &t.conf, &t.err) == 0);
	CHECK(!t.req.wanted && t.req.why_not && !t.req.n_given);
	run_free(&t);
}

TEST(what_the_engine_gives_to_who_asks_wrongly)
{
	static const struct {
		const char *env;
		enum err_code code;
	} cases[] = { { "NVIDIA_DRIVER_CAPABILITIES=gpu", ERR_CAPABILITY },
		      { "NVIDIA_DISABLE_REQUIRE=maybe", ERR_VALUE },
		      { "NVCOREOS_CUDA=../x", ERR_CUDA_UNKNOWN } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct run t;

		run_init(&t);
		spec_add_env(&t.spec, cases[i].env);
		CHECK(request_from_engine(&t.req, &t.spec, &t.conf, &t.err) < 0);
		CHECK_INT(t.err.code, cases[i].code);
		CHECK(!t.req.wanted && !t.req.n_devices);
		run_free(&t);
	}
}
