/* SPDX-License-Identifier: Apache-2.0 */
/* `nvcoreos configure ENGINE --remove`: what comes back, whatever stood there and whatever has been done to it meanwhile. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "configure_host.h"
#include "faults.h"
#include "tap.h"

#define JSON "/etc/docker/daemon.json"
#define TOML "/etc/containerd/config.toml"
#define CONF_D NVCOREOS_SYSCONFDIR "/nvcoreos/nvcoreos.conf.d"
#define DOCKER_POLICY CONF_D "/50-default-runtime.conf"
#define CRIO "/etc/crio/crio.conf.d/50-nvcoreos.conf"
#define CRIO_POLICY CONF_D "/50-default-runtime-crio.conf"
#define WRITTEN(engine) "# Written by 'nvcoreos configure " engine "'; '--remove' takes it away again.\n"

static void put(const struct host *h, const char *path, const char *text)
{
	tap_write(h->dir, path + 1, text);
}

/* How many entries the directory has. */
static int entries(const struct host *h, const char *path)
{
	cleanup_free char *full = mem_printf("%s%s", h->dir, path);
	DIR *d = opendir(full);
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n - 2;
}

/* What stands there with `from` in it replaced by `to`. */
static void edit(const struct host *h, const char *path, const char *from, const char *to)
{
	cleanup_free char *text = mem_strdup(content(h, path)), *made = NULL;
	char *at = strstr(text, from);

	REQUIRE(at);
	*at = '\0';
	made = mem_printf("%s%s%s", text, to, at + strlen(from));
	put(h, path, made);
}

static void finish(struct host *h)
{
	config_free(&h->cli.conf);
}

TEST(docker_byte_for_byte)
{
	static const char *const before[] = {
		"{\"runtimes\": {}}",
		"{\"runtimes\":null}\n",
		"{\n  \"runtimes\": {\n  }\n}\n",
		"",
		" \n\t",
		"{}",
		"{\n}\n",
		"{\"features\":{\"cdi\":false}}",
		"{\"features\": {}, \"runtimes\": { } }",
		"{\"features\":{\"cdi\":null,\"x\":true}}",
		"{\"features\":null}",
		"{\"features\":{\"cdi\":true}}",
		"{\"default-runtime\":\"crun\"}",
		"{\"default-runtime\":null,\"x\":\"\xc3\xa9\\u0000\"}",
		"{\r\n\t\"debug\": true,\r\n\t\"runtimes\": {\"b\": {\"path\": \"/b\"}}\r\n}\r\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(before); i++) {
		struct host h;
		cleanup_free char *once = NULL;

		host_init(&h);
		put(&h, JSON, before[i]);
		CHECK_INT(RUN(&h, "docker", "--set-as-default", "--cdi"), 0);
		CHECK(strstr(content(&h, JSON), RUNTIME));
		once = mem_strdup(content(&h, JSON));
		CHECK_INT(RUN(&h, "docker"), 0);
		CHECK_STR(content(&h, JSON), once);
		CHECK_INT(RUN(&h, "docker", "--remove"), 0);
		CHECK_STR(content(&h, JSON), before[i]);
		CHECK_INT(entries(&h, "/etc/docker"), 1);
		CHECK_STR(content(&h, DOCKER_POLICY), "absent");
		finish(&h);
	}
}

