/* SPDX-License-Identifier: Apache-2.0 */
/* `nvcoreos plan` and `nvcoreos gpus` on a host made of files. */
#include "../../cli/cmd_plan.c"
#include "../../cli/cmd_gpus.c"
/* Of the tool's main, which is not linked here. */
#include "../../cli/nvml.c"

#include "base/proc.h"
#include "fakehost.h"

static void add_library(const char *dir)
{
	char path[600];
	const char *envp[] = { "PATH=/usr/local/bin:/usr/bin:/bin", NULL };
	const char *argv[] = { "cc", "-shared", "-fPIC", "-o", path, "tests/fixtures/fake-nvml.c", NULL };
	const struct proc_program cc = {
		.path = "/usr/bin/cc", .argv = (char *const *)argv, .envp = (char *const *)envp, .timeout_s = 60
	};
	struct proc_result result;

	fakehost_dir(dir, "opt/nvidia/535.261.03/3975.2.0/lib64");
	snprintf(path, sizeof(path), "%s/opt/nvidia/535.261.03/3975.2.0/lib64/libnvidia-ml.so.1", dir);
	if (proc_run(&cc, &result, NULL) < 0 || result.status != 0)
		tap_skip("needs a C compiler");
}

/* Runs a verb with its stdout in *ret_out, which the caller frees. */
static int run_at(const char *root, verb_fn *verb, const char *dir, bool json, char **ret_out, struct err *err,
		  const char *const *args)
{
	struct cli cli = { .root = root, .json = json };
	char path[512], *argv[8];
	int argc = 0, r, saved = dup(STDOUT_FILENO), out;
	size_t len;

	for (; args[argc]; argc++)
		argv[argc] = (char *)(uintptr_t)args[argc];
	argv[argc] = NULL;
	snprintf(path, sizeof(path), "%s/out", dir);
	out = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	fflush(stdout);
	if (saved < 0 || out < 0 || dup2(out, STDOUT_FILENO) < 0)
		abort();
	config_init(&cli.conf);
	config_set_root(&cli.conf, dir);
	*err = (struct err)ERR_INIT;
	r = verb(&cli, argc, argv, err);
	config_free(&cli.conf);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	fd_close(saved);
	fd_close(out);
	if (fd_read_file_at(AT_FDCWD, path, 1 << 20, ret_out, &len) < 0)
		abort();
	return r;
}

static int run(verb_fn *verb, const char *dir, bool json, char **ret_out, struct err *err, const char *const *args)
{
	return run_at(dir, verb, dir, json, ret_out, err, args);
}
#define ARGS(...) \
	(const char *const[]) \
	{ \
		__VA_ARGS__, NULL \
	}

static bool holds(const char *text, const char *part)
{
	if (strstr(text, part))
		return true;
	printf("# no \"%s\" in:\n# %s\n", part, text);
	return false;
}

static void write_bundle(const char *dir, const char *variable)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "{\"ociVersion\":\"1.0.2\",\"process\":{\"env\":[\"%s\"]},"
		 "\"root\":{\"path\":\"../root\"},\"linux\":{}}",
		 variable);
	tap_write(dir, "bundle/config.json", text);
}

TEST(plan_of_a_bundle)
{
	const char *dir = fakehost_make();
	char bundle[512], *out;
	struct err err;

	fakehost_add_gpu(dir);
	fakehost_add_tree(dir);
	write_bundle(dir, "NVIDIA_VISIBLE_DEVICES=all");
	tap_write(dir, "root/usr/bin/nvidia-smi", "the image's");
	snprintf(bundle, sizeof(bundle), "%s/bundle", dir);
	CHECK_INT(run(verb_plan, dir, false, &out, &err, ARGS("plan", bundle)), 0);
	CHECK(holds(out, "/dev/nvidia0  195:0"));
	CHECK(holds(out, "The image's own /usr/bin/nvidia-smi stays."));
	free(out);
	CHECK_INT(run(verb_plan, dir, true, &out, &err, ARGS("plan", bundle)), 0);
	CHECK(holds(out, "\"view\": \"compute+utility\""));
	free(out);
}

