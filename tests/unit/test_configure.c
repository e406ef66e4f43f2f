/* SPDX-License-Identifier: Apache-2.0 */
/* `nvcoreos configure` on a root directory, for the engines whose files are TOML. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli.h"
#include "configure_host.h"
#include "tap.h"

#define CONF_D NVCOREOS_SYSCONFDIR "/nvcoreos/nvcoreos.conf.d"

#define WRITTEN(engine) "# Written by 'nvcoreos configure " engine "'; '--remove' takes it away again.\n"

TEST(crio)
{
	static const char file[] = "/etc/crio/crio.conf.d/50-nvcoreos.conf";
	struct host h;

	host_init(&h);
	tap_write(h.dir, "etc/crio/crio.conf", "[crio.runtime]\ndefault_runtime = 'crun'\n");
	tap_write(h.dir, "etc/crio/crio.conf.d/10-crio.conf",
		  "[crio.runtime.runtimes.crun]\nruntime_path = '/usr/bin/crun'\n");
	CHECK_INT(RUN(&h, "crio", "--dry-run"), 0);
	CHECK_STR(content(&h, file), "absent");
	CHECK_INT(RUN(&h, "crio", "--cdi"), 0);
	CHECK_STR(content(&h, file), WRITTEN("crio") "[crio.runtime.runtimes.nvcoreos]\nruntime_path = \"" RUNTIME
						     "\"\nruntime_type = \"oci\"\n");
	CHECK_STR(content(&h, CONF_D "/50-default-runtime-crio.conf"), "absent");
	CHECK_INT(RUN(&h, "crio", "--set-as-default"), 0);
	CHECK(str_starts(content(&h, file),
			 WRITTEN("crio") "[crio.runtime]\ndefault_runtime = \"nvcoreos\"\n[crio.runtime.runtimes."));
	CHECK(strstr(content(&h, CONF_D "/50-default-runtime-crio.conf"),
		     "\nno-gpu=ignore\naccept-environment=privileged\n"));
	/* It stays the default. */
	CHECK_INT(RUN(&h, "crio"), 0);
	CHECK(strstr(content(&h, file), "default_runtime = \"nvcoreos\""));
	CHECK_INT(RUN(&h, "crio", "--remove"), 0);
	CHECK_STR(content(&h, file), "absent");
	CHECK_STR(content(&h, CONF_D "/50-default-runtime-crio.conf"), "absent");
	CHECK_INT(RUN(&h, "crio", "--remove"), 0);
	CHECK_STR(content(&h, "/etc/crio/crio.conf"), "[crio.runtime]\ndefault_runtime = 'crun'\n");
	config_free(&h.cli.conf);
}

/* What the packages of CRI-O's own project write: nothing of it is on its PATH. */
TEST(crio_like_the_default_runtime)
{
	static const char file[] = "/etc/crio/crio.conf.d/50-nvcoreos.conf";
	static const char package[] = "[crio.runtime]\ndefault_runtime = 'crun'\n[crio.runtime.runtimes.crun]\n"
				      "runtime_path = '/usr/libexec/crio/crun'\nruntime_root = '/run/crun'\n"
				      "monitor_path = '/usr/libexec/crio/conmon'\nallowed_annotations = ['a', 'b']\n"
				      "inherit_default_runtime = true\ncontainer_min_memory = '500KiB'\n"
				      "[crio.runtime.runtimes.crun.default_annotations]\nx = 'y'\n"
				      "[crio.runtime.runtimes.kata]\nruntime_type = 'vm'\nmonitor_path = '/kata'\n"
				      "[crio.runtime.runtimes.rs]\nruntime_type = 'pod'\nmonitor_path = '/rs'\n";
	static const char text[] =
		WRITTEN("crio") "[crio.runtime.runtimes.nvcoreos]\nruntime_path = \"" RUNTIME
				"\"\nruntime_type = \"oci\"\nallowed_annotations = [\"a\",\"b\"]\n"
				"monitor_path = \"/usr/libexec/crio/conmon\"\nruntime_root = \"/run/crun\"\n";
	struct host h;

	host_init(&h);
	tap_write(h.dir, "etc/crio/crio.conf.d/10-crio.conf", package);
	CHECK_INT(RUN(&h, "crio"), 0);
	CHECK_STR(content(&h, file), text);
	/* Once it is the default, it is like the default that it took the place of. */
	CHECK_INT(RUN(&h, "crio", "--set-as-default"), 0);
	CHECK_INT(RUN(&h, "crio"), 0);
	CHECK(strstr(content(&h, file), strchr(text, '[')));
	CHECK(strstr(content(&h, file), "default_runtime = \"nvcoreos\""));
	CHECK_INT(RUN(&h, "crio", "--remove"), 0);
	/* A monitor goes with its type; that of virtual machines is none for ours. */
	tap_write(h.dir, "etc/crio/crio.conf.d/20-type.conf", "[crio.runtime]\ndefault_runtime = 'kata'\n");
	CHECK_INT(RUN(&h, "crio"), 0);
	CHECK_STR(content(&h, file), text);
	tap_write(h.dir, "etc/crio/crio.conf.d/20-type.conf", "[crio.runtime]\ndefault_runtime = 'rs'\n");
	CHECK_INT(RUN(&h, "crio"), 0);
	CHECK_STR(content(&h, file), text);
	CHECK_INT(RUN(&h, "crio", "--remove"), 0);
	CHECK_INT(RUN(&h, "crio"), 0);
	CHECK(strstr(content(&h, file), "runtime_type = \"pod\"\nmonitor_path = \"/rs\"\n"));
	config_free(&h.cli.conf);
}

