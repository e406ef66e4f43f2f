/* SPDX-License-Identifier: Apache-2.0 */
/* `nvcoreos configure docker`: daemon.json as text, and the verb on a root directory. */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "configure.h"
#include "configure_host.h"
#include "engine_docker.h"
#include "tap.h"
#include "textdiff.h"

#define OURS "/opt/nvcoreos/bin/nvcoreos-runtime"

static const struct engine_docker plain = { .file = "daemon.json", .name = "nvcoreos", .path = OURS };
static const struct engine_docker with_all = {
	.file = "daemon.json",
	.name = "nvcoreos",
	.path = OURS,
	.config = "/etc/x.conf",
	.set_default = true,
	.cdi = true,
};

static void set(struct strbuf *b, const char *text)
{
	strbuf_free(b);
	strbuf_puts(b, text);
}

static const char *text_of(const struct strbuf *b)
{
	return b->buf ? b->buf : "";
}

/* Added, the text is `want`; removed again it is what it was, byte for byte. */
static void check_there_and_back(const struct engine_docker *e, const char *before, const char *want, const char *back)
{
	cleanup_strbuf struct strbuf b = STRBUF_INIT;
	struct err err = ERR_INIT;

	set(&b, before);
	CHECK_INT(engine_docker_add(&b, e, &err), 0);
	CHECK_STR(text_of(&b), want);
	CHECK_INT(engine_docker_add(&b, e, &err), 0);
	CHECK_STR(text_of(&b), want);
	CHECK_INT(engine_docker_remove(&b, e, &err), 0);
	CHECK_STR(text_of(&b), back);
	CHECK_INT(engine_docker_remove(&b, e, &err), 0);
	CHECK_STR(text_of(&b), back);
}

TEST(new_file)
{
	check_there_and_back(&plain, ENGINE_DOCKER_NEW,
			     "{\n    \"runtimes\": {\n        \"nvcoreos\": {\n            \"path\": \"" OURS
			     "\"\n        }\n    }\n}\n",
			     ENGINE_DOCKER_NEW);
	check_there_and_back(
		&with_all, ENGINE_DOCKER_NEW,
		"{\n    \"runtimes\": {\n        \"nvcoreos\": {\n            \"path\": \"" OURS "\",\n"
		"            \"runtimeArgs\": [\n                \"--nvcoreos-config\",\n                \"/etc/x.conf\"\n"
		"            ]\n        }\n    },\n    \"default-runtime\": \"nvcoreos\",\n"
		"    \"features\": {\n        \"cdi\": true\n    }\n}\n",
		ENGINE_DOCKER_NEW);
}

