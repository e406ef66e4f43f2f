/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "oci/json.h"
#include "store/tree.h"

#define STATE_FILE "state.json"
#define STATE_FORMAT 1
#define STATE_MAX (16u << 10)
#define LOCK_FILE ".lock"
#define CURRENT "current"

/* 0 or -errno, which ends the walk. */
typedef int name_fn(void *data, int dirfd, const char *name);

static bool is_gone(int error)
{
	return error == ENOENT || error == ENOTDIR;
}

struct walk {
	int dirfd;
	name_fn *fn;
	void *data;
};

static int call_dir(void *data, const char *name)
{
	const struct walk *w = data;
	struct stat st;

	if (!str_is_name(name) || name[0] == '.')
		return 0;
	if (fstatat(w->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return is_gone(errno) ? 0 : -errno;
	return S_ISDIR(st.st_mode) ? w->fn(w->data, w->dirfd, name) : 0;
}

/*
 * Calls fn for each directory of dirfd whose name is one. A directory that is gone is an empty one; one that cannot be
 * read is not: a container would get another driver or toolkit than it should.
 */
static int each_dir(int dirfd, const char *path, name_fn *fn, void *data)
{
	cleanup_fd int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct walk w = { fd, fn, data };

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return fd_each_name(fd, call_dir, &w);
}

/* 1, 0 or -errno. */
static int has_file(int dirfd, const char *name, const char *file)
{
	cleanup_free char *path = mem_printf("%s/%s", name, file);
	struct stat st;

	if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return is_gone(errno) ? 0 : -errno;
	return S_ISREG(st.st_mode);
}

/* One that has lost one of its two files is a damaged tree, and no longer none. */
static int is_tree(int dirfd, const char *name)
{
	int r = has_file(dirfd, name, TREE_START);

	return r == 0 ? has_file(dirfd, name, TREE_MANIFEST) : r;
}

struct listing {
	struct store *store;
	const char *driver;
};

static int add_os(void *data, int dirfd, const char *name)
{
	struct listing *l = data;
	struct store *s = l->store;
	int r = is_tree(dirfd, name);

	if (r <= 0)
		return r;
	s->drivers = arena_grow(&s->arena, s->drivers, s->n_drivers, sizeof(*s->drivers));
	s->drivers[s->n_drivers++] = (struct store_driver){ l->driver, arena_strdup(&s->arena, name) };
	return 0;
}

static int add_driver(void *data, int dirfd, const char *name)
{
	struct listing *l = data;

	if (!str_is_version(name))
		return 0;
	l->driver = arena_strdup(&l->store->arena, name);
	return each_dir(dirfd, name, add_os, l);
}

static int add_toolkit(void *data, int dirfd, const char *name)
{
	struct listing *l = data;
	struct store *s = l->store;
	int r = str_is_version(name) ? is_tree(dirfd, name) : 0;

	if (r <= 0)
		return r;
	s->toolkits = arena_grow(&s->arena, s->toolkits, s->n_toolkits, sizeof(*s->toolkits));
	s->toolkits[s->n_toolkits++] = arena_strdup(&s->arena, name);
	return 0;
}

static int by_driver(const void *a, const void *b)
{
	const struct store_driver *x = a, *y = b;
	int c = str_version_cmp(x->driver, y->driver);

	return c ? c : str_version_cmp(x->os, y->os);
}

static int by_version(const void *a, const void *b)
{
	return str_version_cmp(*(const char *const *)a, *(const char *const *)b);
}

/* What the link says where it has `parts` relative parts; else NULL. -errno where it is there and cannot be read. */
static int read_current(struct arena *a, const char *store, unsigned parts, const char **ret)
{
	cleanup_free char *path = mem_printf("%s/" CURRENT, store);
	char buf[PATH_MAX];
	struct strlist l = { 0 };
	ssize_t n = readlink(path, buf, sizeof(buf) - 1);

	/* EINVAL: no link at all. */
	if (n < 0 && !is_gone(errno) && errno != EINVAL)
		return -errno;
	if (n <= 0)
		return 0;
	buf[n] = '\0';
	strlist_split(a, &l, buf, "/", true);
	if (l.n == parts && str_is_version(l.v[0]) && (parts == 1 || str_is_name(l.v[1])))
		*ret = arena_strdup(a, buf);
	return 0;
}

static const char *state_driver(struct arena *a, const struct json *state, const char *key)
{
	const char *s = json_get_str(state, key, NULL);

	return s && str_is_version(s) ? arena_strdup(a, s) : NULL;
}

/* A state that cannot be read must not stop container starts: they go by the loaded module and `current`. */
static void read_state(struct store *s)
{
	cleanup_free char *path = mem_printf("%s/" STATE_FILE, s->driver_path);
	cleanup_free char *text = NULL;
	cleanup_json struct json *state = NULL;
	char why[160] = "unknown format";
	int64_t format;
	size_t len;
	int r = fd_read_file_at(AT_FDCWD, path, STATE_MAX, &text, &len);

	if (r == -ENOENT)
		return;
	if (r < 0) {
		s->state_error = r;
		log_warning("%s: %s", path, strerror(-r));
		return;
	}
	state = json_parse(text, len, why, sizeof(why));
	if (!json_int(json_get(state, "format"), STATE_FORMAT, STATE_FORMAT, &format)) {
		s->state_error = -EBADMSG;
		log_warning("%s: %s", path, why);
		return;
	}
	s->selected = state_driver(&s->arena, state, "selected");
	s->previous = state_driver(&s->arena, state, "previous");
}

#define STORE_HINT "name the directory itself in driver-store or cuda-store"

static bool is_link(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

static int refuse_link(const char *path, const char *hint, struct err *err)
{
	err_set(err, ERR_STORE, 0, "%s: it is a symlink", path);
	err_hint(err, "%s", hint);
	return -ENOTDIR;
}

static int read_one(struct store *s, const char *path, name_fn *add, unsigned parts, const char **current,
		    struct err *err)
{
	struct listing l = { .store = s };
	int r = each_dir(AT_FDCWD, path, add, &l);

	/* Without any tree it leads nowhere. */
	if (r == 0 && (parts == 1 ? s->n_toolkits : s->n_drivers))
		r = read_current(&s->arena, path, parts, current);
	if (r == -ENOTDIR && is_link(path))
		return refuse_link(path, STORE_HINT, err);
	return r < 0 ? err_set(err, ERR_STORE, -r, "%s", path) : 0;
}

static int read_toolkits(struct store *s, struct err *err)
{
	int r = read_one(s, s->cuda_path, add_toolkit, 1, &s->current_cuda, err);

	if (r == 0 && s->n_toolkits)
		qsort(s->toolkits, s->n_toolkits, sizeof(*s->toolkits), by_version);
	return r;
}

int store_read_toolkits(struct store *ret, const struct config *conf, struct err *err)
{
	int r;

	*ret = (struct store){ .arena = ARENA_INIT };
	ret->driver_path = arena_strdup(&ret->arena, conf->driver_store);
	ret->cuda_path = arena_strdup(&ret->arena, conf->cuda_store);
	r = read_toolkits(ret, err);
	if (r < 0)
		store_free(ret);
	return r;
}

int store_read(struct store *ret, const struct config *conf, struct err *err)
{
	int r;

	*ret = (struct store){ .arena = ARENA_INIT };
	ret->driver_path = arena_strdup(&ret->arena, conf->driver_store);
	ret->cuda_path = arena_strdup(&ret->arena, conf->cuda_store);
	r = read_one(ret, ret->driver_path, add_driver, 2, &ret->current, err);
	if (r == 0)
		r = read_toolkits(ret, err);
	if (r < 0) {
		store_free(ret);
		return r;
	}
	if (ret->n_drivers)
		qsort(ret->drivers, ret->n_drivers, sizeof(*ret->drivers), by_driver);
	read_state(ret);
	return 0;
}

static bool is_dir(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool store_has_driver(const struct store *s, const char *driver, const char *os)
{
	cleanup_free char *outer = mem_printf("%s/%s", s->driver_path, driver);
	cleanup_free char *path = mem_printf("%s/%s", outer, os);

	return is_dir(outer) && is_dir(path);
}

/* In a user namespace that does not map the host's root, its files are nobody's. */
#define NOBODY 65534

static int check_rights(const char *path, const char *link_hint, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return is_gone(errno) ? 0 : err_set(err, ERR_STORE, errno, "%s", path);
	if (S_ISLNK(st.st_mode))
		return refuse_link(path, link_hint, err);
	if (st.st_mode & (S_IWGRP | S_IWOTH)) {
		err_set(err, ERR_STORE, 0, "%s: others than root may write there", path);
		err_hint(err, "run 'chmod go-w %s', and install what lies there again if others had the chance", path);
		return -EPERM;
	}
	if (st.st_uid != 0 && st.st_uid != geteuid() && st.st_uid != NOBODY) {
		err_set(err, ERR_STORE, 0, "%s: it belongs to user %u", path, st.st_uid);
		err_hint(err, "run 'chown root %s', and install what lies there again if its owner had the chance",
			 path);
		return -EPERM;
	}
	return 0;
}

#define TREE_HINT "move what it leads to into its place, or mount it there"

/* A tree that others may write to is a damaged one, which is made anew; its driver's directory is not. */
int store_check_place(const char *store, const char *parent, const char *name, struct err *err)
{
	cleanup_free char *outer = parent ? mem_printf("%s/%s", store, parent) : NULL;
	cleanup_free char *path = mem_printf("%s/%s", outer ? outer : store, name);
	int r = outer ? check_rights(outer, TREE_HINT, err) : 0;

	return r == 0 && is_link(path) ? refuse_link(path, TREE_HINT, err) : r;
}

static int check_driver(const struct store *s, const struct store_driver *d, struct err *err)
{
	cleanup_free char *outer = mem_printf("%s/%s", s->driver_path, d->driver);
	cleanup_free char *path = mem_printf("%s/%s", outer, d->os);
	int r = check_rights(outer, TREE_HINT, err);

	return r < 0 ? r : check_rights(path, TREE_HINT, err);
}

int store_check_rights(const struct store *s, struct err *err)
{
	int r = check_rights(s->driver_path, STORE_HINT, err);

	return r < 0 ? r : check_rights(s->cuda_path, STORE_HINT, err);
}

int store_check_trees(const struct store *s, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->n_drivers; i++)
		r = check_driver(s, &s->drivers[i], err);
	for (size_t i = 0; r == 0 && i < s->n_toolkits; i++) {
		cleanup_free char *path = mem_printf("%s/%s", s->cuda_path, s->toolkits[i]);

		r = check_rights(path, TREE_HINT, err);
	}
	return r;
}

void store_free(struct store *s)
{
	arena_free(&s->arena);
	*s = (struct store){ .arena = ARENA_INIT };
}

/* Whether `version` is `wanted` or of its branch: "535" and "535.261" fit 535.261.03. */
static bool of_branch(const char *version, const char *wanted)
{
	const char *rest = str_after(version, wanted);

	return rest && (!*rest || *rest == '.');
}

static int not_found(struct store *s, const char *name, const char *driver, struct err *err)
{
	cleanup_strbuf struct strbuf others = STRBUF_INIT;
	int r = err_set(err, ERR_TREE_NAME, ENOENT, "%s", name);

	for (size_t i = 0; i < s->n_drivers; i++)
		if (driver && of_branch(s->drivers[i].driver, driver))
			strbuf_printf(&others, "%s%s/%s", others.len ? ", " : "", s->drivers[i].driver,
				      s->drivers[i].os);
	if (others.len)
		r = err_hint(err, "installed for other OS versions: %s", others.buf);
	return r;
}

static int find_cuda(struct store *s, const char *version, struct store_tree *ret, struct err *err)
{
	const char *best = NULL;

	for (size_t i = 0; str_is_version(version) && i < s->n_toolkits; i++)
		if (of_branch(s->toolkits[i], version) && !(best && str_eq(best, version)))
			best = s->toolkits[i];
	if (!best)
		return err_set(err, ERR_TREE_NAME, ENOENT, "cuda/%s", version);
	*ret = (struct store_tree){ .is_cuda = true, .cuda = best };
	ret->path = arena_printf(&s->arena, "%s/%s", s->cuda_path, best);
	return 0;
}

int store_find(struct store *s, const char *name, const char *os, struct store_tree *ret, struct err *err)
{
	const char *cuda = str_after(name, "cuda/"), *slash = strchr(name, '/');
	const struct store_driver *best = NULL;
	const char *driver;

	if (cuda)
		return find_cuda(s, cuda, ret, err);
	driver = slash ? arena_strndup(&s->arena, name, (size_t)(slash - name)) : name;
	if (!str_is_version(driver))
		return err_set(err, ERR_TREE_NAME, ENOENT, "%s", name);
	/* Ascending, so the last that fits is the newest; a full name needs no other. */
	for (size_t i = 0; i < s->n_drivers; i++) {
		const struct store_driver *d = &s->drivers[i];

		if (slash ? str_eq(d->driver, driver) && str_eq(d->os, slash + 1)
			  : of_branch(d->driver, driver) && (!os || str_eq(d->os, os)) &&
				    !(best && str_eq(best->driver, driver)))
			best = d;
	}
	if (!best)
		return not_found(s, name, driver, err);
	*ret = (struct store_tree){ .driver = best->driver, .os = best->os };
	ret->path = arena_printf(&s->arena, "%s/%s/%s", s->driver_path, best->driver, best->os);
	return 0;
}

const struct store_driver *store_tree_of(const struct store *s, const char *driver, const char *os)
{
	for (size_t i = 0; i < s->n_drivers; i++)
		if (str_eq(s->drivers[i].driver, driver) && str_eq(s->drivers[i].os, os))
			return &s->drivers[i];
	return NULL;
}

static bool is_current(const struct store *s, const struct store_driver *d)
{
	const char *os = s->current ? str_after(s->current, d->driver) : NULL;

	return os && *os == '/' && str_eq(os + 1, d->os);
}

const struct store_driver *store_to_load(const struct store *s, const char *os)
{
	for (size_t i = 0; i < s->n_drivers; i++)
		if (str_eq(s->drivers[i].os, os) && is_current(s, &s->drivers[i]))
			return &s->drivers[i];
	return s->selected ? store_tree_of(s, s->selected, os) : NULL;
}

int store_lock(const struct config *conf, struct err *err)
{
	cleanup_free char *path = mem_printf("%s/" LOCK_FILE, conf->driver_store);
	cleanup_fd int fd = -EBADF;
	int r = fd_mkdir_p(AT_FDCWD, conf->driver_store, 0755);

	if (r == 0)
		fd = openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (r == 0 && fd < 0)
		r = -errno;
	if (r < 0)
		return err_set(err, r == -EACCES || r == -EPERM ? ERR_PRIVILEGE : ERR_STORE, -r, "%s",
			       conf->driver_store);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return take_fd(fd);
	r = -errno;
	err_set(err, r == -EWOULDBLOCK ? ERR_BUSY : ERR_STORE, -r, "%s", path);
	if (r == -EWOULDBLOCK)
		err_hint(err, "wait until the other nvcoreos has ended");
	return r;
}

static int write_state(const struct store *s, int dirfd, struct err *err)
{
	cleanup_json struct json *state = json_new_object();
	cleanup_free char *text = NULL;
	int r;

	json_set_int(state, "format", STATE_FORMAT);
	if (s->selected)
		json_set_str(state, "selected", s->selected);
	if (s->previous)
		json_set_str(state, "previous", s->previous);
	text = json_dump(state, 0);
	r = fd_replace_file(dirfd, STATE_FILE, text, strlen(text), 0644, FD_REPLACE_SYNC);
	if (r < 0)
		return err_set(err, ERR_STORE, -r, "%s/" STATE_FILE, s->driver_path);
	return 0;
}

static int move_current(int dirfd, const char *store, const char *target, struct err *err)
{
	int r = fd_replace_link(dirfd, CURRENT, target, 0);

	if (r == 0 && fsync(dirfd) < 0)
		r = -errno;
	if (r == -EISDIR || r == -EEXIST) {
		err_set(err, ERR_STORE, -r, "%s/" CURRENT, store);
		return err_hint(err, "it is a directory; move it away");
	}
	return r < 0 ? err_set(err, ERR_STORE, -r, "%s/" CURRENT, store) : 0;
}

int store_select(struct store *s, const char *driver, const char *os, struct err *err)
{
	const char *tree = arena_printf(&s->arena, "%s/%s", driver, os);
	cleanup_fd int dir = fd_open_dir(s->driver_path);
	int r;

	if (dir < 0)
		return err_set(err, ERR_STORE, -dir, "%s", s->driver_path);
	/* Written anew it would forget what was selected before; a damaged one has forgotten. */
	if (s->state_error && s->state_error != -EBADMSG)
		return err_set(err, ERR_STORE, -s->state_error, "%s/" STATE_FILE, s->driver_path);
	if (!s->selected || !str_eq(s->selected, driver)) {
		const char *selected = s->selected, *previous = s->previous;

		if (s->selected)
			s->previous = s->selected;
		s->selected = arena_strdup(&s->arena, driver);
		r = write_state(s, dir, err);
		if (r < 0) {
			s->selected = selected;
			s->previous = previous;
			return r;
		}
	}
	r = is_tree(dir, tree);
	if (r < 0)
		return err_set(err, ERR_STORE, -r, "%s/%s", s->driver_path, tree);
	if (r == 0 || (s->current && str_eq(s->current, tree)))
		return 0;
	r = move_current(dir, s->driver_path, tree, err);
	if (r == 0)
		s->current = tree;
	return r;
}

int store_restore(struct store *s, const struct store *before, struct err *err)
{
	cleanup_fd int dir = fd_open_dir(s->driver_path);
	int r;

	if (dir < 0)
		return err_set(err, ERR_STORE, -dir, "%s", s->driver_path);
	s->selected = before->selected ? arena_strdup(&s->arena, before->selected) : NULL;
	s->previous = before->previous ? arena_strdup(&s->arena, before->previous) : NULL;
	r = write_state(s, dir, err);
	if (r < 0 || !before->current)
		return r;
	s->current = arena_strdup(&s->arena, before->current);
	return move_current(dir, s->driver_path, s->current, err);
}

int store_select_cuda(struct store *s, const char *version, struct err *err)
{
	cleanup_fd int dir = fd_open_dir(s->cuda_path);
	int r;

	if (dir < 0)
		return err_set(err, ERR_STORE, -dir, "%s", s->cuda_path);
	r = move_current(dir, s->cuda_path, version, err);
	if (r == 0)
		s->current_cuda = arena_strdup(&s->arena, version);
	return r;
}
