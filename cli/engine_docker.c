/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_docker.h"

#include <errno.h>
#include <stdlib.h>

#include "engine.h"
#include "oci/json.h"
#include "oci/splice.h"

#define UNIT_DEFAULT "    "
#define CONFIG "--nvcoreos-config"

/* A daemon.json in work: a copy of the text, and how its writer indents. */
struct work {
	struct strbuf b;
	char unit[17];
	const char *eol;
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
	if (is_blank(b))
		return json_new_object();
	return json_parse(b->buf, b->len, why, size);
}

/* What it says, or NULL where it is not valid. */
static struct json *facts_of(const struct strbuf *b)
{
	char why[64];

	return b ? parse(b, why, sizeof(why)) : NULL;
}

/* Docker would refuse it too, or read it otherwise than we do: nothing is changed then. */
static int check(const struct strbuf *b, const char *file, struct err *err)
{
	static const char *const objects[] = { "runtimes", "features" };
	char why[256];
	cleanup_json struct json *j = parse(b, why, sizeof(why));
	struct json *name;

	if (!j)
		return err_set(err, ERR_ENGINE, 0, "%s: %s", file, why);
	if (!json_is_object(j))
		return err_set(err, ERR_ENGINE, 0, "%s: not an object", file);
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		struct json *member = json_get(j, objects[i]);

		if (member && !json_is_object(member) && !json_is_null(member))
			return err_set(err, ERR_ENGINE, 0, "%s: %s is not an object", file, objects[i]);
	}
	name = json_get(j, "default-runtime");
	if (name && !json_is_string(name) && !json_is_null(name))
		return err_set(err, ERR_ENGINE, 0, "%s: default-runtime is not a string", file);
	return 0;
}

