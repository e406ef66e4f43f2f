/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/cgroup_paths.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include "base/mem.h"
#include "tap.h"

static void parses(const char *text, const char *v1, const char *v2)
{
	struct cgroup_paths p;
	struct err err = ERR_INIT;

	if (!CHECK_INT(cgroup_paths_parse(&p, text, strlen(text), &err), 0)) {
		printf("# %s\n", err.what);
		return;
	}
	CHECK(!p.v1 == !v1 && !p.v2 == !v2);
	if (v1 && p.v1)
		CHECK_STR(p.v1, v1);
	if (v2 && p.v2)
		CHECK_STR(p.v2, v2);
	cgroup_paths_free(&p);
}

TEST(the_two_hierarchies_of_a_process)
{
	parses("5:devices:/docker/abc\n4:memory:/x\n0::/\n", "/docker/abc", "/");
	parses("12:cpu,devices:/a\n", "/a", NULL);
	parses("12:devices,cpu:/a\n1:name=systemd:/a\n", "/a", NULL);
	parses("0::/system.slice/docker-abc.scope\n", NULL, "/system.slice/docker-abc.scope");
	parses("3:xdevices:/a\n2:devicesx:/b\n0::/c\n", NULL, "/c");
	parses("", NULL, NULL);
	/* A colon may stand in a name, and three dots are one. */
	parses("5:devices:/a:b/c: d\n0::/...\n", "/a:b/c: d", "/...");
	/* What other hierarchies say is nothing to us. */
	parses("7:freezer:/../x\n0::/y\n", NULL, "/y");
}

static void refuses(const char *text, size_t len, int r, const char *word)
{
	struct cgroup_paths p;
	struct err err = ERR_INIT;

	CHECK_INT(cgroup_paths_parse(&p, text, len, &err), r);
	CHECK_INT(err.code, ERR_CGROUP);
	CHECK(!p.v1 && !p.v2);
	if (!CHECK(strstr(err.what, word)))
		printf("# %s\n", err.what);
}

TEST(hostile_85_what_is_no_such_file_is_refused)
{
	static const struct {
		const char *text;
		int r;
		const char *word;
	} rows[] = {
		{ "5:devices:/../../x\n", -EXDEV, "/../../x" },
		{ "0::/..\n", -EXDEV, "/.. is outside" },
		{ "0::/a/../b\n", -EBADMSG, "/a/../b" },
		{ "0::/a/..\n", -EBADMSG, "/a/.." },
		{ "0::/a/./b\n", -EBADMSG, "/a/./b" },
		{ "0::/a//b\n", -EBADMSG, "/a//b" },
		{ "0::/a/\n", -EBADMSG, "/a/" },
		{ "0::a\n", -EBADMSG, "a" },
		{ "0::\n", -EBADMSG, "cgroup " },
		{ "0::/a (deleted)\n", -ENOENT, "(deleted)" },
		{ "5:devices:/a (deleted)\n", -ENOENT, "(deleted)" },
		{ "5:devices:/a\n6:devices:/b\n", -EBADMSG, "/b stands beside /a" },
		{ "0::/a\n0::/b\n", -EBADMSG, "/b stands beside /a" },
		/* A newline within a name would look like this. */
		{ "0::/a\n/b\n", -EBADMSG, "/b" },
		{ "0::/a\nx:devices:/b\n", -EBADMSG, "x" },
		{ "0::/a\n\n", -EBADMSG, "" },
		{ "0::/a", -EBADMSG, "0::/a" },
		{ "-1::/a\n", -EBADMSG, "-1" },
		{ "+5:devices:/a\n", -EBADMSG, "+5" },
		{ "99999999999:devices:/a\n", -EBADMSG, "99999999999" },
		{ "5:devices\n", -EBADMSG, "5:devices" },
		{ "5\n", -EBADMSG, "5" },
	};
	cleanup_free char *longest = mem_zalloc(PATH_MAX + 16);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		refuses(rows[i].text, strlen(rows[i].text), rows[i].r, rows[i].word);
	refuses("0::/a\0b\n", 8, -EBADMSG, "NUL");
	memset(longest, 'a', PATH_MAX + 14);
	memcpy(longest, "0::/", 4);
	longest[PATH_MAX + 14] = '\n';
	refuses(longest, PATH_MAX + 15, -EBADMSG, "aaa");
}

