/* SPDX-License-Identifier: Apache-2.0 */
/* cli/nvml.c with stand-ins for the library, built here; skipped where there is no compiler. */
#include "../../cli/nvml.c"

#include "base/proc.h"
#include "frozen.h"
#include "sandbox.h"
#include "tap.h"

#define CONTROL "/dev/null"

/* The path of a stand-in that is built with this -D; NULL where there is no compiler. */
static const char *fake(const char *define)
{
	static char path[300];
	const char *envp[] = { "PATH=/usr/local/bin:/usr/bin:/bin", NULL };
	const char *argv[] = { "cc", "-shared", "-fPIC", "-o", path, define, "tests/fixtures/fake-nvml.c", NULL };
	const struct proc_program cc = {
		.path = "/usr/bin/cc", .argv = (char *const *)argv, .envp = (char *const *)envp, .timeout_s = 60
	};
	struct proc_result result;

	snprintf(path, sizeof(path), "%s/libnvidia-ml.so.1", tap_tmpdir());
	if (proc_run(&cc, &result, NULL) < 0 || result.status != 0) {
		tap_skip("needs a C compiler");
		return NULL;
	}
	return path;
}

static void check_failure(const char *define, enum err_code code, const char *part)
{
	const char *library = fake(define);
	struct err err = ERR_INIT;
	char *text = NULL;
	size_t len;

	if (!library)
		return;
	CHECK(nvml_query(library, CONTROL, 1, &text, &len, &err) < 0);
	CHECK_INT(err.code, code);
	if (!strstr(err.what, part))
		CHECK_STR(err.what, part);
	CHECK(!text);
}

TEST(facts_are_written_as_inventory_json)
{
	const char *library = fake("-DFAKE_INIT=0");
	struct err err = ERR_INIT;
	char *text = NULL;
	size_t len = 0;

	if (!library)
		return;
	CHECK_INT(nvml_query(library, CONTROL, 10, &text, &len, &err), 0);
	CHECK_STR(err.what, "");
	CHECK_STR(text,
		  "{\"format\":1,\"driver\":\"535.261.03\",\"gpus\":[{\"pci\":\"0000:41:00.0\","
		  "\"uuid\":\"GPU-11111111-aaaa-4444-8888-000000000001\",\"brand\":\"nvidia\",\"arch\":\"8.0\","
		  "\"mig\":[{\"uuid\":\"MIG-33333333-aaaa-4444-8888-000000000001\",\"index\":2,\"gi\":5,\"ci\":0}]}]}");
	CHECK_INT(len, text ? strlen(text) : 0);
	free(text);
}

/* Images name the unknown brand in their requirements: it is one, and not the absence of one. */
TEST(brands)
{
	static const struct {
		const char *define, *brand;
	} all[] = {
		{ "-DFAKE_BRAND=0", "\"brand\":\"unknown\"" },
		{ "-DFAKE_BRAND=2", "\"brand\":\"tesla\"" },
		{ "-DFAKE_BRAND=16", "\"brand\":\"titanrtx\"" },
		{ "-DFAKE_BRAND=17", "\"brand\":\"unknown\"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		const char *library = fake(all[i].define);
		struct err err = ERR_INIT;
		char *text = NULL;
		size_t len = 0;

		if (!library)
			return;
		CHECK_INT(nvml_query(library, CONTROL, 10, &text, &len, &err), 0);
		if (!CHECK(text && strstr(text, all[i].brand)))
			printf("# %s: %s\n", all[i].define, text ? text : "nothing");
		free(text);
	}
}

TEST(the_child_has_no_rights)
{
	const char *library = fake("-DFAKE_ROOT");
	struct err err = ERR_INIT;
	char *text = NULL;
	size_t len;

	if (!library)
		return;
	if (geteuid() != 0) {
		tap_skip("needs root");
		return;
	}
	if (dup2(STDOUT_FILENO, 7) < 0)
		return;
	CHECK_INT(nvml_query(library, CONTROL, 10, &text, &len, &err), 0);
	CHECK_STR(err.what, "");
	close(7);
	free(text);
}

/* NVreg_DeviceFileMode=0660 keeps the nodes for a group, and for nobody where that is root's. */
TEST(nodes_that_are_for_a_group)
{
	static const struct {
		gid_t gid;
		mode_t mode;
		int want;
	} t[] = { { 44, 0660, 0 }, { 44, 0640, -EINVAL }, { 0, 0660, -EINVAL }, { 44, 0606, 0 } };
	char dir[] = "/tmp/nvcoreos-unit-node-XXXXXX", node[64], define[96];
	const char *library;

	if (geteuid() != 0) {
		tap_skip("needs root");
		return;
	}
	REQUIRE(mkdtemp(dir) && chmod(dir, 0755) == 0);
	tap_write(dir, "nvidiactl", "");
	snprintf(node, sizeof(node), "%s/nvidiactl", dir);
	snprintf(define, sizeof(define), "-DFAKE_NODE=\"%s\"", node);
	library = fake(define);
	for (size_t i = 0; library && i < ARRAY_SIZE(t); i++) {
		struct err err = ERR_INIT;
		char *text = NULL;
		size_t len;

		CHECK_INT(chown(node, 0, t[i].gid), 0);
		CHECK_INT(chmod(node, t[i].mode), 0);
		CHECK_INT(nvml_query(library, node, 10, &text, &len, &err), t[i].want);
		if (t[i].want < 0) {
			CHECK_INT(err.code, ERR_HOST);
			CHECK(strstr(err.what, "no permission on ") && strstr(err.what, "NVML error 4"));
		}
		free(text);
	}
	CHECK(unlink(node) == 0 && rmdir(dir) == 0);
}

static const char *hanging;

static int ask_stuck(const char *dir)
{
	struct err err = ERR_INIT;
	long long start = now_ms();
	char *text = NULL, group[300];
	size_t len;
	pid_t helper;
	bool ok;

	if (!frozen_enter(dir, group))
		return SANDBOX_SKIP;
	helper = frozen_later(dir, group, 500);
	ok = CHECK_INT(nvml_query(hanging, CONTROL, 2, &text, &len, &err), -ETIMEDOUT);
	ok &= CHECK(now_ms() - start < (2 + PROC_END_S + 3) * 1000);
	ok &= CHECK_INT(err.code, ERR_HOST);
	ok &= CHECK_STR(err.hint, PROC_STUCK);
	ok &= CHECK(frozen_end(dir, group, helper));
	return ok ? 0 : 1;
}

TEST(one_that_cannot_be_killed_is_left_behind)
{
	hanging = fake("-DFAKE_HANG");
	if (hanging)
		in_mount_namespace(ask_stuck, tap_tmpdir());
}

TEST(failures)
{
	struct err err = ERR_INIT;
	char *text = NULL;
	size_t len;

	CHECK(nvml_query("/nonexistent/libnvidia-ml.so.1", CONTROL, 5, &text, &len, &err) < 0);
	CHECK_INT(err.code, ERR_NOT_LOADED);
	check_failure("-DFAKE_INIT=9", ERR_NOT_LOADED, "nvmlInit_v2: NVML error 9");
	check_failure("-DFAKE_INIT=18", ERR_HOST, "NVML error 18");
	check_failure("-DFAKE_HANG", ERR_HOST, "did not answer in 1 s");
	check_failure("-DFAKE_CRASH", ERR_HOST, "without an answer");
	check_failure("-DnvmlDeviceGetUUID=gone", ERR_HOST, "no NVML");
}