TEST(crio_and_what_others_say)
{
	static const char file[] = "/etc/crio/crio.conf.d/50-nvcoreos.conf";
	struct host h;

	host_init(&h);
	tap_write(
		h.dir, "etc/crio/crio.conf.d/99-last.conf",
		"[crio.runtime]\ndefault_runtime = 'crun'\n[crio.runtime.runtimes.nvidia]\nruntime_path = '/usr/bin/other'\n");
	CHECK(RUN(&h, "crio", "--set-as-default") < 0);
	CHECK_INT(h.err.code, ERR_ENGINE);
	CHECK(strstr(h.err.what, "crun") && strstr(h.err.what, "crio.conf.d"));
	CHECK(RUN(&h, "crio", "--name", "nvidia") < 0);
	CHECK_INT(h.err.code, ERR_ENGINE);
	CHECK(strstr(h.err.what, "nvidia, which is /usr/bin/other"));
	CHECK_STR(content(&h, file), "absent");
	CHECK_STR(content(&h, "/etc/crio/crio.conf.d/50-nvcoreos-nvidia.conf"), "absent");
	CHECK_STR(content(&h, CONF_D "/50-default-runtime-crio.conf"), "absent");
	CHECK_INT(RUN(&h, "crio"), 0);
	/* What was changed by hand beyond its head is ours still; a file with another head is not. */
	tap_write(h.dir, file + 1, "# mine\n");
	CHECK(RUN(&h, "crio") < 0);
	CHECK_INT(h.err.code, ERR_ENGINE);
	CHECK_INT(RUN(&h, "crio", "--remove"), 0);
	CHECK_STR(content(&h, file), "# mine\n");
	tap_write(h.dir, "etc/crio/crio.conf.d/98-bad.conf", "[crio");
	CHECK(RUN(&h, "crio", "--name", "gpu") < 0);
	CHECK(strstr(h.err.what, "98-bad.conf: line 1: "));
	/* To take ours away nobody else's file is needed. */
	tap_write(h.dir, file + 1, WRITTEN("crio"));
	CHECK_INT(RUN(&h, "crio", "--remove"), 0);
	CHECK_STR(content(&h, file), "absent");
	config_free(&h.cli.conf);
}

TEST(podman)
{
	static const char file[] = "/etc/containers/containers.conf.d/50-nvcoreos-nvidia.conf";
	static const char vendor[] = "[engine]\nruntime = 'crun'\n[engine.runtimes]\ngpu = ['/usr/bin/gpu']\n";
	struct host h;

	host_init(&h);
	tap_write(h.dir, "usr/share/containers/containers.conf", vendor);
	CHECK(RUN(&h, "podman", "--name", "gpu") < 0);
	CHECK(strstr(h.err.what, "or a file that is read with it: there is a runtime gpu, which is /usr/bin/gpu"));
	CHECK(RUN(&h, "podman", "--name", "crun") < 0);
	CHECK_INT(h.err.code, ERR_USAGE);
	/* What Podman knows by itself, and containers may have been made with. */
	CHECK(RUN(&h, "podman", "--name", "kata") < 0);
	CHECK_INT(h.err.code, ERR_USAGE);
	CHECK_INT(RUN(&h, "podman", "--name", "nvidia", "--set-as-default"), 0);
	CHECK_STR(content(&h, file),
		  WRITTEN("podman") "[engine]\nruntime = \"nvidia\"\n[engine.runtimes]\nnvidia = [\"" RUNTIME "\"]\n");
	CHECK(strstr(content(&h, CONF_D "/50-default-runtime-podman.conf"), "no-gpu=ignore"));
	/* Files that podman does not read do not matter. */
	tap_write(h.dir, "etc/containers/containers.conf.d/README", "not [toml");
	CHECK_INT(RUN(&h, "podman", "--name", "nvidia", "--remove"), 0);
	CHECK_STR(content(&h, file), "absent");
	CHECK_STR(content(&h, CONF_D "/50-default-runtime-podman.conf"), "absent");
	config_free(&h.cli.conf);
}