TEST(plan_as_a_cdi_specification)
{
	const char *dir = fakehost_make();
	char bundle[512], *out;
	struct err err;

	fakehost_add_gpu(dir);
	fakehost_add_tree(dir);
	write_bundle(dir, "NVIDIA_VISIBLE_DEVICES=all");
	snprintf(bundle, sizeof(bundle), "%s/bundle", dir);
	CHECK_INT(run(verb_plan, dir, false, &out, &err, ARGS("plan", bundle, "--cdi")), 0);
	CHECK(holds(out, "kind: nvidia.com/gpu"));
	CHECK(holds(out, "path: /dev/nvidia0"));
	/* Host paths are the host's, not those below --root. */
	CHECK(holds(out, "hostPath: /opt/nvidia/535.261.03/3975.2.0/views/compute+utility"));
	CHECK(holds(out, "NVIDIA_DRIVER_CAPABILITIES=compute,utility"));
	free(out);
	CHECK_INT(run(verb_plan, dir, true, &out, &err, ARGS("plan", bundle, "--cdi")), 0);
	CHECK(holds(out, "\"containerPath\": \"/usr/local/nvidia\""));
	free(out);
	CHECK_INT(run(verb_plan, dir, false, &out, &err, ARGS("plan", bundle, "--cdi", "--format=json")), 0);
	CHECK(holds(out, "\"name\": \"plan\""));
	free(out);
	CHECK_INT(run(verb_plan, dir, true, &out, &err, ARGS("plan", bundle, "--cdi", "--format=yaml")), 0);
	CHECK(holds(out, "- name: plan"));
	free(out);
	CHECK(run(verb_plan, dir, false, &out, &err, ARGS("plan", bundle, "--cdi", "--format=text")) < 0);
	CHECK_INT(err.code, ERR_USAGE);
	free(out);
	CHECK(run(verb_plan, dir, false, &out, &err, ARGS("plan", bundle, "--format=json")) < 0);
	CHECK_INT(err.code, ERR_USAGE);
	free(out);
	write_bundle(dir, "A=b");
	CHECK(run(verb_plan, dir, false, &out, &err, ARGS("plan", bundle, "--cdi")) < 0);
	CHECK_INT(err.code, ERR_VALUE);
	CHECK_STR(out, "");
	free(out);
}

TEST(plan_of_words)
{
	const char *dir = fakehost_make();
	char rootfs[512], *out;
	struct err err;

	fakehost_add_gpu(dir);
	fakehost_add_tree(dir);
	snprintf(rootfs, sizeof(rootfs), "%s/root", dir);
	CHECK_INT(run(verb_plan, dir, false, &out, &err,
		      ARGS("plan", "--env", "NVIDIA_VISIBLE_DEVICES=0", "--rootfs", rootfs, "--json")),
		  0);
	CHECK(holds(out, "\"name\": \"nvidia0\""));
	free(out);
	CHECK(run(verb_plan, dir, false, &out, &err, ARGS("plan", "--env", "NVIDIA_VISIBLE_DEVICES=3")) < 0);
	CHECK_INT(err.code, ERR_GPU_UNKNOWN);
	CHECK_STR(out, "");
	free(out);
}

TEST(no_request_is_no_error)
{
	const char *dir = fakehost_make();
	char bundle[512], *out;
	struct err err;

	write_bundle(dir, "PATH=/bin");
	snprintf(bundle, sizeof(bundle), "%s/bundle", dir);
	CHECK_INT(run(verb_plan, dir, false, &out, &err, ARGS("plan", bundle)), 0);
	CHECK_STR(out, "The container would be left alone: it asks for no GPU and no driver.\n");
	free(out);
	CHECK_INT(run(verb_plan, dir, true, &out, &err, ARGS("plan", bundle)), 0);
	CHECK(holds(out, "\"wanted\": false"));
	free(out);
}

