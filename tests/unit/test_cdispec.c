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

#define A "{\"name\":\"a\",\"containerEdits\":{\"env\":[\"A=b\"]}}"
#define DEVICE "\"devices\":[" A "]"
#define HEAD "{\"cdiVersion\":\"0.5.0\",\"kind\":\"nvidia.com/gpu\","
#define EDITS(e) HEAD "\"containerEdits\":" e "," DEVICE "}"

TEST(shapes)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "[]", "it is no specification" },
		{ "{}", "cdiVersion is none of CDI's: ''" },
		{ "{\"cdiVersion\":5,\"kind\":\"a/b\"}", "cdiVersion is none of CDI's: '5'" },
		{ "{\"cdiVersion\":\"9.0.0\",\"kind\":\"a/b\"}", "cdiVersion is none of CDI's: '9.0.0'" },
		{ "{\"cdiVersion\":\"0.5.0\",\"kind\":\"nvidia.com\"," DEVICE "}", "kind is no vendor/class" },
		{ "{\"cdiVersion\":\"0.5.0\",\"kind\":\"1/gpu\"," DEVICE "}", "kind is no vendor/class" },
		{ "{\"cdiVersion\":\"0.5.0\",\"kind\":\"nvidia.com/\"," DEVICE "}", "kind is no vendor/class" },
		{ HEAD "\"devices\":{}}", "devices is no list" },
		{ HEAD "\"devices\":[]}", "it has no devices" },
		{ HEAD "\"devices\":[{\"name\":\"../a\"}]}", "devices[0] has no name that can be asked for" },
		{ HEAD "\"devices\":[7]}", "devices[0] is not what CDI has there" },
		{ HEAD "\"devices\":[" A "," A "]}", "device a stands twice" },
		{ HEAD "\"devices\":[{\"name\":\"a\"}]}", "device a has no edits" },
		{ HEAD "\"devices\":[" A ",{\"name\":\"b\",\"containerEdits\":{\"env\":[]}}]}",
		  "device b has no edits" },
		{ HEAD "\"devices\":[{\"name\":\"a\",\"containerEdits\":[]}]}",
		  "devices[0].containerEdits is not what CDI has there" },
		{ HEAD "\"devices\":[{\"name\":[\"a\"]}]}", "devices[0].name is not what CDI has there" },
		{ HEAD "\"x\":7," DEVICE "}", "'x' is none of CDI's" },
		{ HEAD "\"devices\":[{\"name\":\"a\",\"containerEdits\":{\"mount\":[]}}]}",
		  "devices[0].containerEdits: 'mount' is none of CDI's" },
		{ HEAD "\"Kind\":\"a/b\"," DEVICE "}", "kind stands twice" },
		{ EDITS("7"), "containerEdits is not what CDI has there" },
		{ EDITS("{\"hooks\":{}}"), "containerEdits.hooks is no list" },
		{ EDITS("{\"hooks\":[{\"hookName\":\"prestart\"}]}"), "containerEdits.hooks[0] has no path" },
		{ EDITS("{\"hooks\":[{\"hookName\":\"preStart\",\"path\":\"/x\"}]}"),
		  "containerEdits.hooks[0].hookName is no hook of OCI's" },
		{ EDITS("{\"hooks\":[{\"hookName\":\"prestart\",\"path\":\"/x\",\"env\":[\"A=\",\"=b\"]}]}"),
		  "containerEdits.hooks[0].env[1] is no NAME=value" },
		{ EDITS("{\"hooks\":[{\"hookName\":\"prestart\",\"path\":\"/x\",\"timeout\":\"1\"}]}"),
		  "containerEdits.hooks[0].timeout is not what CDI has there" },
		{ EDITS("{\"env\":[\"A\"]}"), "containerEdits.env[0] is no NAME=value" },
		{ EDITS("{\"env\":[7]}"), "containerEdits.env[0] is no NAME=value" },
		{ EDITS("{\"mounts\":[{\"hostPath\":\"/a\",\"containerPath\":\"/b\"},{\"containerPath\":\"/a\"}]}"),
		  "containerEdits.mounts[1] has no hostPath" },
		{ EDITS("{\"mounts\":[{\"hostPath\":\"/a\"}]}"), "containerEdits.mounts[0] has no containerPath" },
		{ EDITS("{\"mounts\":[{\"hostPath\":\"/a\",\"containerPath\":\"/b\",\"options\":\"ro\"}]}"),
		  "containerEdits.mounts[0].options is no list" },
		{ EDITS("{\"deviceNodes\":[0]}"), "containerEdits.deviceNodes[0] is not what CDI has there" },
		{ EDITS("{\"deviceNodes\":[{}]}"), "containerEdits.deviceNodes[0] has no path" },
		{ EDITS("{\"deviceNodes\":[{\"path\":\"/x\",\"type\":\"d\"}]}"),
		  "containerEdits.deviceNodes[0].type is none of b, c, u and p" },
		{ EDITS("{\"deviceNodes\":[{\"path\":\"/x\",\"permissions\":\"rx\"}]}"),
		  "containerEdits.deviceNodes[0].permissions are not of r, w and m" },
		{ EDITS("{\"deviceNodes\":[{\"path\":\"/x\",\"major\":-1}]}"),
		  "containerEdits.deviceNodes[0].major is not what CDI has there" },
		{ EDITS("{\"deviceNodes\":[{\"path\":\"/x\",\"uid\":4294967296}]}"),
		  "containerEdits.deviceNodes[0].uid is not what CDI has there" },
		{ EDITS("{\"netDevices\":[{\"name\":\"x\"}]}"),
		  "containerEdits.netDevices[0] has no hostInterfaceName and name" },
		{ EDITS("{\"additionalGids\":[-1]}"), "containerEdits.additionalGids[0] is not what CDI has there" },
		{ EDITS("{\"intelRdt\":{\"enableCMT\":1}}"),
		  "containerEdits.intelRdt.enableCMT is not what CDI has there" },
		{ HEAD "\"annotations\":{\"a\":[]}," DEVICE "}", "annotations is not what CDI has there" },
		{ EDITS("{\"additionalGids\":[1]}"), "it says cdiVersion 0.5.0 and uses what came with 0.7.0" },
		{ "{\"cdiVersion\":\"0.2.0\",\"kind\":\"a/b\"," DEVICE "}",
		  "it says cdiVersion 0.2.0 and uses what came with 0.3.0" },
		{ "{\"cdiVersion\":\"0.4.0\",\"kind\":\"a/b\",\"devices\":[{\"name\":\"0\",\"containerEdits\":{\"env\":[\"A=b\"]}}]}",
		  "it says cdiVersion 0.4.0 and uses what came with 0.5.0" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char why[256] = "";

		CHECK(!cdispec_parse(cases[i].text, strlen(cases[i].text), why, sizeof(why)));
		CHECK_STR(why, cases[i].why);
	}
}

