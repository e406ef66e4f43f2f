/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "faults.h"
#include "tap.h"

TEST(texts)
{
	static const struct {
		const char *in, *out;
	} norm[] = {
		{ "/", "/" },	      { "//", "/" },	      { "/a/b", "/a/b" },   { "/a//b/", "/a/b" },
		{ "/a/./b", "/a/b" }, { "/a/../b", "/b" },    { "/../../a", "/a" }, { "/a/b/../..", "/" },
		{ "/...", "/..." },   { "/a/..b", "/a/..b" }, { "/.", "/" },	    { "/.a/b", "/.a/b" },
	};
	char buf[64];

	for (size_t i = 0; i < ARRAY_SIZE(norm); i++) {
		CHECK_INT(path_normalize(norm[i].in, buf, sizeof(buf)), 0);
		CHECK_STR(buf, norm[i].out);
	}
	CHECK_INT(path_normalize("a", buf, sizeof(buf)), -EINVAL);
	CHECK_INT(path_normalize("", buf, sizeof(buf)), -EINVAL);
	CHECK_INT(path_normalize("/12345", buf, 6), -ENAMETOOLONG);
	CHECK_INT(path_normalize("/", buf, 1), -ENAMETOOLONG);
	CHECK_INT(path_normalize("/1234", buf, 6), 0);
	CHECK_STR(path_base("/a/b"), "b");
	CHECK_STR(path_base("b"), "b");
	CHECK_STR(path_base("/a/"), "");
	CHECK_INT(path_parent("/a/b", buf, sizeof(buf)), 0);
	CHECK_STR(buf, "/a");
	CHECK_INT(path_parent("/a", buf, sizeof(buf)), 0);
	CHECK_STR(buf, "/");
	CHECK_INT(path_parent("/a//b", buf, sizeof(buf)), 0);
	CHECK_STR(buf, "/a");
	CHECK_INT(path_parent("a", buf, sizeof(buf)), 0);
	CHECK_STR(buf, ".");
	CHECK_INT(path_parent("/abc/d", buf, 4), -ENAMETOOLONG);
	CHECK(path_is_below("/a/b", "/a"));
	CHECK(path_is_below("/a", "/a"));
	CHECK(path_is_below("/a", "/"));
	CHECK(!path_is_below("/ab", "/a"));
	CHECK(!path_is_below("/", "/a"));
	CHECK(path_is_below("a", "a") && !path_is_below("/a", "a"));
}

/* Every text of up to seven of these characters, and the longest. */
TEST(normal_is_what_normalizing_leaves_alone)
{
	static const char of[] = "/.a";
	char s[PATH_MAX + 1] = "", buf[PATH_MAX];
	unsigned wrong = 0;

	for (unsigned n = 0; n < 4 * 4 * 4 * 4 * 4 * 4 * 4; n++) {
		for (unsigned i = 0, left = n; i < 7; i++, left /= 4)
			s[i] = of[left % 4];
		wrong += path_is_normal(s) != (path_normalize(s, buf, sizeof(buf)) == 0 && str_eq(s, buf));
	}
	CHECK_INT(wrong, 0);
	memset(s, 'a', PATH_MAX);
	s[0] = '/';
	CHECK(!path_is_normal(s));
	s[PATH_MAX - 1] = '\0';
	CHECK(path_is_normal(s) && path_normalize(s, buf, sizeof(buf)) == 0);
}

/* A root with links that would leave it; beside it, not below, the file that nothing may reach. */
static int make_root(const char **ret_dir)
{
	const char *dir = tap_tmpdir();
	char path[300];
	int fd;

	tap_write(dir, "secret", "outside");
	tap_write(dir, "root/etc/inside", "in");
	tap_write(dir, "root/usr/lib/x", "");
	snprintf(path, sizeof(path), "%s/root", dir);
	fd = fd_open_dir(path);
	if (fd < 0)
		return fd;
	snprintf(path, sizeof(path), "%s/secret", dir);
	if (symlinkat(path, fd, "absolute") < 0 || symlinkat("../../../../../../../secret", fd, "up") < 0 ||
	    symlinkat("../secret", fd, "one-up") < 0 || symlinkat("loop", fd, "loop") < 0 ||
	    symlinkat("usr/lib", fd, "lib") < 0 || symlinkat("/etc", fd, "etc-link") < 0 ||
	    symlinkat("nowhere", fd, "dangling") < 0 || symlinkat("/proc/self/root", fd, "magic") < 0)
		return -errno;
	*ret_dir = dir;
	return fd;
}

static int try_open(int root, const char *path, int flags)
{
	int fd = path_open(root, path, flags);

	fd_close(fd);
	return fd < 0 ? fd : 0;
}

