/* SPDX-License-Identifier: Apache-2.0 */
#include "systemd/generator.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_fixture.h"
#include "tap.h"

#define OS_RELEASE "ID=flatcar\nVERSION_ID=3975.2.0\n"
#define UNIT "etc/systemd/system/nvcoreos.service"
#define TREE "opt/nvidia/535.261.03/3975.2.0/"
#define SELECTED "{\"format\":1,\"selected\":\"535.261.03\"}"

static void want(const char *dir, const char *in)
{
	cleanup_free char *link = mem_printf("%s/%s/nvcoreos.service", dir, in), *other = mem_printf("%s/other", in);

	tap_write(dir, other, "");
	CHECK_INT(symlink("/" UNIT, link), 0);
}

/* A host with our unit, enabled, and one tree, which `state` or `current` may make the one to load; its generator directory is dir/late. */
static const char *host(const char *current, const char *state)
{
	const char *dir = tap_tmpdir();
	cleanup_free char *link = mem_printf("%s/opt/nvidia/current", dir), *late = mem_printf("%s/late", dir);

	tap_write(dir, "etc/os-release", OS_RELEASE);
	tap_write(dir, UNIT, "[Unit]\n");
	want(dir, "etc/systemd/system/multi-user.target.wants");
	tap_write(dir, TREE "start.json", "{}");
	tap_write(dir, TREE "modules/nvidia.ko", "x");
	if (state)
		tap_write(dir, "opt/nvidia/state.json", state);
	CHECK(!current || symlink(current, link) == 0);
	CHECK_INT(mkdir(late, 0755), 0);
	return dir;
}

static enum config_flavour flavour = CONFIG_FLAVOUR_AUTO;

static int link_in(const char *dir, struct err *err)
{
	cleanup_free char *late = mem_printf("%s/late", dir);
	struct config conf cleanup(config_free);

	config_init(&conf);
	config_set_root(&conf, dir);
	conf.module_flavour = flavour;
	return generator_link(dir, "6.6.54-flatcar", &conf, late, err);
}

/* Whether it links, and to what. */
static void expect(const char *dir, const char *unit)
{
	struct err err = ERR_INIT;
	unsigned fds = tap_open_fds();

	CHECK_INT(link_in(dir, &err), unit ? 1 : 0);
	CHECK_STR(fixture_readlink(dir, "late/nvidia.service"), unit);
	CHECK_INT(err.code, ERR_NONE);
	CHECK_INT(tap_open_fds(), fds);
}

TEST(current_tree_of_this_os)
{
	expect(host("535.261.03/3975.2.0", NULL), "/" UNIT);
}

/* As after an update of the OS: current is the old version's until `load` has run. */
TEST(tree_of_the_selected_driver)
{
	expect(host("535.261.03/3941.1.0", SELECTED), "/" UNIT);
}

TEST(open_modules_alone)
{
	const char *dir = host("535.261.03/3975.2.0", NULL);
	cleanup_free char *from = mem_printf("%s/" TREE "modules", dir), *to = mem_printf("%s-open", from);
	cleanup_free char *link = mem_printf("%s/late/nvidia.service", dir);

	CHECK_INT(rename(from, to), 0);
	expect(dir, "/" UNIT);
	CHECK_INT(unlink(link), 0);
	/* An empty directory has none, and `load` does not take what module-flavour excludes. */
	flavour = CONFIG_FLAVOUR_PROPRIETARY;
	expect(dir, NULL);
	CHECK_INT(mkdir(from, 0755), 0);
	expect(dir, NULL);
	flavour = CONFIG_FLAVOUR_OPEN;
	expect(dir, "/" UNIT);
	flavour = CONFIG_FLAVOUR_AUTO;
}

TEST(no_tree_to_load)
{
	const char *dir = tap_tmpdir();

	/* Installed and neither selected nor current: `load` would not take it. */
	expect(host(NULL, NULL), NULL);
	expect(host(NULL, "{\"format\":1,\"selected\":\"550.10\"}"), NULL);
	/* No store at all. */
	tap_write(dir, "etc/os-release", OS_RELEASE);
	tap_write(dir, UNIT, "[Unit]\n");
	want(dir, "etc/systemd/system/multi-user.target.wants");
	expect(dir, NULL);
}

