/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "oci/json.h"
#include "oci/splice.h"

/* What a member belongs to: "" for the file itself, an object, or an element of a list. It is text only where something is wrong. */
struct place {
	const char *name;
	bool element;
	size_t i;
};

#define TOP ((struct place){ "", false, 0 })
#define OBJECT(name) ((struct place){ name, false, 0 })
#define ELEMENT(list, i) ((struct place){ list, true, i })

/* key: "" for the place itself. */
static int wrong(struct err *err, struct place at, const char *key, const char *what)
{
	char index[32] = "";

	if (at.element)
		snprintf(index, sizeof(index), "[%zu]", at.i);
	return err_set(err, ERR_SPEC, 0, "%s%s%s%s is %s", at.name, index, *at.name && *key ? "." : "", key, what);
}

/*
 * A member that may be absent or null (*ret is NULL then). Engines write Go's nil slices as null.
 */
static int get_object(const struct json *parent, const char *key, struct place at, struct json **ret, struct err *err)
{
	struct json *j = json_get(parent, key);

	*ret = NULL;
	if (!j || json_is_null(j))
		return 0;
	if (!json_is_object(j))
		return wrong(err, at, key, "no object");
	*ret = j;
	return 0;
}

static int get_array(const struct json *parent, const char *key, struct place at, struct json **ret, struct err *err)
{
	struct json *j = json_get(parent, key);

	*ret = NULL;
	if (!j || json_is_null(j))
		return 0;
	if (!json_is_array(j))
		return wrong(err, at, key, "no array");
	*ret = j;
	return 0;
}

/* A string that may be absent or null (*ret is "" then). */
static int get_string(const struct json *parent, const char *key, struct place at, const char **ret, struct err *err)
{
	struct json *j = json_get(parent, key);

	*ret = "";
	if (!j || json_is_null(j))
		return 0;
	if (!json_is_string(j))
		return wrong(err, at, key, "no string");
	*ret = json_str(j);
	return 0;
}

/* The i-th string of the array under key. */
static int get_item(const struct json *array, size_t i, const char *key, struct place at, const char **ret,
		    struct err *err)
{
	char item[64];

	*ret = json_str(json_at(array, i));
	if (*ret)
		return 0;
	snprintf(item, sizeof(item), "%s[%zu]", key, i);
	return wrong(err, at, item, "no string");
}

void spec_init(struct spec *ret)
{
	memset(ret, 0, sizeof(*ret));
}

void spec_add_env(struct spec *s, const char *assignment)
{
	if (strchr(assignment, '='))
		strlist_add(&s->arena, &s->env, assignment);
}

static int parse_capabilities(struct spec *s, const struct json *process, struct err *err)
{
	struct json *caps, *bounding;
	const char *name;
	int r;

	r = get_object(process, "capabilities", OBJECT("process"), &caps, err);
	if (r < 0)
		return r;
	r = get_array(caps, "bounding", OBJECT("process.capabilities"), &bounding, err);
	for (size_t i = 0; r == 0 && i < json_len(bounding); i++) {
		r = get_item(bounding, i, "bounding", OBJECT("process.capabilities"), &name, err);
		if (r == 0 && str_eq(name, "CAP_SYS_ADMIN"))
			s->privileged = true;
	}
	return r;
}

static int parse_process(struct spec *s, const struct json *top, struct err *err)
{
	struct json *process, *env;
	const char *entry;
	int r;

	r = get_object(top, "process", TOP, &process, err);
	if (r < 0 || !process)
		return r;
	s->has_process = true;
	r = get_array(process, "env", OBJECT("process"), &env, err);
	for (size_t i = 0; r == 0 && i < json_len(env); i++) {
		r = get_item(env, i, "env", OBJECT("process"), &entry, err);
		if (r == 0)
			spec_add_env(s, entry);
	}
	return r < 0 ? r : parse_capabilities(s, process, err);
}

/*
 * containerd, CRI-O and cri-dockerd each have their own word for the container that only holds a pod's
 * namespaces.
 */
static bool names_sandbox(const char *key, const char *value)
{
	if (str_eq(key, "io.kubernetes.cri.container-type") || str_eq(key, "io.kubernetes.cri-o.ContainerType"))
		return str_eq(value, "sandbox");
	return str_eq(key, "io.kubernetes.docker.type") && str_eq(value, "podsandbox");
}

