/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "apply/caps.h"
#include "base/str.h"
#include "faults.h"
#include "inside_root.h"
#include "sandbox.h"
#include "tap.h"

/* What the targets are is looked at in test_apply. */
static struct path_facts seen;

TEST(files_are_replaced_and_never_followed)
{
	const char *dir = tap_tmpdir(), *outside = tap_tmpdir();
	struct container c = container_at(dir);
	struct err err = ERR_INIT;
	char link[4096];

	tap_write(outside, "canary", "host");
	tap_write(dir, "etc/keep", "");
	snprintf(link, sizeof(link), "%s/etc/ld.so.cache", dir);
	CHECK_INT(symlink("/canary", link), 0);
	CHECK_INT(inside_write(&c, "/etc/ld.so.cache", "new", 3, &err), 0);
	CHECK(has(dir, "etc/ld.so.cache", "new"));
	CHECK(has(outside, "canary", "host"));
	CHECK_INT(inside_write(&c, "/made/on/the/way", "x", 1, &err), 0);
	CHECK(has(dir, "made/on/the/way", "x"));
	CHECK_INT(inside_link(&c, "/usr/bin/nvidia-smi", "/usr/local/nvidia/bin/nvidia-smi", &err), 0);
	CHECK_INT(inside_link(&c, "/usr/bin/nvidia-smi", "/usr/local/nvidia/bin/nvidia-smi", &err), 0);
	container_close(&c);
}

