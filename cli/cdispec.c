/* SPDX-License-Identifier: Apache-2.0 */
#include "cdispec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "cdishape.h"
#include "yamldoc.h"

/* Of all files together. */
#define BYTES_MAX (64u << 20)

bool cdispec_format(const char *path, bool *ret_yaml)
{
	*ret_yaml = str_ends(path, ".yaml");
	return *ret_yaml || str_ends(path, ".json");
}

/* As engines do, whatever the name's ending: JSON is YAML too. */
struct json *cdispec_parse(const char *text, size_t len, char *why, size_t size)
{
	cleanup_json struct json *raw = yamldoc_read(text, len, why, size);

	return raw ? cdishape_read(raw, why, size) : NULL;
}

int cdispec_text(const struct json *doc, bool yaml, struct strbuf *out, struct err *err)
{
	cleanup_free char *text = NULL;

	if (yaml)
		return yamldoc_write(doc, out) < 0 ? err_set(err, ERR_NOMEM, ENOMEM, "YAML") : 0;
	text = json_dump(doc, 2);
	strbuf_printf(out, "%s\n", text);
	return 0;
}

/* --- reading --- */

static int read_text(int dir, const char *name, char **text, size_t *len)
{
	cleanup_fd int fd = path_open(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fd < 0 ? fd : -errno;
	return S_ISREG(st.st_mode) ? fd_read_all(fd, CDISPEC_FILE_MAX, text, len) : -EINVAL;
}

static struct cdispec_file *new_file(struct cdispec_set *s, size_t dir, const char *path)
{
	s->files = arena_grow(&s->arena, s->files, s->n_files, sizeof(*s->files));
	s->files[s->n_files] = (struct cdispec_file){ .path = arena_strdup(&s->arena, path), .dir = dir };
	return &s->files[s->n_files++];
}

static void add_file(struct cdispec_set *s, int rootfd, size_t dir, const char *path)
{
	struct cdispec_file *f = new_file(s, dir, path);
	cleanup_free char *text = NULL;
	char why[256] = "";
	size_t len = 0;
	int r;

	r = s->bytes < BYTES_MAX ? read_text(rootfd, path, &text, &len) : -EFBIG;
	s->bytes += len;
	if (r < 0) {
		f->why = arena_printf(&s->arena, "it cannot be read: %s",
				      r == -EINVAL ? "no regular file" : strerror(-r));
		return;
	}
	f->doc = cdispec_parse(text, len, why, sizeof(why));
	if (*why)
		f->why = arena_strdup(&s->arena, why);
}

/* Engines read these two endings, hidden files too, and nothing below. */
static int is_spec(const struct dirent *d)
{
	bool yaml;

	return d->d_type != DT_DIR && cdispec_format(d->d_name, &yaml);
}

/* Where the directory itself is a symlink engines find nothing. */
static bool is_link(int rootfd, const char *path)
{
	cleanup_fd int fd = path_open(rootfd, path, O_PATH | O_NOFOLLOW);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode);
}

static int read_dir(struct cdispec_set *s, int rootfd, size_t place, const char *path, struct err *err)
{
	cleanup_fd int dir = path_open(rootfd, path, O_RDONLY | O_DIRECTORY);
	struct dirent **found = NULL;
	int n;

	if (dir == -ENOENT)
		return 0;
	if (dir >= 0 && is_link(rootfd, path)) {
		new_file(s, place, path)->why = "it is a symlink, and engines read nothing behind it";
		return 0;
	}
	n = dir < 0 ? -1 : scandirat(dir, ".", &found, is_spec, alphasort);
	if (n < 0)
		return err_set(err, ERR_IO, dir < 0 ? -dir : errno, "%s", path);
	for (int i = 0; i < n; i++) {
		cleanup_free char *file = mem_printf("%s/%s", path, found[i]->d_name);

		if (s->n_files < CDISPEC_FILES_MAX)
			add_file(s, rootfd, place, file);
		else if (s->n_files == CDISPEC_FILES_MAX)
			new_file(s, place, file)->why = "it and what follows is not read: there are too many files";
		free(found[i]);
	}
	free(found);
	return 0;
}