static void owns(const char *path, const char *cgroups_path, const char *own)
{
	cleanup_free char *got = mem_strndup(path, cgroup_paths_own(path, cgroups_path));

	CHECK_STR(got, own);
}

TEST(which_of_the_cgroups_is_the_containers_outermost)
{
	owns("/docker/abc", NULL, "/docker/abc");
	owns("/docker/abc", "/docker/abc", "/docker/abc");
	owns("/docker/abc/container", "/docker/abc", "/docker/abc");
	owns("/docker/abc/container", "docker/abc", "/docker/abc");
	owns("/docker/abc/container", "//docker/./abc/", "/docker/abc");
	/* In a nested engine the runtime puts its own cgroup before it. */
	owns("/outer/docker/abc/container", "/docker/abc", "/outer/docker/abc");
	owns("/docker/abc/docker/abc/x", "/docker/abc", "/docker/abc/docker/abc");
	owns("/docker/abcd/container", "/docker/abc", "/docker/abcd/container");
	owns("/xdocker/abc/container", "/docker/abc", "/xdocker/abc/container");
	owns("/user.slice/crun-1.scope/container", "user.slice:crun:1", "/user.slice/crun-1.scope");
	owns("/system.slice/docker-1.scope", "system.slice:docker:1", "/system.slice/docker-1.scope");
	owns("/a.slice/1.scope/container", "a.slice::1", "/a.slice/1.scope");
	owns("/a.slice/b.slice/c", "a.slice:x:b.slice", "/a.slice/b.slice");
	/* Nothing that would reach above. */
	owns("/docker/abc", "/", "/docker/abc");
	owns("/docker/abc", "", "/docker/abc");
	owns("/docker/abc", "/..", "/docker/abc");
	owns("/docker/abc", "/docker/abc/def", "/docker/abc");
	owns("/docker/abc", "a:b", "/docker/abc");
	owns("/docker/abc", "a:b:c:d", "/docker/abc");
	owns("/docker/abc", "::", "/docker/abc");
}

TEST(mounts_of_the_hierarchies)
{
	char text[] = "22 1 0:21 / /proc rw - proc proc rw\n"
		      "36 31 0:33 / /sys/fs/cgroup/devices rw,relatime shared:7 master:2 - cgroup cgroup rw,devices\n"
		      "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
		      "\n"
		      "37 31 0:34 /docker/abc /mnt/a\\040b\\134\\011 ro - cgroup cgroup rw,cpu,devices\n"
		      "41 31 0:38 /../.. /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n"
		      "42 31 038 / /bad rw - cgroup2 cgroup2 rw\n"
		      "43 31 0:38 / - cgroup2 cgroup2 rw\n"
		      "44 - cgroup2\n"
		      "46 31 0:38  /no/root rw - cgroup2 cgroup2 rw\n"
		      "47 31 0:38 / relative rw - cgroup2 cgroup2 rw\n"
		      " - cgroup cgroup devices\n"
		      "45 31 0:38 / /last rw - cgroup2 cgroup2 rw";
	struct cgroup_mount m;
	char *rest = text;

	REQUIRE(cgroup_paths_mount(&rest, &m));
	CHECK(!m.v2 && m.dev == makedev(0, 33));
	CHECK_STR(m.root, "/");
	CHECK_STR(m.target, "/sys/fs/cgroup/devices");
	REQUIRE(cgroup_paths_mount(&rest, &m));
	CHECK_STR(m.root, "/docker/abc");
	CHECK_STR(m.target, "/mnt/a b\\\t");
	REQUIRE(cgroup_paths_mount(&rest, &m));
	CHECK(m.v2 && m.dev == makedev(0, 38));
	CHECK_STR(m.root, "/../..");
	REQUIRE(cgroup_paths_mount(&rest, &m));
	CHECK_STR(m.target, "/last");
	CHECK(!cgroup_paths_mount(&rest, &m));
	CHECK(!cgroup_paths_mount(&rest, &m));
}

TEST(a_cgroup_seen_from_a_mount)
{
	CHECK_STR(cgroup_paths_in("/", "/a/b"), "a/b");
	CHECK_STR(cgroup_paths_in("/", "/"), ".");
	CHECK_STR(cgroup_paths_in("/a", "/a/b"), "b");
	CHECK_STR(cgroup_paths_in("/a", "/a"), ".");
	CHECK(!cgroup_paths_in("/a", "/ab"));
	CHECK(!cgroup_paths_in("/a/b", "/a"));
	CHECK(!cgroup_paths_in("/..", "/a"));
}
