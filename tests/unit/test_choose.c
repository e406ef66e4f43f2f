/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "plan/choose.h"
#include "tap.h"

static struct store_driver drivers[] = {
	{ "470.256.02", "3975.2.0" },
	{ "535.261.03", "3815.2.0" },
	{ "535.261.03", "3975.2.0" },
	{ "535.261.03", "4000.1.0" },
};
static const char *toolkits[] = { "11.8.0", "12.2.2", "12.10.0", "13.0.1" };

static struct store full_store(void)
{
	return (struct store){ .driver_path = "/opt/nvidia",
			       .cuda_path = "/opt/cuda",
			       .drivers = drivers,
			       .n_drivers = 4,
			       .toolkits = toolkits,
			       .n_toolkits = 4 };
}

TEST(driver_follows_the_loaded_module)
{
	struct store s = full_store();
	struct inventory inv = { .driver = "535.261.03" };
	struct err err = ERR_INIT;

	s.current = "470.256.02/3975.2.0";
	CHECK(choose_driver(&s, &inv, "3975.2.0", &err) == &drivers[2]);
	CHECK(choose_driver(&s, &inv, "3815.2.0", &err) == &drivers[1]);
	inv.driver = "470.256.02";
	CHECK(choose_driver(&s, &inv, "4000.1.0", &err) == &drivers[0]);
}

TEST(driver_of_another_os_version)
{
	struct store s = full_store();
	struct inventory inv = { .driver = "535.261.03" };

	CHECK(choose_driver(&s, &inv, "9999.0.0", NULL) == &drivers[3]);
	s.current = "535.261.03/3815.2.0";
	CHECK(choose_driver(&s, &inv, "9999.0.0", NULL) == &drivers[1]);
}

TEST(driver_that_is_not_installed)
{
	struct store s = full_store();
	struct inventory inv = { .driver = "550.54.15" };
	struct err err = ERR_INIT;

	CHECK(!choose_driver(&s, &inv, "3975.2.0", &err));
	CHECK_INT(err.code, ERR_NO_TREE);
	CHECK_STR(err.what, "driver 550.54.15 is loaded, installed: 470.256.02, 535.261.03");
	s.n_drivers = 0;
	CHECK(!choose_driver(&s, &inv, "3975.2.0", &err));
	CHECK_STR(err.what, "driver 550.54.15 is loaded, installed: none");
}

TEST(current_decides_while_nothing_is_loaded)
{
	struct store s = full_store();
	struct inventory inv = { .driver = NULL };
	struct err err = ERR_INIT;

	CHECK(!choose_driver(&s, &inv, "3975.2.0", &err));
	CHECK_INT(err.code, ERR_NO_TREE);
	s.current = "470.256.02/3975.2.0";
	CHECK(choose_driver(&s, &inv, "3975.2.0", &err) == &drivers[0]);
	s.current = "470.256.02/3975.2";
	CHECK(!choose_driver(&s, &inv, "3975.2.0", &err));
	s.current = "470.256.0/23975.2.0";
	CHECK(!choose_driver(&s, &inv, "3975.2.0", &err));
}

struct cuda_case {
	const char *conf, *asked, *driver_cuda, *current;
	unsigned capabilities;
	bool has_cuda;
	int r;
	const char *want; /* NULL: none */
};

static void check_cuda(const struct cuda_case *c)
{
	struct store s = full_store();
	struct config conf = { .cuda = c->conf };
	struct request req = { .cuda = c->asked, .capabilities = c->capabilities };
	struct rootfacts_path target = { .path = ROOTFACTS_CUDA, .kind = ROOTFACTS_ABSENT, .on_root = true };
	struct rootfacts facts = { .known = true, .has_cuda = c->has_cuda, .paths = &target, .n_paths = 1 };
	const char *got = "x", *why = "x";
	struct err err = ERR_INIT;

	s.current_cuda = c->current;
	CHECK_INT(choose_cuda(&s, &conf, &req, &facts, c->driver_cuda, &got, &why, &err), c->r);
	CHECK_STR(got, c->want);
	if (c->r < 0)
		CHECK_INT(err.code, ERR_CUDA_UNKNOWN);
	else
		CHECK(c->want ? !why : why != NULL);
}

