/* SPDX-License-Identifier: Apache-2.0 */
#include "cdispec.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "tap.h"

#define DEVICE "\"devices\":[{\"name\":\"a\",\"containerEdits\":{\"env\":[\"A=b\"]}}]"
#define HEAD "{\"cdiVersion\":\"0.5.0\",\"kind\":\"nvidia.com/gpu\","

TEST(shapes)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "[]", "it is no specification" },
		{ "{}", "cdiVersion is none of CDI's: ''" },
		{ "{\"cdiVersion\":5,\"kind\":\"a/b\"}", "cdiVersion is none of CDI's: ''" },
		{ "{\"cdiVersion\":\"9.0.0\",\"kind\":\"a/b\"}", "cdiVersion is none of CDI's: '9.0.0'" },
		{ "{\"cdiVersion\":\"0.5.0\",\"kind\":\"nvidia.com\"," DEVICE "}", "kind is no vendor/class" },
		{ "{\"cdiVersion\":\"0.5.0\",\"kind\":\"1/gpu\"," DEVICE "}", "kind is no vendor/class" },
		{ "{\"cdiVersion\":\"0.5.0\",\"kind\":\"nvidia.com/\"," DEVICE "}", "kind is no vendor/class" },
		{ HEAD "\"devices\":{}}", "it has no devices" },
		{ HEAD "\"devices\":[]}", "it has no devices" },
		{ HEAD "\"devices\":[{\"name\":\"../a\"}]}", "devices[0] has no name that can be asked for" },
		{ HEAD "\"devices\":[7]}", "devices[0] has no name that can be asked for" },
		{ HEAD "\"devices\":[{\"name\":\"a\"},{\"name\":\"a\"}]}", "device a stands twice" },
		{ HEAD "\"devices\":[{\"name\":\"a\",\"containerEdits\":[]}]}", "containerEdits is no object" },
		{ HEAD "\"containerEdits\":7," DEVICE "}", "containerEdits is no object" },
		{ HEAD "\"containerEdits\":{\"hooks\":{}}," DEVICE "}", "hooks is no list" },
		{ HEAD "\"containerEdits\":{\"hooks\":[{\"path\":\"x\"}]}," DEVICE "}",
		  "hooks[0].path is no absolute path" },
		{ HEAD "\"containerEdits\":{\"mounts\":[{\"hostPath\":\"/a\"},{}]}," DEVICE "}",
		  "mounts[1].hostPath is no absolute path" },
		{ HEAD "\"containerEdits\":{\"deviceNodes\":[0]}," DEVICE "}",
		  "deviceNodes[0].path is no absolute path" },
		{ "{\"cdiVersion\":\"0.4.0\",\"kind\":\"a/b\",\"devices\":[{\"name\":\"0\"}]}",
		  "it says cdiVersion 0.4.0 and uses what came with 0.5.0" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char why[256] = "";

		CHECK(!cdispec_parse(cases[i].text, strlen(cases[i].text), false, why, sizeof(why)));
		CHECK_STR(why, cases[i].why);
		CHECK(!cdispec_parse(cases[i].text, strlen(cases[i].text), true, why, sizeof(why)));
		CHECK_STR(why, cases[i].why);
	}
}

static void put(const char *dir, const char *name, const char *text)
{
	tap_write(dir, name, text);
}

static char *findings(const char *root, size_t *n)
{
	struct strlist dirs = { NULL, 0 };
	struct arena a = ARENA_INIT;
	struct err err = ERR_INIT;
	struct cdispec_findings found;
	struct cdispec_set set;
	struct strbuf out = STRBUF_INIT;
	int rootfd = fd_open_dir(root);

	strlist_add(&a, &dirs, CDISPEC_DIR_STATIC);
	strlist_add(&a, &dirs, CDISPEC_DIR_DYNAMIC);
	if (rootfd < 0 || cdispec_read(&set, rootfd, &dirs, &err) < 0)
		abort();
	cdispec_check(&set, rootfd, &found);
	*n = found.n;
	for (size_t i = 0; i < found.n; i++)
		strbuf_printf(&out, "%s %s %s\n", found.v[i].file, found.v[i].device ? found.v[i].device : "-",
			      found.v[i].what);
	cdispec_findings_free(&found);
	cdispec_free(&set);
	arena_free(&a);
	fd_close(rootfd);
	return strbuf_steal(&out);
}

