/* SPDX-License-Identifier: Apache-2.0 */
#include "host/rootfacts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "host/rootfacts_parts.h"

#define PATHS_MAX 256
#define ANOTHER_MOUNT "another mount"
#define READ_ONLY_ROOT "the read-only root"

static const char *const fixed[] = {
	ROOTFACTS_NVIDIA, ROOTFACTS_CUDA, ROOTFACTS_CONF_D, ROOTFACTS_CONF, ROOTFACTS_CACHE,
};

/* The directory of the path that was looked at last: most have it in common with the next. */
struct parent {
	char path[PATH_MAX];
	int fd;		/* it, or the nearest one above it that is there */
	bool missing;	/* it is not there */
	bool blocked;	/* nor can it be made: something stands on the way that is no directory, a dangling link too */
	uint64_t mount; /* of fd; 0 while nobody has asked */
};

struct probe {
	struct rootfacts *facts;
	const struct spec *spec;
	int root;
	uint64_t root_mount;
	bool read_only;
	struct parent parent;
};

/* Whether anything stands where the next component would be made: a link that leads nowhere. */
static bool is_taken(int dir, const char *rest)
{
	char name[NAME_MAX + 1];
	struct path_facts seen;
	size_t n = strcspn(rest, "/");

	if (n >= sizeof(name))
		return false;
	memcpy(name, rest, n);
	name[n] = '\0';
	return path_look(dir, name, &seen) == 0;
}

/* Climbs from the absolute, normalized path of a directory to the nearest that is there. */
static int find_parent(struct probe *p, struct err *err)
{
	struct parent *parent = &p->parent;
	size_t n = strlen(parent->path);
	char at[PATH_MAX];

	memcpy(at, parent->path, n + 1);
	for (;;) {
		cleanup_fd int fd = path_open_same_mount(p->root, at, O_PATH | O_DIRECTORY);

		/* Nearly always there is no mount on the way, and it lies on the root's. */
		if (fd >= 0)
			parent->mount = p->root_mount;
		else if (fd == -EXDEV)
			fd = path_open(p->root, at, O_PATH | O_DIRECTORY);
		if (fd >= 0) {
			parent->blocked |= parent->missing && is_taken(fd, parent->path + n + (n > 1));
			parent->fd = take_fd(fd);
			return 0;
		}
		if (fd != -ENOENT && !rootfacts_blocked(fd))
			return rootfacts_failed(fd, at, err);
		parent->missing = true;
		parent->blocked |= rootfacts_blocked(fd);
		if (n == 1)
			return err_set(err, ERR_ROOTFS, -fd, "/");
		n = path_parent_length(at);
		at[n] = '\0';
	}
}

static int open_parent(struct probe *p, const char *path, struct err *err)
{
	struct parent *parent = &p->parent;
	size_t n = path_parent_length(path);

	if (parent->fd >= 0 && strncmp(parent->path, path, n) == 0 && !parent->path[n])
		return 0;
	fd_close(parent->fd);
	parent->fd = -EBADF;
	parent->missing = parent->blocked = false;
	parent->mount = 0;
	memcpy(parent->path, path, n);
	parent->path[n] = '\0';
	return find_parent(p, err);
}

/* Whether what is made in the directory lies on the root's mount. */
static int parent_on_root(struct probe *p, bool *ret, struct err *err)
{
	struct parent *parent = &p->parent;
	int r = parent->mount ? 0 : path_mount_id(parent->fd, &parent->mount);

	*ret = parent->mount == p->root_mount;
	return r < 0 ? err_set(err, r == -ENOSYS ? ERR_KERNEL : ERR_ROOTFS, -r, "%s", parent->path) : 0;
}

static enum rootfacts_kind link_kind(int dir, const char *name)
{
	static const char ours[] = ROOTFACTS_NVIDIA "/";
	char target[sizeof(ours) - 1];
	ssize_t n = readlinkat(dir, name, target, sizeof(target));

	return n == (ssize_t)sizeof(target) && memcmp(target, ours, sizeof(target)) == 0 ? ROOTFACTS_LINK_OURS
											 : ROOTFACTS_LINK;
}

static enum rootfacts_kind kind_of(mode_t mode, int dir, const char *name)
{
	if (S_ISDIR(mode))
		return ROOTFACTS_DIR;
	if (S_ISREG(mode))
		return ROOTFACTS_FILE;
	return S_ISLNK(mode) ? link_kind(dir, name) : ROOTFACTS_OTHER;
}

/* The directory that a link leads to: a volume on it is as much in the way as one above the link. */
static int follow_link(const struct probe *p, const char *norm, struct rootfacts_path *f, struct err *err)
{
	cleanup_fd int dir = path_open(p->root, norm, O_PATH | O_DIRECTORY);
	uint64_t mount;
	int r;

	if (dir == -ENOENT || rootfacts_blocked(dir))
		return 0;
	if (dir < 0)
		return rootfacts_failed(dir, norm, err);
	f->resolves_to_dir = true;
	r = path_mount_id(dir, &mount);
	if (r < 0)
		return err_set(err, r == -ENOSYS ? ERR_KERNEL : ERR_ROOTFS, -r, "%s", norm);
	f->on_root = f->on_root && mount == p->root_mount;
	return 0;
}