/* Names in any order, and options that come later. */
TEST(docker_two_names)
{
	static const char before[] = "{\"runtimes\":{},\"default-runtime\":\"crun\"}";
	struct host h;

	host_init(&h);
	put(&h, JSON, before);
	CHECK_INT(RUN(&h, "docker", "--cdi"), 0);
	CHECK_INT(RUN(&h, "docker", "--name", "gpu", "--set-as-default"), 0);
	CHECK_INT(RUN(&h, "docker", "--remove"), 0);
	CHECK(strstr(content(&h, JSON), "\"gpu\"") && strstr(content(&h, JSON), "\"cdi\":true"));
	CHECK_INT(RUN(&h, "docker", "--remove", "--name", "gpu"), 0);
	CHECK_STR(content(&h, JSON), before);
	CHECK_INT(entries(&h, "/etc/docker"), 1);
	/* One that was there before us is taken by its name alone. */
	put(&h, JSON, "{\"runtimes\":{\"mine\":{\"path\":\"" RUNTIME "\"}}}\n");
	CHECK_INT(RUN(&h, "docker"), 0);
	CHECK_INT(RUN(&h, "docker", "--remove"), 0);
	CHECK_STR(content(&h, JSON), "{\"runtimes\":{\"mine\":{\"path\":\"" RUNTIME "\"}}}\n");
	finish(&h);
}

TEST(docker_edited_meanwhile)
{
	static const char before[] = "{\"runtimes\":{\"crun\":{\"path\":\"/c\"}},\"default-runtime\":\"crun\","
				     "\"features\":{\"cdi\":false}}";
	struct host h;

	host_init(&h);
	put(&h, JSON, before);
	CHECK_INT(RUN(&h, "docker", "--set-as-default", "--cdi"), 0);
	edit(&h, JSON, "{\"runtimes\"", "{\"debug\":true,\"runtimes\"");
	CHECK_INT(RUN(&h, "docker", "--remove"), 0);
	CHECK_STR(content(&h, JSON),
		  "{\"debug\":true,\"runtimes\":{\"crun\":{\"path\":\"/c\"}},\"default-runtime\":\"crun\","
		  "\"features\":{\"cdi\":false}}");
	/* What was the default is gone by then: dockerd would not start with it. */
	put(&h, JSON, before);
	CHECK_INT(RUN(&h, "docker", "--set-as-default"), 0);
	edit(&h, JSON, "\"crun\":{\"path\":\"/c\"}", "\"kata\":{\"path\":\"/k\"}");
	CHECK_INT(RUN(&h, "docker", "--remove"), 0);
	CHECK_STR(content(&h, JSON), "{\"runtimes\":{\"kata\":{\"path\":\"/k\"}},\"features\":{\"cdi\":false}}");
	CHECK_STR(content(&h, DOCKER_POLICY), "absent");
	/* What somebody has chosen since stays. */
	put(&h, JSON, before);
	CHECK_INT(RUN(&h, "docker", "--set-as-default", "--cdi"), 0);
	edit(&h, JSON, "\"default-runtime\":\"nvcoreos\"", "\"default-runtime\":\"runc\"");
	CHECK_INT(RUN(&h, "docker"), 0);
	CHECK_INT(RUN(&h, "docker", "--name", "gpu"), 0);
	CHECK_INT(RUN(&h, "docker", "--remove", "--name", "gpu"), 0);
	CHECK_INT(RUN(&h, "docker", "--remove"), 0);
	CHECK(strstr(content(&h, JSON), "\"default-runtime\":\"runc\",\"features\":{\"cdi\":false}"));
	/* A file of ours to which something was added is none of ours alone; one that was taken away comes as a new one. */
	put(&h, JSON, "");
	REQUIRE(RUN(&h, "docker") == 0);
	edit(&h, JSON, "{\"runtimes\"", "{\"debug\":true,\"runtimes\"");
	CHECK_INT(RUN(&h, "docker", "--remove"), 0);
	CHECK_STR(content(&h, JSON), "{\"debug\":true}");
	CHECK_INT(entries(&h, "/etc/docker"), 1);
	finish(&h);
}

static void take(const struct host *h, const char *path)
{
	cleanup_free char *full = mem_printf("%s%s", h->dir, path);

	REQUIRE(unlink(full) == 0);
}