static void find_style(struct work *w)
{
	const char *line = memchr(w->b.buf, '\n', w->b.len);
	size_t n = 0;

	memcpy(w->unit, UNIT_DEFAULT, sizeof(UNIT_DEFAULT));
	w->pretty = line;
	w->eol = line && line > w->b.buf && line[-1] == '\r' ? "\r\n" : "\n";
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

		if (*p != '\n') {
			strbuf_putc(out, *p);
			continue;
		}
		strbuf_puts(out, w->eol);
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

	strbuf_puts(&text, pretty ? w->eol : " ");
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

/* An object that is empty by now is what it was before: empty, null or not there. */
static void empty_again(struct work *w, struct json *before, const char *key)
{
	struct splice_span object;
	cleanup_free struct splice_span *items = NULL;
	struct json *was = json_get(before, key);
	size_t n = 0;

	if (!find_object(w, key, &object) || splice_items(&w->b, object, &items, &n) < 0 || n)
		return;
	if (!was)
		drop_member(w, NULL, key);
	else if (!json_is_object(was))
		set_member(w, NULL, key, json_clone(was));
}

/* The path of a runtime, or NULL where there is no runtime of that name. */
static const char *path_of(struct json *facts, const char *name)
{
	struct json *runtime = json_get(json_get(facts, "runtimes"), name);

	return runtime ? json_get_str(runtime, "path", json_get_str(runtime, "runtimeType", "?")) : NULL;
}

/* A name that Docker knows by itself, which nobody may give to a runtime. */
static bool is_built_in(const char *name)
{
	return str_eq(name, "runc") || str_starts(name, "io.containerd.");
}

/* The arguments as they are, but with this one; both of its forms are known. */
static void set_config(struct json *runtime, const char *config)
{
	struct json *old = json_get(runtime, "runtimeArgs"), *args = json_new_array();

	for (size_t i = 0; i < json_len(old); i++) {
		const char *arg = json_str(json_at(old, i));

		if (arg && str_eq(arg, CONFIG))
			i++;
		else if (!arg || !str_starts(arg, CONFIG "="))
			json_append(args, json_clone(json_at(old, i)));
	}
	json_append(args, json_new_string(CONFIG));
	json_append(args, json_new_string(config));
	json_set(runtime, "runtimeArgs", args);
}

static struct json *make_runtime(struct json *old, const struct engine_docker *e)
{
	struct json *runtime = old ? json_clone(old) : json_new_object();

	json_set_str(runtime, "path", e->path);
	if (e->config)
		set_config(runtime, e->config);
	return runtime;
}

static int add(struct work *w, const struct engine_docker *e, struct err *err)
{
	cleanup_json struct json *facts = facts_of(&w->b);
	const char *path = path_of(facts, e->name), *config;
	cleanup_arena struct arena a = ARENA_INIT;
	struct engine_docker ask = *e;

	if (path && !engine_is_ours(path)) {
		err_set(err, ERR_ENGINE, 0, "%s: runtimes.%s is %s", e->file, e->name, path);
		return err_hint(err, "choose another --name, or take that runtime out first");
	}
	config = engine_docker_config(&w->b, e->name, &a);
	if (config && e->config && str_eq(config, e->config))
		ask.config = NULL;
	set_member(w, "runtimes", e->name, make_runtime(json_get(json_get(facts, "runtimes"), e->name), &ask));
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

/* The default that gave way comes back, unless its runtime is gone meanwhile: dockerd would not start. */
static void take_default(struct work *w, const struct engine_docker *e, struct json *facts, struct json *before)
{
	const char *now = json_str(json_get(facts, "default-runtime"));
	struct json *was = json_get(before, "default-runtime");
	const char *old = json_str(was);

	if (!now || !str_eq(now, e->name))
		return;
	if (was && (!old || is_built_in(old) || (!str_eq(old, e->name) && path_of(facts, old))))
		set_member(w, NULL, "default-runtime", json_clone(was));
	else
		drop_member(w, NULL, "default-runtime");
}

static void take_cdi(struct work *w, struct json *before)
{
	struct json *was = json_get(json_get(before, "features"), "cdi");

	if (!engine_docker_has_cdi(&w->b))
		return;
	if (was)
		set_member(w, "features", "cdi", json_clone(was));
	else
		drop_member(w, "features", "cdi");
	empty_again(w, before, "features");
}

static void take_out(struct work *w, const struct engine_docker *e)
{
	cleanup_json struct json *facts = facts_of(&w->b), *before = facts_of(e->before);
	const char *path = path_of(facts, e->name);

	if (path && !engine_is_ours(path))
		return;
	take_default(w, e, facts, before);
	if (path) {
		drop_member(w, "runtimes", e->name);
		empty_again(w, before, "runtimes");
	}
	if (e->cdi)
		take_cdi(w, before);
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
	return work_end(&w, text, e->file, r, err);
}

void engine_docker_names(const struct strbuf *text, struct arena *arena, struct strlist *names)
{
	cleanup_json struct json *facts = facts_of(text);
	struct json *value;
	const char *name;
	void *iter = NULL;

	while (json_next(json_get(facts, "runtimes"), &iter, &name, &value))
		if (engine_is_ours(json_get_str(value, "path", NULL)))
			strlist_add(arena, names, name);
}

bool engine_docker_default_is_ours(const struct strbuf *text)
{
	cleanup_json struct json *facts = facts_of(text);
	const char *name = json_str(json_get(facts, "default-runtime"));

	return name && engine_is_ours(path_of(facts, name));
}

const char *engine_docker_config(const struct strbuf *text, const char *name, struct arena *arena)
{
	cleanup_json struct json *facts = facts_of(text);
	struct json *args = json_get(json_get(json_get(facts, "runtimes"), name), "runtimeArgs");
	const char *found = NULL;

	for (size_t i = 0; i < json_len(args); i++) {
		const char *arg = json_str(json_at(args, i)), *rest = arg ? str_after(arg, CONFIG) : NULL;

		if (rest && *rest == '=')
			found = rest + 1;
		else if (rest && !*rest)
			found = json_str(json_at(args, ++i));
	}
	return found ? arena_strdup(arena, found) : NULL;
}

bool engine_docker_has_cdi(const struct strbuf *text)
{
	cleanup_json struct json *facts = facts_of(text);

	return json_bool(json_get(json_get(facts, "features"), "cdi"), false);
}

bool engine_docker_is_bare(const struct strbuf *text)
{
	cleanup_json struct json *facts = facts_of(text);

	return facts && !json_next(facts, &(void *){ NULL }, &(const char *){ NULL }, &(struct json *){ NULL });
}
