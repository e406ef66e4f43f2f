/* SPDX-License-Identifier: Apache-2.0 */
#include "cdispec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "plan/cdi.h"
#include "yamldoc.h"

/* Of all files together. */
#define FILES_MAX 10000
#define BYTES_MAX (64u << 20)

bool cdispec_format(const char *path, bool *ret_yaml)
{
	*ret_yaml = str_ends(path, ".yaml") || str_ends(path, ".yml");
	return *ret_yaml || str_ends(path, ".json");
}

/* --- shape --- */

static bool wrong(char *why, size_t size, const char *fmt, ...) printf_format(3, 4);
static bool wrong(char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return false;
}

/* A list of objects with a string under `key` each, or nothing. */
static bool is_list(const struct json *edits, const char *name, const char *key, char *why, size_t size)
{
	const struct json *list = json_get(edits, name);

	if (list && !json_is_array(list))
		return wrong(why, size, "%s is no list", name);
	for (size_t i = 0; i < json_len(list); i++) {
		const char *s = json_get_str(json_at(list, i), key, "");

		if (s[0] != '/')
			return wrong(why, size, "%s[%zu].%s is no absolute path", name, i, key);
	}
	return true;
}

static bool has_paths(const struct json *edits, char *why, size_t size)
{
	return (!edits || json_is_object(edits) || wrong(why, size, "containerEdits is no object")) &&
	       is_list(edits, "deviceNodes", "path", why, size) && is_list(edits, "mounts", "hostPath", why, size) &&
	       is_list(edits, "hooks", "path", why, size);
}

static bool is_kind(const char *kind)
{
	const char *slash = strchr(kind, '/');

	return slash && cdi_is_vendor(kind, (size_t)(slash - kind)) && cdi_is_class(slash + 1, strlen(slash + 1));
}

/* The names become the keys of an object, which finds one that stands twice. */
static bool has_devices(const struct json *doc, char *why, size_t size)
{
	cleanup_json struct json *names = json_new_object();
	const struct json *devices = json_get(doc, "devices");

	if (!json_is_array(devices) || !json_len(devices))
		return wrong(why, size, "it has no devices");
	for (size_t i = 0; i < json_len(devices); i++) {
		const struct json *d = json_at(devices, i);
		const char *name = json_get_str(d, "name", "");

		if (!cdi_is_name(name))
			return wrong(why, size, "devices[%zu] has no name that can be asked for", i);
		if (json_get(names, name))
			return wrong(why, size, "device %.100s stands twice", name);
		json_set_bool(names, name, true);
		if (!has_paths(json_get(d, "containerEdits"), why, size))
			return false;
	}
	return true;
}

static bool has_shape(struct json *doc, char *why, size_t size)
{
	const char *version = json_get_str(doc, "cdiVersion", ""), *least;

	if (!json_is_object(doc))
		return wrong(why, size, "it is no specification");
	if (!cdi_version_is_known(version))
		return wrong(why, size, "cdiVersion is none of CDI's: '%.40s'", version);
	if (!is_kind(json_get_str(doc, "kind", "")))
		return wrong(why, size, "kind is no vendor/class");
	if (!has_devices(doc, why, size) || !has_paths(json_get(doc, "containerEdits"), why, size))
		return false;
	least = cdi_version(doc);
	return str_version_cmp(version, least) >= 0 || str_version_cmp(least, "0.3.0") == 0 ||
	       wrong(why, size, "it says cdiVersion %s and uses what came with %s", version, least);
}

struct json *cdispec_parse(const char *text, size_t len, bool yaml, char *why, size_t size)
{
	struct json *doc = yaml ? yamldoc_read(text, len, why, size) : json_parse(text, len, why, size);

