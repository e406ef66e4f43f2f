/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/mnt.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/path.h"
#include "apply/procfs.h"
#include "sandbox.h"
#include "tap.h"

static int clone_and_move(const char *dir)
{
	struct err err = ERR_INIT;
	char src[4096], dst[4096], file[4096];
	struct statvfs vfs;
	bool ok;

	tap_write(dir, "src/lib/libx.so", "x");
	tap_write(dir, "dst/own", "");
	snprintf(src, sizeof(src), "%s/src", dir);
	snprintf(dst, sizeof(dst), "%s/dst", dir);
	int s = open(src, O_PATH | O_CLOEXEC), d = open(dst, O_PATH | O_CLOEXEC);
	int tree = mnt_clone(s, MNT_FILES, "src", &err);

	ok = CHECK(tree >= 0);
	/* Nothing is seen before the move. */
	snprintf(file, sizeof(file), "%s/dst/lib/libx.so", dir);
	ok &= CHECK(access(file, F_OK) < 0);
	ok &= CHECK_INT(mnt_move(tree, d, "dst", &err), 0);
	ok &= CHECK(access(file, F_OK) == 0);
	ok &= CHECK_INT(statvfs(file, &vfs), 0);
	ok &= CHECK((vfs.f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV)) == (ST_RDONLY | ST_NOSUID | ST_NODEV));
	ok &= CHECK(open(file, O_WRONLY) < 0);
	fd_close(tree);
	return ok ? 0 : 1;
}

TEST(a_clone_appears_only_where_it_is_moved)
{
	in_mount_namespace(clone_and_move, tap_tmpdir());
}

static int own_files(const char *dir)
{
	struct err err = ERR_INIT;
	char path[4096];
	bool ok;
	int tree, d;

	ok = CHECK_INT(mount("tmpfs", dir, "tmpfs", 0, NULL), 0);
	tap_write(dir, "file", "x");
	tap_write(dir, "volume/below", "x");
	snprintf(path, sizeof(path), "%s/device", dir);
	ok &= CHECK_INT(mknod(path, S_IFCHR | 0666, makedev(1, 3)), 0);
	snprintf(path, sizeof(path), "%s/volume", dir);
	ok &= CHECK_INT(mount("tmpfs", path, "tmpfs", 0, NULL), 0);
	tap_write(dir, "volume/host", "x");
	d = open(dir, O_PATH | O_CLOEXEC);
	tree = mnt_own_files(d, &err);
	ok &= CHECK(tree >= 0);
	ok &= CHECK(path_open(tree, "/file", O_RDONLY) >= 0);
	ok &= CHECK_INT(path_open(tree, "/device", O_RDONLY), -EACCES);
	ok &= CHECK_INT(path_open(tree, "/volume/host", O_RDONLY), -ENOENT);
	ok &= CHECK(path_open(tree, "/volume/below", O_RDONLY) >= 0);
	return ok ? 0 : 1;
}

TEST(own_files_are_no_devices_and_no_volumes)
{
	in_mount_namespace(own_files, tap_tmpdir());
}

static int shared_is_contained(const char *dir)
{
	struct err err = ERR_INIT;
	uint64_t id;
	bool ok;

	ok = CHECK_INT(mount("tmpfs", dir, "tmpfs", 0, NULL), 0);
	ok &= CHECK_INT(mount(NULL, dir, NULL, MS_SHARED, NULL), 0);
	int d = open(dir, O_PATH | O_CLOEXEC), proc = open("/proc/self", O_PATH | O_CLOEXEC);

	ok &= CHECK_INT(path_mount_id(d, &id), 0);
	ok &= CHECK_INT(mnt_is_shared(proc, id), 1);
	ok &= CHECK_INT(mnt_contain(d, &err), 1);
	ok &= CHECK_INT(mkdirat(d, "sub", 0755), 0);
	int sub = openat(d, "sub", O_PATH | O_CLOEXEC);
	ok &= CHECK_INT(mnt_contain(sub, &err), 0);
	ok &= CHECK_INT(mnt_is_shared(proc, id), 0);
	ok &= CHECK_INT(mnt_is_shared(proc, UINT64_MAX), -ENOENT);
	return ok ? 0 : 1;
}

TEST(a_shared_mount_becomes_a_slave)
{
	in_mount_namespace(shared_is_contained, tap_tmpdir());
}

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