static int open_beneath(int root, const char *path)
{
	int fd = path_open_beneath(root, path, O_RDONLY);

	fd_close(fd);
	return fd < 0 ? fd : 0;
}

/* What stands there is never opened, neither it nor what it leads to. */
TEST(a_file_that_is_created_is_new)
{
	const char *dir;
	cleanup_fd int root = make_root(&dir), fd = -EBADF;
	struct path_facts f;

	REQUIRE(root >= 0);
	umask(022);
	fd = path_create(root, "new", 0666);
	CHECK_INT(path_look(fd, "", &f), 0);
	CHECK(S_ISREG(f.mode) && (f.mode & 07777) == 0644 && f.size == 0);
	CHECK_INT(write(fd, "x", 1), -1);
	CHECK_INT(path_create(root, "new", 0666), -EEXIST);
	CHECK_INT(path_create(root, "etc", 0666), -EEXIST);
	CHECK_INT(path_create(root, "dangling", 0666), -EEXIST);
	CHECK_INT(path_create(root, "../new", 0666), -EXDEV);
	CHECK_INT(path_create(root, "etc-link/new", 0666), -ELOOP);
	CHECK_INT(path_look(root, "nowhere", &f), -ENOENT);
}

TEST(nothing_leaves_the_root)
{
	const char *dir;
	cleanup_fd int root = make_root(&dir);
	cleanup_fd int inside = -EBADF;

	REQUIRE(root >= 0);
	CHECK_INT(try_open(root, "/etc/inside", O_RDONLY), 0);
	CHECK_INT(try_open(root, "etc/inside", O_PATH), 0);
	CHECK_INT(try_open(root, "/../../etc/inside", O_PATH), 0);
	CHECK_INT(try_open(root, "/etc-link/inside", O_PATH), 0);
	CHECK_INT(try_open(root, "/lib/x", O_PATH), 0);
	CHECK_INT(try_open(root, "/absolute", O_PATH), -ENOENT);
	CHECK_INT(try_open(root, "/up", O_PATH), -ENOENT);
	CHECK_INT(try_open(root, "/one-up", O_PATH), -ENOENT);
	CHECK_INT(try_open(root, "/../secret", O_PATH), -ENOENT);
	CHECK_INT(try_open(root, "/loop", O_PATH), -ELOOP);
	CHECK_INT(try_open(root, "/dangling", O_PATH), -ENOENT);
	CHECK_INT(try_open(root, "/dangling", O_PATH | O_NOFOLLOW), 0);
	CHECK_INT(try_open(root, "/magic/etc", O_PATH), -ENOENT);
	CHECK_INT(try_open(root, "/etc/inside/x", O_PATH), -ENOTDIR);
	CHECK_INT(try_open(root, "", O_PATH), -ENOENT);
	/* A path that the kernel wrote has nothing that needs resolving. */
	CHECK_INT(open_beneath(root, "etc/inside"), 0);
	CHECK_INT(open_beneath(root, "."), 0);
	CHECK_INT(open_beneath(root, "/etc/inside"), -EXDEV);
	CHECK_INT(open_beneath(root, "../root/etc/inside"), -EXDEV);
	CHECK_INT(open_beneath(root, "lib/x"), -ELOOP);
	CHECK_INT(open_beneath(root, "magic/etc"), -ELOOP);
	inside = path_open(root, "/etc", O_PATH | O_DIRECTORY);
	CHECK(inside >= 0 && (fcntl(inside, F_GETFD) & FD_CLOEXEC));
}

TEST(making_directories)
{
	static const struct {
		const char *path, *where;
	} good[] = {
		{ "/usr/local/nvidia/lib64", "usr/local/nvidia/lib64" },
		{ "/lib/firmware/nvidia", "usr/lib/firmware/nvidia" },
		{ "/etc-link/ld.so.conf.d", "etc/ld.so.conf.d" },
		{ "/../../new", "new" },
		{ "/", "." },
	};
	static const struct {
		const char *path;
		enum err_code code;
	} bad[] = {
		{ "/loop/x", ERR_TARGET },     { "/dangling/x", ERR_TARGET },	{ "/dangling", ERR_TARGET },
		{ "/etc/inside", ERR_TARGET }, { "/etc/inside/x", ERR_TARGET }, { "/up/x", ERR_TARGET },
		{ "/absolute/x", ERR_TARGET }, { "usr/local", ERR_TARGET },	{ "", ERR_TARGET },
	};
	const char *dir;
	cleanup_fd int root = make_root(&dir);
	struct err err = ERR_INIT;
	struct stat a, b;

	REQUIRE(root >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		cleanup_fd int fd = path_make_dir(root, good[i].path, &err);

		if (!CHECK(fd >= 0))
			printf("# %s: %s\n", good[i].path, err.what);
		CHECK(fstat(fd, &a) == 0 && fstatat(root, good[i].where, &b, AT_SYMLINK_NOFOLLOW) == 0);
		CHECK_INT(a.st_ino, b.st_ino);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		err = (struct err)ERR_INIT;
		tap_check(path_make_dir(root, bad[i].path, &err) < 0, __FILE__, __LINE__, bad[i].path);
		tap_check_int(err.code, bad[i].code, __FILE__, __LINE__, bad[i].path);
	}
	CHECK_INT(path_make_dir(-EBADF, "/x", &err), -EBADF);
}

