/* SPDX-License-Identifier: Apache-2.0 */
#include "store/view.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "store/classify.h"

#define VIEWS "views"
#define EM_AMD64 62
#define LINKS_MAX 8

int view_copy(int in, int out)
{
	char buf[65536];

	if (ioctl(out, FICLONE, in) == 0)
		return 0;
	for (;;) {
		ssize_t n = copy_file_range(in, NULL, out, NULL, 1u << 30, 0);

		if (n == 0)
			return 0;
		if (n < 0)
			break;
	}
	/* Not on every file system, nor between any two. */
	for (;;) {
		ssize_t n = read(in, buf, sizeof(buf));
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		r = fd_write_all(out, buf, (size_t)n);
		if (r < 0)
			return r;
	}
}

static int copy_file(int from_dir, const char *from, int to_dir, const char *to)
{
	cleanup_fd int in = openat(from_dir, from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	cleanup_fd int out = -EBADF;
	struct stat st;

	if (in < 0 || fstat(in, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	out = openat(to_dir, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0 || fchmod(out, st.st_mode & 0755) < 0)
		return -errno;
	return view_copy(in, out);
}

static int copy_link(int from_dir, const char *from, int to_dir, const char *to)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from_dir, from, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, to_dir, to) < 0 ? -errno : 0;
}

int view_link(int from_dir, const char *from, int to_dir, const char *to)
{
	struct stat st;

	if (linkat(from_dir, from, to_dir, to, 0) == 0)
		return 0;
	/* EEXIST, ENOENT, ENOSPC mean what they say; the rest: no links here, or too many of this file. */
	if (errno != EPERM && errno != EXDEV && errno != EMLINK && errno != EOPNOTSUPP && errno != ENOSYS)
		return -errno;
	if (fstatat(from_dir, from, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return S_ISLNK(st.st_mode) ? copy_link(from_dir, from, to_dir, to) : copy_file(from_dir, from, to_dir, to);
}

struct making {
	int tree, view;
	const struct manifest *m;
	const struct tree *t;
	unsigned set;
	bool without_compat;
	const char *name;
	view_entry_fn *tell; /* NULL: the view is made */
	void *data;
};

/* The directory is made when the first file wants it. */
static int place(const struct making *k, const char *from, const char *to)
{
	char parent[PATH_MAX];
	int r;

	if (k->tell)
		return k->tell(k->data, k->name, from, to);
	r = view_link(k->tree, from, k->view, to);
	if (r != -ENOENT)
		return r;
	r = path_parent(to, parent, sizeof(parent));
	if (r == 0)
		r = fd_mkdir_p(k->view, parent, 0755);
	return r < 0 ? r : view_link(k->tree, from, k->view, to);
}

static bool shows(const struct making *k, unsigned capability, bool compat)
{
	return tree_view_shows(k->set, capability) && !(compat && k->without_compat);
}

/* The host's own file, shown where no loader looks for libraries. */
static int place_xserver(const struct making *k, const struct manifest_file *f)
{
	const char *name = path_base(f->path), *dir;
	cleanup_free char *to = NULL;
	size_t stem;

	if (f->link || f->class != 64 || !shows(k, CAP_GRAPHICS, false) || !classify_xserver(name, &dir, &stem))
		return 0;
	to = mem_printf(TREE_XSERVER "/%s/%s", dir, name);
	return place(k, f->path, to);
}

static int place_files(const struct making *k)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < k->m->n_files; i++) {
		const struct manifest_file *f = &k->m->files[i];

		if (f->kind == MANIFEST_HOST)
			r = place_xserver(k, f);
		if (f->kind != MANIFEST_LIBRARY && f->kind != MANIFEST_PROGRAM && f->kind != MANIFEST_SHARE)
			continue;
		if (shows(k, f->capability, f->compat))
			r = place(k, f->path, f->path);
	}
	return r;
}

/* The regular file behind dir/name, by the manifest; NULL where there is none. */
static const struct manifest_file *real_file(const struct making *k, const char *dir, const char *name)
{
	char path[PATH_MAX];
	const struct manifest_file *f = NULL;

	for (unsigned i = 0; i < LINKS_MAX; i++) {
		cleanup_free char *p = mem_printf("%s/%s", dir, name);

		if (strlen(p) >= sizeof(path))
			return NULL;
		memcpy(path, p, strlen(p) + 1);
		f = manifest_find(k->m, path);
		if (!f || !f->link)
			return f;
		name = f->link;
	}
	return NULL;
}

static int place_hwcaps(const struct making *k)
{
	static const char *const levels[] = { "x86-64-v2", "x86-64-v3", "x86-64-v4" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < k->t->n_libraries; i++) {
		const struct tree_library *l = &k->t->libraries[i];
		const struct manifest_file *f;

		if (l->machine != EM_AMD64 || l->class != 64 || !shows(k, l->capability, l->compat))
			continue;
		f = real_file(k, l->dir, l->soname);
		for (size_t v = 0; r == 0 && f && v < ARRAY_SIZE(levels); v++) {
			cleanup_free char *to = mem_printf("%s/glibc-hwcaps/%s/%s", l->dir, levels[v], l->soname);

			r = place(k, f->path, to);
		}
	}
	return r;
}

static int make_view(struct making *k)
{
	static const char *const dirs[] = { "bin", "lib64", "lib32", "share" };
	cleanup_free char *path = mem_printf(VIEWS "/%s", k->name);
	cleanup_fd int view = -EBADF;
	int r = 0;

	if (mkdirat(k->tree, path, 0755) < 0)
		return -errno;
	view = openat(k->tree, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (view < 0)
		return -errno;
	k->view = view;
	/* All of them always: the loader's configuration names them. */
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (mkdirat(view, dirs[i], 0755) < 0)
			return -errno;
	if (symlinkat("lib64", view, "lib") < 0)
		return -errno;
	r = place_files(k);
	return r < 0 ? r : place_hwcaps(k);
}

static int tell_view(struct making *k)
{
	int r = k->tell(k->data, k->name, NULL, "lib");

	if (r == 0)
		r = place_files(k);
	return r < 0 ? r : place_hwcaps(k);
}

/* One call of `work` for each view. */
static int each_view(const struct making *all, int (*work)(struct making *k))
{
	cleanup_arena struct arena arena = ARENA_INIT;
	struct strlist done = { 0 };
	char name[TREE_VIEW_MAX];
	int r = 0;

	for (unsigned i = 0; r == 0 && i <= 2 * CAP_ALL + 1; i++) {
		struct making k = *all;

		k.without_compat = i > CAP_ALL;
		k.set = tree_view_set(k.t, i & CAP_ALL);
		tree_view_name(k.t, i & CAP_ALL, k.without_compat, name);
		if (strlist_has(&done, name))
			continue;
		strlist_add(&arena, &done, name);
		k.name = name;
		r = work(&k);
	}
	return r;
}

int view_make(int dir, const struct manifest *m, const struct tree *t, struct err *err)
{
	struct making k = { .tree = dir, .view = -EBADF, .m = m, .t = t };
	int r;

	if (mkdirat(dir, VIEWS, 0755) < 0)
		return err_set(err, ERR_STORE, errno, "%s/" VIEWS, t->path);
	r = each_view(&k, make_view);
	return r < 0 ? err_set(err, ERR_STORE, -r, "%s/" VIEWS, t->path) : 0;
}

int view_each(const struct manifest *m, const struct tree *t, view_entry_fn *tell, void *data)
{
	struct making k = { .tree = -EBADF, .view = -EBADF, .m = m, .t = t, .tell = tell, .data = data };

	return each_view(&k, tell_view);
}