static void make_dirs(const char *root)
{
	static const char *const names[] = { "etc/cdi", "run/cdi", "dev", "bin" };
	char path[512];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", root, names[i]);
		CHECK_INT(fd_mkdir_p(AT_FDCWD, path, 0755), 0);
	}
}

TEST(nothing_there)
{
	const char *dir = tap_tmpdir();
	size_t n = 9;

	cleanup_free char *got = findings(dir, &n);

	CHECK_INT(n, 0);
}

TEST(files_that_engines_cannot_take)
{
	const char *dir = tap_tmpdir();
	char path[512];
	size_t n = 0;

	make_dirs(dir);
	put(dir, "etc/cdi/a.json", "{");
	put(dir, "etc/cdi/b.yaml", "a: *b\n");
	put(dir, "etc/cdi/c.txt", "{");
	put(dir, "etc/cdi/.d.json", "{");
	snprintf(path, sizeof(path), "%s/run/cdi/e.yaml", dir);
	CHECK_INT(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/run/cdi/f.yaml", dir);
	CHECK_INT(symlink("../../etc/cdi/b.yaml", path), 0);
	snprintf(path, sizeof(path), "%s/run/cdi/g.json", dir);
	CHECK_INT(symlink("nowhere", path), 0);
	cleanup_free char *got = findings(dir, &n);

	CHECK_INT(n, 5);
	CHECK(strstr(got, "/etc/cdi/a.json - "));
	CHECK(strstr(got, "/etc/cdi/b.yaml - line 1: aliases are not read\n"));
	CHECK(strstr(got, "/run/cdi/e.yaml - it cannot be read: no regular file\n"));
	CHECK(strstr(got, "/run/cdi/f.yaml - line 1: aliases are not read\n"));
	CHECK(strstr(got, "/run/cdi/g.json - it cannot be read: No such file or directory\n"));
}

TEST(names_of_two_files)
{
	const char *dir = tap_tmpdir();
	size_t n = 0;

	make_dirs(dir);
	put(dir, "etc/cdi/a.json", HEAD DEVICE "}");
	put(dir, "etc/cdi/b.yaml", "cdiVersion: 0.3.0\nkind: nvidia.com/gpu\ndevices:\n- name: a\n- name: b\n");
	put(dir, "run/cdi/c.json", HEAD "\"devices\":[{\"name\":\"b\"}]}");
	put(dir, "run/cdi/d.json", "{\"cdiVersion\":\"0.5.0\",\"kind\":\"nvidia.com/other\"," DEVICE "}");
	cleanup_free char *got = findings(dir, &n);

	CHECK_STR(got, "/etc/cdi/b.yaml nvidia.com/gpu=a /etc/cdi/a.json defines it too: engines refuse both\n"
		       "/run/cdi/c.json nvidia.com/gpu=b /etc/cdi/b.yaml defines it too, and engines take this one\n");
}

TEST(paths_that_are_stale)
{
	static const char text[] = HEAD
		"\"devices\":[{\"name\":\"a\",\"containerEdits\":{\"deviceNodes\":["
		"{\"path\":\"/dev/gone\"},{\"path\":\"/x\",\"hostPath\":\"/dev/file\"},{\"path\":\"/dev/file\",\"type\":\"p\"},"
		"{\"path\":\"/dev/pipe\",\"type\":\"p\"}],"
		"\"mounts\":[{\"hostPath\":\"/lib/gone\\u001b[2J\"},{\"hostPath\":\"/bin\"},{\"hostPath\":\"/none\",\"type\":\"tmpfs\"},"
		"{\"hostPath\":\"/gone\",\"type\":\"bind\"}]}}],"
		"\"containerEdits\":{\"hooks\":[{\"hookName\":\"createContainer\",\"path\":\"/bin/good\"},{\"path\":\"/bin/plain\"},"
		"{\"path\":\"/bin/gone\"},{\"path\":\"/bin\"},{\"hookName\":\"createContainer\",\"path\":\"/bin/good\",\"env\":[\"A=b\"]}]}}";
	const char *dir = tap_tmpdir();
	char path[512];
	size_t n = 0;

	make_dirs(dir);
	put(dir, "etc/cdi/a.json", text);
	put(dir, "dev/file", "");
	put(dir, "bin/good", "");
	put(dir, "bin/plain", "");
	snprintf(path, sizeof(path), "%s/bin/good", dir);
	CHECK_INT(chmod(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/dev/pipe", dir);
	CHECK_INT(mkfifo(path, 0600), 0);
	cleanup_free char *got = findings(dir, &n);

	CHECK_STR(got, "/etc/cdi/a.json - the hook /bin/good runs with the container's own variables: it has no env\n"
		       "/etc/cdi/a.json - the hook /bin/plain is no program\n"
		       "/etc/cdi/a.json - the hook /bin/gone is not there\n"
		       "/etc/cdi/a.json - the hook /bin is no program\n"
		       "/etc/cdi/a.json nvidia.com/gpu=a /dev/gone is not there\n"
		       "/etc/cdi/a.json nvidia.com/gpu=a /dev/file is no such device\n"
		       "/etc/cdi/a.json nvidia.com/gpu=a /dev/file is no such device\n"
		       "/etc/cdi/a.json nvidia.com/gpu=a /lib/gone\\x1b[2J is not there\n"
		       "/etc/cdi/a.json nvidia.com/gpu=a /gone is not there\n");
}

/* On the running host, whose /dev has these. */
TEST(numbers_that_changed)
{
	static const char text[] = HEAD
		"\"devices\":[{\"name\":\"a\",\"containerEdits\":{\"deviceNodes\":[{\"path\":\"/dev/null\",\"major\":1,\"minor\":3},"
		"{\"path\":\"/dev/null\",\"major\":511,\"minor\":3},{\"path\":\"/dev/null\",\"major\":1,\"minor\":4},{\"path\":\"/dev/null\",\"major\":1},"
		"{\"path\":\"/dev/null\",\"type\":\"b\"}]}}]}";
	char why[256];
	struct cdispec_file f = { .path = "/etc/cdi/x.json",
				  .doc = cdispec_parse(text, strlen(text), false, why, sizeof(why)) };
	struct cdispec_set set = { .files = &f, .n_files = 1 };
	struct cdispec_findings found;
	int root = fd_open_dir("/");

	REQUIRE(f.doc && root >= 0);
	cdispec_check(&set, root, &found);
	REQUIRE(found.n == 3);
	CHECK_STR(found.v[0].what, "/dev/null is 1:3 on this host, and not 511:3");
	CHECK_STR(found.v[1].what, "/dev/null is 1:3 on this host, and not 1:4");
	CHECK_STR(found.v[2].what, "/dev/null is no such device");
	CHECK_STR(found.v[2].device, "nvidia.com/gpu=a");
	cdispec_findings_free(&found);
	json_free(f.doc);
	fd_close(root);
}

TEST(findings_have_an_end)
{
	struct strbuf b = STRBUF_INIT;
	char why[256];
	struct cdispec_file f = { .path = "/etc/cdi/x.json" };
	struct cdispec_set set = { .files = &f, .n_files = 1 };
	struct cdispec_findings found;
	int root = fd_open_dir("/");

	strbuf_puts(&b, HEAD DEVICE ",\"containerEdits\":{\"mounts\":[{\"hostPath\":\"/no/such\"}");
	for (int i = 0; i < CDISPEC_FINDINGS_MAX + 5; i++)
		strbuf_puts(&b, ",{\"hostPath\":\"/no/such\"}");
	strbuf_puts(&b, "]}}");
	f.doc = cdispec_parse(b.buf, b.len, false, why, sizeof(why));
	REQUIRE(f.doc && root >= 0);
	cdispec_check(&set, root, &found);
	REQUIRE(found.n == CDISPEC_FINDINGS_MAX);
	CHECK_STR(found.v[0].what, "/no/such is not there");
	CHECK_STR(found.v[found.n - 2].what, "/no/such is not there");
	CHECK_STR(found.v[found.n - 1].what, "and more");
	cdispec_findings_free(&found);
	json_free(f.doc);
	strbuf_free(&b);
	fd_close(root);
}

TEST(formats)
{
	bool yaml = false;

	CHECK(cdispec_format("/a.yaml", &yaml) && yaml);
	CHECK(cdispec_format("/a.yml", &yaml) && yaml);
	CHECK(cdispec_format("/a.json", &yaml) && !yaml);
	CHECK(!cdispec_format("/a.yaml.tmp", &yaml) && !cdispec_format("yaml", &yaml));
}
