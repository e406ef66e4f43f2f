/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "conf/capability.h"
#include "conf/config.h"
#include "tap.h"

static int parse(struct config *c, const char *text, struct err *err)
{
	*err = (struct err)ERR_INIT;
	return config_parse(c, "f", text, strlen(text), err);
}

static void check_defaults(const struct config *c)
{
	REQUIRE(c->low_level_runtimes.n == 2);
	CHECK_STR(c->low_level_runtimes.v[0], "runc");
	CHECK_STR(c->low_level_runtimes.v[1], "crun");
	CHECK_STR(c->hook_path, NVCOREOS_PREFIX "/bin/nvcoreos-hook");
	CHECK_STR(c->libexec_dir, NVCOREOS_PREFIX "/libexec/nvcoreos");
	CHECK_STR(c->driver_store, "/opt/nvidia");
	CHECK_STR(c->cuda_store, "/opt/cuda");
	CHECK_STR(c->proc_root, "/proc");
	CHECK_STR(c->sys_root, "/sys");
	CHECK_STR(c->dev_root, "/dev");
	CHECK_STR(c->run_dir, "/run/nvcoreos");
	CHECK_STR(c->log_file, NULL);
	CHECK_INT(c->log_level, LOG_LEVEL_INFO);
	CHECK_INT(c->accept_environment, CONFIG_ACCEPT_ALL);
	CHECK(c->accept_mounts);
	CHECK_INT(c->no_gpu, CONFIG_NO_GPU_ERROR);
	CHECK_INT(c->default_capabilities, CAP_COMPUTE | CAP_UTILITY);
	CHECK_STR(c->cuda, "auto");
	CHECK(c->load_modules);
	CHECK_INT(c->load_timeout, 120);
	CHECK(c->device_cgroup);
	CHECK(c->cuda_compat);
	CHECK_INT(c->ipc, 0);
	CHECK_INT(c->module_flavour, CONFIG_FLAVOUR_AUTO);
	CHECK_INT(c->module_parameters.n, 0);
	CHECK_INT(c->peermem, CONFIG_PEERMEM_AUTO);
	CHECK_INT(c->n_imex_channels, 0);
	CHECK_STR(c->index_url, NULL);
	CHECK_STR(c->public_key, NULL);
	CHECK_INT(c->keep_trees, 3);
}

TEST(defaults)
{
	struct config c;

	config_init(&c);
	check_defaults(&c);
	CHECK_STR(c.file, NULL);
	config_free(&c);
}

TEST(every_key)
{
	static const char text[] =
		"low-level-runtimes=\"/usr/bin/crun, youki\"\nhook-path=/a//b/../nvcoreos-hook\nlibexec-dir=/le/\n"
		"driver-store=/ds\n"
		"cuda-store=/cs\nproc-root=/p\nsys-root=/s\ndev-root=/d\nrun-dir=/r\nlog-file=/var/log/n\n"
		"log-level=debug\n"
		"accept-environment=privileged\naccept-mounts=no\nno-gpu=ignore\ndefault-capabilities=video ngx\n"
		"cuda=12.4.1\n"
		"load-modules=no\nload-timeout=3600\ndevice-cgroup=none\ncuda-compat=off\nipc=mps persistenced\n"
		"module-flavour=proprietary\nmodule-parameters='nvidia.NVreg_EnableMSI=0 nvidia-drm.modeset=1'\n"
		"peermem=no\nimex-channels=0,2047\nindex-url=https://example.org/n\npublic-key=RWQ=\nkeep-trees=100\n";
	struct config c;
	struct err err;

	config_init(&c);
	CHECK_INT(parse(&c, text, &err), 0);
	REQUIRE(c.low_level_runtimes.n == 2);
	CHECK_STR(c.low_level_runtimes.v[0], "/usr/bin/crun");
	CHECK_STR(c.low_level_runtimes.v[1], "youki");
	CHECK_STR(c.hook_path, "/a/nvcoreos-hook");
	CHECK_STR(c.libexec_dir, "/le");
	CHECK_STR(c.driver_store, "/ds");
	CHECK_STR(c.cuda_store, "/cs");
	CHECK_STR(c.proc_root, "/p");
	CHECK_STR(c.sys_root, "/s");
	CHECK_STR(c.dev_root, "/d");
	CHECK_STR(c.run_dir, "/r");
	CHECK_STR(c.log_file, "/var/log/n");
	CHECK_INT(c.log_level, LOG_LEVEL_DEBUG);
	CHECK_INT(c.accept_environment, CONFIG_ACCEPT_PRIVILEGED);
	CHECK(!c.accept_mounts);
	CHECK_INT(c.no_gpu, CONFIG_NO_GPU_IGNORE);
	CHECK_INT(c.default_capabilities, CAP_VIDEO | CAP_NGX);
	CHECK_STR(c.cuda, "12.4.1");
	CHECK(!c.load_modules);
	CHECK_INT(c.load_timeout, 3600);
	CHECK(!c.device_cgroup);
	CHECK(!c.cuda_compat);
	CHECK_INT(c.ipc, CONFIG_IPC_MPS | CONFIG_IPC_PERSISTENCED);
	CHECK_INT(c.module_flavour, CONFIG_FLAVOUR_PROPRIETARY);
	REQUIRE(c.module_parameters.n == 2 && c.n_imex_channels == 2);
	CHECK_STR(c.module_parameters.v[1], "nvidia-drm.modeset=1");
	CHECK_INT(c.peermem, CONFIG_PEERMEM_NO);
	CHECK_INT(c.imex_channels[1], 2047);
	CHECK_STR(c.index_url, "https://example.org/n");
	CHECK_STR(c.public_key, "RWQ=");
	CHECK_INT(c.keep_trees, 100);
	config_free(&c);
}