	if (doc && !has_shape(doc, why, size)) {
		json_free(doc);
		doc = NULL;
	}
	return doc;
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

static void add_file(struct cdispec_set *s, int rootfd, size_t dir, const char *path)
{
	cleanup_free char *text = NULL;
	struct cdispec_file *f;
	bool yaml = false;
	char why[256];
	size_t len = 0;
	int r;

	s->files = arena_grow(&s->arena, s->files, s->n_files, sizeof(*s->files));
	f = &s->files[s->n_files++];
	*f = (struct cdispec_file){ .path = arena_strdup(&s->arena, path), .dir = dir };
	(void)cdispec_format(path, &yaml);
	r = s->bytes < BYTES_MAX ? read_text(rootfd, path, &text, &len) : -EFBIG;
	s->bytes += len;
	if (r < 0) {
		f->why = arena_printf(&s->arena, "it cannot be read: %s",
				      r == -EINVAL ? "no regular file" : strerror(-r));
		return;
	}
	f->doc = cdispec_parse(text, len, yaml, why, sizeof(why));
	if (!f->doc)
		f->why = arena_strdup(&s->arena, why);
}

/* Engines read these two endings. */
static int is_spec(const struct dirent *d)
{
	return d->d_name[0] != '.' && (str_ends(d->d_name, ".yaml") || str_ends(d->d_name, ".json"));
}

static int read_dir(struct cdispec_set *s, int rootfd, size_t place, const char *path, struct err *err)
{
	cleanup_fd int dir = path_open(rootfd, path, O_RDONLY | O_DIRECTORY);
	struct dirent **found = NULL;
	int n;

	if (dir == -ENOENT)
		return 0;
	n = dir < 0 ? -1 : scandirat(dir, ".", &found, is_spec, alphasort);
	if (n < 0)
		return err_set(err, ERR_IO, dir < 0 ? -dir : errno, "%s", path);
	for (int i = 0; i < n; i++) {
		cleanup_free char *file = mem_printf("%s/%s", path, found[i]->d_name);

		if (s->n_files < FILES_MAX)
			add_file(s, rootfd, place, file);
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
	struct json *names; /* of all files: the file that counts, by its number */
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

/* What stands there, as engines see it: through symlinks. */
static bool look(struct checker *c, const char *path, struct stat *st)
{
	cleanup_fd int fd = path_open(c->rootfd, path, O_PATH);

	return fd >= 0 && fstat(fd, st) == 0;
}

static void check_number(struct checker *c, const char *path, const struct json *node, const struct stat *st)
{
	unsigned number[2] = { major(st->st_rdev), minor(st->st_rdev) };
	int64_t wants[2];

	if (!json_int(json_get(node, "major"), 0, UINT32_MAX, &wants[0]) ||
	    !json_int(json_get(node, "minor"), 0, UINT32_MAX, &wants[1]))
		return;
	if (wants[0] != number[0] || wants[1] != number[1])
		find(c, "%.200s is %u:%u on this host, and not %u:%u", path, number[0], number[1], (unsigned)wants[0],
		     (unsigned)wants[1]);
}

static void check_node(struct checker *c, const struct json *node)
{
	const char *path = json_get_str(node, "hostPath", json_get_str(node, "path", "")), *type;
	struct stat st;

	if (!look(c, path, &st)) {
		find(c, "%.200s is not there", path);
		return;
	}
	type = json_get_str(node, "type", S_ISBLK(st.st_mode) ? "b" : "c");
	if (str_eq(type, "p") ? !S_ISFIFO(st.st_mode) : str_eq(type, "b") ? !S_ISBLK(st.st_mode) : !S_ISCHR(st.st_mode))
		find(c, "%.200s is no such device", path);
	else
		check_number(c, path, node, &st);
}

static void check_hook(struct checker *c, const struct json *hook)
{
	const char *path = json_get_str(hook, "path", "");
	const struct json *env = json_get(hook, "env");
	struct stat st;

	if (!look(c, path, &st))
		find(c, "the hook %.200s is not there", path);
	else if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111))
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
		const char *path = json_get_str(m, "hostPath", "");

		/* A file system of its own type needs no such path. */
		if (!str_eq(json_get_str(m, "type", "bind"), "bind") &&
		    !str_eq(json_get_str(m, "type", "bind"), "none"))
			continue;
		if (!look(c, path, &st))
			find(c, "%.200s is not there", path);
	}
	for (size_t i = 0; i < json_len(hooks); i++)
		check_hook(c, json_at(hooks, i));
}

static void check_name(struct checker *c, size_t number)
{
	const struct json *other = json_get(c->names, c->device);
	const struct cdispec_file *f = c->file;
	int64_t n;

	if (json_int(other, 0, INT64_MAX, &n)) {
		const struct cdispec_file *before = &c->set->files[n];

		if (before->dir == f->dir)
			find(c, "%s defines it too: engines refuse both", before->path);
		else
			find(c, "%s defines it too, and engines take this one", before->path);
	}
	json_set_int(c->names, c->device, (int64_t)number);
}

static void check_file(struct checker *c, size_t number)
{
	const struct cdispec_file *f = c->file;
	const struct json *devices = json_get(f->doc, "devices");

	c->device = NULL;
	if (!f->doc) {
		find(c, "%s", f->why);
		return;
	}
	check_edits(c, json_get(f->doc, "containerEdits"));
	for (size_t i = 0; i < json_len(devices); i++) {
		c->device = cdispec_name(&c->found->arena, f->doc, i);
		check_name(c, number);
		check_edits(c, json_get(json_at(devices, i), "containerEdits"));
	}
}

void cdispec_check(const struct cdispec_set *s, int rootfd, struct cdispec_findings *ret)
{
	struct checker c = { .set = s, .rootfd = rootfd, .found = ret, .names = json_new_object() };

	*ret = (struct cdispec_findings){ .n = 0 };
	for (size_t i = 0; i < s->n_files; i++) {
		c.file = &s->files[i];
		check_file(&c, i);
	}
	json_free(c.names);
}

void cdispec_findings_free(struct cdispec_findings *f)
{
	arena_free(&f->arena);
	*f = (struct cdispec_findings){ .n = 0 };
}