static int parse_annotations(struct spec *s, const struct json *top, struct err *err)
{
	struct json *annotations, *value;
	void *iter = NULL;
	const char *key;
	int r;

	r = get_object(top, "annotations", TOP, &annotations, err);
	if (r < 0)
		return r;
	while (json_next(annotations, &iter, &key, &value)) {
		if (!json_is_string(value))
			return wrong(err, OBJECT("annotations"), key, "no string");
		s->annotations = arena_grow(&s->arena, s->annotations, s->n_annotations, sizeof(*s->annotations));
		s->annotations[s->n_annotations++] = (struct spec_pair){
			.key = arena_strdup(&s->arena, key),
			.value = arena_strdup(&s->arena, json_str(value)),
		};
		if (names_sandbox(key, json_str(value)))
			s->sandbox = true;
	}
	return 0;
}

/* Normalized; a relative destination counts from the root, as runc takes it. */
static int parse_destination(struct spec *s, const struct json *mount, struct place at, const char **ret,
			     struct err *err)
{
	const char *written = json_get_str(mount, "destination", "");
	cleanup_free char *absolute = *written == '/' ? NULL : mem_printf("/%s", written);
	const char *path = absolute ? absolute : written;
	char norm[PATH_MAX];
	int r = strlen(path) < PATH_MAX ? path_normalize(path, norm, sizeof(norm)) : -ENAMETOOLONG;

	if (!*written)
		return wrong(err, at, "destination", "no path");
	if (r < 0)
		return wrong(err, at, "destination", "too long");
	*ret = arena_strdup(&s->arena, norm);
	return 0;
}

static int parse_mount(struct spec *s, const struct json *j, struct place at, struct spec_mount *ret, struct err *err)
{
	struct json *options;
	const char *text;
	int r;

	if (!json_is_object(j))
		return wrong(err, at, "", "no object");
	r = parse_destination(s, j, at, &ret->destination, err);
	if (r < 0)
		return r;
	r = get_string(j, "type", at, &text, err);
	if (r < 0)
		return r;
	ret->bind = str_eq(text, "bind");
	ret->tmpfs = str_eq(text, "tmpfs");
	r = get_string(j, "source", at, &text, err);
	if (r < 0)
		return r;
	ret->source = arena_strdup(&s->arena, text);
	r = get_array(j, "options", at, &options, err);
	for (size_t i = 0; r == 0 && i < json_len(options); i++) {
		r = get_item(options, i, "options", at, &text, err);
		if (r == 0 && (str_eq(text, "bind") || str_eq(text, "rbind")))
			ret->bind = true;
	}
	return r;
}

static int parse_mounts(struct spec *s, const struct json *top, struct err *err)
{
	struct json *mounts;
	int r;

	r = get_array(top, "mounts", TOP, &mounts, err);
	for (size_t i = 0; r == 0 && i < json_len(mounts); i++) {
		s->mounts = arena_grow(&s->arena, s->mounts, s->n_mounts, sizeof(*s->mounts));
		r = parse_mount(s, json_at(mounts, i), ELEMENT("mounts", i), &s->mounts[s->n_mounts++], err);
	}
	return r;
}

static int parse_root(struct spec *s, const struct json *top, struct err *err)
{
	char norm[PATH_MAX];
	struct json *root;
	const char *path;
	int r;

	r = get_object(top, "root", TOP, &root, err);
	if (r < 0 || !root)
		return r;
	r = get_string(root, "path", OBJECT("root"), &path, err);
	if (r < 0)
		return r;
	if (!*path || strlen(path) >= PATH_MAX)
		return wrong(err, OBJECT("root"), "path", *path ? "too long" : "missing or empty");
	/* The host's own root is no container's. */
	if (path_normalize(path, norm, sizeof(norm)) == 0 && str_eq(norm, "/"))
		return wrong(err, OBJECT("root"), "path", path);
	s->root_path = arena_strdup(&s->arena, path);
	s->root_readonly = json_bool(json_get(root, "readonly"), false);
	return 0;
}

