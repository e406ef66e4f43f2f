/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "apply/caps.h"
#include "faults.h"
#include "inside_root.h"
#include "sandbox.h"
#include "tap.h"

/* What the targets are is looked at in test_apply. */
static struct path_facts seen;

/* The process's own /proc, by a root above it: what an engine's bind mount or an image's link makes of a target. */
TEST(nothing_is_mounted_on_what_is_the_kernels)
{
	struct container c = container_at("/");
	struct err err = ERR_INIT;

	CHECK(inside_target_dir(&c, "/proc/sys", false, &seen, &err) < 0);
	CHECK_INT(err.code, ERR_TARGET);
	CHECK_STR(err.what, "/proc/sys lies on a file system of the kernel's");
	CHECK(inside_target_ipc(&c, "/proc/version", S_IFSOCK, &seen, &err) < 0);
	CHECK_STR(err.what, "/proc/version lies on a file system of the kernel's");
	container_close(&c);
	c = container_at("/proc");
	CHECK(inside_target_node(&c, "../version", 0, 0, &(int){ -1 }, &seen, &err) < 0);
	CHECK_STR(err.what, "/dev/../version lies on a file system of the kernel's");
	container_close(&c);
}

TEST(node_targets)
{
	const char *dir = tap_tmpdir();
	struct container c = container_at(dir);
	struct err err = ERR_INIT;
	char path[4096];
	int fd = -1;

	tap_write(dir, "dev/nvidia0", "");
	CHECK_INT(inside_target_node(&c, "nvidia0", makedev(195, 0), 0, &fd, &seen, &err), INSIDE_NODE_TARGET);
	fd_close(fd);
	tap_write(dir, "dev/nvidia1", "content of the image");
	CHECK_INT(inside_target_node(&c, "nvidia1", makedev(195, 1), 0, &fd, &seen, &err), -EEXIST);
	CHECK_INT(err.code, ERR_TARGET);
	snprintf(path, sizeof(path), "%s/dev/nvidia2", dir);
	CHECK_INT(symlink("nvidia0", path), 0);
	CHECK(inside_target_node(&c, "nvidia2", makedev(195, 2), 0, &fd, &seen, &err) < 0);
	CHECK_INT(err.code, ERR_TARGET);
	snprintf(path, sizeof(path), "%s/dev/nvidia3", dir);
	CHECK_INT(mkfifo(path, 0600), 0);
	CHECK(inside_target_node(&c, "nvidia3", makedev(195, 3), 0, &fd, &seen, &err) < 0);
	CHECK_INT(caps_restore(&err), 0);
	if (geteuid() == 0) {
		snprintf(path, sizeof(path), "%s/dev/nvidia4", dir);
		CHECK_INT(mknod(path, S_IFCHR | 0666, makedev(195, 4)), 0);
		CHECK_INT(inside_target_node(&c, "nvidia4", makedev(195, 4), 0, &fd, &seen, &err), INSIDE_NODE_THERE);
		CHECK(inside_target_node(&c, "nvidia4", makedev(195, 5), 0, &fd, &seen, &err) < 0);
	}
	container_close(&c);
}

/* What was a tmpfs of the container's own when it was looked at may be a link to a volume by now. */
TEST(a_link_in_the_place_of_dev)
{
	const char *dir = tap_tmpdir();
	struct container c = container_at(dir);
	struct err err = ERR_INIT;
	char path[4200];
	int fd = -EBADF;

	tap_write(dir, "volume/x", "");
	snprintf(path, sizeof(path), "%s/dev", dir);
	CHECK_INT(symlink("/volume", path), 0);
	CHECK(inside_target_node(&c, "nvidia0", makedev(195, 0), dev_mount(&c), &fd, &seen, &err) < 0);
	CHECK_INT(err.code, ERR_TARGET);
	CHECK(inside_target_node(&c, "dri/card0", makedev(226, 0), dev_mount(&c), &fd, &seen, &err) < 0);
	/* Nor is a directory, whose mount is another one than that which was found. */
	CHECK_INT(unlink(path), 0);
	tap_write(dir, "dev/x", "");
	CHECK(inside_target_node(&c, "nvidia0", makedev(195, 0), dev_mount(&c) + 1, &fd, &seen, &err) < 0);
	CHECK_INT(err.code, ERR_TARGET);
	snprintf(path, sizeof(path), "%s/dev/nvidia0", dir);
	CHECK(access(path, F_OK) < 0);
	snprintf(path, sizeof(path), "%s/volume/nvidia0", dir);
	CHECK(access(path, F_OK) < 0);
	snprintf(path, sizeof(path), "%s/volume/dri", dir);
	CHECK(access(path, F_OK) < 0);
	container_close(&c);
}

