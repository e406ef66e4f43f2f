/* SPDX-License-Identifier: Apache-2.0 */
#include "cdishape.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "plan/cdi.h"

/* --- members and their types --- */

enum type { STRING, STRINGS, WORDS, NUMBER, NUMBERS, BOOLEAN, OBJECT, OBJECTS };

struct member {
	const char *name;
	enum type type;
	const struct member *of; /* of OBJECT and OBJECTS: their members */
	int64_t least, most;	 /* of NUMBER and NUMBERS */
};

#define IS(n, t) \
	{ \
		.name = (n), .type = (t) \
	}
#define NUMBER_TO(n, t, to) \
	{ \
		.name = (n), .type = (t), .most = (to) \
	}
#define OF(n, t, m) \
	{ \
		.name = (n), .type = (t), .of = (m) \
	}
#define END \
	{ \
		.name = NULL \
	}

static const struct member node[] = {
	IS("path", STRING),
	IS("hostPath", STRING),
	IS("type", STRING),
	IS("permissions", STRING),
	NUMBER_TO("major", NUMBER, INT64_MAX),
	NUMBER_TO("minor", NUMBER, INT64_MAX),
	NUMBER_TO("fileMode", NUMBER, UINT32_MAX),
	NUMBER_TO("uid", NUMBER, UINT32_MAX),
	NUMBER_TO("gid", NUMBER, UINT32_MAX),
	END,
};
static const struct member mount[] = {
	IS("hostPath", STRING), IS("containerPath", STRING), IS("options", STRINGS), IS("type", STRING), END,
};
static const struct member hook[] = {
	IS("hookName", STRING),
	IS("path", STRING),
	IS("args", STRINGS),
	IS("env", STRINGS),
	NUMBER_TO("timeout", NUMBER, INT64_MAX),
	END,
};
static const struct member net[] = { IS("hostInterfaceName", STRING), IS("name", STRING), END };
static const struct member rdt[] = {
	IS("closID", STRING),	  IS("l3CacheSchema", STRING), IS("memBwSchema", STRING),	IS("schemata", STRINGS),
	IS("enableCMT", BOOLEAN), IS("enableMBM", BOOLEAN),    IS("enableMonitoring", BOOLEAN), END,
};
static const struct member edits[] = {
	IS("env", STRINGS),
	OF("deviceNodes", OBJECTS, node),
	OF("netDevices", OBJECTS, net),
	OF("hooks", OBJECTS, hook),
	OF("mounts", OBJECTS, mount),
	OF("intelRdt", OBJECT, rdt),
	NUMBER_TO("additionalGids", NUMBERS, UINT32_MAX),
	END,
};
static const struct member device[] = {
	IS("name", STRING),
	IS("annotations", WORDS),
	OF("containerEdits", OBJECT, edits),
	END,
};
static const struct member spec[] = {
	IS("cdiVersion", STRING),
	IS("kind", STRING),
	IS("annotations", WORDS),
	OF("devices", OBJECTS, device),
	OF("containerEdits", OBJECT, edits),
	END,
};

/* An object that is still to be read. */
struct task {
	struct json *in, *out;
	const struct member *members;
	const char *where;
};

struct reader {
	struct arena arena;
	struct task *tasks;
	size_t n_tasks;
	char *why;
	size_t size;
};

static bool wrong(struct reader *x, const char *fmt, ...) printf_format(2, 3);
static bool wrong(struct reader *x, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(x->why, x->size, fmt, ap);
	va_end(ap);
	return false;
}

static const char *below(struct reader *x, const char *where, const char *name)
{
	return arena_printf(&x->arena, "%s%s%s", where, *where ? "." : "", name);
}

static struct json *add_task(struct reader *x, const struct json *in, const struct member *members, const char *where)
{
	struct json *out = json_new_object();

	x->tasks = arena_grow(&x->arena, x->tasks, x->n_tasks, sizeof(*x->tasks));
	x->tasks[x->n_tasks++] =
		(struct task){ .in = (struct json *)in, .out = out, .members = members, .where = where };
	return out;
}

/* YAML's numbers and truths are strings where strings belong. */
static struct json *string_of(const struct json *j)
{
	cleanup_free char *text = NULL;

	if (json_is_string(j))
		return json_clone(j);
	if (json_is_array(j) || json_is_object(j) || !j)
		return NULL;
	text = json_dump(j, 0);
	return json_new_string(text);
}