TEST(later_assignments_win)
{
	struct config c;
	struct err err;

	config_init(&c);
	CHECK_INT(parse(&c, "log-file=/l\nipc=mps\naccept-mounts=no\nindex-url=x\nno-gpu=ignore\n", &err), 0);
	CHECK_INT(parse(&c,
			"log-file=journal\nipc=\naccept-mounts=yes\nlow-level-runtimes=runc\nindex-url=\n"
			"module-flavour=open\nno-gpu=error\n",
			&err),
		  0);
	CHECK_STR(c.log_file, NULL);
	CHECK_INT(c.ipc, 0);
	CHECK(c.accept_mounts);
	CHECK_INT(c.low_level_runtimes.n, 1);
	CHECK_STR(c.index_url, NULL);
	CHECK_INT(c.module_flavour, CONFIG_FLAVOUR_OPEN);
	CHECK_INT(c.no_gpu, CONFIG_NO_GPU_ERROR);
	config_free(&c);
}

TEST(bad_values)
{
	static const char *const bad[] = {
		"low-level-runtimes=",
		"low-level-runtimes=bin/runc",
		"low-level-runtimes=.. runc",
		"hook-path=hook",
		"hook-path=/a/hook",
		"hook-path=",
		"libexec-dir=../x",
		"driver-store=opt",
		"cuda-store=~/x",
		"driver-store=/opt/a\tb",
		"cuda-store=/opt/\033[2J",
		"run-dir=/run/\177",
		"proc-root=",
		"run-dir=./x",
		"log-file=log",
		"log-level=loud",
		"log-level=INFO",
		"accept-environment=none",
		"accept-mounts=maybe",
		"accept-mounts=",
		"no-gpu=warn",
		"default-capabilities=",
		"default-capabilities=compute,gpu",
		"cuda=../x",
		"cuda=latest",
		"cuda=",
		"load-modules=1",
		"load-timeout=0",
		"load-timeout=3601",
		"load-timeout=010",
		"load-timeout=-1",
		"load-timeout=1s",
		"load-timeout=18446744073709551616",
		"device-cgroup=yes",
		"cuda-compat=on",
		"ipc=docker",
		"ipc=none",
		"module-flavour=closed",
		"module-parameters=nvidia.NVreg_ModifyDeviceFiles=1",
		"module-parameters=NVreg_EnableMSI=0",
		"peermem=maybe",
		"imex-channels=all",
		"imex-channels=0-3",
		"imex-channels=2048",
		"keep-trees=0",
		"keep-trees=101",
		"keep-trees= ",
		"keep-trees=0x3",
	};
	struct config c;
	struct err err;
	char line[1200];

	config_init(&c);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char want[200];

		CHECK_INT(parse(&c, bad[i], &err), -EINVAL);
		CHECK_INT(err.code, ERR_CONF);
		CHECK(err.hint[0]);
		snprintf(want, sizeof(want), "f:1: %.*s", (int)strcspn(bad[i], "="), bad[i]);
		if (!CHECK(str_starts(err.what, want)))
			tap_check_str(err.what, want, __FILE__, __LINE__, bad[i]);
	}
	/* What is refused has changed nothing. */
	check_defaults(&c);
	parse(&c, "\nload-timeout=0\n", &err);
	CHECK_STR(err_line(&err, line, sizeof(line)),
		  "E03: configuration cannot be used: f:2: load-timeout=0: give seconds from 1 to 3600");
	config_free(&c);
}

