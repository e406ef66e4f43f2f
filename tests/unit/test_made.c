/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/made.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/container.h"
#include "apply/inside.h"
#include "base/fd.h"
#include "base/path.h"
#include "sandbox.h"
#include "tap.h"

/* What the targets are is looked at in test_apply. */
static struct path_facts seen;

static bool there(const char *dir, const char *path)
{
	char full[4200];
	struct stat st;

	snprintf(full, sizeof(full), "%s%s", dir, path);
	return lstat(full, &st) == 0;
}

static int remake(const char *dir, const char *path)
{
	char full[4200], old[4300];

	snprintf(full, sizeof(full), "%s%s", dir, path);
	snprintf(old, sizeof(old), "%s.old", full);
	/* Kept under another name, so that the new one gets another inode. */
	if (rename(full, old) < 0)
		return -1;
	return close(open(full, O_CREAT | O_EXCL | O_WRONLY, 0600));
}

static struct container container_at(const char *dir, struct made *made)
{
	struct container c = CONTAINER_INIT;

	c.rootfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	c.uid = geteuid();
	c.gid = getegid();
	*made = (struct made)MADE_INIT(c.rootfd);
	c.made = made;
	return c;
}

TEST(what_was_made_is_taken_away_and_nothing_else)
{
	const char *dir = tap_tmpdir();
	struct made made;
	struct container c = container_at(dir, &made);
	struct err err = ERR_INIT;
	cleanup_fd int a = -EBADF, b = -EBADF;

	tap_write(dir, "etc/mine", "x");
	a = inside_target_dir(&c, "/usr/local/nvidia", false, &seen, &err);
	b = inside_target_ipc(&c, "/run/x/socket", S_IFSOCK, &seen, &err);
	CHECK(a >= 0 && b >= 0);
	CHECK_INT(inside_write(&c, "/etc/new", "x", 1, &err), 0);
	CHECK_INT(inside_write(&c, "/etc/mine", "y", 1, &err), 0);
	CHECK_INT(inside_link(&c, "/opt/bin/link", "/x", &err), 0);
	CHECK(there(dir, "/usr/local/nvidia") && there(dir, "/run/x/socket") && there(dir, "/opt/bin/link"));
	made_undo(&made);
	CHECK(!there(dir, "/usr") && !there(dir, "/run") && !there(dir, "/opt") && !there(dir, "/etc/new"));
	CHECK(there(dir, "/etc/mine"));
	made_free(&made);
	container_close(&c);
}

TEST(what_others_put_there_since_stays)
{
	const char *dir = tap_tmpdir();
	struct made made;
	struct container c = container_at(dir, &made);
	struct err err = ERR_INIT;

	CHECK_INT(inside_write(&c, "/a/file", "x", 1, &err), 0);
	CHECK_INT(inside_write(&c, "/b/file", "x", 1, &err), 0);
	CHECK_INT(inside_write(&c, "/c/d/file", "x", 1, &err), 0);
	tap_write(dir, "a/theirs", "x");
	CHECK_INT(remake(dir, "/b/file"), 0);
	made_undo(&made);
	CHECK(there(dir, "/a/theirs") && !there(dir, "/a/file"));
	CHECK(there(dir, "/b/file"));
	CHECK(!there(dir, "/c"));
	made_free(&made);
	container_close(&c);
}

TEST(nowhere_to_note)
{
	const char *dir = tap_tmpdir();
	struct made made;
	struct container c = container_at(dir, &made);
	struct err err = ERR_INIT;

	made_note_at(NULL, "/x", c.rootfd, "");
	made_note_at(&made, "/not/there", -ENOENT, "");
	CHECK_INT(made.n, 0);
	c.made = NULL;
	CHECK_INT(inside_write(&c, "/etc/new", "x", 1, &err), 0);
	CHECK_INT(made.n, 0);
	made_undo(&made);
	CHECK(there(dir, "/etc/new"));
	made_free(&made);
	container_close(&c);
}

static void count(void *data, const char *path, int fd)
{
	struct stat st;
	char *all = data;

	strcat(strcat(all, path), fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? " " : "? ");
}

TEST(each_directory_is_told_once)
{
	const char *dir = tap_tmpdir();
	cleanup_fd int root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -EBADF, again = -EBADF;
	struct err err = ERR_INIT;
	char all[256] = "";

	tap_write(dir, "x/y", "");
	fd = path_make_dir_noting(root, "/x/../x/a//b/c", count, all, &err);
	CHECK(fd >= 0);
	again = path_make_dir_noting(root, "/x/a/b/c", count, all, &err);
	CHECK(again >= 0);
	CHECK_STR(all, "/x/a /x/a/b /x/a/b/c ");
	CHECK(path_make_dir_noting(root, "/x/y/z", count, all, &err) < 0);
	CHECK_STR(all, "/x/a /x/a/b /x/a/b/c ");
}

/* Notes as a start does; after the first one somebody puts /b in the place of /a. */
static void note_and_exchange(void *data, const char *path, int fd)
{
	struct made *m = data;

	if (m->n == 0) {
		CHECK_INT(renameat(m->rootfd, "a", m->rootfd, "old"), 0);
		CHECK_INT(renameat(m->rootfd, "b", m->rootfd, "a"), 0);
	}
	made_note_at(m, path, fd, "");
}

TEST(what_has_come_into_the_way_is_not_noted)
{
	const char *dir = tap_tmpdir();
	struct made made;
	struct container c = container_at(dir, &made);
	struct err err = ERR_INIT;
	cleanup_fd int fd = -EBADF;

	tap_write(dir, "a/x", "");
	tap_write(dir, "b/c/d/x", "");
	CHECK_INT(unlinkat(c.rootfd, "b/c/d/x", 0), 0);
	fd = path_make_dir_noting(c.rootfd, "/a/c/d", note_and_exchange, &made, &err);
	CHECK(fd >= 0 && there(dir, "/old/c/d"));
	CHECK_INT(made.n, 2);
	made_undo(&made);
	CHECK(there(dir, "/a/c/d"));
	made_free(&made);
	container_close(&c);
}

/* The same directory by a mount of its own, as a volume that somebody puts there meanwhile. */
static int seen_through_another_mount(const char *dir)
{
	struct made made;
	struct container c = container_at(dir, &made);
	struct err err = ERR_INIT;
	char path[4200];
	bool ok;

	tap_write(dir, "etc/x", "");
	ok = CHECK_INT(inside_write(&c, "/etc/new", "x", 1, &err), 0);
	snprintf(path, sizeof(path), "%s/etc", dir);
	ok &= CHECK_INT(caps_restore(&err), 0);
	ok &= CHECK_INT(mount(path, path, NULL, MS_BIND, NULL), 0);
	made_undo(&made);
	ok &= CHECK(there(dir, "/etc/new"));
	ok &= CHECK_INT(umount(path), 0);
	made_undo(&made);
	ok &= CHECK(!there(dir, "/etc/new"));
	made_free(&made);
	return ok ? 0 : 1;
}

TEST(nothing_is_taken_from_another_mount)
{
	in_mount_namespace(seen_through_another_mount, tap_tmpdir());
}
