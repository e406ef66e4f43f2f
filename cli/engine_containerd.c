/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measured with containerd 1.6, 1.7 and 2.1. Until 1.7 a file that config.toml imports takes the place of the whole plugin's
 * table, so what is ours goes into config.toml itself; a table of runtimes takes the place of the built-in one, so runc has to
 * be in it. From version 3 on files are merged: where conf.d is imported, ours is a file there.
 */
#include "engine_containerd.h"

#include <errno.h>

#include "engine.h"
#include "engine_cri.h"
#include "tomledit.h"

#define TYPE "io.containerd.runc.v2"

/* Notes a table and those in it. false where it is deeper than any that an engine knows. */
/* NOLINTNEXTLINE(misc-no-recursion): TOMLEDIT_DEPTH_MAX levels at most. */
static bool add_tables(struct tomledit *t, const char **path, size_t n, struct json *table)
{
	cleanup_json struct json *members = json_new_object();
	const char *key;
	struct json *value;
	void *iter = NULL;

	while (json_next(table, &iter, &key, &value))
		if (!json_is_object(value))
			json_set(members, key, json_clone(value));
	tomledit_table(t, path, n, members);
	iter = NULL;
	while (json_next(table, &iter, &key, &value)) {
		if (!json_is_object(value))
			continue;
		if (n == TOMLEDIT_DEPTH_MAX)
			return false;
		path[n] = key;
		if (!add_tables(t, path, n + 1, value))
			return false;
	}
	return true;
}

/* Ours is as the default runtime is, SystemdCgroup above all: it becomes the same runc. */
static struct json *make_runtime(struct json *facts, const struct engine_cri *c)
{
	struct json *like = engine_cri_runtime(facts, c, engine_cri_default(facts, c));
	struct json *ret = json_new_object(), *options = json_new_object();

	if (!str_eq(json_get_str(like, "runtime_type", ""), TYPE))
		like = NULL;
	json_set_str(ret, "runtime_type", TYPE);
	engine_copy_members(ret, like);
	json_set_str(options, "BinaryName", "");
	engine_copy_members(options, json_get(like, "options"));
	json_set(ret, "options", options);
	return ret;
}

/* `old`: the runtime as it was, and stays with what somebody has put there; or NULL. */
static int add_runtime(struct tomledit *t, const struct engine_cri *c, struct json *facts,
		       const struct engine_containerd *e, const struct json *old, struct err *err)
{
	cleanup_json struct json *entry = old ? json_clone(old) : make_runtime(facts, c);
	const char *path[TOMLEDIT_DEPTH_MAX];

	json_set_str(json_get(entry, "options"), "BinaryName", e->path);
	memcpy(path, c->path, sizeof(c->path));
	path[ENGINE_CRI_RUNTIME - 1] = e->name;
	if (add_tables(t, path, ENGINE_CRI_RUNTIME, entry))
		return 0;
	err_set(err, ERR_ENGINE, 0, "%s: runtime %s has too many tables in each other", e->file, e->name);
	return err_hint(err, "take them out by hand first");
}

/* Until containerd 1.7 the built-in runc is gone once there is any table of runtimes. */
static void add_runc(struct tomledit *t, const struct engine_cri *c)
{
	cleanup_json struct json *members = json_new_object();
	const char *path[ENGINE_CRI_RUNTIME];

	json_set_str(members, "runtime_type", TYPE);
	memcpy(path, c->path, sizeof(path));
	path[ENGINE_CRI_RUNTIME - 1] = "runc";
	tomledit_table(t, path, ENGINE_CRI_RUNTIME, members);
}

static int check_facts(struct json *facts, const struct engine_cri *c, const struct engine_containerd *e,
		       struct err *err)
{
	struct json *other = engine_cri_runtime(facts, c, e->name);
	const char *path = engine_cri_program(facts, c, e->name), *old = engine_cri_default(facts, c);

	if (other && !engine_is_ours(path)) {
		err_set(err, ERR_ENGINE, 0, "%s: there is a runtime %s, which is %s", e->file, e->name,
			path ? path : json_get_str(other, "runtime_type", "?"));
		return err_hint(err, "choose another --name, or take that runtime out first");
	}
	if (e->set_default && engine_cri_default_is_ours(facts, c) && !str_eq(old, e->name)) {
		err_set(err, ERR_ENGINE, 0, "%s: default_runtime_name is %s, which is nvcoreos too", e->file, old);
		return err_hint(err, "nvcoreos configure containerd --remove --name %s", old);
	}
	return 0;
}