TEST(mount_ids)
{
	cleanup_fd int root = open("/", O_PATH | O_CLOEXEC), proc = open("/proc", O_PATH | O_CLOEXEC);
	uint64_t a = 0, b = 0;

	CHECK_INT(path_mount_id(root, &a), 0);
	CHECK_INT(path_mount_id(proc, &b), 0);
	CHECK(a != b);
	CHECK_INT(path_mount_id(-1, &a), -EBADF);
}

/* A kernel that cannot say where an fd lies must not be taken for one that says "there". */
TEST(a_kernel_without_mount_ids)
{
	cleanup_fd int root = open("/", O_PATH | O_CLOEXEC);
	struct path_facts facts;
	uint64_t id = 7;

	faults_arm("statx", 1, 0);
	CHECK_INT(path_mount_id(root, &id), -ENOSYS);
	CHECK_INT(faults_disarm(), 1);
	faults_arm("statx", 1, 0);
	CHECK_INT(path_look(root, "etc", &facts), -ENOSYS);
	CHECK_INT(faults_disarm(), 1);
	CHECK_INT(path_look(root, "not-there", &facts), -ENOENT);
	CHECK_INT(path_look(root, "", &facts), 0);
	CHECK(S_ISDIR(facts.mode) && facts.mount != 0);
	CHECK_INT(id, 7);
}

TEST(the_walk_is_tried_again_and_given_up)
{
	const char *dir;
	cleanup_fd int root = make_root(&dir);

	REQUIRE(root >= 0);
	faults_arm("openat2", 1, EAGAIN);
	CHECK_INT(try_open(root, "/etc/inside", O_PATH), 0);
	CHECK_INT(faults_disarm(), 1);
	faults_arm("openat2", 1, EINTR);
	CHECK_INT(try_open(root, "/etc/inside", O_PATH), 0);
	CHECK_INT(faults_disarm(), 1);
	faults_arm_from("openat2", 1, EAGAIN);
	CHECK_INT(try_open(root, "/etc/inside", O_PATH), -EAGAIN);
	CHECK(faults_disarm() > 64);
	/* The next walk has its own time. */
	faults_arm("openat2", 1, EAGAIN);
	CHECK_INT(try_open(root, "/etc/inside", O_PATH), 0);
	CHECK_INT(faults_disarm(), 1);
}

/* Each call that making directories needs fails in turn: never a directory, always an error with its reason. */
TEST(making_directories_where_a_call_fails)
{
	static const struct {
		const char *call;
		unsigned nth;
		int errnum;
		enum err_code code;
	} t[] = {
		{ "openat2", 1, ENOSYS, ERR_KERNEL },
		/* What the first, that of the whole path, says else is found out again part by part. */
		{ "openat2", 2, EMFILE, ERR_TARGET },
		{ "openat2", 3, ENOSYS, ERR_KERNEL },
		{ "openat2", 4, EACCES, ERR_TARGET },
		{ "mkdirat", 1, EROFS, ERR_WRITE },
		{ "mkdirat", 1, ENOSPC, ERR_WRITE },
		/* Somebody made it, and took it away again. */
		{ "mkdirat", 1, EEXIST, ERR_TARGET },
	};
	const char *dir;
	cleanup_fd int root = make_root(&dir);
	struct stat st;

	REQUIRE(root >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct err err = ERR_INIT;

		faults_arm(t[i].call, t[i].nth, t[i].errnum);
		CHECK(path_make_dir(root, "/usr/made", &err) < 0);
		tap_check_int(faults_disarm(), 1, __FILE__, __LINE__, t[i].call);
		tap_check_int(err.code, t[i].code, __FILE__, __LINE__, t[i].call);
		/* The last component's own open comes behind its mkdir. */
		if (fstatat(root, "usr/made", &st, AT_SYMLINK_NOFOLLOW) == 0)
			CHECK(str_eq(t[i].call, "openat2") && t[i].nth == 4 &&
			      unlinkat(root, "usr/made", AT_REMOVEDIR) == 0);
	}
}

