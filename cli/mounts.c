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
	bool is_lower; /* root is a lower directory of an overlay, as whoever mounted it said it */
};

/* A process sees of its namespace what lies below its own root. */
struct sight {
	ino_t ns;
	dev_t root_dev;
	ino_t root_ino;
};

struct mounts {
	struct arena arena;
	struct mount_of *v;
	size_t n;
	struct sight *seen; /* what was read */
	size_t n_seen;
};

static bool is_gone(int error)
{
	return error == ENOENT || error == ESRCH || error == ENOTDIR;
}

static bool is_read(const struct mounts *m, const struct sight *s)
{
	for (size_t i = 0; i < m->n_seen; i++)
		if (m->seen[i].ns == s->ns && m->seen[i].root_dev == s->root_dev && m->seen[i].root_ino == s->root_ino)
			return true;
	return false;
}

static void add(struct mounts *m, const struct mount_of *mount)
{
	m->v = arena_grow(&m->arena, m->v, m->n, sizeof(*m->v));
	m->v[m->n++] = *mount;
}

/* Splits at colons that no backslash hides. */
static void add_lower_list(struct mounts *m, const char *value, size_t len, pid_t pid)
{
	char *dir = arena_alloc(&m->arena, len + 1);
	size_t n = 0;

	for (size_t i = 0; i <= len; i++) {
		if (i < len && value[i] == '\\' && i + 1 < len) {
			dir[n++] = value[++i];
		} else if (i < len && value[i] != ':') {
			dir[n++] = value[i];
		} else if (n) {
			add(m, &(struct mount_of){
				       .root = arena_strndup(&m->arena, dir, n), .pid = pid, .is_lower = true });
			n = 0;
		}
	}
}

/* What lies below an overlay is in use too: "lowerdir=/a:/b", or "lowerdir+=/a" of the new calls for each. */
static void add_lowers(struct mounts *m, struct libmnt_fs *fs, pid_t pid)
{
	static const char *const names[] = { "lowerdir+=", "datadir+=", "lowerdir=" };
	const char *options = mnt_fs_get_fs_options(fs);

	if (!options || !mnt_fs_get_fstype(fs) || !str_eq(mnt_fs_get_fstype(fs), "overlay"))
		return;
	while (*options) {
		size_t len = strcspn(options, ",");

		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			if (str_starts(options, names[i]))
				add_lower_list(m, options + strlen(names[i]), len - strlen(names[i]), pid);
		options += len;
		options += *options == ',';
	}
}