int cdispec_read(struct cdispec_set *ret, int rootfd, const struct strlist *dirs, struct err *err)
{
	int r = 0;

	*ret = (struct cdispec_set){ .n_files = 0 };
	for (size_t i = 0; r == 0 && i < dirs->n; i++)
		r = read_dir(ret, rootfd, i, dirs->v[i], err);
	if (r < 0)
		cdispec_free(ret);
	return r;
}

void cdispec_free(struct cdispec_set *s)
{
	for (size_t i = 0; i < s->n_files; i++)
		json_free(s->files[i].doc);
	arena_free(&s->arena);
	*s = (struct cdispec_set){ .n_files = 0 };
}

const char *cdispec_name(struct arena *a, const struct json *doc, size_t i)
{
	return arena_printf(a, "%s=%s", json_get_str(doc, "kind", ""),
			    json_get_str(json_at(json_get(doc, "devices"), i), "name", ""));
}

/* --- against the host --- */

struct checker {
	const struct cdispec_set *set;
	int rootfd;
	struct cdispec_findings *found;
	const struct cdispec_file *file;
	const char *device;
	struct json *names;   /* of all files: the file that counts, by its number */
	struct json *refused; /* names that two files of one directory define */
};

static void find(struct checker *c, const char *fmt, ...) printf_format(2, 3);
static void find(struct checker *c, const char *fmt, ...)
{
	struct cdispec_findings *f = c->found;
	char raw[512], safe[1024];
	va_list ap;

	if (f->n == CDISPEC_FINDINGS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	str_escape(raw, safe, sizeof(safe));
	f->v = arena_grow(&f->arena, f->v, f->n, sizeof(*f->v));
	f->v[f->n] = (struct cdispec_finding){
		.file = c->file->path,
		.device = c->device,
		.what = arena_strdup(&f->arena, f->n == CDISPEC_FINDINGS_MAX - 1 ? "and more" : safe),
	};
	f->n++;
}

/* What stands there: 0, or -errno. A path that is not absolute is a finding, and then -EINVAL. */
static int look(struct checker *c, const char *path, int flags, struct stat *st)
{
	cleanup_fd int fd = -EBADF;

	if (path[0] != '/') {
		find(c, "%.200s is no absolute path", path);
		return -EINVAL;
	}
	fd = path_open(c->rootfd, path, O_PATH | flags);
	return fd < 0 ? fd : fstat(fd, st) < 0 ? -errno : 0;
}

static bool is_there(struct checker *c, const char *what, const char *path, int flags, struct stat *st)
{
	int r = look(c, path, flags, st);

	if (r < 0 && r != -EINVAL)
		find(c, "%s%.200s is not there", what, path);
	return r == 0;
}

static int64_t number_of(const struct json *node, const char *key)
{
	int64_t n;

	return json_int(json_get(node, key), 0, INT64_MAX, &n) ? n : 0;
}

static bool has_type(const struct stat *st, const char *type)
{
	if (!*type)
		return S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode) || S_ISFIFO(st->st_mode);
	return str_eq(type, "p")   ? S_ISFIFO(st->st_mode)
	       : str_eq(type, "b") ? S_ISBLK(st->st_mode)
				   : S_ISCHR(st->st_mode);
}

/* Engines take from the host what the specification leaves out, and then follow no symlink; without a major it has no number. */
static void check_node(struct checker *c, const struct json *node)
{
	const char *path = json_get_str(node, "hostPath", ""), *type = json_get_str(node, "type", "");
	const int64_t wants[2] = { number_of(node, "major"), number_of(node, "minor") };
	struct stat st;

	if (!*path)
		path = json_get_str(node, "path", "");
	if (!is_there(c, "", path, *type && (wants[0] || str_eq(type, "p")) ? 0 : O_NOFOLLOW, &st))
		return;
	if (!has_type(&st, type))
		find(c, "%.200s is %s", path,
		     S_ISLNK(st.st_mode) ? "a symlink, which engines do not follow here" : "no such device");
	else if (wants[0] && !S_ISFIFO(st.st_mode) && (wants[0] != major(st.st_rdev) || wants[1] != minor(st.st_rdev)))
		find(c, "%.200s is %u:%u on this host, and not %lld:%lld", path, major(st.st_rdev), minor(st.st_rdev),
		     (long long)wants[0], (long long)wants[1]);
}