#define TOML "/etc/containerd/config.toml"
#define IN_CONF_D "/etc/containerd/conf.d/50-nvcoreos.toml"

TEST(containerd)
{
	static const char before[] = "version = 2\nroot = '/r'";
	struct host h;

	host_init(&h);
	CHECK_INT(RUN(&h, "containerd", "--set-as-default"), 0);
	CHECK(strstr(content(&h, TOML), "BinaryName = \"" RUNTIME "\"\n"));
	CHECK(strstr(content(&h, CONF_D "/50-default-runtime-containerd.conf"), "no-gpu=ignore"));
	CHECK_INT(RUN(&h, "containerd", "--remove"), 0);
	CHECK_STR(content(&h, TOML), "absent");
	CHECK_STR(content(&h, CONF_D "/50-default-runtime-containerd.conf"), "absent");
	/* An empty file stays. */
	tap_write(h.dir, TOML + 1, "");
	CHECK_INT(RUN(&h, "containerd"), 0);
	CHECK_INT(RUN(&h, "containerd", "--remove"), 0);
	CHECK_STR(content(&h, TOML), "");
	tap_write(h.dir, "x/my.toml", before);
	CHECK_INT(RUN(&h, "containerd", "--engine-config", "/x/my.toml"), 0);
	CHECK(str_starts(content(&h, "/x/my.toml"), "version = 2\nroot = '/r'\n# nvcoreos: begin nvcoreos\n"));
	CHECK_INT(RUN(&h, "containerd", "--engine-config", "/x/my.toml", "--remove"), 0);
	CHECK_STR(content(&h, "/x/my.toml"), before);
	config_free(&h.cli.conf);
}

TEST(containerd_conf_d)
{
	static const char before[] = "version = 3\nimports = ['/etc/containerd/conf.d/*.toml']\n";
	static const char rt[] = "[plugins.\"io.containerd.cri.v1.runtime\".containerd";
	cleanup_free char *want = mem_printf(
		WRITTEN("containerd") "version = 3\n%s.runtimes.nvcoreos]\nruntime_type = \"io.containerd.runc.v2\"\n"
				      "%s.runtimes.nvcoreos.options]\nBinaryName = \"" RUNTIME
				      "\"\nSystemdCgroup = true\n"
				      "%s]\ndefault_runtime_name = \"nvcoreos\"\n",
		rt, rt, rt);
	cleanup_free char *systemd =
		mem_printf("version = 3\n%s.runtimes.runc]\nruntime_type = 'io.containerd.runc.v2'\n"
			   "%s.runtimes.runc.options]\nSystemdCgroup = true\n",
			   rt, rt);
	cleanup_free char *later = mem_printf("version = 3\n%s]\ndefault_runtime_name = 'runc'\n", rt);
	struct host h;

	host_init(&h);
	tap_write(h.dir, TOML + 1, before);
	tap_write(h.dir, "etc/containerd/conf.d/10-systemd.toml", systemd);
	CHECK_INT(RUN(&h, "containerd", "--set-as-default"), 0);
	CHECK_STR(content(&h, TOML), before);
	CHECK_STR(content(&h, IN_CONF_D), want);
	CHECK(strstr(content(&h, CONF_D "/50-default-runtime-containerd.conf"), "no-gpu=ignore"));
	CHECK_INT(RUN(&h, "containerd"), 0);
	CHECK_STR(content(&h, IN_CONF_D), want);
	CHECK_INT(RUN(&h, "containerd", "--remove"), 0);
	CHECK_STR(content(&h, IN_CONF_D), "absent");
	CHECK_STR(content(&h, CONF_D "/50-default-runtime-containerd.conf"), "absent");
	CHECK_STR(content(&h, TOML), before);
	tap_write(h.dir, "etc/containerd/conf.d/99-last.toml", later);
	CHECK(RUN(&h, "containerd", "--set-as-default") < 0);
	CHECK(strstr(h.err.what, "runc") && strstr(h.err.what, "conf.d"));
	CHECK_STR(content(&h, IN_CONF_D), "absent");
	config_free(&h.cli.conf);
}

