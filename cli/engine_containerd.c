/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measured with containerd 1.6, 1.7 and 2.1. Until 1.7 a file that config.toml imports takes the place of the whole plugin's
 * table, so what is ours goes into config.toml itself; a table of runtimes takes the place of the built-in one, so runc has to
 * be in it. From version 3 on files are merged: where conf.d is imported, ours is a file there.
 */
#include "engine_containerd.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "base/path.h"
#include "engine_dropin.h"

#define TYPE "io.containerd.runc.v2"
/* The keys of a runtime's path: plugins, the plugin, containerd, runtimes, the name, options. */
enum { AT_PLUGIN = 2, AT_CONTAINERD = 3, AT_RUNTIMES = 4, AT_RUNTIME = 5, AT_OPTIONS = 6 };

struct cri {
	int64_t version;
	const char *path[AT_OPTIONS];
};

/* A file without a version has version 1; one that says nothing at all may have any. */
static int find_cri(struct json *facts, const char *file, struct cri *ret, struct err *err)
{
	struct json *version = json_get(facts, "version");
	bool blank = !json_next(facts, &(void *){ NULL }, &(const char *){ NULL }, &(struct json *){ NULL });

	*ret = (struct cri){ .version = blank ? 2 : 1,
			     .path = { "plugins", "cri", "containerd", "runtimes", "", "options" } };
	if (version && !json_int(version, 1, 4, &ret->version)) {
		cleanup_free char *text = json_dump(version, 0);

		err_set(err, ERR_ENGINE, 0, "%s: version %s", file, text);
		return err_hint(err, "versions 1 to 4 are known");
	}
	if (ret->version == 2)
		ret->path[1] = "io.containerd.grpc.v1.cri";
	else if (ret->version > 2)
		ret->path[1] = "io.containerd.cri.v1.runtime";
	return 0;
}

static struct json *runtime(struct json *facts, const struct cri *c, const char *name)
{
	return json_get(tomledit_get(facts, c->path, AT_RUNTIMES), name);
}

static const char *program(struct json *facts, const struct cri *c, const char *name)
{
	return json_get_str(json_get(runtime(facts, c, name), "options"), "BinaryName", NULL);
}

static const char *default_name(struct json *facts, const struct cri *c)
{
	const char *name = json_get_str(tomledit_get(facts, c->path, AT_CONTAINERD), "default_runtime_name", "runc");

	return *name ? name : "runc";
}

static bool default_is_ours(struct json *facts, const struct cri *c)
{
	return engine_is_ours(program(facts, c, default_name(facts, c)));
}

static bool cdi_is_on(struct json *facts, const struct cri *c)
{
	return json_bool(json_get(tomledit_get(facts, c->path, AT_PLUGIN), "enable_cdi"), false);
}

static bool has_ours(struct json *facts, const struct cri *c)
{
	struct json *all = tomledit_get(facts, c->path, AT_RUNTIMES), *value;
	const char *name;
	void *iter = NULL;

	while (json_next(all, &iter, &name, &value))
		if (engine_is_ours(json_get_str(json_get(value, "options"), "BinaryName", NULL)))
			return true;
	return false;
}

static bool is_scalar(const struct json *value)
{
	return json_str(value) || json_is_number(value) || json_bool(value, true) == json_bool(value, false);
}

/* What a runtime may get from another one: "", 0, false and [] an engine takes anyway. */
static bool is_worth_copying(const struct json *value)
{
	int64_t zero;

	if (json_is_array(value)) {
		for (size_t i = 0; i < json_len(value); i++)
			if (!is_scalar(json_at(value, i)))
				return false;
		return json_len(value) > 0;
	}
	return is_scalar(value) && json_bool(value, true) && !json_int(value, 0, 0, &zero) &&
	       !(json_str(value) && !*json_str(value));
}

static void copy_members(struct json *into, struct json *from)
{
	const char *key;
	struct json *value;
	void *iter = NULL;

	while (json_next(from, &iter, &key, &value))
		if (is_worth_copying(value) && !json_get(into, key))
			json_set(into, key, json_clone(value));
}