TEST(docker_without_memory)
{
	static const char memory[] = "/etc/docker/.daemon.json.nvcoreos-was";
	struct host h;
	struct stat st;
	cleanup_free char *full = NULL;

	host_init(&h);
	full = mem_printf("%s%s", h.dir, memory);
	put(&h, JSON, "{\"debug\":true}");
	CHECK_INT(RUN(&h, "docker", "--cdi"), 0);
	REQUIRE(stat(full, &st) == 0);
	CHECK_INT(st.st_mode & 07777, 0600);
	take(&h, memory);
	CHECK_INT(RUN(&h, "docker"), 0);
	CHECK_STR(content(&h, memory), "absent");
	CHECK_INT(RUN(&h, "docker", "--remove", "--cdi"), 0);
	CHECK_STR(content(&h, JSON), "{\"debug\":true}");
	/* One that is not understood is not guessed at. */
	put(&h, memory, "{\"format\":2}");
	CHECK(RUN(&h, "docker", "--remove") < 0);
	CHECK_INT(h.err.code, ERR_ENGINE);
	CHECK(strstr(h.err.what, memory));
	/* Nor is a memory of something that never came to be. */
	put(&h, memory, "{\"format\":1,\"before\":\"{}\",\"after\":[\"0\"]}");
	CHECK_INT(RUN(&h, "docker", "--remove"), 0);
	CHECK_STR(content(&h, JSON), "{\"debug\":true}");
	CHECK_STR(content(&h, memory), "absent");
	finish(&h);
}

TEST(docker_refuses_what_dockerd_would)
{
	struct host h;

	host_init(&h);
	put(&h, JSON, "{\"default-runtime\":5}");
	CHECK(RUN(&h, "docker", "--set-as-default") < 0);
	CHECK_INT(h.err.code, ERR_ENGINE);
	CHECK(strstr(h.err.what, "default-runtime"));
	CHECK_STR(content(&h, JSON), "{\"default-runtime\":5}");
	CHECK_STR(content(&h, DOCKER_POLICY), "absent");
	finish(&h);
}

TEST(docker_keeps_arguments)
{
	struct host h;

	host_init(&h);
	h.cli.conf.file = mem_printf("%s/srv/my.conf", h.dir);
	CHECK_INT(RUN(&h, "docker"), 0);
	free((void *)h.cli.conf.file);
	/* The default file of the other root, as the tool finds it by itself. */
	h.cli.conf.file = mem_printf("%s" NVCOREOS_SYSCONFDIR "/nvcoreos/nvcoreos.conf", h.dir);
	edit(&h, JSON, "\"--nvcoreos-config\"", "\"--nvcoreos-debug\", \"/d\", \"--nvcoreos-config\"");
	CHECK_INT(RUN(&h, "docker", "--set-as-default"), 0);
	CHECK(strstr(content(&h, JSON), "\"/srv/my.conf\"") &&
	      strstr(content(&h, JSON), "\"--nvcoreos-debug\", \"/d\""));
	/* What the runtime reads is where the policy belongs. */
	CHECK(strstr(content(&h, "/srv/my.conf.d/50-default-runtime.conf"), "no-gpu=ignore"));
	free((void *)h.cli.conf.file);
	h.cli.conf.file = mem_printf("%s/srv/other.conf", h.dir);
	CHECK_INT(RUN(&h, "docker"), 0);
	CHECK(strstr(content(&h, JSON), "\"/srv/other.conf\"") && strstr(content(&h, JSON), "\"/d\""));
	CHECK(!strstr(content(&h, JSON), "/srv/my.conf"));
	free((void *)h.cli.conf.file);
	h.cli.conf.file = "/elsewhere/my.conf";
	CHECK(RUN(&h, "docker") < 0);
	CHECK_INT(h.err.code, ERR_USAGE);
	CHECK(strstr(h.err.hint, "--root"));
	h.cli.conf.file = NULL;
	CHECK_INT(RUN(&h, "docker", "--remove"), 0);
	CHECK_STR(content(&h, JSON), "absent");
	finish(&h);
}