static int parse_namespaces(struct spec *s, const struct json *linux_, struct err *err)
{
	struct json *list;
	const char *type, *path;
	int r;

	r = get_array(linux_, "namespaces", OBJECT("linux"), &list, err);
	for (size_t i = 0; r == 0 && i < json_len(list); i++) {
		const struct place at = ELEMENT("linux.namespaces", i);

		if (!json_is_object(json_at(list, i)))
			return wrong(err, at, "", "no object");
		r = get_string(json_at(list, i), "type", at, &type, err);
		if (r == 0)
			r = get_string(json_at(list, i), "path", at, &path, err);
		if (r == 0 && str_eq(type, "mount"))
			s->own_mount_ns = !*path;
	}
	return r;
}

/* What is malformed is not taken for a device that was given. */
static void parse_nodes(struct spec *s, const struct json *linux_)
{
	const struct json *list = json_get(linux_, "devices");

	for (size_t i = 0; i < json_len(list); i++) {
		const struct json *d = json_at(list, i);
		const char *type = json_get_str(d, "type", "");
		int64_t major, minor;

		if (!(str_eq(type, "c") || str_eq(type, "u")) ||
		    !json_int(json_get(d, "major"), 0, UINT32_MAX, &major) ||
		    !json_int(json_get(d, "minor"), 0, UINT32_MAX, &minor))
			continue;
		s->nodes = arena_grow(&s->arena, s->nodes, s->n_nodes, sizeof(*s->nodes));
		s->nodes[s->n_nodes++] = (struct spec_node){ (uint32_t)major, (uint32_t)minor };
	}
}

static int parse_linux(struct spec *s, const struct json *top, struct err *err)
{
	struct json *linux_;
	const char *cgroup = "";
	int r = get_object(top, "linux", TOP, &linux_, err);

	if (r < 0 || !linux_)
		return r;
	s->has_linux = true;
	r = parse_namespaces(s, linux_, err);
	if (r == 0)
		r = get_string(linux_, "cgroupsPath", OBJECT("linux"), &cgroup, err);
	if (r < 0)
		return r;
	s->cgroups_path = *cgroup ? arena_strdup(&s->arena, cgroup) : NULL;
	parse_nodes(s, linux_);
	return 0;
}

static int parse_hook(struct spec *s, const struct json *hook, struct place at, struct err *err)
{
	struct json *args;
	const char *path, *arg;
	int r;

	if (!json_is_object(hook))
		return wrong(err, at, "", "no object");
	r = get_string(hook, "path", at, &path, err);
	if (r == 0)
		r = get_array(hook, "args", at, &args, err);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < json_len(args); i++) {
		r = get_item(args, i, "args", at, &arg, err);
		if (r < 0 || !str_eq(path_base(path), SPEC_HOOK_NAME))
			continue;
		s->cgroup_by_shim |= str_eq(arg, SPEC_HOOK_BY_SHIM);
		s->by_cdi |= str_eq(arg, SPEC_HOOK_BY_CDI);
	}
	return r;
}

static int parse_hooks(struct spec *s, const struct json *top, struct err *err)
{
	static const struct {
		const char *stage, *list;
	} stages[] = { { "prestart", "hooks.prestart" }, { "createRuntime", "hooks.createRuntime" } };
	struct json *hooks, *list;
	int r;

	r = get_object(top, "hooks", TOP, &hooks, err);
	for (size_t k = 0; r == 0 && k < ARRAY_SIZE(stages); k++) {
		r = get_array(hooks, stages[k].stage, OBJECT("hooks"), &list, err);
		for (size_t i = 0; r == 0 && i < json_len(list); i++)
			r = parse_hook(s, json_at(list, i), ELEMENT(stages[k].list, i), err);
	}
	return r;
}

static int parse_all(struct spec *s, const struct json *top, struct err *err)
{
	static int (*const parts[])(struct spec *, const struct json *, struct err *) = {
		parse_process, parse_annotations, parse_mounts, parse_root, parse_linux, parse_hooks,
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(parts); i++)
		r = parts[i](s, top, err);
	return r;
}

/*
 * What is asked. The rest, system calls, paths and limits, is long: the runtime reads it, and refuses what is no JSON there. Of a
 * mount's type and options it is asked whether they bind, of its source whether it is /dev/null, of the capabilities whether one is there,
 * of hooks whether they are ours.
 */