/* Ours is as the default runtime is, SystemdCgroup above all: it becomes the same runc. */
static void add_runtime(struct tomledit *t, struct cri *c, struct json *facts, const struct engine_containerd *e)
{
	struct json *like = runtime(facts, c, default_name(facts, c));
	cleanup_json struct json *members = json_new_object(), *options = json_new_object();

	if (!str_eq(json_get_str(like, "runtime_type", ""), TYPE))
		like = NULL;
	json_set_str(members, "runtime_type", TYPE);
	copy_members(members, like);
	json_set_str(options, "BinaryName", e->path);
	copy_members(options, json_get(like, "options"));
	c->path[AT_RUNTIME - 1] = e->name;
	tomledit_table(t, c->path, AT_RUNTIME, members);
	tomledit_table(t, c->path, AT_OPTIONS, options);
}

/* Until containerd 1.7 the built-in runc is gone once there is any table of runtimes. */
static void add_runc(struct tomledit *t, struct cri *c)
{
	cleanup_json struct json *members = json_new_object();

	json_set_str(members, "runtime_type", TYPE);
	c->path[AT_RUNTIME - 1] = "runc";
	tomledit_table(t, c->path, AT_RUNTIME, members);
}

static int check_facts(struct json *facts, const struct cri *c, const struct engine_containerd *e, struct err *err)
{
	struct json *other = runtime(facts, c, e->name);
	const char *path = program(facts, c, e->name);

	if (other && !engine_is_ours(path)) {
		err_set(err, ERR_ENGINE, 0, "%s: there is a runtime %s, which is %s", e->file, e->name,
			path ? path : json_get_str(other, "runtime_type", "?"));
		return err_hint(err, "choose another --name, or take that runtime out first");
	}
	if (e->set_default && default_is_ours(facts, c) && !str_eq(default_name(facts, c), e->name)) {
		err_set(err, ERR_ENGINE, 0, "%s: default_runtime_name is %s, which is nvcoreos too", e->file,
			default_name(facts, c));
		return err_hint(err, "nvcoreos configure containerd --remove --name %s", default_name(facts, c));
	}
	return 0;
}

/* Notes all that is asked for; facts: what all files of the engine say, without ours. */
static int fill(struct tomledit *t, struct cri *c, struct json *facts, const struct engine_containerd *e,
		struct err *err)
{
	cleanup_json struct json *version = json_new_object();
	int r = check_facts(facts, c, e, err);

	if (r < 0)
		return r;
	json_set_int(version, "version", c->version);
	if (c->version > 1 && !json_get(t->facts, "version"))
		tomledit_table(t, NULL, 0, version);
	if (c->version <= 2 && !tomledit_get(facts, c->path, AT_RUNTIMES))
		add_runc(t, c);
	if (!runtime(facts, c, e->name))
		add_runtime(t, c, facts, e);
	if (e->set_default)
		r = tomledit_set(t, c->path, AT_CONTAINERD, "default_runtime_name", json_new_string(e->name), err);
	if (r == 0 && e->cdi)
		r = tomledit_set(t, c->path, AT_PLUGIN, "enable_cdi", json_new_bool(true), err);
	return r;
}

static void take_text(struct strbuf *text, struct tomledit *t)
{
	strbuf_free(text);
	*text = t->text;
	t->text = (struct strbuf)STRBUF_INIT;
}

/* What an earlier call was asked for stays. */
static void keep_asked(struct engine_containerd *e, struct json *before, struct json *without, const struct cri *c)
{
	e->set_default |= str_eq(default_name(before, c), e->name) && default_is_ours(before, c);
	e->cdi |= cdi_is_on(before, c) && !cdi_is_on(without, c);
}