TEST(toolkits)
{
	static const struct cuda_case all[] = {
		{ "auto", NULL, "12.2", NULL, CAP_COMPUTE, false, 0, "12.10.0" },
		{ "auto", NULL, "12.2", "12.2.2", CAP_COMPUTE, false, 0, "12.2.2" },
		{ "auto", NULL, "12.2", "13.0.1", CAP_COMPUTE, false, 0, "12.10.0" },
		{ "auto", NULL, "11.4", NULL, CAP_COMPUTE, false, 0, "11.8.0" },
		{ "auto", NULL, "10.2", NULL, CAP_COMPUTE, false, 0, NULL },
		{ "auto", NULL, NULL, NULL, CAP_COMPUTE, false, 0, "13.0.1" },
		{ "auto", NULL, "12.2", NULL, CAP_VIDEO, false, 0, "12.10.0" },
		{ "auto", NULL, "12.2", NULL, CAP_UTILITY, false, 0, NULL },
		{ "auto", NULL, "12.2", NULL, CAP_COMPUTE, true, 0, NULL },
		{ "auto", "none", "12.2", NULL, CAP_COMPUTE, false, 0, NULL },
		{ "none", NULL, "12.2", NULL, CAP_COMPUTE, false, 0, NULL },
		{ "none", "auto", "12.2", NULL, CAP_COMPUTE, false, 0, "12.10.0" },
		{ "none", "11.8.0", "12.2", NULL, CAP_UTILITY, true, 0, "11.8.0" },
		{ "auto", "12", "12.2", NULL, CAP_COMPUTE, true, 0, "12.10.0" },
		{ "auto", "12.2", "12.2", NULL, CAP_COMPUTE, true, 0, "12.2.2" },
		{ "auto", "12.1", "12.2", NULL, CAP_COMPUTE, false, -ENOENT, NULL },
		{ "auto", "1", "12.2", NULL, CAP_COMPUTE, false, -ENOENT, NULL },
		{ "auto", "13.0.1", "12.2", NULL, CAP_COMPUTE, false, 0, "13.0.1" },
		{ "11.8.0", NULL, "12.2", NULL, CAP_COMPUTE, false, 0, "11.8.0" },
		{ "11.8.0", NULL, "12.2", NULL, CAP_COMPUTE, true, 0, NULL },
		{ "11.9", NULL, "12.2", NULL, CAP_COMPUTE, false, -ENOENT, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		check_cuda(&all[i]);
}

static int chosen(const struct store *s, const struct config *conf, const struct request *req, bool has_cuda,
		  const char **ret)
{
	struct rootfacts_path target = { .path = ROOTFACTS_CUDA, .kind = ROOTFACTS_ABSENT, .on_root = true };
	const struct rootfacts facts = { .known = true, .has_cuda = has_cuda, .paths = &target, .n_paths = 1 };
	const char *why;

	*ret = NULL;
	return choose_cuda(s, conf, req, &facts, "12.2", ret, &why, NULL);
}

/* What the image has need not be looked for only where no answer depends on it. */
TEST(when_the_image_is_minded)
{
	static const char *const words[] = { NULL, "auto", "none", "12.2" };
	unsigned unminded = 0;

	for (unsigned i = 0; i < 2 * 3 * 4; i++) {
		struct store s = full_store();
		const struct config conf = { .cuda = words[1 + i / 2 % 3] };
		const struct request req = { .cuda = words[i / 6], .capabilities = CAP_COMPUTE };
		const char *with, *without;

		s.n_toolkits = i % 2 ? 4 : 0;
		if (choose_cuda_minds_image(&s, &conf, &req))
			continue;
		unminded++;
		CHECK_INT(chosen(&s, &conf, &req, true, &with), chosen(&s, &conf, &req, false, &without));
		CHECK_STR(with, without);
	}
	/* Without a toolkit: none, auto, and a version that a container overrules; with some: none. */
	CHECK_INT(unminded, 12);
}

TEST(auto_never_makes_a_start_fail)
{
	static const enum rootfacts_kind bad[] = { ROOTFACTS_FILE, ROOTFACTS_LINK, ROOTFACTS_LINK_OURS, ROOTFACTS_OTHER,
						   ROOTFACTS_BLOCKED };
	struct store s = full_store();
	struct config conf = { .cuda = "auto" };
	struct request req = { .capabilities = CAP_COMPUTE };
	struct rootfacts_path target = { .path = ROOTFACTS_CUDA, .kind = ROOTFACTS_ABSENT, .on_root = false };
	struct rootfacts facts = { .known = true, .paths = &target, .n_paths = 1 };
	const char *got, *why;

	CHECK_INT(choose_cuda(&s, &conf, &req, &facts, "12.2", &got, &why, NULL), 0);
	CHECK(!got && strstr(why, "volume"));
	target.on_root = true;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		target.kind = bad[i];
		CHECK_INT(choose_cuda(&s, &conf, &req, &facts, "12.2", &got, &why, NULL), 0);
		CHECK(!got && strstr(why, "no directory"));
	}
	target.kind = ROOTFACTS_DIR;
	target.on_root = false;
	CHECK_INT(choose_cuda(&s, &conf, &req, &facts, "12.2", &got, &why, NULL), 0);
	CHECK(!got && strstr(why, "volume"));
	target.on_root = true;
	CHECK_INT(choose_cuda(&s, &conf, &req, &facts, "12.2", &got, &why, NULL), 0);
	CHECK_STR(got, "12.10.0");
}
