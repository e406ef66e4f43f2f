/* SPDX-License-Identifier: Apache-2.0 */
#include "store/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "store/digest.h"
#include "store/manifest.h"
#include "store/start.h"
#include "store/tree.h"
#include "store/view.h"

#define VIEWS "views"
#define MODE_BAD (S_ISUID | S_ISGID | S_ISVTX | S_IWGRP | S_IWOTH)

/* What must be there: a file or link of the manifest, or what a view has of one. */
struct expected {
	const char *path;
	const struct manifest_file *file; /* NULL: the link "lib" of a view */
	bool in_view, seen;
	dev_t dev; /* of a file of the manifest, once it was seen */
	ino_t ino;
};

struct checking {
	struct verify *v;
	const char *tree;
	int dir; /* the tree */
	struct manifest manifest;
	bool views_known;
	struct expected *all;
	size_t n;
};

static void printf_format(3, 4) finding(struct checking *c, const char *path, const char *fmt, ...)
{
	char why[512], raw[512], name[PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	str_escape(raw, why, sizeof(why));
	/* What is no part of the tree may be called anything. */
	str_escape(path, name, sizeof(name));
	if (c->v->n_findings++ < VERIFY_FINDINGS_MAX)
		strlist_add(&c->v->arena, &c->v->findings, arena_printf(&c->v->arena, "%s: %s", name, why));
}

static void expect(struct checking *c, const char *path, const struct manifest_file *f, bool in_view)
{
	c->all = arena_grow(&c->v->arena, c->all, c->n, sizeof(*c->all));
	c->all[c->n++] = (struct expected){ .path = path, .file = f, .in_view = in_view };
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct expected *)a)->path, ((const struct expected *)b)->path);
}

static struct expected *find(const struct checking *c, const char *path)
{
	const struct expected key = { .path = path };

	return c->n ? bsearch(&key, c->all, c->n, sizeof(*c->all), by_path) : NULL;
}

static int expect_in_view(void *data, const char *view, const char *from, const char *to)
{
	struct checking *c = data;

	expect(c, arena_printf(&c->v->arena, VIEWS "/%s/%s", view, to), from ? manifest_find(&c->manifest, from) : NULL,
	       true);
	return 0;
}