TEST(unknown_keys_name_the_nearest)
{
	static const struct {
		const char *key, *nearest;
	} bad[] = {
		{ "loglevel", "log-level" },
		{ "log_level", "log-level" },
		{ "driver-stor", "driver-store" },
		{ "no_gpu", "no-gpu" },
		{ "keep-tree", "keep-trees" },
		{ "Cuda", "cuda" },
		{ "low-level-runtime", "low-level-runtimes" },
	};
	struct config c;
	struct err err;

	config_init(&c);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char text[100], want[100];

		snprintf(text, sizeof(text), "cuda=none\n%s=1\n", bad[i].key);
		CHECK_INT(parse(&c, text, &err), -EINVAL);
		CHECK_INT(err.code, ERR_CONF_KEY);
		snprintf(want, sizeof(want), "f:2: %s", bad[i].key);
		CHECK_STR(err.what, want);
		snprintf(want, sizeof(want), "did you mean %s?", bad[i].nearest);
		if (!CHECK(str_starts(err.hint, want)))
			printf("# %s\n", err.hint);
	}
	CHECK_INT(parse(&c, "no equals", &err), -EINVAL);
	CHECK_INT(err.code, ERR_CONF);
	config_free(&c);
}

TEST(stores_that_lie_in_one_another_are_refused)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{ "driver-store=/opt/cuda\n", false },
		{ "driver-store=/opt/cuda/\n", false },
		{ "driver-store=/opt\n", false },
		{ "driver-store=/\n", false },
		{ "cuda-store=/\n", false },
		{ "cuda-store=/opt/nvidia/550.10\n", false },
		{ "cuda-store=/opt/x/../nvidia/cuda\n", false },
		{ "cuda-store=/a/b/c\ndriver-store=/a/b\n", false },
		{ "driver-store=/opt/cuda-driver\n", true },
		{ "cuda-store=/opt/nvidia-cuda\n", true },
		{ "driver-store=/a/cuda\ncuda-store=/a/driver\n", true },
		{ "driver-store=/opt/cuda\ncuda-store=/opt/toolkits\n", true },
	};
	const char *dir = tap_tmpdir();
	char file[300], line[1200];

	snprintf(file, sizeof(file), "%s/n.conf", dir);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		struct config c;

		tap_write(dir, "n.conf", rows[i].text);
		config_init(&c);
		if (!CHECK_INT(config_load(&c, file, &err), rows[i].good ? 0 : -EINVAL))
			printf("# %s", rows[i].text);
		CHECK_INT(err.code, rows[i].good ? ERR_NONE : ERR_CONF);
		if (i == 2)
			CHECK_STR(
				err_line(&err, line, sizeof(line)),
				"E03: configuration cannot be used: driver-store=/opt and cuda-store=/opt/cuda: give two "
				"directories, neither of which lies in the other");
		config_free(&c);
	}
}

TEST(drop_ins_in_order)
{
	const char *dir = tap_tmpdir();
	struct err err = ERR_INIT;
	struct config c;
	char file[300];

	snprintf(file, sizeof(file), "%s/n.conf", dir);
	tap_write(dir, "n.conf", "keep-trees=1\nlog-level=debug\ncuda=none\n");
	/* Made in an order that is neither that of the names nor its reverse. */
	tap_write(dir, "n.conf.d/14-e.conf", "keep-trees=14\nrun-dir=/14\n");
	tap_write(dir, "n.conf.d/20-b.conf", "keep-trees=20\nrun-dir=/20\n");
	tap_write(dir, "n.conf.d/10-a.conf", "keep-trees=10\nlog-level=error\n");
	tap_write(dir, "n.conf.d/12-d.conf", "keep-trees=12\n");
	tap_write(dir, "n.conf.d/30-c.conf.bak", "keep-trees=30\n");
	tap_write(dir, "n.conf.d/.40.conf", "keep-trees=40\n");
	config_init(&c);
	CHECK_INT(config_load(&c, file, &err), 0);
	CHECK_STR(c.file, file);
	CHECK_INT(c.keep_trees, 20);
	CHECK_STR(c.run_dir, "/20");
	CHECK_INT(c.log_level, LOG_LEVEL_ERROR);
	CHECK_STR(c.cuda, "none");
	tap_write(dir, "n.conf.d/50.conf", "oops=1\n");
	CHECK_INT(config_load(&c, file, &err), -EINVAL);
	CHECK_INT(err.code, ERR_CONF_KEY);
	CHECK(strstr(err.what, "/n.conf.d/50.conf:1: oops"));
	config_free(&c);
}