int engine_containerd_add(struct strbuf *text, const struct engine_containerd *ask, struct err *err)
{
	cleanup_tomledit struct tomledit t = { 0 };
	cleanup_json struct json *before = NULL;
	struct engine_containerd e = *ask;
	struct cri c = { 0 }, was = { 0 };
	int r = tomledit_start(&t, text, e.file, e.name, err);

	if (r == 0) {
		before = json_clone(t.facts);
		r = find_cri(before, e.file, &was, err);
	}
	if (r == 0)
		r = tomledit_strip(&t, err);
	if (r == 0)
		r = find_cri(t.facts, e.file, &c, err);
	if (r < 0)
		return r;
	keep_asked(&e, before, t.facts, &was);
	t.is_new = e.is_new || t.was_new;
	r = fill(&t, &c, t.facts, &e, err);
	if (r == 0)
		r = tomledit_end(&t, err);
	/* Where it says the same as before it stays as it is. */
	if (r == 0 && !json_same(before, t.facts))
		take_text(text, &t);
	return r;
}

/* Takes out what a removal may change, and the tables that are empty then. */
/* NOLINTNEXTLINE(misc-no-recursion): JSON_DEPTH_MAX levels at most. */
static bool prune(struct json *j)
{
	cleanup_arena struct arena a = ARENA_INIT;
	struct strlist empty = { 0 };
	const char *key;
	struct json *value;
	void *iter = NULL;
	bool any = false;

	while (json_next(j, &iter, &key, &value)) {
		if (json_is_object(value) && !prune(value))
			strlist_add(&a, &empty, key);
		else
			any = true;
	}
	for (size_t i = 0; i < empty.n; i++)
		json_remove(j, empty.v[i]);
	return any;
}

static struct json *others(const struct json *facts, const struct cri *c, const char *name)
{
	struct json *j = json_clone(facts), *all;

	json_remove(j, "version");
	json_remove(tomledit_get(j, c->path, AT_PLUGIN), "enable_cdi");
	json_remove(tomledit_get(j, c->path, AT_CONTAINERD), "default_runtime_name");
	all = tomledit_get(j, c->path, AT_RUNTIMES);
	json_remove(all, name);
	json_remove(all, "runc");
	prune(j);
	return j;
}

/* The version, and the runc that an engine has no longer once there is a table of runtimes. */
static bool takes_what_others_need(struct json *before, const struct tomledit *t, const struct cri *c)
{
	if (!has_ours(t->facts, c))
		return false;
	return (json_get(before, "version") && !json_get(t->facts, "version")) ||
	       (runtime(before, c, "runc") && !runtime(t->facts, c, "runc"));
}

static int check_removal(const struct tomledit *t, struct json *before, const struct engine_containerd *e,
			 struct err *err)
{
	cleanup_json struct json *a = NULL, *b = NULL;
	struct cri was = { 0 }, is = { 0 };
	int r = find_cri(before, e->file, &was, err);

	if (r == 0)
		r = find_cri(t->facts, e->file, &is, err);
	if (r < 0)
		return r;
	if (takes_what_others_need(before, t, &was)) {
		err_set(err, ERR_ENGINE, 0, "%s: another runtime of nvcoreos needs what %s has brought", e->file,
			e->name);
		return err_hint(err, "remove the other one first");
	}
	/* Whatever has taken the marks away: what is ours must not be called gone. */
	if (engine_is_ours(program(t->facts, &was, e->name))) {
		err_set(err, ERR_ENGINE, 0, "%s: runtime %s is nvcoreos-runtime, outside the marks of nvcoreos",
			e->file, e->name);
		return err_hint(err, "take it out by hand, and where it is the default_runtime_name that too");
	}
	a = others(before, &was, e->name);
	b = others(t->facts, &was, e->name);
	if (!json_same(a, b)) {
		err_set(err, ERR_ENGINE, 0, "%s: there is more between the marks of nvcoreos than it has put there",
			e->file);
		return err_hint(err, "take that out by hand first");
	}
	return 0;
}