/* Of a relative pattern nobody knows where containerd looks for it. */
TEST(containerd_conf_d_by_any_spelling)
{
	static const char *const spellings[] = { "/etc/containerd//conf.d/*.toml", "/etc/./containerd/conf.d/*.toml" };
	static const char *const others[] = { "conf.d/*.toml", "/etc/containerd/*.toml", "" };
	struct host h;

	host_init(&h);
	for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
		cleanup_free char *text = mem_printf("version = 3\nimports = ['%s']\n", spellings[i]);

		tap_write(h.dir, TOML + 1, text);
		CHECK_INT(RUN(&h, "containerd"), 0);
		CHECK_STR(content(&h, TOML), text);
		CHECK(strstr(content(&h, IN_CONF_D), RUNTIME));
		CHECK_INT(RUN(&h, "containerd", "--remove"), 0);
		CHECK_STR(content(&h, IN_CONF_D), "absent");
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		cleanup_free char *text = mem_printf("version = 3\nimports = ['%s']\n", others[i]);

		tap_write(h.dir, TOML + 1, text);
		CHECK_INT(RUN(&h, "containerd"), 0);
		CHECK_STR(content(&h, IN_CONF_D), "absent");
		CHECK(strstr(content(&h, TOML), RUNTIME));
	}
	config_free(&h.cli.conf);
}

/* Once conf.d is imported, what stood in config.toml moves there. */
TEST(containerd_moves_to_conf_d)
{
	cleanup_free char *main = NULL;
	struct host h;

	host_init(&h);
	tap_write(h.dir, TOML + 1, "version = 3\n");
	CHECK_INT(RUN(&h, "containerd"), 0);
	main = mem_printf("imports = ['/etc/containerd/conf.d/*.toml']\n%s", content(&h, TOML));
	tap_write(h.dir, TOML + 1, main);
	CHECK_INT(RUN(&h, "containerd"), 0);
	CHECK_STR(content(&h, TOML), "imports = ['/etc/containerd/conf.d/*.toml']\nversion = 3\n");
	CHECK(strstr(content(&h, IN_CONF_D), RUNTIME));
	config_free(&h.cli.conf);
}

TEST(left_alone)
{
	static const char *const engines[] = { "containerd", "crio", "podman" };
	static const char *const files[] = { TOML, "/etc/crio/crio.conf", "/etc/containers/containers.conf" };
	struct host h;

	host_init(&h);
	for (size_t i = 0; i < ARRAY_SIZE(engines); i++) {
		tap_write(h.dir, files[i] + 1, "version = 2\n[not toml");
		CHECK(RUN(&h, engines[i], "--set-as-default") < 0);
		CHECK_INT(h.err.code, ERR_ENGINE);
		CHECK(strstr(h.err.what, files[i]) && strstr(h.err.what, "line 2"));
		CHECK_STR(content(&h, files[i]), "version = 2\n[not toml");
		/* Such an engine gives a runtime no options. */
		h.cli.conf.file = "/srv/my.conf";
		CHECK(RUN(&h, engines[i]) < 0);
		CHECK_INT(h.err.code, ERR_USAGE);
		CHECK(strstr(h.err.what, "/srv/my.conf"));
		h.cli.conf.file = NULL;
	}
	CHECK_STR(content(&h, CONF_D "/50-default-runtime-containerd.conf"), "absent");
	config_free(&h.cli.conf);
}

TEST(links_and_modes)
{
	struct host h;
	struct stat st;
	cleanup_free char *link = NULL, *file = NULL;

	host_init(&h);
	link = mem_printf("%s/etc/link.toml", h.dir);
	file = mem_printf("%s/etc/real.toml", h.dir);
	tap_write(h.dir, "etc/real.toml", "version = 2\n");
	REQUIRE(symlink("real.toml", link) == 0 && chmod(file, 0640) == 0);
	CHECK(RUN(&h, "containerd", "--engine-config", "/etc/link.toml") < 0);
	CHECK(strstr(h.err.hint, "symlink"));
	CHECK_INT(RUN(&h, "containerd", "--engine-config", "/etc/real.toml"), 0);
	REQUIRE(stat(file, &st) == 0);
	CHECK_INT(st.st_mode & 07777, 0640);
	config_free(&h.cli.conf);
}
