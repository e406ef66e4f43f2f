/* SPDX-License-Identifier: Apache-2.0 */
#include "mounts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <libmount/libmount.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#define MOUNTINFO_MAX (64u << 20)

struct mount_of {
	dev_t dev;
	const char *root; /* in the file system */
	pid_t pid;
};

struct mounts {
	struct arena arena;
	struct mount_of *v;
	size_t n;
	ino_t *namespaces; /* that were read */
	size_t n_namespaces;
};

static bool is_gone(int error)
{
	return error == ENOENT || error == ESRCH || error == ENOTDIR;
}

static bool is_read(struct mounts *m, ino_t ns)
{
	for (size_t i = 0; i < m->n_namespaces; i++)
		if (m->namespaces[i] == ns)
			return true;
	return false;
}

static int add_table(struct mounts *m, struct libmnt_table *table, pid_t pid)
{
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
	struct libmnt_fs *fs;

	if (!iter)
		return -ENOMEM;
	while (mnt_table_next_fs(table, iter, &fs) == 0) {
		const char *root = mnt_fs_get_root(fs);

		/* No tree is a whole file system: the store is above it. */
		if (!root || str_eq(root, "/"))
			continue;
		m->v = arena_grow(&m->arena, m->v, m->n, sizeof(*m->v));
		m->v[m->n++] = (struct mount_of){ mnt_fs_get_devno(fs), arena_strdup(&m->arena, root), pid };
	}
	mnt_free_iter(iter);
	return 0;
}

/* A line that libmount does not understand could be the one that matters. */
static int refuse_line(struct libmnt_table *table, const char *file, int line)
{
	(void)table;
	(void)file;
	(void)line;
	return -EBADMSG;
}

/* The text is read here: libmount takes an error of reading for the end. */
static int parse(struct libmnt_table *table, const char *file)
{
	cleanup_free char *text = NULL;
	size_t len;
	FILE *stream;
	int r = fd_read_file_at(AT_FDCWD, file, MOUNTINFO_MAX, &text, &len);

	if (r < 0)
		return r;
	/* A namespace always has a root, and the last line its end. */
	if (!len || text[len - 1] != '\n')
		return -EBADMSG;
	stream = fmemopen(text, len, "r");
	if (!stream)
		return -ENOMEM;
	mnt_table_set_parser_errcb(table, refuse_line);
	r = mnt_table_parse_stream(table, stream, file);
	fclose(stream);
	return r > 0 ? -EBADMSG : r;
}

static int read_namespace(struct mounts *m, const char *file, ino_t ns, pid_t pid)
{
	struct libmnt_table *table = mnt_new_table();
	int r = table ? parse(table, file) : -ENOMEM;

	if (r == 0)
		r = add_table(m, table, pid);
	mnt_unref_table(table);
	if (r < 0)
		return r;
	m->namespaces = arena_grow(&m->arena, m->namespaces, m->n_namespaces, sizeof(*m->namespaces));
	m->namespaces[m->n_namespaces++] = ns;
	return 0;
}

/* 0 or -errno. */
static int add_process(struct mounts *m, const char *dir, pid_t pid)
{
	cleanup_free char *ns = mem_printf("%s/ns/mnt", dir), *file = mem_printf("%s/mountinfo", dir);
	struct stat st;
	int r;

	/* A kernel thread has one too; a zombie has none. */
	st.st_ino = 0;
	if (stat(ns, &st) < 0 && errno != EACCES)
		return is_gone(errno) ? 0 : -errno;
	/* Whose namespace is not shown (some kernels keep that of init to themselves) is read for its own sake. */
	if (st.st_ino && is_read(m, st.st_ino))
		return 0;
	r = read_namespace(m, file, st.st_ino, pid);
	/* Of a process that has just ended the kernel says EINVAL. */
	return is_gone(-r) || (r < 0 && stat(ns, &st) < 0 && is_gone(errno)) ? 0 : r;
}

static int add_all(struct mounts *m, const char *proc_root, struct err *err)
{
	DIR *d = opendir(proc_root);
	struct dirent *e;
	int r = 0;

	if (!d)
		return err_set(err, ERR_HOST, errno, "%s", proc_root);
	for (errno = 0; r == 0 && (e = readdir(d)); errno = 0) {
		cleanup_free char *dir = mem_printf("%s/%s", proc_root, e->d_name);
		uint64_t pid;

		if (str_to_u64(e->d_name, INT_MAX, &pid) < 0)
			continue;
		r = add_process(m, dir, (pid_t)pid);
		if (r < 0)
			err_set(err, ERR_HOST, -r, "%s/mountinfo", dir);
	}
	if (r == 0 && errno)
		r = err_set(err, ERR_HOST, errno, "%s", proc_root);
	closedir(d);
	return r;
}

int mounts_read(struct mounts **ret, const char *proc_root, struct err *err)
{
	struct mounts *m = mem_zalloc(sizeof(*m));
	int r = add_all(m, proc_root, err);

	if (r < 0)
		mounts_free(m);
	else
		*ret = m;
	return r;
}

/* Where a path of this host is: the file system's number, and the path in it, which the caller frees. */
static int locate(const char *path, dev_t *ret_dev, char **ret_root)
{
	cleanup_free char *real = realpath(path, NULL);
	struct libmnt_table *table;
	struct libmnt_fs *fs;
	int r = -ENOENT;

	if (!real)
		return -errno;
	table = mnt_new_table_from_file("/proc/self/mountinfo");
	fs = table ? mnt_table_find_mountpoint(table, real, MNT_ITER_BACKWARD) : NULL;
	if (fs && mnt_fs_get_root(fs) && mnt_fs_get_target(fs)) {
		const char *root = mnt_fs_get_root(fs), *target = mnt_fs_get_target(fs);
		const char *rest = str_eq(target, "/") ? real : real + strlen(target);

		*ret_dev = mnt_fs_get_devno(fs);
		*ret_root = mem_printf("%s%s", str_eq(root, "/") ? "" : root, rest);
		r = 0;
	}
	mnt_unref_table(table);
	return r;
}

int mounts_user(const struct mounts *m, const char *path, pid_t *ret, struct err *err)
{
	cleanup_free char *root = NULL;
	dev_t dev = 0;
	int r = locate(path, &dev, &root);

	if (r < 0)
		return err_set(err, ERR_HOST, -r, "%s: its file system is not known", path);
	*ret = 0;
	for (size_t i = 0; i < m->n && !*ret; i++)
		/* One that was unlinked meanwhile has "//deleted" behind. */
		if (m->v[i].dev == dev && path_is_below(m->v[i].root, root))
			*ret = m->v[i].pid;
	return 0;
}

void mounts_free(struct mounts *m)
{
	if (!m)
		return;
	arena_free(&m->arena);
	free(m);
}