int engine_containerd_remove(struct strbuf *text, const struct engine_containerd *e, bool *ret_was_new, struct err *err)
{
	cleanup_tomledit struct tomledit t = { 0 };
	cleanup_json struct json *before = NULL;
	int r = tomledit_start(&t, text, e->file, e->name, err);

	*ret_was_new = false;
	if (r < 0)
		return r;
	before = json_clone(t.facts);
	r = tomledit_strip(&t, err);
	if (r == 0)
		r = check_removal(&t, before, e, err);
	if (r < 0)
		return r;
	*ret_was_new = t.was_new;
	take_text(text, &t);
	return 0;
}

static const char *conf_d(const struct engine_ask *ask)
{
	char dir[PATH_MAX];

	if (path_parent(ask->file, dir, sizeof(dir)) < 0)
		return NULL;
	return arena_printf(ask->arena, "%s/conf.d", str_eq(dir, "/") ? "" : dir);
}

static bool imports(struct json *facts, const char *glob)
{
	struct json *list = json_get(facts, "imports");

	for (size_t i = 0; i < json_len(list); i++) {
		const char *s = json_str(json_at(list, i));

		if (s && str_eq(s, glob))
			return true;
	}
	return false;
}

static struct engine_containerd asked(const struct engine_ask *ask, const struct engine_file *main)
{
	return (struct engine_containerd){
		.file = main->was.path,
		.name = ask->name,
		.path = ask->path,
		.set_default = ask->set_default,
		.cdi = ask->cdi,
		.is_new = !main->was.exists,
	};
}

/* Takes ours out of config.toml; what is left stays, or goes where we have made it. */
static int strip_main(const struct engine_ask *ask, struct engine_file *main, struct err *err)
{
	struct engine_containerd e = asked(ask, main);
	bool was_new;
	int r = engine_containerd_remove(&main->text, &e, &was_new, err);

	if (r == 0 && was_new && !main->text.len)
		main->there = false;
	return r;
}

/* The text of our file in conf.d. */
static int make_dropin(const struct engine_ask *ask, const struct engine_file *main, struct engine_file *own,
		       struct json *facts, struct json *before, struct err *err)
{
	cleanup_tomledit struct tomledit t = { 0 };
	cleanup_strbuf struct strbuf head = STRBUF_INIT;
	struct engine_containerd e = asked(ask, main);
	struct cri c = { 0 };
	int r = find_cri(facts, e.file, &c, err);

	engine_dropin_head(&engine_containerd, &head);
	if (r == 0)
		r = tomledit_start(&t, &head, own->was.path, e.name, err);
	if (r < 0)
		return r;
	t.whole = true;
	keep_asked(&e, before, facts, &c);
	r = fill(&t, &c, facts, &e, err);
	if (r == 0)
		r = tomledit_end(&t, err);
	if (r < 0)
		return r;
	take_text(&own->text, &t);
	own->there = true;
	return 0;
}

/* A later file in conf.d may have another word. */
static int check_default(struct json *after, const struct engine_ask *ask, bool wanted, const char *dir,
			 struct err *err)
{
	struct cri c = { 0 };
	int r = find_cri(after, ask->file, &c, err);

	if (r < 0 || !wanted || str_eq(default_name(after, &c), ask->name))
		return r;
	err_set(err, ERR_ENGINE, 0, "%s: a later file makes %s the default_runtime_name", dir, default_name(after, &c));
	return err_hint(err, "take that out first");
}

static void tell(const struct engine_ask *ask, struct engine_plan *plan, struct json *facts, const struct cri *c)
{
	struct json *disabled = json_get(facts, "disabled_plugins");

	for (size_t i = 0; i < json_len(disabled); i++) {
		const char *s = json_str(json_at(disabled, i));

		if (s && (str_eq(s, "cri") || str_eq(s, c->path[1])))
			strlist_add(
				ask->arena, &plan->warnings,
				"disabled_plugins names cri: Kubernetes cannot use this containerd before it is taken out");
	}
	if (c->version == 1)
		strlist_add(
			ask->arena, &plan->warnings,
			"the file has no version, or 1: containerd 2 takes no runtime from it (see containerd config migrate)");
	if (c->version <= 2 && json_len(json_get(facts, "imports")))
		strlist_add(
			ask->arena, &plan->warnings,
			"the file has imports: until containerd 1.7 one with a table of cri hides all that stands here "
			"(see containerd config dump)");
}

