/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/mnt.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "faults.h"
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
	int tree = mnt_clone(s, "", MNT_FILES, "src", &err);

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

TEST(lines_of_mountinfo)
{
	static const struct {
		const char *text;
		int want;
	} t[] = {
		{ "", -ENOENT },
		{ "\n\n", -ENOENT },
		{ "7\n", -ENOENT },
		{ "7 1 8:1 / / rw shared:1\n", -ENOENT },
		{ "7-\n - \n", -ENOENT },
		{ "x7 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n", -ENOENT },
		{ "77 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n", -ENOENT },
		{ "7 1 8:1 / / rw - ext4 /dev/sda1 rw\n", 0 },
		{ "7 1 8:1 / / rw master:1 - ext4 shared:1 shared:1\n", 0 },
		{ "6 1 8:1 / / rw shared:1 - ext4 x rw\n7 1 8:1 / /a rw - ext4 x rw\n", 0 },
		{ "7 1 8:1 / /a\\040-\\040b rw shared:12 master:3 - ext4 x rw", 1 },
		{ "what is this\n7 1 8:1 / / rw shared:1 - ext4 x rw\n", 1 },
	};

	cleanup_fd int self = open("/proc/self", O_PATH | O_CLOEXEC);

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		cleanup_free char *copy = mem_strdup(t[i].text);

		tap_check_int(mnt_is_shared_by(copy, 7), t[i].want, __FILE__, __LINE__, t[i].text);
	}
	CHECK_INT(mnt_is_shared(-EBADF, 7), -EBADF);
	faults_arm("read", 1, EIO);
	CHECK_INT(mnt_is_shared(self, 7), -EIO);
	CHECK_INT(faults_disarm(), 1);
}

static int clone_root(struct err *err)
{
	cleanup_fd int root = open("/", O_PATH | O_CLOEXEC);

	return mnt_clone(root, "", MNT_NODE, "what", err);
}

static int move_root(struct err *err)
{
	cleanup_fd int root = open("/", O_PATH | O_CLOEXEC), tree = mnt_clone(root, "", MNT_SOCKET, "what", err);

	return mnt_move(tree, root, "what", err);
}

static int seal(struct err *err)
{
	cleanup_fd int tree = mnt_tmpfs(err);

	return mnt_seal(tree, err);
}

static int contain(struct err *err)
{
	cleanup_fd int root = open("/", O_PATH | O_CLOEXEC);

	return mnt_contain(root, err);
}

static int each_call_fails(const char *unused)
{
	static const struct {
		int (*fn)(struct err *err);
		const char *call, *what;
		unsigned nth;
	} t[] = {
		{ clone_root, "open_tree", "open_tree of what", 1 },
		{ clone_root, "mount_setattr", "mount_setattr of what", 1 },
		{ move_root, "move_mount", "move_mount of what", 1 },
		{ mnt_tmpfs, "fsopen", "fsopen of tmpfs", 1 },
		{ mnt_tmpfs, "fsconfig", "fsconfig of tmpfs", 1 },
		{ mnt_tmpfs, "fsconfig", "fsconfig of tmpfs", 2 },
		{ mnt_tmpfs, "fsconfig", "fsconfig of tmpfs", 3 },
		{ mnt_tmpfs, "fsmount", "fsmount of tmpfs", 1 },
		{ seal, "mount_setattr", "mount_setattr of tmpfs", 1 },
		{ contain, "mount_setattr", "mount_setattr of the container's root", 1 },
	};
	bool ok = true;

	(void)unused;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(t); i++) {
		/* A kernel or an outer filter without the call is told apart from one that refuses this mount. */
		int errnum = i < ARRAY_SIZE(t) ? ENOSYS : EPERM;
		size_t row = i % ARRAY_SIZE(t);
		struct err err = ERR_INIT;

		faults_arm(t[row].call, t[row].nth, errnum);
		ok &= CHECK_INT(t[row].fn(&err), -errnum);
		ok &= CHECK_INT(faults_disarm(), 1);
		ok &= CHECK_INT(err.code, errnum == ENOSYS ? ERR_KERNEL : ERR_MOUNT);
		ok &= CHECK_STR(err.what, t[row].what);
	}
	return ok ? 0 : 1;
}

TEST(a_mount_call_that_fails_is_named)
{
	in_mount_namespace(each_call_fails, NULL);
}