TEST(default_file_is_no_argument)
{
	struct host h;

	host_init(&h);
	h.cli.conf.file = mem_printf("%s" NVCOREOS_SYSCONFDIR "/nvcoreos/nvcoreos.conf", h.dir);
	CHECK_INT(RUN(&h, "docker"), 0);
	CHECK(!strstr(content(&h, JSON), "runtimeArgs"));
	free((void *)h.cli.conf.file);
	finish(&h);
}

/* While a runtime of ours may be the default, what goes with that stays in force. */
TEST(policy_stays_with_the_default)
{
	struct host h;

	host_init(&h);
	CHECK_INT(RUN(&h, "crio", "--set-as-default"), 0);
	put(&h, "/etc/crio/crio.conf.d/98-bad.conf", "[crio");
	CHECK_INT(RUN(&h, "crio", "--remove"), 0);
	CHECK_STR(content(&h, CRIO), "absent");
	CHECK(strstr(content(&h, CRIO_POLICY), "no-gpu=ignore"));
	take(&h, "/etc/crio/crio.conf.d/98-bad.conf");
	CHECK_INT(RUN(&h, "crio", "--remove"), 0);
	CHECK_STR(content(&h, CRIO_POLICY), "absent");
	/* A file with another head is none of ours, and still makes ours the default. */
	CHECK_INT(RUN(&h, "crio", "--set-as-default"), 0);
	edit(&h, CRIO, WRITTEN("crio"), "# mine\n");
	CHECK_INT(RUN(&h, "crio", "--remove"), 0);
	CHECK(strstr(content(&h, CRIO), "# mine\n"));
	CHECK(strstr(content(&h, CRIO_POLICY), "no-gpu=ignore"));
	edit(&h, CRIO, "default_runtime = \"nvcoreos\"", "");
	CHECK_INT(RUN(&h, "crio", "--remove"), 0);
	CHECK_STR(content(&h, CRIO_POLICY), "absent");
	/* The same where conf.d is imported. */
	put(&h, TOML, "version = 3\nimports = ['/etc/containerd/conf.d/*.toml']\n");
	CHECK_INT(RUN(&h, "containerd", "--set-as-default"), 0);
	put(&h, "/etc/containerd/conf.d/98-bad.toml", "[");
	CHECK_INT(RUN(&h, "containerd", "--remove"), 0);
	CHECK(strstr(content(&h, CONF_D "/50-default-runtime-containerd.conf"), "no-gpu=ignore"));
	finish(&h);
}

TEST(policy_is_written_once)
{
	struct host h;

	host_init(&h);
	CHECK_INT(RUN(&h, "docker", "--set-as-default"), 0);
	edit(&h, DOCKER_POLICY, "accept-environment=privileged\n", "");
	CHECK_INT(RUN(&h, "docker", "--set-as-default"), 0);
	CHECK(!strstr(content(&h, DOCKER_POLICY), "\naccept-environment"));
	CHECK_INT(RUN(&h, "docker", "--remove"), 0);
	CHECK_STR(content(&h, DOCKER_POLICY), "absent");
	/* What somebody has put there is not thrown away. */
	CHECK_INT(RUN(&h, "docker", "--set-as-default"), 0);
	edit(&h, DOCKER_POLICY, "no-gpu=ignore\n", "no-gpu=ignore\nlog-level=debug\n");
	CHECK_INT(RUN(&h, "docker", "--remove"), 0);
	CHECK(strstr(content(&h, DOCKER_POLICY), "log-level=debug"));
	CHECK_STR(content(&h, JSON), "absent");
	finish(&h);
}