TEST(tree_of_another_os_version)
{
	const char *dir = host("535.261.03/3975.2.0", SELECTED);

	tap_write(dir, "etc/os-release", "ID=flatcar\nVERSION_ID=4081.2.0\n");
	expect(dir, NULL);
}

/* The OS's own unit builds them: it must run. */
TEST(tree_without_modules)
{
	const char *dir = host("535.261.03/3975.2.0", NULL);
	cleanup_free char *from = mem_printf("%s/" TREE "modules", dir), *to = mem_printf("%s/elsewhere", dir);

	CHECK_INT(rename(from, to), 0);
	expect(dir, NULL);
}

TEST(unit_below_usr)
{
	const char *dir = host("535.261.03/3975.2.0", NULL);
	cleanup_free char *unit = mem_printf("%s/" UNIT, dir);

	CHECK_INT(unlink(unit), 0);
	expect(dir, NULL);
	tap_write(dir, "usr/lib/systemd/system/nvcoreos.service", "[Unit]\n");
	expect(dir, "/usr/lib/systemd/system/nvcoreos.service");
}

TEST(disabled_unit)
{
	const char *dir = host("535.261.03/3975.2.0", NULL);
	cleanup_free char *wants = mem_printf("%s/etc/systemd/system/multi-user.target.wants", dir);
	cleanup_free char *link = mem_printf("%s/nvcoreos.service", wants),
			  *alias = mem_printf("%s/late/nvidia.service", dir);
	cleanup_free char *elsewhere = mem_printf("%s/etc/systemd/system/multi-user.target.d", dir);
	cleanup_free char *runtime = mem_printf("%s/run/systemd/system/graphical.target.wants/nvcoreos.service", dir);

	CHECK_INT(rename(wants, elsewhere), 0);
	expect(dir, NULL);
	CHECK_INT(rename(elsewhere, wants), 0);
	expect(dir, "/" UNIT);
	CHECK_INT(unlink(alias), 0);
	CHECK_INT(unlink(link), 0);
	expect(dir, NULL);
	/* For this boot alone; by another unit that cannot do without it. */
	want(dir, "run/systemd/system/graphical.target.wants");
	expect(dir, "/" UNIT);
	CHECK_INT(unlink(alias), 0);
	CHECK_INT(unlink(runtime), 0);
	want(dir, "etc/systemd/system/mine.service.requires");
	expect(dir, "/" UNIT);
}

TEST(masked_unit)
{
	const char *dir = host("535.261.03/3975.2.0", NULL);
	cleanup_free char *unit = mem_printf("%s/" UNIT, dir);

	tap_write(dir, "usr/lib/systemd/system/nvcoreos.service", "[Unit]\n");
	tap_write(dir, UNIT, "");
	expect(dir, NULL);
	tap_write(dir, "dev/null", "");
	CHECK_INT(unlink(unit), 0);
	CHECK_INT(symlink("/dev/null", unit), 0);
	expect(dir, NULL);
}

/* Nothing is known of the tree then, and nothing is made. */
TEST(errors_make_nothing)
{
	const char *dir = host("535.261.03/3975.2.0", NULL);
	cleanup_free char *late = mem_printf("%s/late", dir);
	struct err err = ERR_INIT;

	tap_write(dir, "etc/os-release", "ID=flatcar\n");
	CHECK_INT(link_in(dir, &err), -EINVAL);
	CHECK_INT(err.code, ERR_HOST);
	CHECK(!fixture_exists(dir, "late/nvidia.service"));
	tap_write(dir, "etc/os-release", OS_RELEASE);
	CHECK_INT(rmdir(late), 0);
	err = (struct err)ERR_INIT;
	CHECK_INT(link_in(dir, &err), -ENOENT);
	CHECK_INT(err.code, ERR_IO);
}

TEST(damaged_state_is_no_selection)
{
	expect(host(NULL, "{"), NULL);
	expect(host("535.261.03/3975.2.0", "{"), "/" UNIT);
}
