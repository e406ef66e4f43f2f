/* SPDX-License-Identifier: Apache-2.0 */
#include "host/rootfacts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "host/rootfacts_parts.h"

#define CANDIDATES_MAX 256
#define ANOTHER_MOUNT "another mount"
#define READ_ONLY_ROOT "the read-only root"

static const char *const fixed[] = {
	ROOTFACTS_NVIDIA, ROOTFACTS_CUDA,     ROOTFACTS_CONF_D, ROOTFACTS_CONF,
	ROOTFACTS_CACHE,  ROOTFACTS_LDCONFIG, ROOTFACTS_PROC,
};

struct probe {
	struct rootfacts *facts;
	const struct spec *spec;
	int root;
	uint64_t root_mount;
	bool read_only;
};

static int same_mount(const struct probe *p, int fd, const char *path, bool *on_root, struct err *err)
{
	uint64_t id;
	int r = path_mount_id(fd, &id);

	if (r < 0)
		return err_set(err, r == -ENOSYS ? ERR_KERNEL : ERR_ROOTFS, -r, "%s", path);
	if (id != p->root_mount)
		*on_root = false;
	return 0;
}

/*
 * Climbs from an absolute, normalized path to the nearest parent that is a directory. *ret_blocked where something
 * stands on the way that is none, a dangling link too: no directory can be made there.
 */
static int open_parent(const struct probe *p, const char *path, bool *ret_blocked, struct err *err)
{
	char at[PATH_MAX], up[PATH_MAX];

	*ret_blocked = false;
	if (path_parent(path, at, sizeof(at)) < 0)
		return err_set(err, ERR_ROOTFS, ENAMETOOLONG, "%s", path);
	for (;;) {
		cleanup_fd int fd = path_open(p->root, at, O_PATH | O_DIRECTORY);
		cleanup_fd int there = -EBADF;

		if (fd >= 0)
			return take_fd(fd);
		if (fd != -ENOENT && !rootfacts_blocked(fd))
			return rootfacts_failed(fd, at, err);
		there = path_open(p->root, at, O_PATH | O_NOFOLLOW);
		if (there >= 0 || rootfacts_blocked(fd))
			*ret_blocked = true;
		if (str_eq(at, "/") || path_parent(at, up, sizeof(up)) < 0)
			return err_set(err, ERR_ROOTFS, -fd, "%s", at);
		memcpy(at, up, strlen(up) + 1);
	}
}

static enum rootfacts_kind link_kind(int fd)
{
	static const char ours[] = ROOTFACTS_NVIDIA "/";
	char target[sizeof(ours) - 1];
	ssize_t n = readlinkat(fd, "", target, sizeof(target));

	return n == (ssize_t)sizeof(target) && memcmp(target, ours, sizeof(target)) == 0 ? ROOTFACTS_LINK_OURS
											 : ROOTFACTS_LINK;
}

static int take_kind(int fd, struct rootfacts_path *f, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, ERR_ROOTFS, errno, "%s", f->path);
	if (S_ISDIR(st.st_mode))
		f->kind = ROOTFACTS_DIR;
	else if (S_ISREG(st.st_mode))
		f->kind = ROOTFACTS_FILE;
	else if (S_ISLNK(st.st_mode))
		f->kind = link_kind(fd);
	else
		f->kind = ROOTFACTS_OTHER;
	return 0;
}

/*
 * The last component itself, and the directory that it leads to: a volume on either is as much in the way as one
 * above it.
 */
