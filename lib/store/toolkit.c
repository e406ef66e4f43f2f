/* SPDX-License-Identifier: Apache-2.0 */
#include "store/toolkit.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/path.h"
#include "host/elf.h"
#include "store/start.h"

#define COMPONENT_MAX 255

struct link {
	const char *path, *target;
};

struct extraction {
	struct build *b;
	struct archive_stream *stream;
	struct link *links; /* made at the end: nothing is ever written through one */
	size_t n_links;
};

static int open_beneath(int dirfd, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = { .flags = (unsigned)(flags | O_CLOEXEC), .resolve = RESOLVE_BENEATH | resolve };
	long fd;

	if (flags & O_CREAT)
		how.mode = 0600;
	fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

/* A directory below .in, made where it is missing, by names only. */
static int make_dir(int in, const char *path)
{
	int dir = open_beneath(in, path, O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);

	if (dir != -ENOENT)
		return dir;
	dir = open_beneath(in, ".", O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);
	while (dir >= 0 && *path) {
		char name[COMPONENT_MAX + 1];
		size_t n = strcspn(path, "/");
		int next;

		memcpy(name, path, n);
		name[n] = '\0';
		if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
			next = -errno;
		else
			next = open_beneath(dir, name, O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);
		fd_close(dir);
		dir = next;
		path += n + (path[n] == '/');
	}
	return dir;
}

static int make_parent(int in, const char *path)
{
	char parent[PATH_MAX];
	int r = path_parent(path, parent, sizeof(parent));

	return r < 0 ? r : make_dir(in, parent);
}

static int refuse(const char *path, const char *why, struct err *err)
{
	return err_set(err, ERR_ARCHIVE, 0, "%.512s: %s", path, why);
}

/* -EEXIST, -ENOTDIR and the like are the archive's fault, the rest the store's. */
static int failed(const char *path, int r, struct err *err)
{
	if (r == -EEXIST)
		return refuse(path, "twice in the archive, or what a tree has of its own", err);
	if (r == -ENOTEMPTY)
		return refuse(path, "there is a directory beside it", err);
	return err_set(err, r == -ENOTDIR || r == -ELOOP || r == -EXDEV ? ERR_ARCHIVE : ERR_STORE, -r, "%.512s", path);
}

static void add_elf(struct manifest_file *f, int fd, struct elf_facts *elf)
{
	/* Damage in one file of a toolkit (test data, other machines' objects) is the toolkit's own affair. */
	if (elf_read(fd, elf) < 0)
		return;
	f->class = elf->class;
	f->machine = elf->machine;
	f->soname = elf->soname[0] ? elf->soname : NULL;
}

static int take_file(struct extraction *x, const struct archive_stream_entry *e, struct err *err)
{
	cleanup_fd int dir = make_parent(x->b->in, e->path);
	char hex[DIGEST_HEX];
	struct manifest_file f = { .path = e->path, .size = e->size, .sha256 = hex, .executable = e->executable };
	struct elf_facts elf = { 0 };
	cleanup_fd int fd = -EBADF;
	int r;

	if (dir < 0)
		return failed(e->path, dir, err);
	fd = open_beneath(dir, path_base(e->path), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, RESOLVE_NO_SYMLINKS);
	if (fd < 0)
		return failed(e->path, fd, err);
	r = archive_stream_copy(x->stream, fd, hex, err);
	if (r < 0)
		return r;
	if (fchmod(fd, e->executable ? 0755 : 0644) < 0)
		return failed(e->path, -errno, err);
	add_elf(&f, fd, &elf);
	manifest_add_file(&x->b->manifest, &f);
	return 0;
}

/* The other name of a file that the archive held before. */
static int take_hardlink(struct extraction *x, const struct archive_stream_entry *e, struct err *err)
{
	const struct manifest_file *f = manifest_find(&x->b->manifest, e->target);
	cleanup_fd int from = -EBADF, to = -EBADF;
	struct manifest_file twin;

	if (!f)
		return refuse(e->path, "a hard link to what is not in the archive", err);
	from = make_parent(x->b->in, e->target);
	to = make_parent(x->b->in, e->path);
	if (from < 0 || to < 0)
		return failed(e->path, from < 0 ? from : to, err);
	if (linkat(from, path_base(e->target), to, path_base(e->path), 0) < 0)
		return failed(e->path, -errno, err);
	twin = *f;
	twin.path = e->path;
	manifest_add_file(&x->b->manifest, &twin);
	return 0;
}

static int take_entry(struct extraction *x, struct archive_stream_entry *e, struct err *err)
{
	struct build *b = x->b;
	cleanup_fd int dir = -EBADF;

	switch (e->type) {
	case ARCHIVE_STREAM_FILE:
		return take_file(x, e, err);
	case ARCHIVE_STREAM_DIR:
		dir = make_dir(b->in, e->path);
		return dir < 0 ? failed(e->path, dir, err) : 0;
	case ARCHIVE_STREAM_HARDLINK:
		return take_hardlink(x, e, err);
	case ARCHIVE_STREAM_SYMLINK:
		break;
	}
	x->links = arena_grow(&b->arena, x->links, x->n_links, sizeof(*x->links));
	x->links[x->n_links++] = (struct link){ arena_strdup(&b->arena, e->path), arena_strdup(&b->arena, e->target) };
	return 0;
}

static int make_links(const struct extraction *x, struct err *err)
{
	for (size_t i = 0; i < x->n_links; i++) {
		const struct link *l = &x->links[i];
		struct manifest_file f = { .path = l->path, .link = l->target };
		cleanup_fd int dir = make_parent(x->b->in, l->path);

		if (dir < 0)
			return failed(l->path, dir, err);
		if (symlinkat(l->target, dir, path_base(l->path)) < 0)
			return failed(l->path, -errno, err);
		manifest_add_file(&x->b->manifest, &f);
	}
	return 0;
}

/* The one directory "cuda..." that holds everything, or "". */
static int find_prefix(const struct manifest *m, char *prefix, size_t size)
{
	const char *first = m->n_files ? m->files[0].path : "";
	size_t n = strcspn(first, "/");

	prefix[0] = '\0';
	if (!first[n] || !str_starts(first, "cuda") || n + 1 >= size)
		return 0;
	for (size_t i = 0; i < m->n_files; i++)
		if (strncmp(m->files[i].path, first, n + 1) != 0)
			return 0;
	memcpy(prefix, first, n);
	prefix[n] = '\0';
	return (int)n;
}

/* Moves all that lies in `from` into the tree. */
static int hoist(struct build *b, const char *prefix)
{
	int from = *prefix ? openat(b->in, prefix, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
			   : openat(b->in, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = from < 0 ? NULL : fdopendir(from);
	struct dirent *e;
	int r = 0;

	if (!d) {
		r = -errno;
		fd_close(from);
		return r;
	}
	while (r == 0 && (e = readdir(d))) {
		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		/* What the tree needs itself cannot come from an archive. */
		if (str_eq(e->d_name, ".in") || str_eq(e->d_name, TREE_START) || str_eq(e->d_name, TREE_MANIFEST))
			r = -EEXIST;
		else if (renameat2(from, e->d_name, b->dir, e->d_name, RENAME_NOREPLACE) < 0)
			r = -errno;
	}
	closedir(d);
	return r;
}

/* Also by the kernel's own walk, since a chain of links may lead elsewhere than its text says. */
static int check_links(const struct build *b, struct err *err)
{
	for (size_t i = 0; i < b->manifest.n_files; i++) {
		const struct manifest_file *f = &b->manifest.files[i];
		cleanup_fd int fd = -EBADF;

		if (!f->link)
			continue;
		fd = open_beneath(b->dir, f->path, O_PATH, RESOLVE_NO_MAGICLINKS);
		if (fd < 0 && fd != -ENOENT)
			return err_set(err, ERR_ARCHIVE, -fd, "%.512s -> %.256s", f->path, f->link);
	}
	return 0;
}

int toolkit_extract(struct build *b, struct archive_stream *s, struct err *err)
{
	struct extraction x = { .b = b, .stream = s };
	struct archive_stream_entry e;
	char prefix[COMPONENT_MAX + 1];
	int r, n;

	while ((r = archive_stream_next(s, &e, err)) > 0) {
		r = take_entry(&x, &e, err);
		if (r < 0)
			return r;
	}
	if (r == 0)
		r = make_links(&x, err);
	if (r < 0)
		return r;
	n = find_prefix(&b->manifest, prefix, sizeof(prefix));
	if (n)
		manifest_strip(&b->manifest, (size_t)n + 1);
	r = hoist(b, prefix);
	if (r == 0 && n && unlinkat(b->in, prefix, AT_REMOVEDIR) < 0)
		r = -errno;
	if (r < 0)
		return failed(prefix[0] ? prefix : TREE_START, r, err);
	return check_links(b, err);
}

/* The name of the archive may not say it. */
static void find_arch(struct manifest *m)
{
	size_t x86 = 0, arm = 0;

	for (size_t i = 0; i < m->n_files; i++) {
		x86 += m->files[i].machine == EM_X86_64;
		arm += m->files[i].machine == EM_AARCH64;
	}
	if (!m->arch && (x86 || arm))
		m->arch = arena_strdup(&m->arena, arm > x86 ? "aarch64" : "x86_64");
}

static int add_sonames(struct build *b, const struct strlist *dirs, struct err *err)
{
	size_t n = b->manifest.n_files;

	for (size_t i = 0; i < n; i++) {
		const struct manifest_file *f = &b->manifest.files[i];
		const char *base = path_base(f->path);
		cleanup_free char *dir = mem_strndup(f->path, base == f->path ? 0 : (size_t)(base - f->path) - 1);
		cleanup_free char *path = NULL;
		struct manifest_file link = { .link = base };

		if (!f->soname || str_eq(f->soname, base) || !strlist_has(dirs, dir))
			continue;
		path = mem_printf("%s/%s", dir, f->soname);
		link.path = path;
		if (manifest_find(&b->manifest, path))
			continue;
		if (symlinkat(base, b->dir, path) < 0)
			return err_set(err, ERR_STORE, errno, "%s", path);
		manifest_add_file(&b->manifest, &link);
	}
	return 0;
}

int toolkit_finish(struct build *b, struct err *err)
{
	cleanup_free char *path = mem_printf("%s/%s", b->store, b->staging);
	struct strlist dirs = { 0 };
	struct tree t;
	int r;

	if (!b->manifest.n_files)
		return err_set(err, ERR_ARCHIVE, 0, "%s: no file in it", manifest_source_names(&b->manifest));
	find_arch(&b->manifest);
	start_dirs(&dirs, &b->arena, &b->manifest);
	r = add_sonames(b, &dirs, err);
	if (r < 0)
		return r;
	manifest_sort(&b->manifest);
	start_toolkit(&t, &b->manifest, path);
	r = build_write(b, &t, err);
	tree_free(&t);
	return r;
}
