/* SPDX-License-Identifier: Apache-2.0 */
/* What the image in a root is: its libc, and the CUDA that it brings. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "host/rootfacts_parts.h"

#define ENTRIES_MAX 4096
#define LDCONFIG "/sbin/ldconfig"
#define USR_LOCAL "/usr/local"
#define COMPAT ROOTFACTS_CUDA "/compat"

struct probe {
	struct rootfacts *facts;
	int root;
	unsigned entries_left; /* of all listings together */
	struct stat compat;    /* what the compat directory's libcuda.so.1 leads to */
	bool compat_same;      /* facts->compat is a name of it */
};

/* 1 where `path` leads to something, with *ret of it; 0 where it does not. */
static int stat_path(const struct probe *p, const char *path, struct stat *ret, struct err *err)
{
	cleanup_fd int fd = path_open(p->root, path, O_PATH);

	if (fd == -ENOENT || rootfacts_blocked(fd))
		return 0;
	if (fd < 0)
		return rootfacts_failed(fd, path, err);
	return fstat(fd, ret) < 0 ? err_set(err, ERR_ROOTFS, errno, "%s", path) : 1;
}

static int stat_file(const struct probe *p, const char *path, struct stat *ret, struct err *err)
{
	int r = stat_path(p, path, ret, err);

	return r > 0 ? S_ISREG(ret->st_mode) : r;
}

/* 1 where `path` leads to something of this type (0: any), 0 where it does not. */
static int leads_to(const struct probe *p, const char *path, mode_t type, struct err *err)
{
	struct stat st = { 0 };
	int r = stat_path(p, path, &st, err);

	return r > 0 ? !type || (st.st_mode & S_IFMT) == type : r;
}

/* The loaders of one kind of machine: glibc's by both places that it may have. */
struct loaders {
	const char *glibc[2], *musl;
};

/*
 * An image may have both. Where musl's loader is a whole file, the system is musl's, with a shim for glibc programs;
 * where it is a link, musl is a package of a glibc system. 1 where one of them is there, 0 where none is.
 */
static int find_loader(struct probe *p, const struct loaders *l, struct err *err)
{
	int glibc = 0, musl;
	struct stat st = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(l->glibc) && l->glibc[i] && glibc == 0; i++)
		glibc = leads_to(p, l->glibc[i], S_IFREG, err);
	musl = glibc < 0 ? glibc : leads_to(p, l->musl, S_IFREG, err);
	if (musl < 0 || (!glibc && !musl))
		return musl;
	p->facts->libc = glibc ? ROOTFACTS_GLIBC : ROOTFACTS_MUSL;
	if (glibc && musl) {
		cleanup_fd int fd = path_open(p->root, l->musl, O_PATH | O_NOFOLLOW);

		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
			p->facts->libc = ROOTFACTS_MUSL;
	}
	return 1;
}

/*
 * A cache in the image itself is glibc's: its loader reads it, wherever that is, and musl's takes no notice of it. That spares the
 * walk along the links to the loaders.
 */
static int find_libc(struct probe *p, struct err *err)
{
	static const struct loaders machines[] = {
		{ { "/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-x86-64.so.2" }, "/lib/ld-musl-x86_64.so.1" },
		{ { "/lib/ld-linux-aarch64.so.1" }, "/lib/ld-musl-aarch64.so.1" },
		{ { "/lib/ld-linux.so.2" }, "/lib/ld-musl-i386.so.1" },
		{ { "/lib/ld-linux-armhf.so.3" }, "/lib/ld-musl-armhf.so.1" },
		{ { "/lib64/ld64.so.2" }, "/lib/ld-musl-powerpc64le.so.1" },
		{ { "/lib/ld-linux-riscv64-lp64d.so.1" }, "/lib/ld-musl-riscv64.so.1" },
	};
	const struct rootfacts_path *cache = rootfacts_get(p->facts, ROOTFACTS_CACHE);
	int r = cache->kind == ROOTFACTS_FILE && cache->on_root;

	p->facts->libc = r > 0 ? ROOTFACTS_GLIBC : ROOTFACTS_NO_LIBC;
	for (size_t i = 0; i < ARRAY_SIZE(machines) && r == 0; i++)
		r = find_loader(p, &machines[i], err);
	return r < 0 ? r : 0;
}