/*
 * The last component itself, and the directory that it leads to. What lies on the root's mount has a directory there
 * too: only what is not there asks for that.
 */
static int probe_last(struct probe *p, const char *norm, struct rootfacts_path *f, struct err *err)
{
	const struct parent *parent = &p->parent;
	const char *name = path_base(norm);
	struct path_facts seen;
	int r = parent->missing ? -ENOENT : path_look(parent->fd, *name ? name : ".", &seen);

	if (r == -ENOENT || rootfacts_blocked(r)) {
		f->kind = r == -ENOENT ? ROOTFACTS_ABSENT : ROOTFACTS_BLOCKED;
		return parent_on_root(p, &f->on_root, err);
	}
	if (r < 0)
		return err_set(err, r == -ENOSYS ? ERR_KERNEL : ERR_ROOTFS, -r, "%s", norm);
	f->kind = kind_of(seen.mode, parent->fd, name);
	f->on_root = seen.mount == p->root_mount;
	f->resolves_to_dir = f->kind == ROOTFACTS_DIR;
	return S_ISLNK(seen.mode) ? follow_link(p, norm, f, err) : 0;
}

static int probe_path(struct probe *p, struct rootfacts_path *f, struct err *err)
{
	const struct spec_mount *over;
	const char *path = f->path;
	char norm[PATH_MAX];
	int r = path_is_normal(path) ? 0 : path_normalize(path, norm, sizeof(norm));

	if (r < 0)
		return err_set(err, ERR_ROOTFS, -r, "%s", path);
	if (!path_is_normal(path))
		path = norm;
	r = open_parent(p, path, err);
	if (r == 0)
		r = probe_last(p, path, f, err);
	if (r < 0)
		return r;
	if (p->parent.blocked)
		f->kind = ROOTFACTS_BLOCKED;
	over = spec_mount_over(p->spec, path);
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

	return m && m->tmpfs;
}

/* Whether one of the volumes leads to the directory's mount, by whatever links of the image; what is no directory cannot be it. */
static int is_volume(const struct probe *p, uint64_t id, struct err *err)
{
	uint64_t volume;
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->spec->n_mounts; i++) {
		cleanup_fd int v = -EBADF;

		if (!p->spec->mounts[i].bind)
			continue;
		v = path_open(p->root, p->spec->mounts[i].destination, O_PATH | O_DIRECTORY);
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
	uint64_t id;
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
	r = path_mount_id(fd, &id);
	if (r < 0)
		return err_set(err, ERR_KERNEL, -r, "statx of /dev");
	if (id == p->root_mount || fs.f_type != TMPFS_MAGIC)
		return 0;
	r = is_volume(p, id, err);
	if (r == 0)
		p->facts->dev_mount = id;
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

static void add_paths(struct rootfacts *f, const struct rootfacts_ask *ask)
{
	*f = (struct rootfacts){ .libc = ROOTFACTS_NO_LIBC };
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		add_path(f, fixed[i]);
	for (size_t i = 0; i < ask->paths.n; i++)
		add_path(f, ask->paths.v[i]);
}

static int collect(struct probe *p, const struct rootfacts_ask *ask, struct err *err)
{
	int r = path_mount_id(p->root, &p->root_mount);

	if (r < 0)
		return err_set(err, ERR_KERNEL, -r, "statx: mount id");
	for (size_t i = 0; i < p->facts->n_paths && r == 0; i++)
		r = probe_path(p, &p->facts->paths[i], err);
	if (r == 0)
		r = rootfacts_image_look(p->facts, p->root, ask->cuda, err);
	if (r == 0)
		r = check_dev(p, err);
	return r;
}

int rootfacts_collect(struct rootfacts *ret, int rootfd, const struct spec *spec, const struct rootfacts_ask *ask,
		      struct err *err)
{
	struct probe p = { .facts = ret, .spec = spec, .root = rootfd, .parent = { .fd = -EBADF } };
	struct statvfs vfs;
	int r;

	*ret = (struct rootfacts){ 0 };
	if (ask->paths.n > PATHS_MAX)
		return err_set(err, ERR_ROOTFS, E2BIG, "%zu paths to look at", ask->paths.n);
	if (fstatvfs(rootfd, &vfs) < 0)
		return err_set(err, ERR_ROOTFS, errno, "the container's root");
	p.read_only = vfs.f_flag & ST_RDONLY;
	add_paths(ret, ask);
	ret->known = true;
	r = collect(&p, ask, err);
	fd_close(p.parent.fd);
	if (r < 0)
		rootfacts_free(ret);
	return r;
}

void rootfacts_assume(struct rootfacts *ret, const struct spec *spec, const struct rootfacts_ask *ask)
{
	add_paths(ret, ask);
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
