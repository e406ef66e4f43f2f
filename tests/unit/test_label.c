/* SPDX-License-Identifier: Apache-2.0 */
#include "store/label.h"

#include <stdio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "store/import.h"
#include "store/install.h"
#include "store_fixture.h"
#include "tap.h"

#define DRIVER "535.261.03"
#define LABEL "system_u:object_r:container_ro_file_t:s0"

/* The label of dir/path, not following. */
static const char *label_of(const char *dir, const char *path)
{
	static char buf[128];
	cleanup_free char *full = mem_printf("%s/%s", dir, path);
	ssize_t n = lgetxattr(full, "security.selinux", buf, sizeof(buf) - 1);

	buf[n < 0 ? 0 : n] = '\0';
	return buf;
}

static bool can_label(void)
{
	if (geteuid() == 0 && setxattr(tap_tmpdir(), "security.selinux", "x", 2, 0) == 0)
		return true;
	tap_skip("needs root, and a file system that keeps labels");
	return false;
}

TEST(a_host_without_selinux_has_none)
{
	const char *dir = tap_tmpdir();

	CHECK(!label_for_host(dir));
	tap_write(dir, "fs/selinux/enforce", "0");
	CHECK_STR(label_for_host(dir), LABEL);
}

TEST(a_directory_and_all_below_it)
{
	const char *dir = tap_tmpdir();
	cleanup_free char *link = mem_printf("%s/a/link", dir), *out = mem_printf("%s/out", dir);
	struct err err = ERR_INIT;

	if (!can_label())
		return;
	tap_write(dir, "a/b/c", "x");
	tap_write(dir, "out", "x");
	REQUIRE(symlink(out, link) == 0);
	cleanup_free char *a = mem_printf("%s/a", dir);
	CHECK_INT(label_tree(a, LABEL, &err), 0);
	CHECK_STR(label_of(dir, "a"), LABEL);
	CHECK_STR(label_of(dir, "a/b"), LABEL);
	CHECK_STR(label_of(dir, "a/b/c"), LABEL);
	/* Not what a link leads to. */
	CHECK_STR(label_of(dir, "out"), "");
	CHECK(label_tree("/nonexistent/x", LABEL, &err) < 0);
	CHECK_INT(err.code, ERR_STORE);
}

/* A host with SELinux, and the driver's libraries in its /usr/lib64 and in an archive. */
static void world_make(const char *root, struct config *conf)
{
	tap_write(root, "etc/os-release", "ID=flatcar\nVERSION_ID=3975.2.0\n");
	tap_write(root, "sys/fs/selinux/enforce", "1");
	fixture_library(root, "usr/lib64/libcuda.so." DRIVER, "libcuda.so.1", NULL);
	config_init(conf);
	config_set_root(conf, root);
}

TEST(an_installed_tree_is_labelled)
{
	const char *root = tap_tmpdir(), *out = tap_tmpdir();
	cleanup_free char *archive = mem_printf("%s/libraries-" DRIVER ".tar.gz", out);
	cleanup_free char *in = mem_printf("%s/usr/lib64", root);
	struct err err = ERR_INIT;
	struct install_result r;
	struct config conf;

	if (!can_label())
		return;
	world_make(root, &conf);
	REQUIRE(fixture_archive(archive, in));
	CHECK_INT(install_run(&r, &(struct install_options){ .conf = &conf, .root = root }, &archive, 1, &err), 0);
	CHECK_STR(err.what, "");
	install_free(&r);
	CHECK_STR(label_of(conf.driver_store, DRIVER "/3975.2.0"), LABEL);
	CHECK_STR(label_of(conf.driver_store, DRIVER "/3975.2.0/lib64/libcuda.so." DRIVER), LABEL);
	CHECK_STR(label_of(conf.driver_store, DRIVER "/3975.2.0/views/compute/lib64/libcuda.so.1"), LABEL);
	config_free(&conf);
}

TEST(an_import_does_not_label_the_hosts_own_files)
{
	const char *root = tap_tmpdir();
	const struct import_from from = { .dir = root, .host = root };
	struct err err = ERR_INIT;
	struct import_result r;
	struct config conf;

	if (!can_label())
		return;
	world_make(root, &conf);
	CHECK_INT(import_run(&r, &conf, &from, &err), 0);
	CHECK_STR(err.what, "");
	import_free(&r);
	CHECK_STR(label_of(conf.driver_store, DRIVER "/3975.2.0/lib64/libcuda.so." DRIVER), LABEL);
	CHECK_STR(label_of(root, "usr/lib64/libcuda.so." DRIVER), "");
	config_free(&conf);
}
