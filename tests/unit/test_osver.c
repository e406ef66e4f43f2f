/* SPDX-License-Identifier: Apache-2.0 */
#include "host/osver.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/str.h"
#include "tap.h"

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct {
	const char *text, *kernel, *want; /* want NULL: refused */
} cases[] = {
	{ "NAME=\"Flatcar Container Linux by Kinvolk\"\nID=flatcar\nID_LIKE=coreos\nVERSION_ID=3975.2.0\n",
	  "6.6.54-flatcar", "3975.2.0" },
	{ "ID=coreos\nVERSION_ID=2512.3.0\n", "4.19", "2512.3.0" },
	{ "ID=fedora\nVERSION_ID=39\nVARIANT_ID=coreos\nOSTREE_VERSION='39.20240210.3.0'\n", "6.7", "39.20240210.3.0" },
	{ "ID=debian\nVERSION_ID=\"12\"\n", "6.1.0-50-amd64", "debian-12-6.1.0-50-amd64" },
	{ "ID=debian\n", "6.12.1-amd64", "debian-6.12.1-amd64" },
	{ "ID=debian\nVERSION_ID=\n", "6.12.1-amd64", "debian-6.12.1-amd64" },
	{ "ID=fedora\nVERSION_ID=40\nOSTREE_VERSION=\"\"\n", "6.8.5-301.fc40.x86_64",
	  "fedora-40-6.8.5-301.fc40.x86_64" },
	{ "ID=ubuntu\nVERSION_ID=\"22.04\"\n", "5.15.0-91-generic", "ubuntu-22.04-5.15.0-91-generic" },
	{ "NAME=Thing\n", "5.10.0", "linux-5.10.0" },
	{ "", "5.10.0", "linux-5.10.0" },
	{ "ID=rhel\nVERSION_ID=9.4\n", "5.14.0-427.el9.x86_64+debug", "rhel-9.4-5.14.0-427.el9.x86_64+debug" },
	{ "ID=debian\nVERSION_ID=13\n", "6.1~bpo 1/../x\xc3\xa4", "debian-13-6.1_bpo_1_.._x__" },
	{ "ID=../../etc\nVERSION_ID=1\n", "6", ".._.._etc-1-6" },
	{ "ID=\"a\nVERSION_ID=1\n", "6", NULL },
	{ "no assignment\n", "6", NULL },
	{ "ID=flatcar\n", "6", NULL },
	{ "ID=flatcar\nVERSION_ID=..\n", "6", NULL },
	{ "ID=flatcar\nVERSION_ID=.\n", "6", NULL },
	{ "ID=debian\nVERSION_ID=12\n", X64, NULL },
	{ "ID=flatcar\nVERSION_ID=a" X64 "\n", "6", NULL },
};

TEST(names_of_operating_systems)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arena a cleanup_arena = ARENA_INIT;
		struct err err = ERR_INIT;
		const char *os = NULL;
		int r = osver_parse(&a, cases[i].text, strlen(cases[i].text), cases[i].kernel, &os, &err);

		if (!CHECK_STR(os, cases[i].want))
			printf("# case %zu: %s\n", i, err.what);
		CHECK_INT(r, cases[i].want ? 0 : -EINVAL);
		CHECK_INT(err.code, cases[i].want ? ERR_NONE : ERR_HOST);
		CHECK(!os || str_is_name(os));
	}
}

TEST(kernel_of_this_host)
{
	struct arena a cleanup_arena = ARENA_INIT;
	struct err err = ERR_INIT;
	struct utsname u;
	const char *os = NULL, *same = NULL;

	REQUIRE(uname(&u) == 0);
	CHECK_INT(osver_parse(&a, "ID=x\n", 5, NULL, &os, &err), 0);
	CHECK_INT(osver_parse(&a, "ID=x\n", 5, u.release, &same, &err), 0);
	CHECK_STR(os, same);
}

TEST(places)
{
	struct arena a cleanup_arena = ARENA_INIT;
	const char *dir = tap_tmpdir(), *os = NULL;
	char path[512];
	struct err err = ERR_INIT;

	CHECK_INT(osver_read(&a, dir, "6", &os, &err), -ENOENT);
	CHECK_INT(err.code, ERR_HOST);
	tap_write(dir, "usr/lib/os-release", "ID=debian\nVERSION_ID=12\n");
	CHECK_INT(osver_read(&a, dir, "6", &os, &err), 0);
	CHECK_STR(os, "debian-12-6");
	/* A link with an absolute target is one of that root, not of ours. */
	snprintf(path, sizeof(path), "%s/etc", dir);
	REQUIRE(mkdir(path, 0755) == 0);
	snprintf(path, sizeof(path), "%s/etc/os-release", dir);
	REQUIRE(symlink("/usr/lib/os-release", path) == 0);
	os = NULL;
	CHECK_INT(osver_read(&a, dir, "7", &os, &err), 0);
	CHECK_STR(os, "debian-12-7");
	REQUIRE(unlink(path) == 0);
	tap_write(dir, "etc/os-release", "ID=flatcar\nVERSION_ID=1.2.3\n");
	CHECK_INT(osver_read(&a, dir, "7", &os, &err), 0);
	CHECK_STR(os, "1.2.3");
	REQUIRE(unlink(path) == 0 && mkfifo(path, 0600) == 0);
	CHECK_INT(osver_read(&a, dir, "7", &os, &err), -EINVAL);
	CHECK_INT(err.code, ERR_HOST);
	CHECK_INT(osver_read(&a, "/nonexistent", "7", &os, &err), -ENOENT);
}
