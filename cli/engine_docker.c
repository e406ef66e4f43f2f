/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_docker.h"

#include <errno.h>
#include <stdlib.h>

#include "engine.h"
#include "oci/json.h"
#include "oci/splice.h"

#define UNIT_DEFAULT "    "

/* A daemon.json in work: a copy of the text, and how its writer indents. */
struct work {
	struct strbuf b;
	char unit[17];
	bool pretty;
};

static bool is_blank(const struct strbuf *b)
{
	for (size_t i = 0; i < b->len; i++)
		if (!memchr(" \t\r\n", b->buf[i], 4))
			return false;
	return true;
}

static struct json *parse(const struct strbuf *b, char *why, size_t size)
{
	return json_parse(b->buf ? b->buf : "", b->len, why, size);
}

/* Docker would refuse it too, or read it otherwise than we do: nothing is changed then. */
static int check(const struct strbuf *b, const char *file, struct err *err)
{
	static const char *const objects[] = { "runtimes", "features" };
	char why[256];
	cleanup_json struct json *j = parse(b, why, sizeof(why));

	if (!j)
		return err_set(err, ERR_ENGINE, 0, "%s: %s", file, why);
	if (!json_is_object(j))
		return err_set(err, ERR_ENGINE, 0, "%s: not an object", file);
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		struct json *member = json_get(j, objects[i]);

		if (member && !json_is_object(member) && !json_is_null(member))
			return err_set(err, ERR_ENGINE, 0, "%s: %s is not an object", file, objects[i]);
	}
	return 0;
}

static void find_style(struct work *w)
{
	const char *line = memchr(w->b.buf, '\n', w->b.len);
	size_t n = 0;

	memcpy(w->unit, UNIT_DEFAULT, sizeof(UNIT_DEFAULT));
	w->pretty = line;
	if (!line)
		return;
	while (line[1 + n] == ' ' || line[1 + n] == '\t')
		n++;
	if (n == 0 || n >= sizeof(w->unit) || line[1 + n] != '"')
		return;
	memcpy(w->unit, line + 1, n);
	w->unit[n] = '\0';
}

static int work_start(struct work *w, const struct strbuf *text, const char *file, struct err *err)
{
	*w = (struct work){ .b = STRBUF_INIT };
	if (is_blank(text))
		strbuf_puts(&w->b, "{}");
	else
		strbuf_add(&w->b, text->buf, text->len);
	find_style(w);
	return check(&w->b, file, err);
}

/* The result takes the place of the text; it is read once more, so that no slip of ours reaches a file. */
static int work_end(struct work *w, struct strbuf *text, const char *file, int r, struct err *err)
{
	if (r == 0)
		r = check(&w->b, file, err);
	if (r == 0) {
		strbuf_free(text);
		*text = w->b;
		w->b = (struct strbuf)STRBUF_INIT;
	}
	strbuf_free(&w->b);
	return r;
}

static void add_indent(struct strbuf *out, const struct work *w, size_t depth)
{
	while (depth--)
		strbuf_puts(out, w->unit);
}

/* The value as it looks at this depth; jansson indents by one space, which here only counts. */
static void add_value(struct strbuf *out, const struct work *w, const struct json *value, bool pretty, size_t depth)
{
	cleanup_free char *text = json_dump(value, pretty ? 1 : 0);

	for (const char *p = text; *p; p++) {
		size_t spaces;

		strbuf_putc(out, *p);
		if (*p != '\n')
			continue;
		spaces = strspn(p + 1, " ");
		add_indent(out, w, depth + spaces);
		p += spaces;
	}
}

static bool same_value(const struct work *w, struct splice_span span, const struct json *value)
{
	char why[64];
	cleanup_json struct json *old = json_parse(w->b.buf + span.start, span.end - span.start, why, sizeof(why));
	cleanup_free char *a = json_dump(old, 0), *b = json_dump(value, 0);

	return str_eq(a, b);
}

/* The object under key of the root, or the root itself for NULL. 1, or 0 where it is absent or null. */
static int find_object(const struct work *w, const char *key, struct splice_span *ret)
{
	struct splice_span root;

	if (splice_root(&w->b, &root) < 0)
		return 0;
	*ret = root;
	if (!key)
		return 1;
	if (splice_member(&w->b, root, key, ret) <= 0)
		return 0;
	return w->b.buf[ret->start] == '{';
}