/* Notes all that is asked for; facts: what all files of the engine say, without ours. */
static int fill(struct tomledit *t, const struct engine_cri *c, struct json *facts, const struct engine_containerd *e,
		const struct json *old, struct err *err)
{
	cleanup_json struct json *version = json_new_object();
	int r = check_facts(facts, c, e, err);

	if (r < 0)
		return r;
	json_set_int(version, "version", c->version);
	if (c->version > 1 && !json_get(t->facts, "version"))
		tomledit_table(t, NULL, 0, version);
	if (c->version <= 2 && !tomledit_get(facts, c->path, ENGINE_CRI_RUNTIMES))
		add_runc(t, c);
	if (!engine_cri_runtime(facts, c, e->name))
		r = add_runtime(t, c, facts, e, old, err);
	if (r == 0 && e->set_default)
		r = tomledit_set(t, c->path, ENGINE_CRI_CONTAINERD, "default_runtime_name", json_new_string(e->name),
				 err);
	if (r == 0 && e->cdi)
		r = tomledit_set(t, c->path, ENGINE_CRI_PLUGIN, "enable_cdi", json_new_bool(true), err);
	return r;
}

static void take_text(struct strbuf *text, struct tomledit *t)
{
	strbuf_free(text);
	*text = t->text;
	t->text = (struct strbuf)STRBUF_INIT;
}