static void check_hook(struct checker *c, const struct json *hook)
{
	const char *path = json_get_str(hook, "path", "");
	const struct json *env = json_get(hook, "env");
	struct stat st;

	if (is_there(c, "the hook ", path, 0, &st) && (!S_ISREG(st.st_mode) || !(st.st_mode & 0111)))
		find(c, "the hook %.200s is no program", path);
	if (!json_len(env) && str_eq(json_get_str(hook, "hookName", ""), "createContainer"))
		find(c, "the hook %.200s runs with the container's own variables: it has no env", path);
}

static void check_edits(struct checker *c, const struct json *edits)
{
	const struct json *nodes = json_get(edits, "deviceNodes"), *mounts = json_get(edits, "mounts"),
			  *hooks = json_get(edits, "hooks");
	struct stat st;

	for (size_t i = 0; i < json_len(nodes); i++)
		check_node(c, json_at(nodes, i));
	for (size_t i = 0; i < json_len(mounts); i++) {
		const struct json *m = json_at(mounts, i);
		const char *type = json_get_str(m, "type", "");

		/* A file system of its own type has no path of the host's. */
		if (!*type || str_eq(type, "bind") || str_eq(type, "none"))
			(void)is_there(c, "", json_get_str(m, "hostPath", ""), 0, &st);
	}
	for (size_t i = 0; i < json_len(hooks); i++)
		check_hook(c, json_at(hooks, i));
}

/* Two in one directory are none, and a later directory does not mend it. */
static void check_name(struct checker *c, size_t number)
{
	const struct json *other = json_get(c->names, c->device);
	const struct cdispec_file *f = c->file;
	int64_t n;

	if (json_int(other, 0, INT64_MAX, &n)) {
		const struct cdispec_file *before = &c->set->files[n];

		if (before->dir == f->dir) {
			find(c, "%s defines it too: engines refuse both", before->path);
			json_set_bool(c->refused, c->device, true);
		} else if (json_get(c->refused, c->device)) {
			find(c, "%s defines it too, and another beside that: engines refuse all", before->path);
		} else {
			find(c, "%s defines it too, and engines take this one", before->path);
		}
	}
	json_set_int(c->names, c->device, (int64_t)number);
}

static void check_file(struct checker *c, size_t number)
{
	const struct cdispec_file *f = c->file;
	const struct json *devices = json_get(f->doc, "devices");

	c->device = NULL;
	if (f->why)
		find(c, "%s", f->why);
	check_edits(c, json_get(f->doc, "containerEdits"));
	for (size_t i = 0; i < json_len(devices); i++) {
		c->device = cdispec_name(&c->found->arena, f->doc, i);
		check_name(c, number);
		check_edits(c, json_get(json_at(devices, i), "containerEdits"));
	}
}

void cdispec_check(const struct cdispec_set *s, int rootfd, struct cdispec_findings *ret)
{
	struct checker c = {
		.set = s, .rootfd = rootfd, .found = ret, .names = json_new_object(), .refused = json_new_object()
	};

	*ret = (struct cdispec_findings){ .n = 0 };
	for (size_t i = 0; i < s->n_files; i++) {
		c.file = &s->files[i];
		check_file(&c, i);
	}
	json_free(c.names);
	json_free(c.refused);
}

void cdispec_findings_free(struct cdispec_findings *f)
{
	arena_free(&f->arena);
	*f = (struct cdispec_findings){ .n = 0 };
}