static void append_member(struct work *w, struct splice_span object, size_t depth, const char *key,
			  const struct json *value)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	bool pretty = memchr(w->b.buf + object.start, '\n', object.end - object.start);
	cleanup_json struct json *k = json_new_string(key);
	cleanup_free char *quoted = json_dump(k, 0);

	strbuf_putc(&text, pretty ? '\n' : ' ');
	if (pretty)
		add_indent(&text, w, depth);
	strbuf_printf(&text, "%s: ", quoted);
	add_value(&text, w, value, pretty, depth);
	splice_append(&w->b, object, text.buf);
}

/* Sets parent.key (parent NULL: the root's) to value, which is taken. */
/* NOLINTNEXTLINE(misc-no-recursion): the parent is a member of the root, so once. */
static void set_member(struct work *w, const char *parent, const char *key, struct json *value)
{
	cleanup_json struct json *v = value;
	struct splice_span object, old;
	size_t depth = parent ? 2 : 1, n = 0;
	cleanup_free struct splice_span *items = NULL;
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	if (!find_object(w, parent, &object)) {
		struct json *made = json_new_object();

		json_set(made, key, json_clone(v));
		set_member(w, NULL, parent, made);
		return;
	}
	if (splice_member(&w->b, object, key, &old) > 0) {
		if (same_value(w, old, v))
			return;
		add_value(&text, w, v, w->pretty, depth);
		splice_replace(&w->b, old, text.buf, text.len);
		return;
	}
	if (splice_items(&w->b, object, &items, &n) < 0)
		return;
	if (n == 0 && !memchr(w->b.buf + object.start, '\n', object.end - object.start)) {
		cleanup_json struct json *whole = json_new_object();

		json_set(whole, key, json_clone(v));
		add_value(&text, w, whole, w->pretty, depth - 1);
		splice_replace(&w->b, object, text.buf, text.len);
		return;
	}
	append_member(w, object, depth, key, v);
}

/* Takes parent.key out; nothing where it is absent. */
static void drop_member(struct work *w, const char *parent, const char *key)
{
	cleanup_free struct splice_span *items = NULL;
	cleanup_free bool *gone = NULL;
	struct splice_span object, value;
	size_t n = 0;

	if (!find_object(w, parent, &object) || splice_member(&w->b, object, key, &value) <= 0 ||
	    splice_items(&w->b, object, &items, &n) < 0)
		return;
	/* The only one goes with the space before it, so that what is left is as empty as it was. */
	if (n == 1) {
		splice_replace(&w->b, (struct splice_span){ object.start + 1, value.end }, "", 0);
		return;
	}
	gone = mem_zalloc(n * sizeof(*gone));
	for (size_t i = 0; i < n; i++)
		gone[i] = items[i].end == value.end;
	splice_remove(&w->b, items, gone, n);
}

static void drop_empty(struct work *w, const char *key)
{
	struct splice_span object;
	cleanup_free struct splice_span *items = NULL;
	size_t n = 0;

	if (find_object(w, key, &object) && splice_items(&w->b, object, &items, &n) == 0 && n == 0)
		drop_member(w, NULL, key);
}

/* The path of a runtime in the text, to be freed; NULL where there is no runtime of that name. */
static char *runtime_path(const struct strbuf *b, const char *name)
{
	char why[64];
	cleanup_json struct json *j = parse(b, why, sizeof(why));
	struct json *runtime = json_get(json_get(j, "runtimes"), name);

	if (!runtime)
		return NULL;
	return mem_strdup(json_get_str(runtime, "path", json_get_str(runtime, "runtimeType", "?")));
}

bool engine_docker_has_ours(const struct strbuf *text)
{
	char why[64];
	cleanup_json struct json *j = parse(text, why, sizeof(why));
	struct json *value;
	const char *name;
	void *iter = NULL;

	while (json_next(json_get(j, "runtimes"), &iter, &name, &value))
		if (engine_is_ours(json_get_str(value, "path", NULL)))
			return true;
	return false;
}

char *engine_docker_default(const struct strbuf *text, bool *ret_ours)
{
	char why[64];
	cleanup_json struct json *j = parse(text, why, sizeof(why));
	const char *name = json_str(json_get(j, "default-runtime"));
	cleanup_free char *path = name ? runtime_path(text, name) : NULL;

	*ret_ours = engine_is_ours(path);
	return name ? mem_strdup(name) : NULL;
}