static const struct splice_kept of_capabilities[] = { { .member = "bounding", .word = "SYS_ADMIN", .open = '[' },
						      { 0 } };
static const struct splice_kept of_process[] = { { .member = "env" },
						 { .member = "capabilities", .below = of_capabilities },
						 { 0 } };
static const struct splice_kept of_mount[] = {
	{ .member = "destination" },
	{ .member = "type", .word = "bind", .other = "tmpfs", .open = '"' },
	{ .member = "source", .word = SPEC_NULL_SOURCE, .open = '"' },
	{ .member = "options", .word = "bind", .open = '[' },
	{ 0 },
};
static const struct splice_kept of_namespace[] = { { .member = SPLICE_REST }, { 0 } };
static const struct splice_kept of_linux[] = {
	{ .member = "namespaces", .below = of_namespace, .word = "mount", .open = '{' },
	{ .member = "devices" },
	{ .member = "cgroupsPath" },
	{ 0 },
};
static const struct splice_kept of_hook[] = { { .member = "path" }, { .member = "args" }, { 0 } };
static const struct splice_kept of_hooks[] = {
	{ .member = "prestart", .below = of_hook },
	{ .member = "createRuntime", .below = of_hook },
	{ 0 },
};
static const struct splice_kept of_spec[] = {
	{ .member = "process", .below = of_process },
	{ .member = "mounts", .below = of_mount },
	{ .member = "linux", .below = of_linux },
	{ .member = "hooks", .below = of_hooks },
	{ .member = SPLICE_REST },
	{ 0 },
};

int spec_parse(struct spec *ret, const char *text, size_t len, struct err *err)
{
	char why[256];
	cleanup_json struct json *top = splice_parse(text, len, of_spec, why, sizeof(why));
	struct spec s;
	int r;

	if (!top)
		return err_set(err, ERR_SPEC, 0, "%s", why);
	if (!json_is_object(top))
		return err_set(err, ERR_SPEC, 0, "no JSON object");
	spec_init(&s);
	r = parse_all(&s, top, err);
	if (r < 0)
		spec_free(&s);
	else
		*ret = s;
	return r;
}

int spec_read_file(int bundle_fd, char **ret_text, size_t *ret_len, struct err *err)
{
	/* O_NONBLOCK: a FIFO in the place of the file must not stop us. */
	cleanup_fd int fd = openat(bundle_fd, "config.json", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0)
		return err_set(err, ERR_SPEC, errno, "config.json");
	if (fstat(fd, &st) < 0)
		return err_set(err, ERR_SPEC, errno, "config.json");
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_SPEC, 0, "config.json is no regular file");
	if (st.st_size > (off_t)SPEC_FILE_MAX)
		return err_set(err, ERR_SPEC, EFBIG, "config.json");
	r = fd_read_sized(fd, st.st_size, SPEC_FILE_MAX, ret_text, ret_len);
	if (r < 0)
		return err_set(err, ERR_SPEC, -r, "config.json");
	return 0;
}

const char *spec_env(const struct spec *s, const char *name)
{
	for (size_t i = s->env.n; i > 0; i--) {
		const char *rest = str_after(s->env.v[i - 1], name);

		if (rest && *rest == '=')
			return rest + 1;
	}
	return NULL;
}

const struct spec_mount *spec_mount_at(const struct spec *s, const char *path)
{
	for (size_t i = s->n_mounts; i > 0; i--)
		if (str_eq(s->mounts[i - 1].destination, path))
			return &s->mounts[i - 1];
	return NULL;
}

const struct spec_mount *spec_mount_over(const struct spec *s, const char *path)
{
	const struct spec_mount *deepest = NULL;

	for (size_t i = 0; i < s->n_mounts; i++) {
		const struct spec_mount *m = &s->mounts[i];

		if (str_eq(m->destination, "/") || !path_is_below(path, m->destination))
			continue;
		if (!deepest || strlen(m->destination) >= strlen(deepest->destination))
			deepest = m;
	}
	return deepest;
}

void spec_free(struct spec *s)
{
	arena_free(&s->arena);
	memset(s, 0, sizeof(*s));
}