static void check_content(struct checking *c, const char *path, const struct manifest_file *f)
{
	cleanup_fd int fd = path_open_beneath(c->dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	char hex[DIGEST_HEX];
	uint64_t size;
	struct stat st;
	int r = fd;

	if (r >= 0)
		r = fstat(fd, &st) < 0 ? -errno : 0;
	if (r == 0 && (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != f->size)) {
		finding(c, path, "has %lld bytes, not %llu", (long long)st.st_size, (unsigned long long)f->size);
		return;
	}
	if (r == 0)
		r = digest_fd(fd, hex, &size);
	c->v->bytes += f->size;
	if (r < 0)
		finding(c, path, "cannot be read: %s", strerror(-r));
	else if (!str_eq(hex, f->sha256))
		finding(c, path, "its content is not what was installed");
}

static void check_file(struct checking *c, const struct stat *st, const char *path, struct expected *x)
{
	const struct expected *original;

	if (!x->file || x->file->link) {
		finding(c, path, "is a file, not a link");
		return;
	}
	x->dev = st->st_dev;
	x->ino = st->st_ino;
	/* The walk meets views last, so the tree's own file is known. */
	original = x->in_view ? find(c, x->file->path) : NULL;
	if (original && original->seen && original->dev == x->dev && original->ino == x->ino)
		return;
	/* Where the file system has no hard links, a view holds copies. */
	check_content(c, path, x->file);
}

/* `fd` is the link itself. */
static void check_link(struct checking *c, int fd, const char *path, const struct expected *x)
{
	const char *want = x->file ? x->file->link : "lib64";
	char text[PATH_MAX];
	ssize_t n = readlinkat(fd, "", text, sizeof(text) - 1);

	if (n < 0) {
		finding(c, path, "cannot be read: %s", strerror(errno));
		return;
	}
	text[n] = '\0';
	if (!want)
		finding(c, path, "is a link, not a file");
	else if (!str_eq(text, want))
		finding(c, path, "leads to %s, not to %s", text, want);
}

static bool is_below(const char *path, const char *dir)
{
	const char *rest = str_after(path, dir);

	return rest && *rest == '/';
}

/* Whether something of the tree is in it. A view has its directories always, a toolkit those of its archive. */
static bool is_expected_dir(const struct checking *c, const char *path)
{
	static const char *const always[] = { "bin", "lib64", "lib32", "share" };
	const char *in_views = str_after(path, VIEWS "/"), *rest = in_views ? strchr(in_views, '/') : NULL;

	if (c->manifest.is_cuda || str_eq(path, ".") || str_eq(path, VIEWS))
		return true;
	for (size_t i = 0; i < c->n; i++)
		if (is_below(c->all[i].path, path))
			return true;
	for (size_t i = 0; rest && i < ARRAY_SIZE(always); i++)
		if (str_eq(rest + 1, always[i])) {
			cleanup_free char *lib = mem_printf(VIEWS "/%.*s/lib", (int)(rest - in_views), in_views);

			return find(c, lib) != NULL;
		}
	return false;
}

static void check_named(struct checking *c, int fd, const struct stat *st, const char *path)
{
	struct expected *x = find(c, path);

	if (!x) {
		finding(c, path, "is no part of the tree");
		return;
	}
	c->v->files++;
	x->seen = true;
	if (S_ISREG(st->st_mode))
		check_file(c, st, path, x);
	else if (S_ISLNK(st->st_mode))
		check_link(c, fd, path, x);
	else
		finding(c, path, "is neither file nor link");
}

/* Nobody but root writes, everyone reads, programs run: what a container's users need. */
static bool is_good_mode(mode_t mode, bool executable)
{
	if (S_ISLNK(mode))
		return true;
	if (mode & MODE_BAD || (mode & 0444) != 0444)
		return false;
	return S_ISDIR(mode) || executable ? (mode & 0111) == 0111 : true;
}

static bool is_good_owner(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

/* An fd that is a path only has no attributes of its own. */
static bool has_capability(int fd)
{
	cleanup_free char *path = mem_printf("/proc/self/fd/%d", fd);

	return getxattr(path, "security.capability", NULL, 0) > 0;
}

bool verify_is_fit(int fd, const struct stat *st, bool executable)
{
	return is_good_owner(st->st_uid) && is_good_mode(st->st_mode, executable) &&
	       !(S_ISREG(st->st_mode) && has_capability(fd));
}

/* Toolkits have texts among their programs: there the manifest says what runs. */
static bool is_program(const struct checking *c, const char *path)
{
	const struct manifest_file *f = manifest_find(&c->manifest, path);

	return f && manifest_is_program(&c->manifest, f);
}

/* What the walk has met, looked at below the tree's own directory: no link that was put in the way is followed. */
static void check_entry(struct checking *c, const char *path)
{
	cleanup_fd int fd = path_open_beneath(c->dir, path, O_PATH | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		finding(c, path, "cannot be read: %s", strerror(fd < 0 ? -fd : errno));
		return;
	}
	if (!is_good_owner(st.st_uid))
		finding(c, path, "belongs to user %u", st.st_uid);
	if (!is_good_mode(st.st_mode, is_program(c, path)))
		finding(c, path, "has mode %04o", st.st_mode & 07777);
	if (S_ISREG(st.st_mode) && has_capability(fd))
		finding(c, path, "has file capabilities");
	if (S_ISDIR(st.st_mode)) {
		if (find(c, path))
			finding(c, path, "is a directory, not a file");
		else if (!is_expected_dir(c, path))
			finding(c, path, "is no part of the tree");
	} else if (!str_eq(path, TREE_MANIFEST) && !str_eq(path, TREE_START)) {
		check_named(c, fd, &st, path);
	} else if (!S_ISREG(st.st_mode)) {
		finding(c, path, "is no file");
	}
}

static int views_last(const FTSENT **a, const FTSENT **b)
{
	bool va = str_eq((*a)->fts_name, VIEWS), vb = str_eq((*b)->fts_name, VIEWS);

	return va != vb ? va - vb : strcmp((*a)->fts_name, (*b)->fts_name);
}

static void walk(struct checking *c)
{
	char *const paths[] = { (char *)c->tree, NULL };
	size_t skip = strlen(c->tree) + 1;
	FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, views_last);
	FTSENT *e;

	if (!fts) {
		finding(c, ".", "cannot be read: %s", strerror(errno));
		return;
	}
	for (errno = 0; (e = fts_read(fts)); errno = 0) {
		const char *path = e->fts_level > 0 ? e->fts_path + skip : ".";

		if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR)
			finding(c, path, "cannot be read: %s", strerror(e->fts_errno));
		else if (e->fts_info != FTS_DP)
			check_entry(c, path);
		/* One finding about start.json says more than one about each file of the views. */
		if (!c->views_known && e->fts_info == FTS_D && str_eq(path, VIEWS))
			fts_set(fts, e, FTS_SKIP);
	}
	if (errno)
		finding(c, ".", "cannot be read: %s", strerror(errno));
	fts_close(fts);
}