static int find_ldconfig(struct probe *p, struct err *err)
{
	const struct rootfacts_path *conf = rootfacts_get(p->facts, ROOTFACTS_CONF);
	int r = conf->kind == ROOTFACTS_ABSENT && conf->on_root ? leads_to(p, LDCONFIG, 0, err) : 0;

	p->facts->lacks_conf = r > 0;
	return r < 0 ? r : 0;
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

struct listing {
	struct probe *probe;
	entry_fn *fn;
	struct err *err;
};

static int take_entry(void *data, const char *name)
{
	struct listing *l = data;

	if (!l->probe->entries_left)
		return 1;
	l->probe->entries_left--;
	return l->fn(l->probe, name, l->err);
}

/* Calls fn for each name until it returns something else than 0, which is passed on. No directory: no names. */
static int each_entry(struct probe *p, const char *path, entry_fn *fn, struct err *err)
{
	cleanup_fd int fd = path_open(p->root, path, O_RDONLY | O_DIRECTORY);
	struct listing l = { p, fn, err };
	int r;

	if (fd == -ENOENT || rootfacts_blocked(fd))
		return 0;
	if (fd < 0)
		return rootfacts_failed(fd, path, err);
	r = fd_each_name(fd, take_entry, &l);
	if (p->entries_left)
		return r;
	log_warning("%s in the container has very many entries, some were not looked at", path);
	return r < 0 ? r : 0;
}

static int check_cuda_dir(struct probe *p, const char *name, struct err *err)
{
	char path[PATH_MAX];

	if (!str_starts(name, "cuda-"))
		return 0;
	snprintf(path, sizeof(path), USR_LOCAL "/%s", name);
	return is_toolkit(p, path, err);
}

/* What was seen not to be there has nothing in it. */
static bool is_absent(const struct probe *p, const char *path)
{
	const struct rootfacts_path *f = rootfacts_get(p->facts, path);

	return f && f->kind == ROOTFACTS_ABSENT && !f->unseen;
}

static int find_cuda(struct probe *p, bool every_toolkit, struct err *err)
{
	int r = is_absent(p, ROOTFACTS_CUDA) ? 0 : is_toolkit(p, ROOTFACTS_CUDA, err);

	if (r == 0 && (every_toolkit || !is_absent(p, ROOTFACTS_CUDA)))
		r = each_entry(p, USR_LOCAL, check_cuda_dir, err);
	p->facts->has_cuda = r > 0;
	return r < 0 ? r : 0;
}

/* A name of the very file that libcuda.so.1 leads to is better than any other. */
static int check_compat(struct probe *p, const char *name, struct err *err)
{
	const char *version = str_after(name, "libcuda.so.");
	struct rootfacts *f = p->facts;
	char path[PATH_MAX];
	struct stat st = { 0 };
	bool same;
	int r;

	/* One number is the SONAME's link. */
	if (!version || !str_is_version(version) || !strchr(version, '.'))
		return 0;
	snprintf(path, sizeof(path), COMPAT "/%s", name);
	r = stat_file(p, path, &st, err);
	if (r <= 0)
		return r;
	same = st.st_dev == p->compat.st_dev && st.st_ino == p->compat.st_ino;
	if (same == p->compat_same ? !f->compat || str_version_cmp(version, f->compat) > 0 : same)
		f->compat = arena_strdup(&f->arena, version);
	p->compat_same |= same;
	return 0;
}

/* Without libcuda.so.1 no loader finds anything there, whatever else it holds. */
static int find_compat(struct probe *p, struct err *err)
{
	int r = is_absent(p, ROOTFACTS_CUDA) ? 0 : stat_file(p, COMPAT "/libcuda.so.1", &p->compat, err);

	if (r > 0)
		r = each_entry(p, COMPAT, check_compat, err);
	return r < 0 ? r : 0;
}

int rootfacts_image_look(struct rootfacts *facts, int rootfd, bool every_toolkit, struct err *err)
{
	struct probe p = { .facts = facts, .root = rootfd, .entries_left = ENTRIES_MAX };
	int r = find_libc(&p, err);

	if (r == 0)
		r = find_ldconfig(&p, err);
	if (r == 0)
		r = find_cuda(&p, every_toolkit, err);
	return r < 0 ? r : find_compat(&p, err);
}