/* As engines read them, who take numbers for names, and names however they are capitalized. */
TEST(what_engines_take)
{
	static const struct {
		const char *text, *doc;
	} cases[] = {
		{ "cdiVersion: 0.5.0\nkind: a.b/c\ndevices:\n- name: 0\n  containerEdits: &e {env: [A=b]}\n- name: 0x10\n  containerEdits: *e\n"
		  "- name: yes\n  containerEdits: {<<: *e}\n",
		  "{\"cdiVersion\":\"0.5.0\",\"kind\":\"a.b/c\",\"devices\":[{\"name\":\"0\",\"containerEdits\":{\"env\":[\"A=b\"]}},"
		  "{\"name\":\"16\",\"containerEdits\":{\"env\":[\"A=b\"]}},{\"name\":\"true\",\"containerEdits\":{\"env\":[\"A=b\"]}}]}" },
		{ "CDIVersion: 0.3.0\nKIND: a.b/c\ndevices:\n- name: a\n  containeredits:\n    deviceNodes:\n    - {path: /x, fileMode: 0666}\n",
		  "{\"cdiVersion\":\"0.3.0\",\"kind\":\"a.b/c\",\"devices\":[{\"name\":\"a\",\"containerEdits\":"
		  "{\"deviceNodes\":[{\"path\":\"/x\",\"fileMode\":438}]}}]}" },
		{ "{\"cdiVersion\":\"1.1.0\",\"kind\":\"a/b\",\"annotations\":{\"n\":7},\"devices\":[{\"name\":\"a\",\"containerEdits\":{\"intelRdt\":"
		  "{\"closID\":\"x\",\"enableMonitoring\":true},\"mounts\":[{\"hostPath\":\"tmpfs\",\"containerPath\":\"/t\",\"type\":\"tmpfs\"}]}}]}",
		  "{\"cdiVersion\":\"1.1.0\",\"kind\":\"a/b\",\"annotations\":{\"n\":\"7\"},\"devices\":[{\"name\":\"a\",\"containerEdits\":{\"intelRdt\":"
		  "{\"closID\":\"x\",\"enableMonitoring\":true},\"mounts\":[{\"hostPath\":\"tmpfs\",\"containerPath\":\"/t\",\"type\":\"tmpfs\"}]}}]}" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char why[256] = "";
		cleanup_json struct json *doc = cdispec_parse(cases[i].text, strlen(cases[i].text), why, sizeof(why));
		cleanup_free char *got = doc ? json_dump(doc, 0) : mem_strdup(why);

		CHECK_STR(got, cases[i].doc);
		CHECK_STR(why, "");
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
	put(dir, "etc/cdi/c.yml", "{");
	put(dir, "etc/cdi/.d.json", "[]");
	put(dir, "etc/cdi/e.yaml/f.yaml", "{");
	put(dir, "etc/cdi/two.yaml", "---\n" HEAD DEVICE "}\n---\n{{{");
	snprintf(path, sizeof(path), "%s/run/cdi/e.yaml", dir);
	CHECK_INT(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/run/cdi/f.yaml", dir);
	CHECK_INT(symlink("../../etc/cdi/b.yaml", path), 0);
	snprintf(path, sizeof(path), "%s/run/cdi/g.json", dir);
	CHECK_INT(symlink("nowhere", path), 0);
	cleanup_free char *got = findings(dir, &n);

	CHECK_INT(n, 7);
	CHECK(strstr(got, "/etc/cdi/.d.json - it is no specification\n"));
	CHECK(strstr(got, "/etc/cdi/a.json - "));
	CHECK(strstr(got, "/etc/cdi/b.yaml - line 1: an alias of nothing\n"));
	CHECK(strstr(got, "/etc/cdi/two.yaml - line 3: what follows the first document is not read\n"));
	CHECK(strstr(got, "/run/cdi/e.yaml - it cannot be read: no regular file\n"));
	CHECK(strstr(got, "/run/cdi/f.yaml - line 1: an alias of nothing\n"));
	CHECK(strstr(got, "/run/cdi/g.json - it cannot be read: No such file or directory\n"));
}

TEST(a_directory_that_is_a_symlink)
{
	const char *dir = tap_tmpdir();
	char path[512];
	size_t n = 0;

	put(dir, "etc/real/a.json", "{");
	snprintf(path, sizeof(path), "%s/etc/cdi", dir);
	CHECK_INT(symlink("real", path), 0);
	cleanup_free char *got = findings(dir, &n);

	CHECK_STR(got, "/etc/cdi - it is a symlink, and engines read nothing behind it\n");
}

#define B "{\"name\":\"b\",\"containerEdits\":{\"env\":[\"A=b\"]}}"

TEST(names_of_two_files)
{
	const char *dir = tap_tmpdir();
	size_t n = 0;

	make_dirs(dir);
	put(dir, "etc/cdi/a.json", HEAD DEVICE "}");
	put(dir, "etc/cdi/b.yaml", HEAD "\"devices\":[" A "," B "]}");
	put(dir, "run/cdi/c.json", HEAD "\"devices\":[" B "]}");
	put(dir, "run/cdi/d.json", "{\"cdiVersion\":\"0.5.0\",\"kind\":\"nvidia.com/other\"," DEVICE "}");
	put(dir, "run/cdi/e.json", HEAD DEVICE "}");
	cleanup_free char *got = findings(dir, &n);

	CHECK_STR(
		got,
		"/etc/cdi/b.yaml nvidia.com/gpu=a /etc/cdi/a.json defines it too: engines refuse both\n"
		"/run/cdi/c.json nvidia.com/gpu=b /etc/cdi/b.yaml defines it too, and engines take this one\n"
		"/run/cdi/e.json nvidia.com/gpu=a /etc/cdi/b.yaml defines it too, and another beside that: engines refuse all\n");
}

#define TO ",\"containerPath\":\"/x\"}"
#define AT "{\"hookName\":\"createContainer\",\"path\":"

TEST(paths_that_are_stale)
{
	static const char text[] = HEAD
		"\"devices\":[{\"name\":\"a\",\"containerEdits\":{\"deviceNodes\":["
		"{\"path\":\"/dev/gone\"},{\"path\":\"/x\",\"hostPath\":\"/dev/file\"},{\"path\":\"/dev/file\",\"type\":\"p\"},"
		"{\"path\":\"/dev/pipe\",\"type\":\"p\"},{\"path\":\"/dev/link\"},{\"path\":\"/dev/link\",\"type\":\"p\"}],"
		"\"mounts\":[{\"hostPath\":\"/lib/gone\\u001b[2J\"" TO ",{\"hostPath\":\"/bin\"" TO
		",{\"hostPath\":\"none\",\"type\":\"tmpfs\"" TO ",{\"hostPath\":\"/gone\",\"type\":\"bind\"" TO
		",{\"hostPath\":\"bin\"" TO "]}}],"
		"\"containerEdits\":{\"hooks\":[" AT
		"\"/bin/good\"},{\"hookName\":\"prestart\",\"path\":\"/bin/plain\"},"
		"{\"hookName\":\"prestart\",\"path\":\"/bin/gone\"},{\"hookName\":\"prestart\",\"path\":\"/bin\"}," AT
		"\"/bin/good\",\"env\":[\"A=b\"]}]}}";
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
	snprintf(path, sizeof(path), "%s/dev/link", dir);
	CHECK_INT(symlink("pipe", path), 0);
	cleanup_free char *got = findings(dir, &n);

	CHECK_STR(got, "/etc/cdi/a.json - the hook /bin/good runs with the container's own variables: it has no env\n"
		       "/etc/cdi/a.json - the hook /bin/plain is no program\n"
		       "/etc/cdi/a.json - the hook /bin/gone is not there\n"
		       "/etc/cdi/a.json - the hook /bin is no program\n"
		       "/etc/cdi/a.json nvidia.com/gpu=a /dev/gone is not there\n"
		       "/etc/cdi/a.json nvidia.com/gpu=a /dev/file is no such device\n"
		       "/etc/cdi/a.json nvidia.com/gpu=a /dev/file is no such device\n"
		       "/etc/cdi/a.json nvidia.com/gpu=a /dev/link is a symlink, which engines do not follow here\n"
		       "/etc/cdi/a.json nvidia.com/gpu=a /lib/gone\\x1b[2J is not there\n"
		       "/etc/cdi/a.json nvidia.com/gpu=a /gone is not there\n"
		       "/etc/cdi/a.json nvidia.com/gpu=a bin is no absolute path\n");
}

/* On the running host, whose /dev has these. */
TEST(numbers_that_changed)
{
	static const char text[] = HEAD
		"\"devices\":[{\"name\":\"a\",\"containerEdits\":{\"deviceNodes\":[{\"path\":\"/dev/null\",\"major\":1,\"minor\":3},"
		"{\"path\":\"/dev/null\",\"major\":511,\"minor\":3},{\"path\":\"/dev/null\",\"major\":1,\"minor\":4},{\"path\":\"/dev/null\",\"major\":1},"
		"{\"path\":\"/dev/null\",\"minor\":9},{\"path\":\"/dev/null\",\"type\":\"b\"}]}}]}";
	char why[256];
	struct cdispec_file f = { .path = "/etc/cdi/x.json",
				  .doc = cdispec_parse(text, strlen(text), why, sizeof(why)) };
	struct cdispec_set set = { .files = &f, .n_files = 1 };
	struct cdispec_findings found;
	int root = fd_open_dir("/");

	REQUIRE(f.doc && root >= 0);
	cdispec_check(&set, root, &found);
	REQUIRE(found.n == 4);
	CHECK_STR(found.v[0].what, "/dev/null is 1:3 on this host, and not 511:3");
	CHECK_STR(found.v[1].what, "/dev/null is 1:3 on this host, and not 1:4");
	/* A minor counts with a major only, and is 0 where it is not said. */
	CHECK_STR(found.v[2].what, "/dev/null is 1:3 on this host, and not 1:0");
	CHECK_STR(found.v[3].what, "/dev/null is no such device");
	CHECK_STR(found.v[3].device, "nvidia.com/gpu=a");
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

	strbuf_puts(&b, HEAD DEVICE ",\"containerEdits\":{\"mounts\":[{\"hostPath\":\"/no/such\"" TO);
	for (int i = 0; i < CDISPEC_FINDINGS_MAX + 5; i++)
		strbuf_puts(&b, ",{\"hostPath\":\"/no/such\"" TO);
	strbuf_puts(&b, "]}}");
	f.doc = cdispec_parse(b.buf, b.len, why, sizeof(why));
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

/* One that is not read could be any: nobody is told that all is well. */
TEST(files_have_an_end)
{
	const char *dir = tap_tmpdir();
	char first[512], path[512];
	struct strlist dirs = { NULL, 0 };
	struct arena a = ARENA_INIT;
	struct err err = ERR_INIT;
	struct cdispec_set set;
	int root;

	make_dirs(dir);
	put(dir, "etc/cdi/00000.json", HEAD DEVICE "}");
	snprintf(first, sizeof(first), "%s/etc/cdi/00000.json", dir);
	for (int i = 1; i < CDISPEC_FILES_MAX + 2; i++) {
		snprintf(path, sizeof(path), "%s/etc/cdi/%05d.json", dir, i);
		REQUIRE(link(first, path) == 0);
	}
	root = fd_open_dir(dir);
	strlist_add(&a, &dirs, CDISPEC_DIR_STATIC);
	REQUIRE(cdispec_read(&set, root, &dirs, &err) == 0);
	REQUIRE(set.n_files == CDISPEC_FILES_MAX + 1);
	CHECK(!set.files[CDISPEC_FILES_MAX - 1].why);
	CHECK_STR(set.files[CDISPEC_FILES_MAX].path, "/etc/cdi/10000.json");
	CHECK_STR(set.files[CDISPEC_FILES_MAX].why, "it and what follows is not read: there are too many files");
	cdispec_free(&set);
	arena_free(&a);
	fd_close(root);
}

TEST(formats)
{
	bool yaml = false;

	CHECK(cdispec_format("/a.yaml", &yaml) && yaml);
	CHECK(cdispec_format("/a.json", &yaml) && !yaml);
	/* Engines do not read it. */
	CHECK(!cdispec_format("/a.yml", &yaml));
	CHECK(!cdispec_format("/a.yaml.tmp", &yaml) && !cdispec_format("yaml", &yaml));
}
