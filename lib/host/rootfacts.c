/* SPDX-License-Identifier: Apache-2.0 */
#include "host/rootfacts.h"

#include <dirent.h>
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
#include "base/log.h"
#include "base/path.h"

#define CANDIDATES_MAX 256
#define ENTRIES_MAX 4096
#define ANOTHER_MOUNT "another mount"
#define READ_ONLY_ROOT "the read-only root"
#define USR_LOCAL "/usr/local"
#define COMPAT ROOTFACTS_CUDA "/compat"

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
	unsigned entries_left; /* of all listings together */
};

/* What a name in an image can do to its own resolution; everything else is an error of ours or of the kernel. */
static bool is_blocked(int r)
{
	return r == -ELOOP || r == -EXDEV || r == -ENOTDIR || r == -ENAMETOOLONG || r == -EACCES;
}

static int probe_failed(int r, const char *path, struct err *err)
{
	return err_set(err, r == -ENOSYS ? ERR_KERNEL : ERR_ROOTFS, -r, "%s", path);
}

/* 1 where `path` leads to something of this type (0: any), 0 where it does not. */
static int leads_to(const struct probe *p, const char *path, mode_t type, struct err *err)
{
	cleanup_fd int fd = path_open(p->root, path, O_PATH);
	struct stat st;

	if (fd == -ENOENT || is_blocked(fd))
		return 0;
	if (fd < 0)
		return probe_failed(fd, path, err);
	if (fstat(fd, &st) < 0)
		return err_set(err, ERR_ROOTFS, errno, "%s", path);
	return !type || (st.st_mode & S_IFMT) == type;
}

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
		if (fd != -ENOENT && !is_blocked(fd))
			return probe_failed(fd, at, err);
		there = path_open(p->root, at, O_PATH | O_NOFOLLOW);
		if (there >= 0 || is_blocked(fd))
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

	if (fd == -ENOENT || is_blocked(fd)) {
		f->kind = fd == -ENOENT ? ROOTFACTS_ABSENT : ROOTFACTS_BLOCKED;
		return 0;
	}
	if (fd < 0)
		return probe_failed(fd, norm, err);
	r = take_kind(fd, f, err);
	if (r == 0)
		r = same_mount(p, fd, norm, &f->on_root, err);
	if (r < 0 || (f->kind != ROOTFACTS_DIR && f->kind != ROOTFACTS_LINK && f->kind != ROOTFACTS_LINK_OURS))
		return r;
	dir = path_open(p->root, norm, O_PATH | O_DIRECTORY);
	if (dir == -ENOENT || is_blocked(dir))
		return 0;
	if (dir < 0)
		return probe_failed(dir, norm, err);
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
	if (f->on_root && p->read_only) {
		f->on_root = false;
		f->volume = READ_ONLY_ROOT;
	}
	if (f->on_root || f->volume)
		return 0;
	over = spec_mount_over(p->spec, norm);
	f->volume = over ? arena_strdup(&p->facts->arena, over->destination) : ANOTHER_MOUNT;
	return 0;
}

/*
 * An image may have both. Where musl's loader is a whole file, the system is musl's, with a shim for glibc programs;
 * where it is a link, musl is a package of a glibc system.
 */
static int find_libc(struct probe *p, struct err *err)
{
	static const char *const glibc[] = {
		"/lib64/ld-linux-x86-64.so.2",	    "/lib/ld-linux-x86-64.so.2",
		"/lib/ld-linux-aarch64.so.1",	    "/lib/ld-linux.so.2",
		"/lib/ld-linux-armhf.so.3",	    "/lib64/ld64.so.2",
		"/lib/ld-linux-riscv64-lp64d.so.1",
	};
	static const char *const musl[] = {
		"/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-aarch64.so.1",     "/lib/ld-musl-i386.so.1",
		"/lib/ld-musl-armhf.so.1",  "/lib/ld-musl-powerpc64le.so.1", "/lib/ld-musl-riscv64.so.1",
	};
	const char *musl_loader = NULL;
	struct stat st;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(musl) && r == 0; i++) {
		r = leads_to(p, musl[i], S_IFREG, err);
		if (r > 0)
			musl_loader = musl[i];
	}
	if (r < 0)
		return r;
	r = 0;
	for (size_t i = 0; i < ARRAY_SIZE(glibc) && r == 0; i++)
		r = leads_to(p, glibc[i], S_IFREG, err);
	if (r < 0)
		return r;
	p->facts->libc = r > 0 ? ROOTFACTS_GLIBC : musl_loader ? ROOTFACTS_MUSL : ROOTFACTS_NO_LIBC;
	if (r > 0 && musl_loader) {
		cleanup_fd int fd = path_open(p->root, musl_loader, O_PATH | O_NOFOLLOW);

		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
			p->facts->libc = ROOTFACTS_MUSL;
	}
	return 0;
}