/* What an earlier call was asked for stays. */
static void keep_asked(struct engine_containerd *e, struct json *before, struct json *without,
		       const struct engine_cri *c)
{
	e->set_default |= str_eq(engine_cri_default(before, c), e->name) && engine_cri_default_is_ours(before, c);
	e->cdi |= engine_cri_has_cdi(before, c) && !engine_cri_has_cdi(without, c);
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

static struct json *others(const struct json *facts, const struct engine_cri *c, const char *name)
{
	struct json *j = json_clone(facts), *all;

	json_remove(j, "version");
	json_remove(tomledit_get(j, c->path, ENGINE_CRI_PLUGIN), "enable_cdi");
	json_remove(tomledit_get(j, c->path, ENGINE_CRI_CONTAINERD), "default_runtime_name");
	all = tomledit_get(j, c->path, ENGINE_CRI_RUNTIMES);
	json_remove(all, name);
	json_remove(all, "runc");
	prune(j);
	return j;
}

/* Takes what is ours out; -EINVAL where more than that would go with it. */
static int strip(struct tomledit *t, struct json *before, const struct engine_cri *was, struct err *err)
{
	cleanup_json struct json *a = NULL, *b = NULL;
	int r = tomledit_strip(t, err);

	if (r < 0)
		return r;
	a = others(before, was, t->name);
	b = others(t->facts, was, t->name);
	if (json_same(a, b))
		return 0;
	err_set(err, ERR_ENGINE, 0, "%s: there is more between the marks of nvcoreos than it has put there", t->file);
	return err_hint(err, "take that out by hand first");
}

/* Takes the runtime of this name out and puts it in again; before: what the text said while all of ours was in it. */
static int put(struct tomledit *t, struct json *before, const struct engine_cri *was, struct engine_containerd *e,
	       struct err *err)
{
	struct engine_cri c = { 0 };
	struct json *old = NULL;
	int r;

	t->name = e->name;
	r = strip(t, before, was, err);
	if (r == 0)
		r = engine_cri_find(t->facts, e->file, &c, err);
	if (r < 0)
		return r;
	/* The version that the text gets again. */
	if (json_get(before, "version") && !json_get(t->facts, "version"))
		c = *was;
	if (engine_is_ours(engine_cri_program(before, was, e->name)))
		old = engine_cri_runtime(before, was, e->name);
	keep_asked(e, before, t->facts, &c);
	t->is_new = e->is_new || t->was_new;
	r = fill(t, &c, t->facts, e, old, err);
	return r == 0 ? tomledit_end(t, err) : r;
}

/*
 * What went with the runtime and those of ours that stay need: the version, CDI, the runc that an engine has no longer once
 * there is a table of runtimes; and that the file was none.
 */
static bool took_more(const struct tomledit *t, struct json *before, const struct engine_cri *was)
{
	return t->was_new || (json_get(before, "version") && !json_get(t->facts, "version")) ||
	       (engine_cri_has_cdi(before, was) && !engine_cri_has_cdi(t->facts, was)) ||
	       (engine_cri_runtime(before, was, "runc") && !engine_cri_runtime(t->facts, was, "runc"));
}

/* The first one that a removal of its own would take out, or NULL: what somebody else has put there needs none of it. */
static const char *find_heir(const struct tomledit *t, const struct strlist *names)
{
	for (size_t i = 0; i < names->n; i++)
		if (tomledit_marks(t, names->v[i]))
			return names->v[i];
	return NULL;
}

/* The next one of ours gets it under its own marks. */
static int bequeath(struct tomledit *t, struct json *before, const struct engine_cri *was,
		    const struct engine_containerd *e, struct err *err)
{
	cleanup_arena struct arena a = ARENA_INIT;
	cleanup_json struct json *then = json_clone(before);
	struct strlist names = { 0 };
	struct engine_containerd heir = *e;
	int r;

	json_remove(tomledit_get(then, was->path, ENGINE_CRI_RUNTIMES), e->name);
	engine_cri_names(then, was, &a, &names);
	heir.name = find_heir(t, &names);
	if (!heir.name || !took_more(t, before, was))
		return 0;
	heir.set_default = false;
	heir.cdi = engine_cri_has_cdi(before, was) && !engine_cri_has_cdi(t->facts, was);
	heir.path = engine_cri_program(then, was, heir.name);
	heir.is_new = false;
	r = put(t, then, was, &heir, err);
	t->was_new = false;
	return r;
}

/* Whether it has all that is asked for. */
static bool has_all(struct json *facts, const struct engine_cri *c, const struct engine_containerd *e)
{
	const char *path = engine_cri_program(facts, c, e->name);

	return path && str_eq(path, e->path) && (!e->set_default || str_eq(engine_cri_default(facts, c), e->name)) &&
	       (!e->cdi || engine_cri_has_cdi(facts, c));
}

/* Takes it out, so that others of ours get what they need of it, and puts it behind them. */
static int add(struct tomledit *t, struct json *before, const struct engine_cri *was, struct engine_containerd *e,
	       struct strbuf *text, struct err *err)
{
	cleanup_tomledit struct tomledit again = { 0 };
	int r = strip(t, before, was, err);

	if (r == 0)
		r = bequeath(t, before, was, e, err);
	if (r == 0)
		r = tomledit_start(&again, &t->text, e->file, e->name, err);
	if (r < 0)
		return r;
	e->is_new |= t->was_new;
	r = put(&again, before, was, e, err);
	/* Where it says the same as before it stays as it is. */
	if (r == 0 && !json_same(before, again.facts))
		take_text(text, &again);
	return r;
}

int engine_containerd_add(struct strbuf *text, const struct engine_containerd *ask, struct err *err)
{
	cleanup_tomledit struct tomledit t = { 0 };
	cleanup_json struct json *before = NULL;
	struct engine_containerd e = *ask;
	struct engine_cri was = { 0 };
	int r = tomledit_start(&t, text, e.file, e.name, err);

	if (r < 0)
		return r;
	before = json_clone(t.facts);
	r = engine_cri_find(before, e.file, &was, err);
	if (r < 0 || has_all(before, &was, &e))
		return r;
	return add(&t, before, &was, &e, text, err);
}

int engine_containerd_remove(struct strbuf *text, const struct engine_containerd *e, bool *ret_was_new, struct err *err)
{
	cleanup_tomledit struct tomledit t = { 0 };
	cleanup_json struct json *before = NULL;
	struct engine_cri was = { 0 };
	int r = tomledit_start(&t, text, e->file, e->name, err);

	*ret_was_new = false;
	if (r == 0) {
		before = json_clone(t.facts);
		r = engine_cri_find(before, e->file, &was, err);
	}
	if (r == 0)
		r = strip(&t, before, &was, err);
	if (r < 0)
		return r;
	/* Whatever has taken the marks away: what is ours must not be called gone. */
	if (engine_is_ours(engine_cri_program(t.facts, &was, e->name))) {
		err_set(err, ERR_ENGINE, 0, "%s: runtime %s is nvcoreos-runtime, outside the marks of nvcoreos",
			e->file, e->name);
		return err_hint(err, "take it out by hand, and where it is the default_runtime_name that too");
	}
	r = bequeath(&t, before, &was, e, err);
	if (r < 0)
		return r;
	*ret_was_new = t.was_new;
	take_text(text, &t);
	return 0;
}

int engine_containerd_dropin(struct strbuf *text, const struct engine_containerd *ask, struct json *facts,
			     struct json *before, struct err *err)
{
	cleanup_tomledit struct tomledit t = { 0 };
	struct engine_containerd e = *ask;
	struct engine_cri c = { 0 };
	struct json *old = NULL;
	int r = engine_cri_find(facts, e.file, &c, err);

	if (r == 0)
		r = tomledit_start(&t, text, e.file, e.name, err);
	if (r < 0)
		return r;
	t.whole = true;
	if (engine_is_ours(engine_cri_program(before, &c, e.name)))
		old = engine_cri_runtime(before, &c, e.name);
	keep_asked(&e, before, facts, &c);
	r = fill(&t, &c, facts, &e, old, err);
	if (r == 0)
		r = tomledit_end(&t, err);
	if (r == 0)
		take_text(text, &t);
	return r;
}
