/* SPDX-License-Identifier: Apache-2.0 */
#include "store/import.h"

#include <unistd.h>

#include "store_fixture.h"
#include "tap.h"

#define DRIVER "535.261.03"
#define TREE DRIVER "/3975.2.0"
#define DEBIAN "usr/lib/x86_64-linux-gnu/nvidia/current/"

static void configure(struct config *c, const char *root)
{
	tap_write(root, "etc/os-release", "ID=flatcar\nVERSION_ID=3975.2.0\n");
	config_init(c);
	config_set_root(c, root);
}

static int run(const struct config *c, const char *root, const char *loaded, struct err *err)
{
	struct import_from from = { .dir = root, .host = root, .loaded = loaded };
	struct import_result r;
	int e = import_run(&r, c, &from, err);

	import_free(&r);
	return e;
}

TEST(debian)
{
	const char *root = tap_tmpdir();
	struct err err = ERR_INIT;
	struct config c;

	configure(&c, root);
	fixture_library(root, DEBIAN "libcuda.so." DRIVER, "libcuda.so.1", NULL);
	fixture_library(root, DEBIAN "libnvidia-api.so.1", "libnvidia-api.so.1", NULL);
	fixture_library(root, "usr/lib/x86_64-linux-gnu/libnvidia-ml.so." DRIVER, "libnvidia-ml.so.1", NULL);
	fixture_library(root, "usr/lib/x86_64-linux-gnu/libfoo.so.1", "libfoo.so.1", NULL);
	fixture_library(root, "usr/lib/nvidia/current/nvidia_drv.so", "nvidia_drv.so", NULL);
	fixture_library(root, "usr/lib/nvidia/current/libglxserver_nvidia.so." DRIVER, "libglxserver_nvidia.so", NULL);
	fixture_library(root, "usr/lib/xorg/modules/drivers/nouveau_drv.so", "nouveau_drv.so", NULL);
	fixture_write(root, "usr/share/X11/xorg.conf.d/nvidia-drm-outputclass.conf", "#", 1, 0644);
	fixture_write(root, "lib/firmware/nvidia/" DRIVER "/gsp_tu10x.bin", "fw", 2, 0644);
	fixture_write(root, "etc/OpenCL/vendors/nvidia.icd", "libnvidia-opencl.so.1\n", 22, 0644);
	CHECK_INT(run(&c, root, NULL, &err), 0);
	CHECK_STR(err.what, "");
	CHECK_INT(fixture_inode(c.driver_store, TREE "/lib64/libcuda.so." DRIVER),
		  fixture_inode(root, DEBIAN "libcuda.so." DRIVER));
	CHECK(fixture_exists(c.driver_store, TREE "/lib64/libnvidia-ml.so.1"));
	CHECK(fixture_exists(c.driver_store, TREE "/lib64/libnvidia-api.so.1"));
	CHECK(!fixture_exists(c.driver_store, TREE "/lib64/libfoo.so.1"));
	CHECK(fixture_exists(c.driver_store, TREE "/share/OpenCL/vendors/nvidia.icd"));
	CHECK(fixture_exists(c.driver_store, TREE "/lib64/nvidia_drv.so"));
	CHECK(fixture_exists(c.driver_store, TREE "/lib64/libglxserver_nvidia.so." DRIVER));
	CHECK(!fixture_exists(c.driver_store, TREE "/lib64/nouveau_drv.so"));
	CHECK(fixture_exists(c.driver_store, TREE "/share/X11/xorg.conf.d/nvidia-drm-outputclass.conf"));
	CHECK(fixture_exists(c.driver_store, TREE "/firmware/nvidia/" DRIVER "/gsp_tu10x.bin"));
	/* Again is no error. */
	CHECK_INT(run(&c, root, NULL, &err), 0);
	CHECK(!fixture_has_staging(c.driver_store));
	config_free(&c);
}

TEST(flatcar)
{
	const char *root = tap_tmpdir();
	struct err err = ERR_INIT;
	struct config c;

	configure(&c, root);
	fixture_library(root, "opt/nvidia/" DRIVER "/6.6.100-flatcar/usr/lib64/libcuda.so." DRIVER, "libcuda.so.1",
			NULL);
	CHECK_INT(run(&c, root, NULL, &err), 0);
	CHECK(fixture_exists(c.driver_store, TREE "/lib64/libcuda.so.1"));
	config_free(&c);
}

TEST(what_others_may_write_is_copied)
{
	const char *root = tap_tmpdir();
	cleanup_free char *path = mem_printf("%s/usr/lib64/libcuda.so." DRIVER, root);
	struct err err = ERR_INIT;
	struct config c;

	configure(&c, root);
	fixture_library(root, "usr/lib64/libcuda.so." DRIVER, "libcuda.so.1", NULL);
	REQUIRE(chmod(path, 0666) == 0);
	CHECK_INT(run(&c, root, NULL, &err), 0);
	CHECK(fixture_exists(c.driver_store, TREE "/lib64/libcuda.so." DRIVER));
	CHECK(fixture_inode(c.driver_store, TREE "/lib64/libcuda.so." DRIVER) !=
	      fixture_inode(root, "usr/lib64/libcuda.so." DRIVER));
	config_free(&c);
}

TEST(which_version)
{
	const char *root = tap_tmpdir();
	struct err err = ERR_INIT;
	struct config c;

	configure(&c, root);
	CHECK(run(&c, root, NULL, &err) < 0);
	CHECK_INT(err.code, ERR_SOURCE);
	CHECK(strstr(err.what, "usr/lib/x86_64-linux-gnu") != NULL);
	fixture_library(root, "usr/lib64/libcuda.so." DRIVER, "libcuda.so.1", NULL);
	fixture_library(root, DEBIAN "libcuda.so.550.54.14", "libcuda.so.1", "b");
	CHECK(run(&c, root, NULL, &err) < 0);
	CHECK_INT(err.code, ERR_UNDECIDED);
	CHECK(strstr(err.what, DRIVER) && strstr(err.what, "550.54.14"));
	CHECK(run(&c, root, "470.1", &err) < 0);
	CHECK_INT(err.code, ERR_SOURCE);
	CHECK_INT(run(&c, root, "550.54.14", &err), 0);
	CHECK(fixture_exists(c.driver_store, "550.54.14/3975.2.0/lib64/libcuda.so.550.54.14"));
	CHECK(!fixture_exists(c.driver_store, "550.54.14/3975.2.0/lib64/libcuda.so." DRIVER));
	config_free(&c);
}