static struct json *make_runtime(const struct engine_docker *e)
{
	struct json *runtime = json_new_object(), *args;

	json_set_str(runtime, "path", e->path);
	if (!e->config)
		return runtime;
	args = json_new_array();
	json_append(args, json_new_string("--nvcoreos-config"));
	json_append(args, json_new_string(e->config));
	json_set(runtime, "runtimeArgs", args);
	return runtime;
}

static int add(struct work *w, const struct engine_docker *e, struct err *err)
{
	cleanup_free char *path = runtime_path(&w->b, e->name);

	if (path && !engine_is_ours(path)) {
		err_set(err, ERR_ENGINE, 0, "%s: runtimes.%s is %s", e->file, e->name, path);
		return err_hint(err, "choose another --name, or take that runtime out first");
	}
	set_member(w, "runtimes", e->name, make_runtime(e));
	if (e->set_default)
		set_member(w, NULL, "default-runtime", json_new_string(e->name));
	if (e->cdi)
		set_member(w, "features", "cdi", json_new_bool(true));
	return 0;
}

int engine_docker_add(struct strbuf *text, const struct engine_docker *e, struct err *err)
{
	struct work w;
	int r = work_start(&w, text, e->file, err);

	if (r == 0)
		r = add(&w, e, err);
	return work_end(&w, text, e->file, r, err);
}

static void take_out(struct work *w, const struct engine_docker *e)
{
	cleanup_free char *path = runtime_path(&w->b, e->name);
	bool ours;
	cleanup_free char *name = engine_docker_default(&w->b, &ours);

	if (path && !engine_is_ours(path))
		return;
	if (name && str_eq(name, e->name)) {
		if (e->old_default)
			set_member(w, NULL, "default-runtime", json_new_string(e->old_default));
		else
			drop_member(w, NULL, "default-runtime");
	}
	drop_member(w, "runtimes", e->name);
	drop_empty(w, "runtimes");
}

int engine_docker_remove(struct strbuf *text, const struct engine_docker *e, struct err *err)
{
	struct work w;
	int r;

	/* A blank file holds nothing of ours and stays blank. */
	if (is_blank(text))
		return 0;
	r = work_start(&w, text, e->file, err);
	if (r == 0)
		take_out(&w, e);
	if (r == 0 && e->cdi) {
		drop_member(&w, "features", "cdi");
		drop_empty(&w, "features");
	}
	return work_end(&w, text, e->file, r, err);
}

static bool name_ok(const char *name)
{
	return str_is_name(name) && !str_eq(name, "runc") && !str_starts(name, "io.containerd.");
}

static int edit(const struct engine_ask *ask, struct engine_file *f, struct err *err)
{
	const struct engine_docker e = {
		.file = f->was.path,
		.name = ask->name,
		.path = ask->path,
		.config = ask->config,
		.set_default = ask->set_default,
		.cdi = ask->cdi,
		.old_default = ask->old_default,
	};
	int r;

	if (!ask->remove) {
		if (!f->was.exists)
			strbuf_puts(&f->text, ENGINE_DOCKER_NEW);
		f->there = true;
		return engine_docker_add(&f->text, &e, err);
	}
	r = engine_docker_remove(&f->text, &e, err);
	if (f->text.len && str_eq(f->text.buf, ENGINE_DOCKER_NEW))
		f->there = false;
	return r;
}

static int plan(const struct engine_ask *ask, struct engine_plan *plan, struct err *err)
{
	struct engine_file *f = engine_plan_read(ask, plan, ask->file, err);
	cleanup_free char *before = NULL;
	int r = f ? edit(ask, f, err) : -EINVAL;

	if (r < 0)
		return r;
	before = engine_docker_default(&f->was.text, &plan->was_default);
	free(engine_docker_default(&f->text, &plan->is_default));
	plan->has_ours = engine_docker_has_ours(&f->text);
	if (before && !plan->was_default)
		plan->old_default = arena_strdup(ask->arena, before);
	return 0;
}

const struct engine engine_docker = {
	.name = "docker",
	.file = "/etc/docker/daemon.json",
	.user_file = "docker/daemon.json",
	.restart = "systemctl restart docker",
	.takes_options = true,
	.wants_alias = true,
	.name_ok = name_ok,
	.plan = plan,
};