static void unreadable(struct checking *c, const char *file, const struct err *err)
{
	finding(c, file, "%s%s%s", err->what, err->errnum ? ": " : "", err->errnum ? strerror(err->errnum) : "");
}

/* start.json must be what the manifest comes to. Fills the expectations of views on the way. */
static void check_start(struct checking *c)
{
	cleanup_free char *path = mem_printf("%s/" TREE_START, c->tree), *text = NULL, *want = NULL;
	struct err err = ERR_INIT;
	struct tree loaded, made;
	size_t len;
	int r = tree_load(&loaded, c->tree, &err);

	if (r < 0) {
		unreadable(c, TREE_START, &err);
		return;
	}
	if (c->manifest.is_cuda)
		start_toolkit(&made, &c->manifest, c->tree);
	else
		start_driver(&made, &c->manifest, c->tree);
	want = tree_dump(&made);
	if (fd_read_file_at(AT_FDCWD, path, TREE_START_MAX, &text, &len) < 0 || !str_eq(text, want))
		finding(c, TREE_START, "is not what the manifest says");
	c->views_known = true;
	if (!c->manifest.is_cuda && view_each(&c->manifest, &made, expect_in_view, c) < 0)
		finding(c, VIEWS, "cannot be told");
	tree_free(&made);
	tree_free(&loaded);
}

void verify_tree(struct verify *ret, const char *path)
{
	struct checking c = { .v = ret, .tree = path, .dir = fd_open_dir(path), .manifest = { .arena = ARENA_INIT } };
	struct err err = ERR_INIT;

	*ret = (struct verify){ .arena = ARENA_INIT };
	if (manifest_load(&c.manifest, path, &err) < 0) {
		unreadable(&c, TREE_MANIFEST, &err);
		fd_close(c.dir);
		return;
	}
	for (size_t i = 0; i < c.manifest.n_files; i++)
		expect(&c, c.manifest.files[i].path, &c.manifest.files[i], false);
	check_start(&c);
	if (c.n)
		qsort(c.all, c.n, sizeof(*c.all), by_path);
	walk(&c);
	for (size_t i = 0; i < c.n; i++)
		if (!c.all[i].seen)
			finding(&c, c.all[i].path, "is missing");
	fd_close(c.dir);
	manifest_free(&c.manifest);
}

void verify_free(struct verify *v)
{
	arena_free(&v->arena);
	*v = (struct verify){ .arena = ARENA_INIT };
}

bool verify_is_whole(const char *path)
{
	struct verify v;
	bool whole;

	verify_tree(&v, path);
	whole = v.n_findings == 0;
	verify_free(&v);
	return whole;
}
