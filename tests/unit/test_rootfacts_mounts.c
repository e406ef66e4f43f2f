/* SPDX-License-Identifier: Apache-2.0 */
/* rootfacts.c on roots with volumes: in mount namespaces of the tests' own. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "fake_root.h"
#include "tap.h"

/* Runs fn in a child with a mount namespace of its own. */
static void in_namespace(void (*fn)(struct fixture *f), struct fixture *f)
{
	int status = -1;
	pid_t pid;

	if (geteuid() != 0) {
		tap_skip("needs root");
		return;
	}
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		/* The parent counts failures, so a child tells its own by its status. */
		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(77);
		/* The fd from before belongs to the other namespace's mounts. */
		fd_close(f->root);
		f->root = fd_open_dir(f->dir);
		fn(f);
		_exit(1);
	}
	REQUIRE(pid > 0);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		tap_skip("mount namespaces are not permitted");
	else
		CHECK_INT(status, 0);
}

/* CHECKs of a child are lost with it; these end it. */
#define MUST(expr) \
	do { \
		if (!(expr)) { \
			printf("# %s:%d: in the child: %s\n", __FILE__, __LINE__, #expr); \
			fflush(stdout); \
			_exit(1); \
		} \
	} while (0)

static void bind(struct fixture *f, const char *from, const char *to)
{
	cleanup_free char *a = mem_printf("%s/%s", f->dir, from), *b = mem_printf("%s/%s", f->dir, to);

	MUST(mount(a, b, NULL, MS_BIND, NULL) == 0);
}

static void check_volume(struct fixture *f, const char *path, enum rootfacts_kind kind, const char *volume)
{
	const struct rootfacts_path *p = rootfacts_get(&f->facts, path);
	bool same = p->volume && volume ? str_eq(p->volume, volume) : p->volume == volume;

	if (p->kind != kind || p->on_root != !volume || !same)
		printf("# %s: kind %d, on_root %d, volume %s\n", path, p->kind, p->on_root,
		       p->volume ? p->volume : "none");
	MUST(p->kind == kind && p->on_root == !volume && same);
}

static void volumes_in_child(struct fixture *f)
{
	bind(f, "vol", "etc");
	bind(f, "vol", "hidden");
	bind(f, "vol", "usr/local/cuda");
	bind(f, "file", "usr/bin/program");
	MUST(collect(f) == 0);
	check_volume(f, ROOTFACTS_NVIDIA, ROOTFACTS_ABSENT, NULL);
	check_volume(f, ROOTFACTS_CACHE, ROOTFACTS_FILE, "/etc");
	/* A cache that is not the image's says nothing of it. */
	MUST(f->facts.libc == ROOTFACTS_NO_LIBC);
	check_volume(f, ROOTFACTS_CONF_D, ROOTFACTS_DIR, "/etc");
	check_volume(f, "/hidden/x/y", ROOTFACTS_ABSENT, "another mount");
	/* A volume on the very place is one too. */
	check_volume(f, ROOTFACTS_CUDA, ROOTFACTS_DIR, "/usr/local/cuda");
	check_volume(f, "/usr/bin/program", ROOTFACTS_FILE, "another mount");
	check_volume(f, "/usr/bin/other", ROOTFACTS_ABSENT, NULL);
	/* And one that a link leads to. */
	check_volume(f, "/link", ROOTFACTS_LINK, "another mount");
	check_volume(f, "/link/x", ROOTFACTS_ABSENT, "another mount");
	/* A mount that config.json tells of will be there; what it holds is not known, whatever the image has in its place. */
	check_volume(f, "/notmounted/x", ROOTFACTS_ABSENT, "/notmounted");
	MUST(rootfacts_get(&f->facts, "/notmounted/x")->unseen && !rootfacts_get(&f->facts, ROOTFACTS_CACHE)->unseen);
	_exit(0);
}

TEST(volumes)
{
	static const char *const asked[] = {
		"/hidden/x/y", "/usr/bin/program", "/usr/bin/other", "/link", "/link/x", "/notmounted/x",
	};
	struct fixture f cleanup_fixture;

	make_fixture(&f);
	add_dir(&f, "etc");
	add_dir(&f, "hidden");
	add_dir(&f, "usr/local/cuda");
	add_dir(&f, "vol/ld.so.conf.d");
	tap_write(f.dir, "vol/ld.so.cache", "x");
	tap_write(f.dir, "usr/bin/program", "x");
	tap_write(f.dir, "file", "x");
	tap_write(f.dir, "notmounted/x", "x");
	add_link(&f, "hidden", "link");
	for (size_t i = 0; i < ARRAY_SIZE(asked); i++)
		ask(&f, asked[i]);
	set_mounts(&f, "{\"destination\":\"/etc\",\"type\":\"bind\",\"source\":\"/x\"},"
		       "{\"destination\":\"/notmounted\",\"type\":\"bind\",\"source\":\"/x\"},"
		       "{\"destination\":\"/usr/local/cuda\",\"type\":\"bind\",\"source\":\"/x\"}");
	in_namespace(volumes_in_child, &f);
}

static void dev_in_child(struct fixture *f)
{
	cleanup_free char *dev = mem_printf("%s/dev", f->dir), *vol = mem_printf("%s/vol", f->dir);

	/* Said so by config.json, but a directory of the root. */
	MUST(collect(f) == 0);
	MUST(!f->facts.dev_mount);
	MUST(mount("tmpfs", dev, "tmpfs", 0, NULL) == 0);
	MUST(collect(f) == 0);
	MUST(f->facts.dev_mount);
	/* The same file system, but a bind by config.json: it may be the host's. */
	set_mounts(f, "{\"destination\":\"/dev\",\"type\":\"bind\",\"source\":\"/dev\",\"options\":[\"rbind\"]}");
	MUST(collect(f) == 0);
	MUST(!f->facts.dev_mount);
	set_mounts(f, "{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}");
	MUST(mount("proc", dev, "proc", 0, NULL) == 0);
	MUST(collect(f) == 0);
	MUST(!f->facts.dev_mount);
	MUST(umount(dev) == 0 && umount(dev) == 0);
	/* A root that is a tmpfs itself. */
	MUST(mount("tmpfs", vol, "tmpfs", 0, NULL) == 0);
	fd_close(f->root);
	f->root = fd_open_dir(vol);
	MUST(f->root >= 0 && mkdirat(f->root, "dev", 0755) == 0);
	MUST(collect(f) == 0);
	MUST(!f->facts.dev_mount);
	_exit(0);
}

TEST(dev_of_its_own)
{
	struct fixture f cleanup_fixture;

	make_fixture(&f);
	add_dir(&f, "dev");
	add_dir(&f, "vol");
	set_mounts(&f, "{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}");
	in_namespace(dev_in_child, &f);
}