static int probe_last(const struct probe *p, const char *norm, struct rootfacts_path *f, struct err *err)
{
	cleanup_fd int fd = path_open(p->root, norm, O_PATH | O_NOFOLLOW);
	cleanup_fd int dir = -EBADF;
	int r;

	if (fd == -ENOENT || rootfacts_blocked(fd)) {
		f->kind = fd == -ENOENT ? ROOTFACTS_ABSENT : ROOTFACTS_BLOCKED;
		return 0;
	}
	if (fd < 0)
		return rootfacts_failed(fd, norm, err);
	r = take_kind(fd, f, err);
	if (r == 0)
		r = same_mount(p, fd, norm, &f->on_root, err);
	if (r < 0 || (f->kind != ROOTFACTS_DIR && f->kind != ROOTFACTS_LINK && f->kind != ROOTFACTS_LINK_OURS))
		return r;
	dir = path_open(p->root, norm, O_PATH | O_DIRECTORY);
	if (dir == -ENOENT || rootfacts_blocked(dir))
		return 0;
	if (dir < 0)
		return rootfacts_failed(dir, norm, err);
	f->resolves_to_dir = true;
	return same_mount(p, dir, norm, &f->on_root, err);
}

static int probe_path(const struct probe *p, struct rootfacts_path *f, struct err *err)
{
	cleanup_fd int parent = -EBADF;
	const struct spec_mount *over;
	char norm[PATH_MAX];
	bool blocked;
	int r = path_normalize(f->path, norm, sizeof(norm));

	if (r < 0)
		return err_set(err, ERR_ROOTFS, -r, "%s", f->path);
	f->on_root = true;
	parent = open_parent(p, norm, &blocked, err);
	if (parent < 0)
		return parent;
	r = same_mount(p, parent, norm, &f->on_root, err);
	if (r == 0)
		r = probe_last(p, norm, f, err);
	if (r < 0)
		return r;
	if (blocked)
		f->kind = ROOTFACTS_BLOCKED;
	over = spec_mount_over(p->spec, norm);
	if (f->on_root && over) {
		/* A container that is not started yet: what will lie there is not what lies there now. */
		f->unseen = true;
		f->on_root = f->resolves_to_dir = false;
		f->kind = ROOTFACTS_ABSENT;
	}
	if (f->on_root && p->read_only) {
		f->on_root = false;
		f->volume = READ_ONLY_ROOT;
	}
	if (f->on_root || f->volume)
		return 0;
	f->volume = over ? arena_strdup(&p->facts->arena, over->destination) : ANOTHER_MOUNT;
	return 0;
}

static bool spec_has_tmpfs_dev(const struct spec *spec)
{
	const struct spec_mount *m = spec_mount_at(spec, "/dev");

	return m && str_eq(m->type, "tmpfs");
}

/* Whether one of the volumes leads to the mount of `fd`, by whatever links of the image. */
static int is_volume(const struct probe *p, int fd, struct err *err)
{
	uint64_t id, volume;
	int r = path_mount_id(fd, &id);

	for (size_t i = 0; r == 0 && i < p->spec->n_mounts; i++) {
		cleanup_fd int v = -EBADF;

		if (!p->spec->mounts[i].bind)
			continue;
		v = path_open(p->root, p->spec->mounts[i].destination, O_PATH);
		if (v >= 0)
			r = path_mount_id(v, &volume);
		if (v >= 0 && r == 0 && volume == id)
			return 1;
	}
	return r < 0 ? err_set(err, ERR_KERNEL, -r, "statx of /dev") : 0;
}

/*
 * All three must say so: the specification, which may be out of date by another's hook; the type, which the host's
 * devtmpfs has too; and that it is none of the volumes.
 */
static int check_dev(struct probe *p, struct err *err)
{
	cleanup_fd int fd = -EBADF;
	struct statfs fs;
	bool on_root = true;
	int r;

	if (!spec_has_tmpfs_dev(p->spec))
		return 0;
	fd = path_open(p->root, "/dev", O_PATH | O_DIRECTORY | O_NOFOLLOW);
	if (fd == -ENOENT || rootfacts_blocked(fd))
		return 0;
	if (fd < 0)
		return rootfacts_failed(fd, "/dev", err);
	if (fstatfs(fd, &fs) < 0)
		return err_set(err, ERR_ROOTFS, errno, "/dev");
	r = same_mount(p, fd, "/dev", &on_root, err);
	if (r < 0 || on_root || fs.f_type != TMPFS_MAGIC)
		return r;
	r = is_volume(p, fd, err);
	if (r == 0 && path_mount_id(fd, &p->facts->dev_mount) < 0)
		return err_set(err, ERR_KERNEL, errno, "statx of /dev");
	return r < 0 ? r : 0;
}