TEST(keeps_every_byte)
{
	static const struct {
		const char *before, *want, *back; /* back NULL: as before */
	} cases[] = {
		{ "{}", "{\"runtimes\":{\"nvcoreos\":{\"path\":\"" OURS "\"}}}", NULL },
		{ "", "{\"runtimes\":{\"nvcoreos\":{\"path\":\"" OURS "\"}}}", "{}" },
		{ " \n", "{\"runtimes\":{\"nvcoreos\":{\"path\":\"" OURS "\"}}}", "{}" },
		{ "{\"b\":1.10, \"a\":[1,2]}",
		  "{\"b\":1.10, \"a\":[1,2], \"runtimes\": {\"nvcoreos\":{\"path\":\"" OURS "\"}}}", NULL },
		{ "{\n\t\"z\": 12345678901234567890,\n\t\"log-opts\" : {\"max-size\":\"10m\"}\n}",
		  "{\n\t\"z\": 12345678901234567890,\n\t\"log-opts\" : {\"max-size\":\"10m\"},\n"
		  "\t\"runtimes\": {\n\t\t\"nvcoreos\": {\n\t\t\t\"path\": \"" OURS "\"\n\t\t}\n\t}\n}",
		  NULL },
		{ "{\n  \"runtimes\": {\n    \"kata\": {\n      \"path\": \"/k\"\n    }\n  },\n  \"x\": null\n}\n",
		  "{\n  \"runtimes\": {\n    \"kata\": {\n      \"path\": \"/k\"\n    },\n    \"nvcoreos\": {\n      \"path\": \"" OURS
		  "\"\n    }\n  },\n  \"x\": null\n}\n",
		  NULL },
		{ "{\n  \"runtimes\": {\"kata\": {\"path\": \"/k\"}},\n  \"x\": 1\n}\n",
		  "{\n  \"runtimes\": {\"kata\": {\"path\": \"/k\"}, \"nvcoreos\": {\"path\":\"" OURS
		  "\"}},\n  \"x\": 1\n}\n",
		  NULL },
		{ "{\n  \"runtimes\": {},\n  \"x\": 1\n}\n",
		  "{\n  \"runtimes\": {\n    \"nvcoreos\": {\n      \"path\": \"" OURS
		  "\"\n    }\n  },\n  \"x\": 1\n}\n",
		  "{\n  \"x\": 1\n}\n" },
		{ "{\r\n\t\"x\": 1\r\n}\r\n",
		  "{\r\n\t\"x\": 1,\r\n\t\"runtimes\": {\r\n\t\t\"nvcoreos\": {\r\n\t\t\t\"path\": \"" OURS
		  "\"\r\n\t\t}\r\n\t}\r\n}\r\n",
		  NULL },
		{ "{\"runtimes\":null}", "{\"runtimes\":{\"nvcoreos\":{\"path\":\"" OURS "\"}}}", "{}" },
		{ "{\"r\\u0075ntimes\": {\"a\": {\"path\": \"/a\"}}}",
		  "{\"r\\u0075ntimes\": {\"a\": {\"path\": \"/a\"}, \"nvcoreos\": {\"path\":\"" OURS "\"}}}", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_there_and_back(&plain, cases[i].before, cases[i].want,
				     cases[i].back ? cases[i].back : cases[i].before);
}

TEST(refuses)
{
	static const char *const cases[] = {
		"{",
		"[]",
		"1",
		"{\"a\":1,}",
		"{\"a\":1} x",
		"{\"a\":1,\"a\":2}",
		"// comment\n{}",
		"{\"runtimes\":[]}",
		"{\"runtimes\":\"x\"}",
		"{\"features\":1}",
		"{\"runtimes\":{\"nvcoreos\":{\"path\":\"/usr/bin/other\"}}}",
		"{\"runtimes\":{\"nvcoreos\":{\"runtimeType\":\"io.containerd.kata.v2\"}}}",
		"{\"runtimes\":{\"nvcoreos\":1}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_strbuf struct strbuf b = STRBUF_INIT;
		struct err err = ERR_INIT;

		set(&b, cases[i]);
		CHECK(engine_docker_add(&b, &plain, &err) < 0);
		CHECK_INT(err.code, ERR_ENGINE);
		CHECK(strstr(err.what, "daemon.json"));
		CHECK_STR(text_of(&b), cases[i]);
	}
}

TEST(removes_only_ours)
{
	static const struct {
		const char *before, *after;
	} cases[] = {
		{ "{\"runtimes\":{\"nvcoreos\":{\"path\":\"/usr/bin/other\"}},\"default-runtime\":\"nvcoreos\"}",
		  "{\"runtimes\":{\"nvcoreos\":{\"path\":\"/usr/bin/other\"}},\"default-runtime\":\"nvcoreos\"}" },
		{ "{\"runtimes\":{\"nvcoreos\":{\"path\":\"" OURS
		  "\"},\"b\":{\"path\":\"/b\"}},\"default-runtime\":\"b\"}",
		  "{\"runtimes\":{\"b\":{\"path\":\"/b\"}},\"default-runtime\":\"b\"}" },
		{ "{\"default-runtime\":\"nvcoreos\",\"x\":1}", "{\"x\":1}" },
		{ "{\"features\":{\"cdi\":true}}", "{\"features\":{\"cdi\":true}}" },
		{ "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_strbuf struct strbuf b = STRBUF_INIT;
		struct err err = ERR_INIT;

		set(&b, cases[i].before);
		CHECK_INT(engine_docker_remove(&b, &plain, &err), 0);
		CHECK_STR(text_of(&b), cases[i].after);
	}
}

TEST(names)
{
	CHECK(engine_docker.name_ok("nvcoreos"));
	CHECK(engine_docker.name_ok("nvidia"));
	CHECK(!engine_docker.name_ok("runc"));
	CHECK(!engine_docker.name_ok("io.containerd.runc.v2"));
	CHECK(!engine_docker.name_ok("a b"));
	CHECK(!engine_docker.name_ok(""));
	CHECK(!engine_docker.name_ok("../x"));
}

TEST(printable)
{
	cleanup_strbuf struct strbuf out = STRBUF_INIT;

	textdiff_printable(&out, "a\tb\r\n\x1b[1m\x7f\xc2\x9b"
				 "1m \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 \xe2\x80\xae \xff\xc3(\xe2\x82");
	CHECK_STR(out.buf, "a\tb\\r\n\\x1b[1m\\x7f\\xc2\\x9b"
			   "1m \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 \\xe2\\x80\\xae \\xff\\xc3(\\xe2\\x82");
}

TEST(unified_diff)
{
	static const struct {
		const char *a, *b, *want;
	} cases[] = {
		{ "", "", "" },
		{ "a\n", "a\n", "" },
		{ "", "a\n", "--- o\n+++ n\n@@ -0,0 +1 @@\n+a\n" },
		{ "a\n", "", "--- o\n+++ n\n@@ -1 +0,0 @@\n-a\n" },
		{ "a", "a\n", "--- o\n+++ n\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n" },
		{ "1\n2\n3\n4\n5\n", "1\n2\n3\nx\n4\n5\n", "--- o\n+++ n\n@@ -1,5 +1,6 @@\n 1\n 2\n 3\n+x\n 4\n 5\n" },
		{ "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\nx\n",
		  "--- o\n+++ n\n@@ -1,3 +1,4 @@\n+0\n 1\n 2\n 3\n@@ -7,3 +8,4 @@\n 7\n 8\n 9\n+x\n" },
		{ "a\nb\nc\n", "a\nB\nc\n", "--- o\n+++ n\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_strbuf struct strbuf a = STRBUF_INIT, b = STRBUF_INIT, out = STRBUF_INIT;

		set(&a, cases[i].a);
		set(&b, cases[i].b);
		textdiff_unified(&out, "o", &a, "n", &b);
		CHECK_STR(text_of(&out), cases[i].want);
	}
}

static const char *target(const struct host *h, const char *path)
{
	static char buf[PATH_MAX];
	cleanup_free char *full = mem_printf("%s%s", h->dir, path);
	ssize_t n = readlink(full, buf, sizeof(buf) - 1);

	buf[n < 0 ? 0 : n] = '\0';
	return n < 0 ? "absent" : buf;
}

#define JSON_FILE "/etc/docker/daemon.json"
#define CONF_FILE NVCOREOS_SYSCONFDIR "/nvcoreos/nvcoreos.conf.d/50-default-runtime.conf"
#define LINK "/usr/local/bin/nvidia-container-runtime-hook"

TEST(verb_makes_and_removes)
{
	struct host h;

	host_init(&h);
	CHECK_INT(RUN(&h, "docker", "--dry-run"), 0);
	CHECK_STR(content(&h, JSON_FILE), "absent");
	CHECK_STR(target(&h, LINK), "absent");
	CHECK_INT(RUN(&h, "docker"), 0);
	CHECK(strstr(content(&h, JSON_FILE), "\"path\": \"" RUNTIME "\""));
	CHECK_STR(content(&h, CONF_FILE), "absent");
	CHECK_STR(target(&h, LINK), CONFIGURE_HOOK);
	CHECK_INT(RUN(&h, "docker", "--remove", "--dry-run"), 0);
	CHECK_STR(target(&h, LINK), CONFIGURE_HOOK);
	CHECK_INT(RUN(&h, "docker", "--remove"), 0);
	CHECK_STR(content(&h, JSON_FILE), "absent");
	CHECK_STR(target(&h, LINK), "absent");
	CHECK_INT(RUN(&h, "docker", "--remove"), 0);
	config_free(&h.cli.conf);
}

TEST(verb_default_runtime)
{
	struct host h;
	const char *before = "{\"default-runtime\":\"crun\",\"runtimes\":{\"crun\":{\"path\":\"/usr/bin/crun\"}}}\n";

	host_init(&h);
	tap_write(h.dir, "etc/docker/daemon.json", before);
	CHECK_INT(RUN(&h, "docker", "--set-as-default", "--name", "gpu"), 0);
	CHECK(strstr(content(&h, JSON_FILE), "\"default-runtime\":\"gpu\""));
	CHECK(strstr(content(&h, CONF_FILE), "\nno-gpu=ignore\naccept-environment=privileged\n"));
	CHECK_INT(RUN(&h, "docker", "--set-as-default", "--name", "gpu"), 0);
	/* Another name of ours: the one default stays, and so does what goes with it. */
	CHECK_INT(RUN(&h, "docker"), 0);
	CHECK_INT(RUN(&h, "docker", "--remove"), 0);
	CHECK(strstr(content(&h, CONF_FILE), "no-gpu=ignore"));
	CHECK_STR(target(&h, LINK), CONFIGURE_HOOK);
	CHECK_INT(RUN(&h, "docker", "--remove", "--name", "gpu"), 0);
	CHECK_STR(target(&h, LINK), "absent");
	CHECK_STR(content(&h, JSON_FILE), before);
	CHECK_STR(content(&h, CONF_FILE), "absent");
	config_free(&h.cli.conf);
}

TEST(verb_keeps_mode_and_other_files)
{
	struct host h;
	struct stat st;
	cleanup_free char *path = NULL, *other = NULL;

	host_init(&h);
	path = mem_printf("%s/x/d.json", h.dir);
	tap_write(h.dir, "x/d.json", "{\"debug\":true}");
	tap_write(h.dir, "usr/bin/nvidia-container-runtime-hook", "not ours");
	REQUIRE(chmod(path, 0640) == 0);
	CHECK_INT(RUN(&h, "docker", "--engine-config", "/x/d.json"), 0);
	REQUIRE(stat(path, &st) == 0);
	CHECK_INT(st.st_mode & 07777, 0640);
	CHECK_STR(content(&h, "/usr/bin/nvidia-container-runtime-hook"), "not ours");
	CHECK_STR(target(&h, LINK), "absent");
	CHECK_INT(RUN(&h, "docker", "--engine-config", "/x/d.json", "--remove"), 0);
	CHECK_STR(content(&h, "/x/d.json"), "{\"debug\":true}");
	CHECK_STR(content(&h, "/usr/bin/nvidia-container-runtime-hook"), "not ours");
	/* One that came after ours: ours does not stand before it for ever. */
	other = mem_printf("%s/usr/bin/nvidia-container-runtime-hook", h.dir);
	REQUIRE(unlink(other) == 0);
	CHECK_INT(RUN(&h, "docker"), 0);
	CHECK_STR(target(&h, LINK), CONFIGURE_HOOK);
	tap_write(h.dir, "usr/bin/nvidia-container-runtime-hook", "not ours");
	CHECK_INT(RUN(&h, "docker", "--remove"), 0);
	CHECK_STR(target(&h, LINK), "absent");
	CHECK_STR(content(&h, "/usr/bin/nvidia-container-runtime-hook"), "not ours");
	config_free(&h.cli.conf);
}

TEST(verb_passes_config_on)
{
	struct host h;

	host_init(&h);
	h.cli.conf.file = mem_printf("%s/srv/my.conf", h.dir);
	CHECK_INT(RUN(&h, "docker", "--set-as-default"), 0);
	CHECK(strstr(content(&h, JSON_FILE), "\"/srv/my.conf\""));
	CHECK(strstr(content(&h, "/srv/my.conf.d/50-default-runtime.conf"), "no-gpu=ignore"));
	CHECK_INT(RUN(&h, "docker", "--remove"), 0);
	CHECK_STR(content(&h, "/srv/my.conf.d/50-default-runtime.conf"), "absent");
	free((void *)h.cli.conf.file);
	config_free(&h.cli.conf);
}

TEST(verb_refuses)
{
	struct host h;
	cleanup_free char *link = NULL, *gone = NULL;

	host_init(&h);
	CHECK(RUN(&h, "nerdctl") < 0);
	CHECK_INT(h.err.code, ERR_USAGE);
	CHECK(strstr(h.err.hint, "docker, containerd, crio, podman"));
	CHECK(RUN(&h, "docker", "--nope") < 0);
	CHECK_INT(h.err.code, ERR_USAGE);
	CHECK(strstr(h.err.what, "--nope"));
	CHECK(run(&h, (const char *[]){ "configure", NULL }) < 0);
	CHECK_INT(h.err.code, ERR_USAGE);
	CHECK(RUN(&h, "docker", "two") < 0);
	CHECK_INT(h.err.code, ERR_USAGE);
	CHECK(RUN(&h, "docker", "--name", "runc") < 0);
	CHECK_INT(h.err.code, ERR_USAGE);
	CHECK(RUN(&h, "docker", "--remove", "--set-as-default") < 0);
	CHECK_INT(h.err.code, ERR_USAGE);
	CHECK(RUN(&h, "docker", "--set-as-default", "--name", "x") == 0);
	CHECK_INT(RUN(&h, "docker", "--remove", "--name", "x"), 0);
	gone = mem_printf("%s" RUNTIME, h.dir);
	REQUIRE(unlink(gone) == 0);
	CHECK(RUN(&h, "docker", "--set-as-default") < 0);
	CHECK_INT(h.err.code, ERR_ENGINE);
	CHECK_STR(content(&h, JSON_FILE), "absent");
	CHECK_STR(content(&h, CONF_FILE), "absent");
	tap_write(h.dir, "etc/docker/daemon.json", "{ not json");
	CHECK(RUN(&h, "docker", "--set-as-default") < 0);
	CHECK_INT(h.err.code, ERR_ENGINE);
	CHECK_STR(content(&h, JSON_FILE), "{ not json");
	CHECK_STR(content(&h, CONF_FILE), "absent");
	CHECK_STR(target(&h, LINK), "absent");
	link = mem_printf("%s/etc/link.json", h.dir);
	REQUIRE(symlink("docker/daemon.json", link) == 0);
	CHECK(RUN(&h, "docker", "--engine-config", "/etc/link.json") < 0);
	CHECK_INT(h.err.code, ERR_ENGINE);
	CHECK(strstr(h.err.hint, "symlink"));
	config_free(&h.cli.conf);
}

TEST(verb_stays_below_the_root)
{
	struct host h;
	cleanup_free char *etc = NULL;

	host_init(&h);
	tap_write(h.dir, "real/x", "");
	etc = mem_printf("%s/etc", h.dir);
	/* On this machine /real is elsewhere, or nowhere. */
	REQUIRE(symlink("/real", etc) == 0);
	CHECK_INT(RUN(&h, "docker"), 0);
	CHECK(strstr(content(&h, "/real/docker/daemon.json"), RUNTIME));
	config_free(&h.cli.conf);
}