TEST(plan_usage)
{
	static const char *const bad[][4] = {
		{ "plan" }, /* one a line */
		{ "plan", "--env", "NO" },
		{ "plan", "--env" },
		{ "plan", "--frob" },
		{ "plan", "a", "b" },
		{ "plan", "--rootfs", "/" },
		{ "plan", "a", "--env=A=b" },
	};
	const char *dir = fakehost_make();

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err;
		char *out;

		CHECK(run(verb_plan, dir, false, &out, &err, bad[i]) < 0);
		CHECK_INT(err.code, ERR_USAGE);
		free(out);
	}
}

TEST(gpus)
{
	const char *dir = fakehost_make();
	struct err err;
	char *out;

	CHECK(run(verb_gpus, dir, false, &out, &err, ARGS("gpus")) < 0);
	CHECK_INT(err.code, ERR_NO_GPU);
	free(out);
	fakehost_add_gpu(dir);
	CHECK_INT(run(verb_gpus, dir, false, &out, &err, ARGS("gpus")), 0);
	CHECK(holds(out, "GPU-11111111-aaaa-4444-8888-000000000001"));
	CHECK(holds(out, "NVIDIA A100\n"));
	free(out);
	CHECK_INT(run(verb_gpus, dir, true, &out, &err, ARGS("gpus")), 0);
	CHECK(holds(out, "\"pci\": \"0000:41:00.0\""));
	free(out);
	CHECK(run(verb_gpus, dir, false, &out, &err, ARGS("gpus", "--frob")) < 0);
	CHECK_INT(err.code, ERR_USAGE);
	free(out);
}

TEST(refresh_writes_what_starts_read)
{
	const char *dir = fakehost_make();
	char path[512], *out, *text = NULL;
	struct err err;
	size_t len;

	fakehost_add_gpu(dir);
	fakehost_add_tree(dir);
	CHECK(run_at("", verb_gpus, dir, false, &out, &err, ARGS("gpus", "--refresh")) < 0);
	CHECK_INT(err.code, ERR_NOT_LOADED);
	free(out);
	add_library(dir);
	/* Another root's library would be asked for this host's GPUs, and its constructors run here. */
	CHECK(run(verb_gpus, dir, false, &out, &err, ARGS("gpus", "--refresh")) < 0);
	CHECK_INT(err.code, ERR_USAGE);
	free(out);
	CHECK_INT(run_at("", verb_gpus, dir, true, &out, &err, ARGS("gpus", "--refresh")), 0);
	CHECK_STR(err.what, "");
	CHECK(holds(out, "\"brand\": \"nvidia\""));
	free(out);
	snprintf(path, sizeof(path), "%s/run/nvcoreos/inventory.json", dir);
	CHECK_INT(fd_read_file_at(AT_FDCWD, path, 4096, &text, &len), 0);
	CHECK(text && holds(text, "\"arch\":\"8.0\""));
	free(text);
	/* The next reader takes it from there. */
	CHECK_INT(run(verb_gpus, dir, true, &out, &err, ARGS("gpus")), 0);
	CHECK(holds(out, "\"arch\": \"8.0\""));
	free(out);
}

TEST(refresh_refuses_another_driver)
{
	const char *dir = fakehost_make();
	char path[512], *out;
	struct err err;

	fakehost_add_gpu(dir);
	tap_write(dir, "proc/driver/nvidia/version",
		  "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Wed\n");
	fakehost_add_tree(dir);
	tap_write(dir, "opt/nvidia/550.54.15/3975.2.0/start.json", FAKEHOST_DRIVER);
	add_library(dir);
	snprintf(path, sizeof(path), "%s/opt/nvidia/550.54.15/3975.2.0/lib64", dir);
	CHECK_INT(symlink("../../535.261.03/3975.2.0/lib64", path), 0);
	CHECK(run_at("", verb_gpus, dir, false, &out, &err, ARGS("gpus", "--refresh")) < 0);
	CHECK(err.code == ERR_HOST || err.code == ERR_NOT_LOADED);
	free(out);
	snprintf(path, sizeof(path), "%s/run/nvcoreos/inventory.json", dir);
	CHECK(access(path, F_OK) < 0);
}