static struct json *number_of(const struct json *j, const struct member *m)
{
	int64_t n;

	return json_int(j, 0, m->most, &n) ? json_new_int(n) : NULL;
}

static struct json *words_of(struct json *j)
{
	struct json *out, *value;
	void *iter = NULL;
	const char *key;

	if (!json_is_object(j))
		return NULL;
	out = json_new_object();
	while (json_next(j, &iter, &key, &value)) {
		struct json *s = string_of(value);

		if (!s) {
			json_free(out);
			return NULL;
		}
		json_set(out, key, s);
	}
	return out;
}

/* One member, or one of its list. NULL: of another type. */
static struct json *one_of(struct reader *x, const struct member *m, const struct json *j, const char *where)
{
	switch (m->type) {
	case STRING:
	case STRINGS:
		return string_of(j);
	case NUMBER:
	case NUMBERS:
		return number_of(j, m);
	case BOOLEAN:
		return json_bool(j, true) == json_bool(j, false) ? json_new_bool(json_bool(j, false)) : NULL;
	case WORDS:
		return words_of((struct json *)j);
	default:
		return json_is_object(j) ? add_task(x, j, m->of, where) : NULL;
	}
}

static struct json *list_of(struct reader *x, const struct member *m, const struct json *j, const char *where)
{
	struct json *out = json_new_array();

	for (size_t i = 0; i < json_len(j); i++) {
		const char *at = arena_printf(&x->arena, "%s[%zu]", where, i);
		struct json *one = one_of(x, m, json_at(j, i), at);

		if (!one) {
			wrong(x, "%.120s is not what CDI has there", at);
			json_free(out);
			return NULL;
		}
		json_append(out, one);
	}
	return out;
}

static bool read_member(struct reader *x, const struct task *t, const char *key, const struct json *value)
{
	const struct member *m = t->members;
	struct json *got = NULL;
	const char *where;
	bool many;

	while (m->name && strcasecmp(m->name, key) != 0)
		m++;
	if (!m->name)
		return wrong(x, "%s%s'%.40s' is none of CDI's", t->where, *t->where ? ": " : "", key);
	if (json_get(t->out, m->name))
		return wrong(x, "%s%s%s stands twice", t->where, *t->where ? ": " : "", m->name);
	where = below(x, t->where, m->name);
	many = m->type == STRINGS || m->type == NUMBERS || m->type == OBJECTS;
	if (many && !json_is_array(value))
		return wrong(x, "%.120s is no list", where);
	got = many ? list_of(x, m, value, where) : one_of(x, m, value, where);
	if (!got)
		return many ? false : wrong(x, "%.120s is not what CDI has there", where);
	json_set(t->out, m->name, got);
	return true;
}

static bool read_members(struct reader *x)
{
	for (size_t i = 0; i < x->n_tasks; i++) {
		const struct task t = x->tasks[i];
		struct json *value;
		void *iter = NULL;
		const char *key;

		while (json_next(t.in, &iter, &key, &value))
			if (!read_member(x, &t, key, value))
				return false;
	}
	return true;
}

/* --- what they say --- */

static bool is_one_of(const char *s, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(s, words[i]))
			return true;
	return false;
}

/* NAME=value each. */
static bool has_env(struct reader *x, const struct json *of, const char *where)
{
	const struct json *env = json_get(of, "env");

	for (size_t i = 0; i < json_len(env); i++) {
		const char *s = json_str(json_at(env, i)), *equals = s ? strchr(s, '=') : NULL;

		if (!equals || equals == s)
			return wrong(x, "%.120s.env[%zu] is no NAME=value", where, i);
	}
	return true;
}

static bool has_node(struct reader *x, const struct json *j, const char *where)
{
	static const char *const types[] = { "", "b", "c", "u", "p" };
	const char *permissions = json_get_str(j, "permissions", "");

	if (!*json_get_str(j, "path", ""))
		return wrong(x, "%.120s has no path", where);
	if (!is_one_of(json_get_str(j, "type", ""), types, ARRAY_SIZE(types)))
		return wrong(x, "%.120s.type is none of b, c, u and p", where);
	return permissions[strspn(permissions, "rwm")] == '\0' ||
	       wrong(x, "%.120s.permissions are not of r, w and m", where);
}