TEST(directory_targets)
{
	const char *dir = tap_tmpdir();
	struct container c = container_at(dir);
	struct err err = ERR_INIT;
	char path[4096];
	int fd;

	fd = inside_target_dir(&c, "/usr/local/nvidia", false, &seen, &err);
	CHECK(fd >= 0);
	fd_close(fd);
	tap_write(dir, "usr/local/cuda", "a file");
	CHECK_INT(inside_target_dir(&c, "/usr/local/cuda", false, &seen, &err), -ENOTDIR);
	CHECK_INT(err.code, ERR_TARGET);
	snprintf(path, sizeof(path), "%s/usr/local/link", dir);
	CHECK_INT(symlink("nvidia", path), 0);
	CHECK_INT(inside_target_dir(&c, "/usr/local/link", false, &seen, &err), -ENOTDIR);
	container_close(&c);
}

static void make_socket(const char *dir, const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", dir, name);
	CHECK_INT(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
}

TEST(ipc_targets)
{
	static const struct {
		const char *path;
		mode_t mode;
		enum err_code code; /* ERR_NONE: a target */
	} t[] = {
		{ "/run/made/socket", S_IFSOCK, ERR_NONE },   { "/run/made/socket", S_IFSOCK, ERR_NONE },
		{ "/run/file", S_IFSOCK, ERR_NONE },	      { "/run/other", S_IFSOCK, ERR_NONE },
		{ "/run/made", S_IFDIR, ERR_NONE },	      { "/run/new", S_IFDIR, ERR_NONE },
		{ "/run/made", S_IFSOCK, ERR_TARGET },	      { "/run/fifo", S_IFSOCK, ERR_TARGET },
		{ "/run/link", S_IFSOCK, ERR_TARGET },	      { "/run/file/x", S_IFSOCK, ERR_TARGET },
		{ "/run/file", S_IFDIR, ERR_TARGET },	      { "/run/file/x", S_IFDIR, ERR_TARGET },
		{ "/run/link/socket", S_IFSOCK, ERR_TARGET }, { "/run/link", S_IFDIR, ERR_TARGET },
	};
	const char *dir = tap_tmpdir();
	struct container c = container_at(dir);
	char path[4096];

	tap_write(dir, "run/file", "");
	make_socket(dir, "run/other");
	snprintf(path, sizeof(path), "%s/run/fifo", dir);
	CHECK_INT(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/run/link", dir);
	CHECK_INT(symlink("nowhere", path), 0);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct err err = ERR_INIT;
		int fd = inside_target_ipc(&c, t[i].path, t[i].mode, &seen, &err);

		tap_check_int(err.code, t[i].code, __FILE__, __LINE__, t[i].path);
		tap_check_int(fd >= 0, t[i].code == ERR_NONE, __FILE__, __LINE__, t[i].path);
		fd_close(fd);
	}
	container_close(&c);
}

static const char *link_text(const struct container *c, const char *path)
{
	static char text[128];
	ssize_t n = readlinkat(c->rootfd, path, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

TEST(links_in_dev)
{
	static const char name[] = "dri/by-path/pci-0000:01:00.0-card";
	const char *dir = tap_tmpdir();
	struct container c = container_at(dir);
	struct err err = ERR_INIT;

	tap_write(dir, "dev/x", "");
	CHECK_INT(inside_dev_link(&c, name, "../card0", dev_mount(&c), &err), 0);
	CHECK_STR(link_text(&c, "dev/dri/by-path/pci-0000:01:00.0-card"), "../card0");
	/* What stands there already is the host's, or an earlier hook's. */
	CHECK_INT(inside_dev_link(&c, name, "../card1", dev_mount(&c), &err), 0);
	CHECK_STR(link_text(&c, "dev/dri/by-path/pci-0000:01:00.0-card"), "../card0");
	/* Where /dev is no file system of its own, the root's is. */
	CHECK_INT(inside_dev_link(&c, "dri/by-path/pci-0000:01:00.0-render", "../renderD128", 0, &err), 0);
	CHECK_STR(link_text(&c, "dev/dri/by-path/pci-0000:01:00.0-render"), "../renderD128");
	CHECK_INT(inside_dev_link(&c, "x/y", "z", 0, &err), -ENOTDIR);
	CHECK_INT(err.code, ERR_TARGET);
	container_close(&c);
}

/* Another one was quicker: what it made is looked at, and used where it is an empty file. */
TEST(a_target_that_appears_meanwhile)
{
	const char *dir = tap_tmpdir();
	struct container c = container_at(dir);
	struct err err = ERR_INIT;
	int fd = -1;

	tap_write(dir, "dev/nvidia0", "");
	faults_arm("openat2", 1, ENOENT);
	CHECK_INT(inside_target_node(&c, "nvidia0", makedev(195, 0), 0, &fd, &seen, &err), INSIDE_NODE_TARGET);
	CHECK_INT(faults_disarm(), 1);
	CHECK(fd >= 0);
	fd_close(fd);
	/* And one that cannot be made is told as that. */
	faults_arm("openat2", 3, EROFS);
	CHECK_INT(inside_target_node(&c, "nvidia1", makedev(195, 1), 0, &fd, &seen, &err), -EROFS);
	CHECK_INT(faults_disarm(), 1);
	CHECK_INT(err.code, ERR_WRITE);
	container_close(&c);
}

static int follow(const struct container *c, const char *dir, const char *target, struct err *err)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/usr/local/cuda", dir);
	unlink(path);
	CHECK_INT(symlink(target, path), 0);
	*err = (struct err)ERR_INIT;
	return inside_target_dir(c, "/usr/local/cuda", true, &seen, err);
}

static int links_to_a_version(const char *dir)
{
	static const char *const good[] = { "cuda-12.4", "/usr/local/cuda-12.4", "/etc/alternatives/cuda",
					    "./cuda-12.4/." };
	static const char *const bad[] = { "/",
					   ".",
					   "..",
					   "/usr",
					   "../../etc",
					   "cuda-12.4/lib64",
					   "none",
					   "file",
					   "cuda",
					   "/proc/self/root/usr/local/cuda-12.4",
					   "../../../../tmp" };
	struct container c = container_at(dir);
	struct err err;
	struct stat want, st;
	char path[4096];
	bool ok = true;
	int fd;

	tap_write(dir, "usr/local/cuda-12.4/lib64/x", "");
	tap_write(dir, "usr/local/volume/x", "");
	tap_write(dir, "usr/local/file", "");
	tap_write(dir, "etc/alternatives/x", "");
	snprintf(path, sizeof(path), "%s/etc/alternatives/cuda", dir);
	CHECK_INT(symlink("/usr/local/cuda-12.4", path), 0);
	snprintf(path, sizeof(path), "%s/usr/local/volume", dir);
	CHECK_INT(mount("tmpfs", path, "tmpfs", 0, NULL), 0);
	CHECK_INT(fstatat(c.rootfd, "usr/local/cuda-12.4", &want, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		fd = follow(&c, dir, good[i], &err);
		ok &= CHECK(fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == want.st_ino);
		fd_close(fd);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ok &= tap_check_int(follow(&c, dir, bad[i], &err) < 0 ? err.code : 0, ERR_TARGET, __FILE__, __LINE__,
				    bad[i]);
	ok &= CHECK_INT(follow(&c, dir, "volume", &err), -EXDEV);
	ok &= CHECK_INT(err.code, ERR_FOREIGN_MOUNT);
	ok &= CHECK_INT(inside_target_dir(&c, "/usr/local/cuda", false, &seen, &err), -ENOTDIR);
	container_close(&c);
	return ok ? 0 : 1;
}

/* The very directory beside the link, but seen through another mount; and a link on a volume that leads off it. */
static int links_across_mounts(const char *dir)
{
	struct container c = container_at(dir);
	struct err err = ERR_INIT;
	char at[4096], from[4096];
	bool ok;

	tap_write(dir, "usr/local/x", "");
	tap_write(dir, "opt/cuda-12.4/x", "");
	snprintf(at, sizeof(at), "%s/usr/local", dir);
	snprintf(from, sizeof(from), "%s/opt", dir);
	CHECK_INT(mount(from, at, NULL, MS_BIND, NULL), 0);
	ok = CHECK_INT(follow(&c, dir, "/opt/cuda-12.4", &err), -ELOOP);
	ok &= CHECK_INT(err.code, ERR_TARGET);
	ok &= CHECK_INT(caps_restore(&err), 0);
	ok &= CHECK(umount(at) == 0 && mount("tmpfs", at, "tmpfs", 0, NULL) == 0);
	ok &= CHECK_INT(follow(&c, dir, "/opt/cuda-12.4", &err), -ELOOP);
	ok &= CHECK_INT(err.code, ERR_TARGET);
	container_close(&c);
	return ok ? 0 : 1;
}

TEST(a_link_across_mounts)
{
	in_mount_namespace(links_across_mounts, tap_tmpdir());
}

TEST(a_link_to_a_version)
{
	in_mount_namespace(links_to_a_version, tap_tmpdir());
}

/* With its /dev held: nodes are made there and nowhere else, whatever has been put into its place since. */
TEST(a_held_dev)
{
	const char *dir = tap_tmpdir();
	struct container c = container_at(dir);
	struct err err = ERR_INIT;
	char from[4096], to[4100];
	uint64_t own;
	int fd = -1;

	container_hold_dev(&c);
	CHECK(c.dev < 0);
	tap_write(dir, "dev/x", "");
	faults_arm("statx", 1, EIO);
	container_hold_dev(&c);
	CHECK_INT(faults_disarm(), 1);
	CHECK(c.dev < 0);
	container_hold_dev(&c);
	REQUIRE(c.dev >= 0);
	own = c.dev_mount;
	snprintf(from, sizeof(from), "%s/dev", dir);
	snprintf(to, sizeof(to), "%s.old", from);
	CHECK_INT(rename(from, to), 0);
	for (int again = 0; again < 2; again++) {
		CHECK_INT(inside_target_node(&c, "nvidia0", makedev(195, 0), own, &fd, &seen, &err),
			  INSIDE_NODE_TARGET);
		fd_close(fd);
		CHECK_INT(inside_target_node(&c, "nvidia-caps/nvidia-cap1", makedev(510, 1), own, &fd, &seen, &err),
			  INSIDE_NODE_TARGET);
		fd_close(fd);
	}
	/* As where something is mounted on it. */
	faults_arm("openat2", 1, EXDEV);
	CHECK_INT(inside_target_node(&c, "nvidia0", makedev(195, 0), own, &fd, &seen, &err), INSIDE_NODE_TARGET);
	CHECK_INT(faults_disarm(), 1);
	fd_close(fd);
	CHECK_INT(inside_dev_link(&c, "link", "x", own, &err), 0);
	CHECK(has(dir, "dev.old/nvidia0", "") && has(dir, "dev.old/nvidia-caps/nvidia-cap1", "") &&
	      has(dir, "dev.old/link", ""));
	CHECK(faccessat(c.rootfd, "dev", F_OK, 0) < 0);
	/* One that it was not seen to have is not used, and there is none in its place. */
	CHECK(inside_target_node(&c, "nvidia1", makedev(195, 1), own + 1, &fd, &seen, &err) < 0);
	CHECK_INT(err.code, ERR_TARGET);
	CHECK_INT(inside_target_node(&c, "nvidia1", makedev(195, 1), 0, &fd, &seen, &err), INSIDE_NODE_TARGET);
	fd_close(fd);
	CHECK(has(dir, "dev/nvidia1", ""));
	/* It is there now, on another mount than it should be; nothing says that this one is no file system of the kernel's. */
	CHECK_INT(inside_target_node(&c, "nvidia1", makedev(195, 1), own + 1, &fd, &seen, &err), INSIDE_NODE_TARGET);
	fd_close(fd);
	container_close(&c);
	CHECK_INT(caps_restore(&err), 0);
}

TEST(a_directory_that_appears_meanwhile)
{
	static const struct {
		const char *call;
		unsigned nth;
		int errnum, r;
		enum err_code code;
	} rows[] = {
		{ "mkdirat", 1, EROFS, -EROFS, ERR_WRITE },
		{ "openat2", 3, EMFILE, -EMFILE, ERR_TARGET },
	};
	const char *dir = tap_tmpdir();
	struct container c = container_at(dir);
	struct err err = ERR_INIT;
	int fd;

	tap_write(dir, "usr/local/nvidia/x", "");
	faults_arm("openat2", 1, ENOENT);
	fd = inside_target_dir(&c, "/usr/local/nvidia", false, &seen, &err);
	CHECK_INT(faults_disarm(), 1);
	CHECK(fd >= 0);
	fd_close(fd);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		faults_arm(rows[i].call, rows[i].nth, rows[i].errnum);
		CHECK_INT(inside_target_dir(&c, "/usr/local/other", false, &seen, &err), rows[i].r);
		CHECK_INT(faults_disarm(), 1);
		CHECK_INT(err.code, rows[i].code);
	}
	container_close(&c);
	CHECK_INT(caps_restore(&err), 0);
}