static int is_toolkit(const struct probe *p, const char *dir, struct err *err)
{
	static const char *const parts[] = { "bin/nvcc", "lib64", "targets", "version.json", "version.txt" };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts) && r == 0; i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/%s", dir, parts[i]);
		r = leads_to(p, path, 0, err);
	}
	return r;
}

typedef int entry_fn(struct probe *p, const char *name, struct err *err);

/* Calls fn for each name until it returns something else than 0, which is passed on. No directory: no names. */
static int each_entry(struct probe *p, const char *path, entry_fn *fn, struct err *err)
{
	int fd = path_open(p->root, path, O_RDONLY | O_DIRECTORY), r = 0;
	struct dirent *e;
	DIR *dir;

	if (fd == -ENOENT || is_blocked(fd))
		return 0;
	if (fd < 0)
		return probe_failed(fd, path, err);
	dir = fdopendir(fd);
	if (!dir) {
		r = err_set(err, ERR_ROOTFS, errno, "%s", path);
		fd_close(fd);
		return r;
	}
	while (r == 0 && p->entries_left && (e = readdir(dir))) {
		p->entries_left--;
		r = fn(p, e->d_name, err);
	}
	closedir(dir);
	if (!p->entries_left)
		log_warning("%s in the container has very many entries, some were not looked at", path);
	return r;
}

static int check_cuda_dir(struct probe *p, const char *name, struct err *err)
{
	char path[PATH_MAX];

	if (!str_starts(name, "cuda-"))
		return 0;
	snprintf(path, sizeof(path), USR_LOCAL "/%s", name);
	return is_toolkit(p, path, err);
}

static int find_cuda(struct probe *p, struct err *err)
{
	int r = is_toolkit(p, ROOTFACTS_CUDA, err);

	if (r == 0)
		r = each_entry(p, USR_LOCAL, check_cuda_dir, err);
	p->facts->has_cuda = r > 0;
	return r < 0 ? r : 0;
}

static int check_compat(struct probe *p, const char *name, struct err *err)
{
	const char *version = str_after(name, "libcuda.so.");
	struct rootfacts *f = p->facts;
	char path[PATH_MAX];
	int r;

	/* One number is the SONAME's link. */
	if (!version || !str_is_version(version) || !strchr(version, '.'))
		return 0;
	if (f->compat && str_version_cmp(version, f->compat) <= 0)
		return 0;
	snprintf(path, sizeof(path), COMPAT "/%s", name);
	r = leads_to(p, path, S_IFREG, err);
	if (r > 0)
		f->compat = arena_strdup(&f->arena, version);
	return r < 0 ? r : 0;
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
	if (fd == -ENOENT || is_blocked(fd))
		return 0;
	if (fd < 0)
		return probe_failed(fd, "/dev", err);
	if (fstatfs(fd, &fs) < 0)
		return err_set(err, ERR_ROOTFS, errno, "/dev");
	r = same_mount(p, fd, "/dev", &on_root, err);
	if (r < 0 || on_root || fs.f_type != TMPFS_MAGIC)
		return r;
	r = is_volume(p, fd, err);
	p->facts->dev_is_tmpfs = r == 0;
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
		r = find_libc(p, err);
	if (r == 0)
		r = find_cuda(p, err);
	if (r == 0)
		r = each_entry(p, COMPAT, check_compat, err);
	if (r == 0)
		r = check_dev(p, err);
	return r;
}

int rootfacts_collect(struct rootfacts *ret, int rootfd, const struct spec *spec, const struct strlist *candidates,
		      struct err *err)
{
	struct probe p = { .facts = ret, .spec = spec, .root = rootfd, .entries_left = ENTRIES_MAX };
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
	ret->dev_is_tmpfs = spec_has_tmpfs_dev(spec);
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