static bool has_hook(struct reader *x, const struct json *j, const char *where)
{
	static const char *const names[] = { "prestart",       "createRuntime", "createContainer",
					     "startContainer", "poststart",	"poststop" };

	if (!is_one_of(json_get_str(j, "hookName", ""), names, ARRAY_SIZE(names)))
		return wrong(x, "%.120s.hookName is no hook of OCI's", where);
	if (!*json_get_str(j, "path", ""))
		return wrong(x, "%.120s has no path", where);
	return has_env(x, j, where);
}

static bool has_mount(struct reader *x, const struct json *j, const char *where)
{
	if (!*json_get_str(j, "hostPath", ""))
		return wrong(x, "%.120s has no hostPath", where);
	return *json_get_str(j, "containerPath", "") || wrong(x, "%.120s has no containerPath", where);
}

static bool has_net(struct reader *x, const struct json *j, const char *where)
{
	return (*json_get_str(j, "hostInterfaceName", "") && *json_get_str(j, "name", "")) ||
	       wrong(x, "%.120s has no hostInterfaceName and name", where);
}

static bool has_edits(struct reader *x, const struct json *e, const char *where)
{
	static const struct {
		const char *name;
		bool (*has)(struct reader *x, const struct json *j, const char *where);
	} lists[] = {
		{ "deviceNodes", has_node }, { "hooks", has_hook }, { "mounts", has_mount }, { "netDevices", has_net }
	};

	if (!has_env(x, e, where))
		return false;
	for (size_t k = 0; k < ARRAY_SIZE(lists); k++) {
		const struct json *list = json_get(e, lists[k].name);

		for (size_t i = 0; i < json_len(list); i++)
			if (!lists[k].has(x, json_at(list, i),
					  arena_printf(&x->arena, "%s.%s[%zu]", where, lists[k].name, i)))
				return false;
	}
	return true;
}

static bool is_empty(const struct json *e)
{
	static const char *const lists[] = { "env", "deviceNodes", "hooks", "mounts", "netDevices", "additionalGids" };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		if (json_len(json_get(e, lists[i])))
			return false;
	return !json_get(e, "intelRdt");
}

/* The names become the keys of an object, which finds one that stands twice. */
static bool has_devices(struct reader *x, const struct json *doc)
{
	cleanup_json struct json *names = json_new_object();
	const struct json *devices = json_get(doc, "devices");

	if (!json_len(devices))
		return wrong(x, "it has no devices");
	for (size_t i = 0; i < json_len(devices); i++) {
		const struct json *d = json_at(devices, i), *e = json_get(d, "containerEdits");
		const char *name = json_get_str(d, "name", "");

		if (!cdi_is_name(name))
			return wrong(x, "devices[%zu] has no name that can be asked for", i);
		if (json_get(names, name))
			return wrong(x, "device %.100s stands twice", name);
		json_set_bool(names, name, true);
		if (is_empty(e))
			return wrong(x, "device %.100s has no edits", name);
		if (!has_edits(x, e, arena_printf(&x->arena, "devices[%zu].containerEdits", i)))
			return false;
	}
	return true;
}

static bool is_kind(const char *kind)
{
	const char *slash = strchr(kind, '/');

	return slash && cdi_is_vendor(kind, (size_t)(slash - kind)) && cdi_is_class(slash + 1, strlen(slash + 1));
}

static bool has_shape(struct reader *x, struct json *doc)
{
	const char *version = json_get_str(doc, "cdiVersion", ""), *least;

	if (!cdi_version_is_known(version))
		return wrong(x, "cdiVersion is none of CDI's: '%.40s'", version);
	if (!is_kind(json_get_str(doc, "kind", "")))
		return wrong(x, "kind is no vendor/class");
	if (!has_devices(x, doc) || !has_edits(x, json_get(doc, "containerEdits"), "containerEdits"))
		return false;
	least = cdi_version(doc);
	return str_version_cmp(version, least) >= 0 ||
	       wrong(x, "it says cdiVersion %s and uses what came with %s", version, least);
}

struct json *cdishape_read(const struct json *raw, char *why, size_t size)
{
	struct reader x = { .arena = ARENA_INIT, .why = why, .size = size };
	struct json *doc = NULL;
	bool ok = json_is_object(raw);

	if (!ok)
		wrong(&x, "it is no specification");
	else
		doc = add_task(&x, raw, spec, "");
	ok = ok && read_members(&x) && has_shape(&x, doc);
	arena_free(&x.arena);
	if (!ok) {
		json_free(doc);
		doc = NULL;
	}
	return doc;
}