static int open_what_images_hold(const char *dir)
{
	static const struct {
		const char *path;
		int flags, want;
	} t[] = {
		{ "/file", 0, 0 },
		{ "/link", 0, 0 },
		{ "/link", O_NOFOLLOW, -EMEDIUMTYPE },
		{ "/file", O_NOFOLLOW, 0 },
		{ "/out", 0, -ENOENT },
		{ "/directory", 0, -EMEDIUMTYPE },
		/* Whoever opens it to read waits for whom writes. */
		{ "/fifo", 0, -EMEDIUMTYPE },
		/* And who opens this one acts on a driver. */
		{ "/device", 0, -EMEDIUMTYPE },
		{ "/volume/file", 0, -EXDEV },
		{ "/over", 0, -EXDEV },
		{ "/file/below", 0, -ENOTDIR },
	};
	struct container c = container_at(dir);
	char path[4096];
	struct stat st;
	bool ok = true;

	c.proc_self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	tap_write(dir, "file", "what it holds");
	tap_write(dir, "over", "");
	ok &= CHECK(symlinkat("file", c.rootfd, "link") == 0 && symlinkat("/etc/passwd", c.rootfd, "out") == 0);
	ok &= CHECK(mkdirat(c.rootfd, "directory", 0755) == 0 && mkdirat(c.rootfd, "volume", 0755) == 0);
	snprintf(path, sizeof(path), "%s/fifo", dir);
	ok &= CHECK_INT(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/device", dir);
	ok &= CHECK_INT(mknod(path, S_IFCHR | 0666, makedev(1, 3)), 0);
	snprintf(path, sizeof(path), "%s/volume", dir);
	ok &= CHECK_INT(mount("tmpfs", path, "tmpfs", 0, NULL), 0);
	tap_write(dir, "volume/file", "");
	snprintf(path, sizeof(path), "%s/over", dir);
	ok &= CHECK_INT(mount("/proc/version", path, NULL, MS_BIND, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		cleanup_fd int fd = inside_open(&c, t[i].path, t[i].flags, &st);
		char text[32] = "";

		ok &= CHECK_INT(fd < 0 ? fd : 0, t[i].want);
		if (fd >= 0)
			ok &= CHECK(read(fd, text, sizeof(text) - 1) == st.st_size) && CHECK_STR(text, "what it holds");
	}
	container_close(&c);
	return ok ? 0 : 1;
}

TEST(only_files_of_the_image_are_opened)
{
	in_mount_namespace(open_what_images_hold, tap_tmpdir());
}

/* A process that shares the root may hold one on its own file: every open of it then waits until the kernel takes it away. */
TEST(a_lease_is_not_waited_for)
{
	const char *dir = tap_tmpdir();
	struct container c = container_at(dir);
	struct stat st;
	char path[4096];
	int holder, fd;

	c.proc_self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	tap_write(dir, "file", "");
	snprintf(path, sizeof(path), "%s/file", dir);
	holder = open(path, O_RDWR | O_CLOEXEC);
	signal(SIGIO, SIG_IGN);
	if (CHECK_INT(fcntl(holder, F_SETLEASE, F_WRLCK), 0)) {
		/* What waits is ended by it. */
		alarm(5);
		fd = inside_open(&c, "/file", 0, &st);
		alarm(0);
		CHECK_INT(fd, -EAGAIN);
		fd_close(fd);
	}
	fd_close(holder);
	container_close(&c);
}

TEST(parents_that_are_links_stay_inside)
{
	const char *dir = tap_tmpdir(), *outside = tap_tmpdir();
	struct container c = container_at(dir);
	struct err err = ERR_INIT;
	char link[4096], up[4096];

	snprintf(link, sizeof(link), "%s/etc", dir);
	CHECK_INT(symlink(outside, link), 0);
	/* Absolute: resolves below the root, where that path does not exist. */
	CHECK(inside_write(&c, "/etc/x", "x", 1, &err) < 0);
	CHECK_INT(err.code, ERR_TARGET);
	CHECK(!has(outside, "x", "x"));
	CHECK_INT(unlink(link), 0);
	snprintf(up, sizeof(up), "../../../../../../..%s", outside);
	CHECK_INT(symlink(up, link), 0);
	CHECK(inside_write(&c, "/etc/x", "x", 1, &err) < 0);
	CHECK(!has(outside, "x", "x"));
	CHECK_INT(unlink(link), 0);
	CHECK_INT(symlink("/proc/self/root/tmp", link), 0);
	CHECK(inside_write(&c, "/etc/x", "x", 1, &err) < 0);
	container_close(&c);
}

static bool leads(const struct container *c, const char *path, const char *want)
{
	char target[64];
	ssize_t n = readlinkat(c->rootfd, path, target, sizeof(target));

	return n == (ssize_t)strlen(want) && memcmp(target, want, (size_t)n) == 0;
}

/* Each in its own directory, whatever was that of the one before; the first that cannot be made ends it and is named. */
TEST(links_beside_one_another_and_not)
{
	static const struct plan_link links[] = {
		{ "/one", "1" },       { "/etc/aa/one", "2" }, { "/etc/aa/two", "3" }, { "/etc/bb/one", "4" },
		{ "/etc/b/one", "5" }, { "/etc/aa/one", "6" }, { "/two", "7" },
	};
	const char *dir = tap_tmpdir();
	struct container c = container_at(dir);
	struct err err = ERR_INIT;

	tap_write(dir, "two", "");
	CHECK_INT(inside_links(&c, links, 0, &err), 0);
	CHECK_INT(inside_links(&c, links, ARRAY_SIZE(links), &err), 0);
	CHECK(leads(&c, "one", "1") && leads(&c, "etc/aa/one", "6") && leads(&c, "etc/aa/two", "3"));
	CHECK(leads(&c, "etc/bb/one", "4") && leads(&c, "etc/b/one", "5") && leads(&c, "two", "7"));
	/* The second's directory is asked for, the third's not again, the fourth's is. */
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		CHECK_INT(unlinkat(c.rootfd, links[i].path + 1, 0), i == 5 ? -1 : 0);
	faults_arm_from("openat2", 3, EMFILE);
	CHECK_INT(inside_links(&c, links, ARRAY_SIZE(links), &err), -EMFILE);
	faults_disarm();
	CHECK_INT(err.code, ERR_TARGET);
	CHECK(leads(&c, "one", "1") && leads(&c, "etc/aa/one", "2") && leads(&c, "etc/aa/two", "3"));
	CHECK(!leads(&c, "etc/bb/one", "4") && !leads(&c, "etc/b/one", "5") && !leads(&c, "two", "7"));
	faults_arm("symlinkat", 2, EROFS);
	CHECK_INT(inside_links(&c, links + 3, 3, &err), -EROFS);
	CHECK_INT(faults_disarm(), 1);
	CHECK_INT(err.code, ERR_WRITE);
	CHECK_STR(err.what, "/etc/b/one");
	container_close(&c);
	CHECK_INT(caps_restore(&err), 0);
}

static int on_volumes(const char *dir)
{
	struct container c = container_at(dir);
	struct err err = ERR_INIT;
	char path[4096];
	int fd = -1;

	tap_write(dir, "etc/x", "");
	tap_write(dir, "dev/x", "");
	snprintf(path, sizeof(path), "%s/etc", dir);
	CHECK_INT(mount("tmpfs", path, "tmpfs", 0, NULL), 0);
	snprintf(path, sizeof(path), "%s/dev", dir);
	CHECK_INT(mount("tmpfs", path, "tmpfs", 0, NULL), 0);
	tap_write(dir, "dev/volume/x", "");
	snprintf(path, sizeof(path), "%s/dev/volume", dir);
	CHECK_INT(mount("tmpfs", path, "tmpfs", 0, NULL), 0);
	bool ok = inside_write(&c, "/etc/ld.so.cache", "x", 1, &err) == -EXDEV && err.code == ERR_FOREIGN_MOUNT;
	ok &= inside_link(&c, "/etc/sub/link", "x", &err) == -EXDEV && err.code == ERR_FOREIGN_MOUNT;
	ok &= inside_target_dir(&c, "/etc/made", false, &seen, &err) == -EXDEV && err.code == ERR_FOREIGN_MOUNT;
	/* A volume over /dev is not ours to make nodes in; the container's own tmpfs is. */
	ok &= inside_target_node(&c, "nvidia0", makedev(195, 0), 0, &fd, &seen, &err) == -EXDEV;
	ok &= inside_target_node(&c, "nvidia0", makedev(195, 0), dev_mount(&c), &fd, &seen, &err) ==
		      INSIDE_NODE_TARGET &&
	      fd >= 0;
	fd_close(fd);
	ok &= inside_target_node(&c, "dri/card0", makedev(226, 0), dev_mount(&c), &fd, &seen, &err) ==
		      INSIDE_NODE_TARGET &&
	      fd >= 0;
	fd_close(fd);
	/* A volume below that is not. */
	ok &= inside_target_node(&c, "volume/card0", makedev(226, 0), dev_mount(&c), &fd, &seen, &err) == -EXDEV &&
	      err.code == ERR_FOREIGN_MOUNT;
	ok &= CHECK_STR(err.what, "/dev/volume/card0");
	ok &= inside_dev_link(&c, "volume/link", "card0", dev_mount(&c), &err) == -EXDEV;
	ok &= inside_dev_link(&c, "volume/sub/link", "card0", dev_mount(&c), &err) == -EXDEV;
	ok &= CHECK_STR(err.what, "/dev/volume/sub/link");
	faults_arm("mkdirat", 1, ENOSPC);
	ok &= inside_dev_link(&c, "new/link", "card0", dev_mount(&c), &err) == -ENOSPC && err.code == ERR_WRITE;
	ok &= CHECK_INT(faults_disarm(), 1) && CHECK_STR(err.what, "/dev/new/link");
	CHECK(ok);
	return ok ? 0 : 1;
}

TEST(nothing_is_made_on_volumes)
{
	in_mount_namespace(on_volumes, tap_tmpdir());
}

TEST(long_paths_and_paths_through_files)
{
	const char *dir = tap_tmpdir();
	cleanup_free char *name = mem_alloc(5000), *path = NULL;
	struct container c = container_at(dir);
	struct err err = ERR_INIT;
	int fd = -1;

	memset(name, 'x', 4999);
	name[4999] = '\0';
	path = mem_printf("/%s/y", name);
	CHECK_INT(inside_write(&c, path, "", 0, &err), -ENAMETOOLONG);
	CHECK_INT(err.code, ERR_TARGET);
	CHECK_INT(inside_link(&c, path, "x", &err), -ENAMETOOLONG);
	CHECK_INT(inside_target_node(&c, name, makedev(195, 0), 0, &fd, &seen, &err), -ENAMETOOLONG);
	CHECK_INT(err.code, ERR_TARGET);
	/* A kernel that says of such a name that it is not there does not get further either. */
	faults_arm("openat2", 1, ENOENT);
	CHECK_INT(inside_target_node(&c, path + 1, makedev(195, 0), 1, &fd, &seen, &err), -ENAMETOOLONG);
	CHECK_INT(faults_disarm(), 1);
	CHECK_INT(err.code, ERR_TARGET);
	tap_write(dir, "dev/file", "");
	CHECK_INT(inside_target_node(&c, "file/x", makedev(195, 0), 0, &fd, &seen, &err), -ENOTDIR);
	CHECK_INT(err.code, ERR_TARGET);
	CHECK_INT(inside_write(&c, "/dev/file/x", "", 0, &err), -ENOTDIR);
	CHECK_INT(err.code, ERR_TARGET);
	/* A directory stands where a file of ours goes. */
	tap_write(dir, "etc/ld.so.cache/x", "");
	CHECK_INT(inside_write(&c, "/etc/ld.so.cache", "", 0, &err), -EISDIR);
	CHECK_INT(err.code, ERR_WRITE);
	CHECK_INT(inside_link(&c, "/etc/ld.so.cache", "x", &err), -EISDIR);
	CHECK_INT(err.code, ERR_WRITE);
	/* A container that should have a /dev of its own and has none. */
	CHECK_INT(fd_remove_tree(c.rootfd, "dev"), 0);
	CHECK_INT(inside_target_node(&c, "nvidia0", makedev(195, 0), dev_mount(&c), &fd, &seen, &err), -ENOENT);
	CHECK_INT(err.code, ERR_TARGET);
	CHECK_STR(err.what, "/dev");
	CHECK_INT(fd, -1);
	container_close(&c);
}

static int write_it(const struct container *c, struct err *err)
{
	return inside_write(c, "/etc/sub/file", "text", 4, err);
}

static int link_it(const struct container *c, struct err *err)
{
	return inside_link(c, "/etc/sub/link", "target", err);
}

static int dir_it(const struct container *c, struct err *err)
{
	return inside_target_dir(c, "/usr/local/nvidia", false, &seen, err);
}

static int dir_there(const struct container *c, struct err *err)
{
	return inside_target_dir(c, "/etc", true, &seen, err);
}

static int dir_behind_a_link(const struct container *c, struct err *err)
{
	return inside_target_dir(c, "/usr/lib/cuda", true, &seen, err);
}

static int ipc_it(const struct container *c, struct err *err)
{
	return inside_target_ipc(c, "/run/socket", S_IFSOCK, &seen, err);
}

static int node_of(const struct container *c, const char *name, uint64_t own_dev, struct err *err)
{
	int fd = -EBADF, r = inside_target_node(c, name, makedev(195, 0), own_dev, &fd, &seen, err);

	CHECK_INT(fd >= 0, r >= 0);
	return r < 0 ? r : fd;
}

static int node_on_root(const struct container *c, struct err *err)
{
	return node_of(c, "nvidia0", 0, err);
}

static int node_in_dev(const struct container *c, struct err *err)
{
	return node_of(c, "dri/card0", dev_mount(c), err);
}

static int dev_link_it(const struct container *c, struct err *err)
{
	return inside_dev_link(c, "dri/link", "../card0", dev_mount(c), err);
}

static unsigned count_below(int dir, const char *path)
{
	cleanup_fd int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(dup(fd));
	unsigned n = 0;

	if (!d)
		return 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

/*
 * Capabilities that stay raised until the next step are told to the log alone; a directory that cannot be locked gets a
 * temporary file of another name; what stood there before and cannot be seen is not taken away again.
 */
static bool is_harmless(const char *call)
{
	return str_eq(call, "cap_set_proc") || str_eq(call, "flock") || str_eq(call, "fstatat") ||
	       str_eq(call, "openat2");
}

/* Whichever call fails: an error that is told, no fd and no half file left. */
TEST(each_call_fails_and_leaves_nothing)
{
	static int (*const fns[])(const struct container *c, struct err *err) = {
		write_it, link_it, dir_it, dir_there, dir_behind_a_link, ipc_it, node_on_root, node_in_dev, dev_link_it,
	};

	for (size_t i = 0; i < ARRAY_SIZE(fns); i++) {
		bool failed = true;

		for (unsigned n = 1; failed; n++) {
			const char *dir = tap_tmpdir();
			unsigned fds = tap_open_fds();
			struct container c = container_at(dir);
			struct err err = ERR_INIT;
			int r;

			tap_write(dir, "etc/x", "");
			tap_write(dir, "dev/x", "");
			tap_write(dir, "usr/lib/cuda-12.4/x", "");
			CHECK_INT(symlinkat("cuda-12.4", c.rootfd, "usr/lib/cuda"), 0);
			faults_arm(FAULTS_ANY, n, EIO);
			r = fns[i](&c, &err);
			failed = faults_disarm();
			if (r >= 0 && !CHECK(err.code == ERR_NONE && (!failed || is_harmless(faults_failed()))))
				printf("# %zu: call %u, %s\n", i, n, faults_failed());
			if (r < 0)
				CHECK(failed && err.code != ERR_NONE);
			/* All of it or nothing. */
			CHECK_INT(count_below(c.rootfd, "etc/sub"), r >= 0 && i < 2);
			CHECK(r != 0 || i < 2 || fns[i] == dev_link_it);
			if (r > 0)
				fd_close(r);
			container_close(&c);
			CHECK_INT(tap_open_fds(), fds);
		}
	}
}

TEST(mode_bits_do_not_keep_root_out)
{
	const char *dir = tap_tmpdir();
	struct container c = container_at(dir);
	struct err err = ERR_INIT;
	char path[4096];
	int fd;

	if (geteuid() != 0) {
		tap_skip("needs root");
		return;
	}
	CHECK_INT(caps_restore(&err), 0);
	tap_write(dir, "usr/bin/x", "");
	tap_write(dir, "etc/x", "");
	snprintf(path, sizeof(path), "%s/usr/bin", dir);
	CHECK_INT(chmod(path, 0555), 0);
	snprintf(path, sizeof(path), "%s/etc", dir);
	CHECK(chown(path, 1000, 1000) == 0 && chmod(path, 0700) == 0);
	CHECK_INT(inside_link(&c, "/usr/bin/nvidia-smi", "x", &err), 0);
	CHECK_INT(inside_write(&c, "/etc/ld.so.cache", "x", 1, &err), 0);
	CHECK_INT(chmod(dir, 0555), 0);
	fd = inside_target_dir(&c, "/made", false, &seen, &err);
	CHECK(fd >= 0);
	fd_close(fd);
	container_close(&c);
	CHECK_INT(caps_restore(&err), 0);
}

TEST(files_belong_to_the_containers_root)
{
	const char *dir = tap_tmpdir();
	struct container c = container_at(dir);
	struct err err = ERR_INIT;
	struct stat st = { 0 };
	char path[4096];

	if (geteuid() != 0) {
		tap_skip("needs root");
		return;
	}
	c.uid = 100000;
	c.gid = 100001;
	CHECK_INT(chmod(dir, 0777), 0);
	CHECK_INT(inside_write(&c, "/etc/x", "x", 1, &err), 0);
	snprintf(path, sizeof(path), "%s/etc/x", dir);
	CHECK_INT(stat(path, &st), 0);
	CHECK_INT(st.st_uid, 100000);
	CHECK_INT(st.st_gid, 100001);
	snprintf(path, sizeof(path), "%s/etc", dir);
	CHECK_INT(stat(path, &st), 0);
	CHECK_INT(st.st_uid, 100000);
	container_close(&c);
	/* And the process is itself again. */
	CHECK_INT(caps_restore(&err), 0);
	tap_write(dir, "after", "");
	snprintf(path, sizeof(path), "%s/after", dir);
	CHECK_INT(stat(path, &st), 0);
	CHECK_INT(st.st_uid, 0);
}