/* In a child: what fails is told by its line. */
#define MUST(expr) \
	do { \
		if (!(expr)) { \
			printf("# %s:%d: failed in the child: %s\n", __FILE__, __LINE__, #expr); \
			tap_exit(1); \
		} \
	} while (0)
enum { NO_NAMESPACE = 77 };

static void in_own_namespace(const char *dir)
{
	struct err err = ERR_INIT;
	char path[300];
	int fd, root;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		tap_exit(NO_NAMESPACE);
	/* An fd from before would still lead through the old namespace. */
	snprintf(path, sizeof(path), "%s/root", dir);
	root = fd_open_dir(path);
	MUST(root >= 0);
	MUST(mkdirat(root, "vol", 0755) == 0 && mkdirat(root, "proc", 0755) == 0);
	MUST(symlinkat("vol", root, "to-vol") == 0);
	snprintf(path, sizeof(path), "%s/root/vol", dir);
	if (mount("tmpfs", path, "tmpfs", 0, NULL) < 0)
		tap_exit(NO_NAMESPACE);
	snprintf(path, sizeof(path), "%s/root/proc", dir);
	MUST(mount("/proc", path, NULL, MS_BIND | MS_REC, NULL) == 0);
	MUST(mkdirat(root, "vol/there", 0755) == 0);

	/* On a volume nothing is made, in a directory that is there either; on the way through it to the root again it is. */
	MUST(symlinkat("/etc", root, "vol/to-etc") == 0);
	MUST(path_make_dir(root, "/vol/there", &err) == -EXDEV && err.code == ERR_FOREIGN_MOUNT);
	MUST(path_make_dir(root, "/vol", &err) == -EXDEV && err.code == ERR_FOREIGN_MOUNT);
	faults_arm_from("statx", 1, EIO);
	MUST(path_make_dir(root, "/vol/there", &err) == -EIO && err.code == ERR_TARGET);
	faults_disarm();
	faults_arm_from("statx", 1, 0);
	MUST(path_make_dir(root, "/vol/there", &err) == -ENOSYS && err.code == ERR_KERNEL);
	MUST(strstr(err.what, "statx"));
	faults_disarm();
	fd = path_make_dir(root, "/vol/to-etc/made/below", &err);
	MUST(fd >= 0);
	close(fd);
	fd = path_open(root, "/etc/made/below", O_PATH | O_DIRECTORY);
	MUST(fd >= 0);
	close(fd);
	MUST(path_make_dir(root, "/vol/new", &err) == -EXDEV && err.code == ERR_FOREIGN_MOUNT);
	MUST(path_make_dir(root, "/vol/there/new", &err) == -EXDEV && err.code == ERR_FOREIGN_MOUNT);
	MUST(path_make_dir(root, "/to-vol/new", &err) == -EXDEV && err.code == ERR_FOREIGN_MOUNT);
	MUST(str_eq(err.what, "/to-vol/new"));
	MUST(path_open(root, "vol/new", O_PATH) == -ENOENT);
	MUST(path_open_same_mount(root, "/vol/there", O_PATH) == -EXDEV);
	MUST(path_open_beneath(root, "vol/there", O_PATH) == -EXDEV);
	MUST(path_open_same_mount(root, "/to-vol", O_PATH) == -EXDEV);
	fd = path_open_same_mount(root, "/etc/inside", O_PATH);
	MUST(fd >= 0);
	MUST(path_create(root, "vol/made", 0600) == -EXDEV);
	MUST(path_create(root, "vol", 0600) == -EXDEV);

	/* Links of procfs lead anywhere: none is followed. */
	MUST(path_open(root, "/proc/self/root/etc", O_PATH) == -ELOOP);
	MUST(path_open(root, "/proc/self/cwd", O_PATH) == -ELOOP);
	MUST(path_open(root, "/proc/self/fd/0", O_PATH) == -ELOOP);
	MUST(path_open(root, "/magic/etc", O_PATH) == -ELOOP);
	MUST(path_make_dir(root, "/magic/tmp/new", &err) == -ELOOP && err.code == ERR_TARGET);
	MUST(path_make_dir(root, "/proc/self/root/new", &err) < 0 && err.code == ERR_TARGET);
	tap_exit(0);
}

TEST(volumes_and_magic_links)
{
	const char *dir;
	cleanup_fd int root = make_root(&dir);
	int status = 0;
	pid_t pid;

	REQUIRE(root >= 0);
	fflush(stdout);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0)
		in_own_namespace(dir);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_NAMESPACE) {
		tap_skip("needs root, for a mount namespace of its own");
		return;
	}
	CHECK_INT(status, 0);
}