/* Our own file in conf.d goes; where ours shall be one, it comes. */
static int plan_dropin(const struct engine_ask *ask, struct engine_file *main, struct engine_file *own, const char *dir,
		       bool wanted, struct err *err)
{
	struct engine_dropin d = { .dir = dir, .suffix = ".toml" };
	cleanup_json struct json *facts = tomledit_facts(&main->text, ask->file, err), *before = NULL, *after = NULL;
	cleanup_json struct json *old = NULL, *rest = NULL, *ours = NULL;
	struct cri c = { 0 };
	int r = facts ? engine_dropin_check(&engine_containerd, own, err) : -EINVAL;

	if (r < 0)
		return facts && !wanted ? 0 : r;
	own->there = false;
	if (!wanted)
		return 0;
	old = tomledit_facts(&own->was.text, own->was.path, err);
	before = old ? engine_dropin_facts(ask, &d, own->was.path, old, err) : NULL;
	rest = before ? engine_dropin_facts(ask, &d, own->was.path, NULL, err) : NULL;
	if (!rest)
		return -EINVAL;
	engine_dropin_merge(facts, rest);
	r = make_dropin(ask, main, own, facts, old, err);
	if (r < 0)
		return r;
	ours = tomledit_facts(&own->text, own->was.path, err);
	after = ours ? engine_dropin_facts(ask, &d, own->was.path, ours, err) : NULL;
	if (!after || find_cri(ours, ask->file, &c, err) < 0)
		return -EINVAL;
	return check_default(after, ask, str_eq(default_name(ours, &c), ask->name), dir, err);
}

/* Whether a runtime of ours is the default, by config.toml and our file in conf.d. */
static bool is_default(const struct strbuf *main, const struct strbuf *own, bool own_there, const char *file)
{
	cleanup_json struct json *a = tomledit_facts(main, file, NULL), *b = NULL;
	struct cri c = { 0 };

	if (a && own_there)
		b = tomledit_facts(own, file, NULL);
	if (!a || find_cri(a, file, &c, NULL) < 0)
		return false;
	if (b)
		engine_dropin_merge(a, b);
	return default_is_ours(a, &c);
}

static int plan(const struct engine_ask *ask, struct engine_plan *plan, struct err *err)
{
	const char *dir = conf_d(ask);
	cleanup_json struct json *facts = NULL;
	struct engine_file *main = dir ? engine_plan_read(ask, plan, ask->file, err) : NULL, *own;
	struct cri c = { 0 };
	bool by_dropin;
	int r;

	own = main ? engine_plan_read(ask, plan, engine_dropin_path(ask, dir, ".toml"), err) : NULL;
	facts = own ? tomledit_facts(&main->text, ask->file, err) : NULL;
	if (!facts || find_cri(facts, ask->file, &c, err) < 0)
		return -EINVAL;
	by_dropin = c.version > 2 && imports(facts, arena_printf(ask->arena, "%s/*.toml", dir));
	if (ask->remove || by_dropin) {
		r = strip_main(ask, main, err);
	} else {
		struct engine_containerd e = asked(ask, main);

		r = engine_containerd_add(&main->text, &e, err);
		main->there = true;
	}
	if (r == 0)
		r = plan_dropin(ask, main, own, dir, by_dropin && !ask->remove, err);
	if (r < 0)
		return r;
	plan->was_default = is_default(&main->was.text, &own->was.text, own->was.exists, ask->file);
	plan->is_default = is_default(&main->text, &own->text, own->there, ask->file);
	if (!ask->remove)
		tell(ask, plan, facts, &c);
	return 0;
}

const struct engine engine_containerd = {
	.name = "containerd",
	.file = "/etc/containerd/config.toml",
	.user_file = "containerd/config.toml",
	.restart = "systemctl restart containerd",
	.name_ok = engine_name_ok,
	.plan = plan,
};