/* Each rename of a run fails once: then nothing has changed. */
TEST(failed_runs_change_nothing)
{
	static const char before[] = "{\"runtimes\":{}}";

	for (unsigned n = 1; n < 20; n++) {
		struct host h;
		unsigned failed;
		int r;

		host_init(&h);
		put(&h, JSON, before);
		faults_arm("renameat", n, EIO);
		r = RUN(&h, "docker", "--set-as-default");
		failed = faults_disarm();
		CHECK_INT(r, failed ? -EIO : 0);
		if (!failed) {
			CHECK_INT(n, 7);
			finish(&h);
			break;
		}
		CHECK_STR(content(&h, JSON), before);
		CHECK_STR(content(&h, DOCKER_POLICY), "absent");
		CHECK_INT(entries(&h, "/etc/docker"), 1);
		finish(&h);
	}
}

TEST(all_names)
{
	struct host h;

	host_init(&h);
	put(&h, TOML, "version = 2\n");
	for (int i = 0; i < 4; i++) {
		const char *engine = ((const char *[]){ "docker", "containerd", "crio", "podman" })[i];

		CHECK_INT(RUN(&h, engine), 0);
		CHECK_INT(RUN(&h, engine, "--name", "nvidia", "--set-as-default"), 0);
		CHECK_INT(RUN(&h, engine, "--remove", "--all"), 0);
	}
	CHECK_STR(content(&h, JSON), "absent");
	CHECK_STR(content(&h, TOML), "version = 2\n");
	CHECK_INT(entries(&h, "/etc/docker"), 0);
	CHECK_INT(entries(&h, "/etc/crio/crio.conf.d"), 0);
	CHECK_INT(entries(&h, "/etc/containers/containers.conf.d"), 0);
	CHECK_INT(entries(&h, CONF_D), 0);
	CHECK_INT(RUN(&h, "docker", "--remove", "--all"), 0);
	CHECK(RUN(&h, "docker", "--all") < 0);
	CHECK_INT(h.err.code, ERR_USAGE);
	CHECK(RUN(&h, "docker", "--all", "--remove", "--name", "x") < 0);
	finish(&h);
}

/* What others have put into a drop-in of ours is not rewritten away. */
TEST(drop_ins_changed_by_hand)
{
	struct host h;
	cleanup_free char *text = NULL;

	host_init(&h);
	CHECK_INT(RUN(&h, "crio"), 0);
	/* A value of the runtime stays by itself. */
	edit(&h, CRIO, "runtime_type = \"oci\"\n", "runtime_type = \"oci\"\nmonitor_path = '/m'\n");
	CHECK_INT(RUN(&h, "crio", "--set-as-default"), 0);
	CHECK(strstr(content(&h, CRIO), "monitor_path = \"/m\"\n"));
	CHECK_INT(RUN(&h, "crio", "--remove"), 0);
	CHECK_INT(RUN(&h, "crio"), 0);
	edit(&h, CRIO, "runtime_type = \"oci\"\n", "runtime_type = \"oci\"\n[crio.image]\npause_image = 'x' # mine\n");
	text = mem_strdup(content(&h, CRIO));
	CHECK_INT(RUN(&h, "crio"), 0);
	CHECK_STR(content(&h, CRIO), text);
	CHECK(RUN(&h, "crio", "--set-as-default") < 0);
	CHECK_INT(h.err.code, ERR_ENGINE);
	CHECK(strstr(h.err.what, CRIO));
	CHECK_STR(content(&h, CRIO), text);
	CHECK_STR(content(&h, CRIO_POLICY), "absent");
	finish(&h);
}

TEST(relative_paths)
{
	struct host h;
	cleanup_free char *cwd = getcwd(NULL, 0);

	host_init(&h);
	put(&h, "/x/d.json", "{}");
	REQUIRE(chdir(h.dir) == 0);
	CHECK_INT(RUN(&h, "docker", "--engine-config", "x/d.json"), 0);
	CHECK(strstr(content(&h, "/x/d.json"), RUNTIME));
	REQUIRE(chdir("/") == 0);
	CHECK(RUN(&h, "docker", "--engine-config", "x/d.json") < 0);
	CHECK_INT(h.err.code, ERR_USAGE);
	REQUIRE(chdir(cwd) == 0);
	finish(&h);
}
