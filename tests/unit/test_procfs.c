/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/procfs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "apply/mnt.h"
#include "base/fd.h"
#include "faults.h"
#include "sandbox.h"
#include "tap.h"

static bool has(const char *dir, const char *path, const char *content)
{
	cleanup_fd int d = fd_open_dir(dir);
	cleanup_free char *text = NULL;
	size_t len;

	return fd_read_file_at(d, path, 4096, &text, &len) == 0 && strcmp(text, content) == 0;
}

static int proc_tree(const char *dir)
{
	static struct plan_proc_cap caps[] = { { "gpu0/mig/gi1/access", 12 }, { "gpu0/mig/gi1/ci0/access", 13 } };
	static struct plan_proc_gpu gpu = { "0000:01:00.0", "Model: X\n" };
	const struct plan_proc p = { .wanted = true,
				     .version = "NVRM\n",
				     .params = "ModifyDeviceFiles: 0\n",
				     .gpus = &gpu,
				     .n_gpus = 1,
				     .caps = caps,
				     .n_caps = 2 };
	struct err err = ERR_INIT;
	int tree = procfs_build(&p, &err), d = open(dir, O_PATH | O_CLOEXEC);
	char path[4096];
	bool ok = CHECK(tree >= 0);

	ok &= CHECK_INT(mnt_move(tree, d, dir, &err), 0);
	ok &= CHECK(has(dir, "version", "NVRM\n"));
	ok &= CHECK(has(dir, "params", "ModifyDeviceFiles: 0\n"));
	ok &= CHECK(has(dir, "gpus/0000:01:00.0/information", "Model: X\n"));
	ok &= CHECK(has(dir, "capabilities/gpu0/mig/gi1/ci0/access",
			"DeviceFileMinor: 13\nDeviceFileMode: 292\nDeviceFileModify: 0\n"));
	snprintf(path, sizeof(path), "%s/registry", dir);
	ok &= CHECK(access(path, F_OK) < 0);
	snprintf(path, sizeof(path), "%s/new", dir);
	ok &= CHECK(open(path, O_WRONLY | O_CREAT, 0600) < 0 && errno == EROFS);
	return ok ? 0 : 1;
}

TEST(proc_driver_nvidia_is_a_small_sealed_tree)
{
	in_mount_namespace(proc_tree, tap_tmpdir());
}

/* The path of a capability is ours; one that is a single word makes no directory. */
TEST(what_the_tree_holds)
{
	static struct plan_proc_gpu gpus[] = { { "0000:01:00.0", "Model: X\n" }, { "0000:02:00.0", NULL } };
	const struct plan_proc p = { .registry = "Binary: \"\"\n", .gpus = gpus, .n_gpus = 2 };
	const char *dir = tap_tmpdir();
	cleanup_fd int d = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err err = ERR_INIT;
	struct stat st;

	CHECK_INT(procfs_fill(d, &p, &err), 0);
	CHECK(has(dir, "registry", "Binary: \"\"\n"));
	CHECK(fstatat(d, "version", &st, 0) < 0 && fstatat(d, "capabilities", &st, 0) < 0);
	CHECK(fstatat(d, "gpus/0000:02:00.0", &st, 0) == 0 && S_ISDIR(st.st_mode));
	CHECK(fstatat(d, "gpus/0000:02:00.0/information", &st, 0) < 0);
	/* What stands there already is nothing of ours. */
	CHECK_INT(procfs_fill(d, &p, &err), -EEXIST);
	CHECK_INT(err.code, ERR_MOUNT);
	CHECK_STR(err.what, "driver/nvidia/registry");
}

TEST(each_call_of_filling_fails)
{
	static struct plan_proc_cap caps[] = { { "gpu0/mig/gi1/access", 12 }, { "gpu0/mig/gi1/ci0/access", 13 } };
	static struct plan_proc_gpu gpus[] = { { "0000:01:00.0", "Model: X\n" }, { "0000:02:00.0", "Model: X\n" } };
	const struct plan_proc p = {
		.version = "v", .params = "p", .registry = "r", .gpus = gpus, .n_gpus = 2, .caps = caps, .n_caps = 2
	};
	unsigned n = 0;

	for (bool failed = true; failed;) {
		cleanup_fd int d = open(tap_tmpdir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		unsigned fds = tap_open_fds();
		struct err err = ERR_INIT;
		int r;

		faults_arm(FAULTS_ANY, ++n, EIO);
		r = procfs_fill(d, &p, &err);
		failed = faults_disarm();
		CHECK_INT(r, failed ? -EIO : 0);
		CHECK_INT(err.code, failed ? ERR_MOUNT : ERR_NONE);
		CHECK_INT(tap_open_fds(), fds);
	}
	/* Seven files, each opened and written; directories: gpus, two in it, four and again five. */
	CHECK(n > 7 * 2 + 3 + 9);
}

static int each_call_of_building_fails(const char *unused)
{
	static struct plan_proc_gpu gpu = { "0000:01:00.0", "Model: X\n" };
	const struct plan_proc p = { .version = "v", .gpus = &gpu, .n_gpus = 1 };
	bool ok = true;
	unsigned n = 0;

	(void)unused;
	for (bool failed = true; failed;) {
		unsigned fds = tap_open_fds();
		struct err err = ERR_INIT;
		int r;

		faults_arm(FAULTS_ANY, ++n, EIO);
		r = procfs_build(&p, &err);
		failed = faults_disarm();
		ok &= failed ? CHECK_INT(r, -EIO) : CHECK(r >= 0);
		ok &= CHECK_INT(err.code, failed ? ERR_MOUNT : ERR_NONE);
		fd_close(r);
		ok &= CHECK_INT(tap_open_fds(), fds);
	}
	return ok ? 0 : 1;
}

TEST(each_call_of_building_fails_and_leaves_nothing)
{
	in_mount_namespace(each_call_of_building_fails, NULL);
}