static void add_path(struct rootfacts *f, const char *path)
{
	for (size_t i = 0; i < f->n_paths; i++)
		if (str_eq(f->paths[i].path, path))
			return;
	f->paths = arena_grow(&f->arena, f->paths, f->n_paths, sizeof(*f->paths));
	f->paths[f->n_paths++].path = arena_strdup(&f->arena, path);
}

static void add_paths(struct rootfacts *f, const struct strlist *candidates)
{
	*f = (struct rootfacts){ .libc = ROOTFACTS_NO_LIBC };
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		add_path(f, fixed[i]);
	for (size_t i = 0; i < candidates->n; i++)
		add_path(f, candidates->v[i]);
}

static int open_probe(struct probe *p, struct err *err)
{
	cleanup_fd int dir = path_open(p->root, ".", O_PATH | O_DIRECTORY);
	int r;

	/* EPERM: an outer filter that does not know openat2. */
	if (dir < 0)
		return err_set(err, dir == -ENOSYS || dir == -EPERM ? ERR_KERNEL : ERR_ROOTFS, -dir, "openat2");
	r = path_mount_id(p->root, &p->root_mount);
	if (r < 0)
		return err_set(err, ERR_KERNEL, -r, "statx: mount id");
	return 0;
}

static int collect(struct probe *p, struct err *err)
{
	int r = open_probe(p, err);

	for (size_t i = 0; i < p->facts->n_paths && r == 0; i++)
		r = probe_path(p, &p->facts->paths[i], err);
	if (r == 0)
		r = rootfacts_image_look(p->facts, p->root, err);
	if (r == 0)
		r = check_dev(p, err);
	return r;
}

int rootfacts_collect(struct rootfacts *ret, int rootfd, const struct spec *spec, const struct strlist *candidates,
		      struct err *err)
{
	struct probe p = { .facts = ret, .spec = spec, .root = rootfd };
	struct statvfs vfs;
	int r;

	*ret = (struct rootfacts){ 0 };
	if (candidates->n > CANDIDATES_MAX)
		return err_set(err, ERR_ROOTFS, E2BIG, "%zu paths to look at", candidates->n);
	if (fstatvfs(rootfd, &vfs) < 0)
		return err_set(err, ERR_ROOTFS, errno, "the container's root");
	p.read_only = vfs.f_flag & ST_RDONLY;
	add_paths(ret, candidates);
	ret->known = true;
	r = collect(&p, err);
	if (r < 0)
		rootfacts_free(ret);
	return r;
}

void rootfacts_assume(struct rootfacts *ret, const struct spec *spec, const struct strlist *candidates)
{
	add_paths(ret, candidates);
	ret->libc = ROOTFACTS_GLIBC;
	for (size_t i = 0; i < ret->n_paths; i++) {
		struct rootfacts_path *f = &ret->paths[i];
		const struct spec_mount *over;
		char norm[PATH_MAX];

		over = spec_mount_over(spec, path_normalize(f->path, norm, sizeof(norm)) == 0 ? norm : f->path);
		f->on_root = !over;
		f->volume = over ? arena_strdup(&ret->arena, over->destination) : NULL;
	}
}

const struct rootfacts_path *rootfacts_get(const struct rootfacts *f, const char *path)
{
	for (size_t i = 0; i < f->n_paths; i++)
		if (str_eq(f->paths[i].path, path))
			return &f->paths[i];
	return NULL;
}

void rootfacts_free(struct rootfacts *f)
{
	arena_free(&f->arena);
	*f = (struct rootfacts){ 0 };
}