TEST(files_that_cannot_be_read)
{
	const char *dir = tap_tmpdir();
	struct err err = ERR_INIT;
	struct config c;
	char file[300], *big = mem_zalloc((64 << 10) + 2);

	config_init(&c);
	snprintf(file, sizeof(file), "%s/none", dir);
	CHECK_INT(config_load(&c, file, &err), -ENOENT);
	CHECK_INT(err.code, ERR_CONF);
	CHECK_INT(config_load(&c, dir, &err), -EISDIR);
	snprintf(file, sizeof(file), "%s/fifo", dir);
	REQUIRE(mkfifo(file, 0600) == 0);
	CHECK_INT(config_load(&c, file, &err), -EINVAL);
	CHECK_INT(err.code, ERR_CONF);
	memset(big, '#', (64 << 10) + 1);
	tap_write(dir, "big", big);
	snprintf(file, sizeof(file), "%s/big", dir);
	CHECK_INT(config_load(&c, file, &err), -EFBIG);
	big[64 << 10] = '\0';
	tap_write(dir, "big", big);
	CHECK_INT(config_load(&c, file, &err), 0);
	tap_write(dir, "f", "cuda=none\n");
	tap_write(dir, "f.d", "a file\n");
	snprintf(file, sizeof(file), "%s/f", dir);
	CHECK_INT(config_load(&c, file, &err), -ENOTDIR);
	free(big);
	config_free(&c);
}

TEST(root_goes_before_paths)
{
	struct config c;

	config_init(&c);
	config_set_root(&c, "");
	config_set_root(&c, "/");
	check_defaults(&c);
	config_set_root(&c, "/mnt/host//");
	CHECK_STR(c.driver_store, "/mnt/host/opt/nvidia");
	CHECK_STR(c.cuda_store, "/mnt/host/opt/cuda");
	CHECK_STR(c.run_dir, "/mnt/host/run/nvcoreos");
	CHECK_STR(c.proc_root, "/mnt/host/proc");
	CHECK_STR(c.sys_root, "/mnt/host/sys");
	CHECK_STR(c.dev_root, "/mnt/host/dev");
	CHECK_STR(c.hook_path, NVCOREOS_PREFIX "/bin/nvcoreos-hook");
	config_free(&c);
}

/* The file that is installed holds every key, commented out, with the default. */
TEST(vendor_file_shows_the_defaults)
{
	cleanup_free char *text = NULL;
	cleanup_strbuf struct strbuf plain = STRBUF_INIT;
	struct err err = ERR_INIT;
	struct config c;
	unsigned n = 0;
	size_t len;

	if (fd_read_file_at(AT_FDCWD, "config/nvcoreos.conf", 1 << 16, &text, &len) < 0) {
		tap_skip("not run from the top of the source tree");
		return;
	}
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		CHECK_INT(line[0], '#');
		if (line[1] == ' ')
			continue;
		strbuf_printf(&plain, "%s\n", line + 1);
		n++;
	}
	CHECK_INT(n, 28);
	config_init(&c);
	if (!CHECK_INT(config_parse(&c, "nvcoreos.conf", plain.buf, plain.len, &err), 0))
		printf("# %s\n", err.what);
	/* The file names the default prefix, whatever this build's is. */
	CHECK_STR(c.hook_path, "/opt/nvcoreos/bin/nvcoreos-hook");
	CHECK_STR(c.libexec_dir, "/opt/nvcoreos/libexec/nvcoreos");
	c.hook_path = NVCOREOS_PREFIX "/bin/nvcoreos-hook";
	c.libexec_dir = NVCOREOS_PREFIX "/libexec/nvcoreos";
	check_defaults(&c);
	config_free(&c);
}