static int add_table(struct mounts *m, struct libmnt_table *table, pid_t pid)
{
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
	struct libmnt_fs *fs;

	if (!iter)
		return -ENOMEM;
	while (mnt_table_next_fs(table, iter, &fs) == 0) {
		const char *root = mnt_fs_get_root(fs);

		add_lowers(m, fs, pid);
		/* No tree is a whole file system: the store is above it. */
		if (!root || str_eq(root, "/"))
			continue;
		add(m, &(struct mount_of){ mnt_fs_get_devno(fs), arena_strdup(&m->arena, root), pid, false });
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
	/* A process that is chrooted to where nothing is mounted sees nothing, and the last line has its end. */
	if (!len)
		return 0;
	if (text[len - 1] != '\n')
		return -EBADMSG;
	stream = fmemopen(text, len, "r");
	if (!stream)
		return -ENOMEM;
	mnt_table_set_parser_errcb(table, refuse_line);
	r = mnt_table_parse_stream(table, stream, file);
	fclose(stream);
	return r > 0 ? -EBADMSG : r;
}

static int read_table(struct mounts *m, const char *file, pid_t pid)
{
	struct libmnt_table *table = mnt_new_table();
	int r = table ? parse(table, file) : -ENOMEM;

	if (r == 0)
		r = add_table(m, table, pid);
	mnt_unref_table(table);
	return r;
}

/* What a process sees is read once, of however many. Zero ns: it is not shown, and read for its own sake. */
static int look(const char *dir, struct sight *ret)
{
	cleanup_free char *ns = mem_printf("%s/ns/mnt", dir), *root = mem_printf("%s/root", dir);
	struct stat st;

	*ret = (struct sight){ 0 };
	/* A kernel thread has one too; a zombie has none. */
	if (stat(ns, &st) < 0)
		return errno == EACCES ? 0 : -errno;
	ret->ns = st.st_ino;
	if (stat(root, &st) < 0) {
		ret->ns = errno == EACCES ? 0 : ret->ns;
		return errno == EACCES || errno == ENOENT ? 0 : -errno;
	}
	ret->root_dev = st.st_dev;
	ret->root_ino = st.st_ino;
	return 0;
}

static int add_process(struct mounts *m, const char *dir, pid_t pid)
{
	cleanup_free char *file = mem_printf("%s/mountinfo", dir);
	struct sight s, again;
	int r = look(dir, &s);

	if (r < 0)
		return is_gone(-r) ? 0 : r;
	if (s.ns && is_read(m, &s))
		return 0;
	r = read_table(m, file, pid);
	if (r == 0 && s.ns) {
		m->seen = arena_grow(&m->arena, m->seen, m->n_seen, sizeof(*m->seen));
		m->seen[m->n_seen++] = s;
	}
	/* Of a process that has just ended the kernel says EINVAL. */
	return is_gone(-r) || (r < 0 && is_gone(-look(dir, &again))) ? 0 : r;
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

/* As mountinfo calls it; the caller frees it. NULL where it is not there. */
static char *real_path(const char *path)
{
	return realpath(path, NULL);
}

/* Where a path of this host is: the file system's number, and the path in it, which the caller frees. */
static int locate(const char *path, dev_t *ret_dev, char **ret_root)
{
	cleanup_free char *real = real_path(path);
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

static bool leads_into(const char *from, const char *lower, const char *real)
{
	cleanup_free char *path = mem_printf("%s/%s", from, lower);
	cleanup_free char *there = real_path(path);

	return there && path_is_below(there, real);
}

/*
 * Whether a lower directory is the tree `real` or lies in it. What was said when it was mounted may lead through a link, or be
 * relative to a directory that nobody knows any more: then the tree and the store's directories above it are tried.
 */
static bool is_lower_in(const char *lower, const char *real)
{
	cleanup_free char *from = mem_strdup(real), *said = real_path(lower);
	char *slash = from;
	bool found = false;

	if (*lower == '/')
		return path_is_below(said ? said : lower, real);
	for (int up = 0; up < 3 && slash && !found; up++) {
		found = leads_into(from, lower, real);
		slash = strrchr(from, '/');
		if (slash)
			*slash = '\0';
	}
	return found;
}

int mounts_user(const struct mounts *m, const char *path, pid_t *ret, struct err *err)
{
	cleanup_free char *root = NULL, *real = real_path(path);
	dev_t dev = 0;
	int r = locate(path, &dev, &root);

	if (r < 0)
		return err_set(err, ERR_HOST, -r, "%s: its file system is not known", path);
	*ret = 0;
	for (size_t i = 0; i < m->n && !*ret; i++)
		/* One that was unlinked meanwhile has "//deleted" behind. */
		if (m->v[i].is_lower ? real && is_lower_in(m->v[i].root, real)
				     : m->v[i].dev == dev && path_is_below(m->v[i].root, root))
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

#define OURS "nvcoreos" /* the source of our overlays */

static int failed(struct libmnt_context *c, int r, const char *what, const char *target, struct err *err)
{
	int e = c && mnt_context_syscall_called(c) ? mnt_context_get_syscall_errno(c) : r < 0 ? -r : EINVAL;

	mnt_free_context(c);
	return err_set(err, ERR_MOUNT, e ? e : EINVAL, "%s %s", what, target);
}

/* An option's value as it is: libmount and overlayfs split at these. */
static bool is_plain(const char *path)
{
	return !path || !path[strcspn(path, ",:\"\\")];
}

int mounts_overlay(const struct mounts_overlay *o, struct err *err)
{
	cleanup_free char *options = mem_printf("%s,nodev,nosuid,lowerdir=%s%s%s", o->upper ? "rw" : "ro",
						o->lower ? o->lower : "", o->lower ? ":" : "", o->target);
	cleanup_free char *all =
		o->upper ? mem_printf("%s,upperdir=%s,workdir=%s", options, o->upper, o->work) : mem_strdup(options);
	struct libmnt_context *c;
	int r;

	if (!is_plain(o->target) || !is_plain(o->lower) || !is_plain(o->upper) || !is_plain(o->work))
		return err_set(err, ERR_MOUNT, EINVAL, "overlay on %s", o->target);
	c = mnt_new_context();
	r = c ? mnt_context_disable_mtab(c, 1) : -ENOMEM;
	if (r == 0)
		r = mnt_context_set_source(c, OURS);
	if (r == 0)
		r = mnt_context_set_fstype(c, "overlay");
	if (r == 0)
		r = mnt_context_set_target(c, o->target);
	if (r == 0)
		r = mnt_context_set_options(c, all);
	if (r == 0)
		r = mnt_context_mount(c);
	if (r != 0)
		return failed(c, r, "overlay on", o->target, err);
	mnt_free_context(c);
	return 0;
}

enum cover { COVER_NONE, COVER_TOP, COVER_BURIED };

/* Whether an overlay of ours is on a directory, and on top. */
static enum cover cover_of(const char *target)
{
	cleanup_free char *real = real_path(target);
	struct libmnt_table *table = mnt_new_table_from_file("/proc/self/mountinfo");
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
	enum cover cover = COVER_NONE;
	struct libmnt_fs *fs;

	/* The last line for a directory is what is seen there. */
	while (table && iter && real && mnt_table_next_fs(table, iter, &fs) == 0) {
		if (!mnt_fs_get_target(fs) || !str_eq(mnt_fs_get_target(fs), real))
			continue;
		if (mnt_fs_get_source(fs) && str_eq(mnt_fs_get_source(fs), OURS))
			cover = COVER_TOP;
		else if (cover != COVER_NONE)
			cover = COVER_BURIED;
	}
	mnt_free_iter(iter);
	mnt_unref_table(table);
	return cover;
}

bool mounts_is_covered(const char *target)
{
	return cover_of(target) != COVER_NONE;
}

static int uncover_once(const char *target, struct err *err)
{
	struct libmnt_context *c = mnt_new_context();
	int r = c ? mnt_context_disable_mtab(c, 1) : -ENOMEM;

	if (r == 0)
		r = mnt_context_enable_lazy(c, 1);
	if (r == 0)
		r = mnt_context_set_target(c, target);
	if (r == 0)
		r = mnt_context_umount(c);
	if (r != 0)
		return failed(c, r, "unmounting", target, err);
	mnt_free_context(c);
	return 0;
}

int mounts_uncover(const char *target, struct err *err)
{
	enum cover cover;
	int r = 0;

	while (r == 0 && (cover = cover_of(target)) == COVER_TOP)
		r = uncover_once(target, err);
	if (r < 0 || cover == COVER_NONE)
		return r;
	err_set(err, ERR_BUSY, EBUSY, "%s: something else is mounted over what nvcoreos has mounted there", target);
	return err_hint(err, "unmount that first");
}
