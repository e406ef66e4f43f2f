/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_dropin.h"

#include <errno.h>
#include <stdlib.h>

#include "base/path.h"

#define HEAD "# Written by 'nvcoreos configure %s'; '--remove' takes it away again.\n"

#define NAME "50-nvcoreos"

const char *engine_dropin_path(const struct engine_ask *ask, const char *dir, const char *suffix)
{
	if (str_eq(ask->name, "nvcoreos"))
		return arena_printf(ask->arena, "%s/" NAME "%s", dir, suffix);
	return arena_printf(ask->arena, "%s/" NAME "-%s%s", dir, ask->name, suffix);
}

void engine_dropin_head(const struct engine *engine, struct strbuf *text)
{
	strbuf_printf(text, HEAD, engine->name);
}

int engine_dropin_check(const struct engine *engine, const struct engine_file *f, struct err *err)
{
	cleanup_strbuf struct strbuf head = STRBUF_INIT;

	engine_dropin_head(engine, &head);
	if (!f->was.exists || str_starts(f->was.text.buf ? f->was.text.buf : "", head.buf))
		return 0;
	err_set(err, ERR_ENGINE, 0, "%s: it was not written by nvcoreos", f->was.path);
	return err_hint(err, "take it away, or choose another --name");
}

/* The name of the runtime whose file this one is, as engine_dropin_path makes it; NULL for another file. */
static const char *name_of(struct arena *arena, const char *file, const char *suffix)
{
	const char *rest = str_after(file, NAME);
	const char *name = !rest || !str_ends(rest, suffix) ? NULL
			   : *rest == '-'		    ? rest + 1
			   : str_eq(rest, suffix)	    ? "nvcoreos"
							    : NULL;

	if (!name || name != rest + 1)
		return name;
	return arena_strndup(arena, name, strlen(name) - strlen(suffix));
}

void engine_dropin_names(const struct engine_ask *ask, const struct engine *engine, const char *dir, const char *suffix,
			 struct strlist *names)
{
	struct strlist files = { 0 };

	if (rootfile_names(ask->rootfd, dir, ask->arena, &files, NULL) < 0)
		return;
	for (size_t i = 0; i < files.n; i++) {
		const char *name = name_of(ask->arena, files.v[i], suffix);
		struct engine_file f = { .text = STRBUF_INIT };

		if (!name || !str_is_name(name) ||
		    rootfile_read(ask->rootfd, arena_printf(ask->arena, "%s/%s", dir, files.v[i]), ERR_ENGINE, &f.was,
				  NULL) < 0)
			continue;
		if (engine_dropin_check(engine, &f, NULL) == 0 && !strlist_has(names, name))
			strlist_add(ask->arena, names, name);
		rootfile_free(&f.was);
	}
}

/* NOLINTNEXTLINE(misc-no-recursion): JSON_DEPTH_MAX levels at most. */
void engine_dropin_merge(struct json *into, struct json *from)
{
	const char *key;
	struct json *value;
	void *iter = NULL;

	while (json_next(from, &iter, &key, &value)) {
		struct json *old = json_get(into, key);

		if (json_is_object(old) && json_is_object(value))
			engine_dropin_merge(old, value);
		else
			json_set(into, key, json_clone(value));
	}
}

/* Whether `a` has a key that `b` has not. */
/* NOLINTNEXTLINE(misc-no-recursion): JSON_DEPTH_MAX levels at most. */
static bool has_more(struct json *a, struct json *b)
{
	const char *key;
	struct json *value;
	void *iter = NULL;

	while (json_next(a, &iter, &key, &value)) {
		struct json *other = json_get(b, key);

		if (!other || (json_is_object(value) && has_more(value, other)))
			return true;
	}
	return false;
}

int engine_dropin_settle(struct engine_file *f, struct json *was, struct json *ours, struct err *err)
{
	cleanup_json struct json *both = json_clone(was);

	if (!f->was.exists)
		return 0;
	engine_dropin_merge(both, ours);
	if (json_same(both, was)) {
		engine_file_set(f, &f->was.text);
		return 0;
	}
	if (!has_more(was, ours))
		return 0;
	err_set(err, ERR_ENGINE, 0, "%s: there is more in it than nvcoreos has put there", f->was.path);
	return err_hint(err, "move that to a file of your own");
}

static int merge_file(const struct engine_ask *ask, struct json *into, const char *path, struct err *err)
{
	struct rootfile f;
	cleanup_json struct json *facts = NULL;
	int r = rootfile_read_through(ask->rootfd, path, ERR_ENGINE, &f, err);

	if (r < 0)
		return r;
	facts = tomledit_facts(&f.text, path, err);
	rootfile_free(&f);
	if (!facts)
		return -EINVAL;
	engine_dropin_merge(into, facts);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int merge_dir(const struct engine_ask *ask, const struct engine_dropin *d, const char *own,
		     const struct json *ours, struct json *into, struct err *err)
{
	struct strlist names = { 0 };
	int r = rootfile_names(ask->rootfd, d->dir, ask->arena, &names, err);

	if (r == 0 && !strlist_has(&names, path_base(own)))
		strlist_add(ask->arena, &names, path_base(own));
	if (r == 0)
		qsort(names.v, names.n, sizeof(*names.v), compare);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		if (str_eq(names.v[i], path_base(own))) {
			cleanup_json struct json *copy = ours ? json_clone(ours) : json_new_object();

			engine_dropin_merge(into, copy);
		} else if (str_ends(names.v[i], d->suffix)) {
			r = merge_file(ask, into, arena_printf(ask->arena, "%s/%s", d->dir, names.v[i]), err);
		}
	}
	return r;
}

struct json *engine_dropin_facts(const struct engine_ask *ask, const struct engine_dropin *d, const char *own,
				 const struct json *ours, struct err *err)
{
	cleanup_json struct json *all = json_new_object();
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(d->files); i++)
		if (d->files[i])
			r = merge_file(ask, all, d->files[i], err);
	if (r == 0)
		r = merge_dir(ask, d, own, ours, all, err);
	return r < 0 ? NULL : take_ptr(all);
}

/* The program of the runtime `name`; NULL where there is none, "?" where it cannot be told. */
static const char *program_of(const struct engine_dropin_style *s, struct json *facts, const char *name)
{
	struct json *entry = json_get(tomledit_get(facts, s->runtimes, s->n_runtimes), name);
	const char *program = entry ? s->program(entry) : NULL;

	return entry && !program ? "?" : program;
}

static const char *default_of(const struct engine_dropin_style *s, struct json *facts)
{
	return json_str(json_get(tomledit_get(facts, s->defaults, s->n_defaults), s->key));
}

static bool default_is_ours(const struct engine_dropin_style *s, struct json *facts)
{
	const char *name = default_of(s, facts);

	return name && engine_is_ours(program_of(s, facts, name));
}

/* The text of our file; a default that was asked for before stays. */
static int make_text(const struct engine_dropin_style *s, const struct engine_ask *ask, struct engine_file *f,
		     bool is_default, struct json *others, struct json *was, struct strlist *warnings,
		     struct json **ret, struct err *err)
{
	cleanup_tomledit struct tomledit t = { 0 };
	cleanup_strbuf struct strbuf head = STRBUF_INIT;
	cleanup_json struct json *member = json_new_object();
	int r;

	engine_dropin_head(s->engine, &head);
	r = tomledit_start(&t, &head, f->was.path, ask->name, err);
	if (r < 0)
		return r;
	t.whole = true;
	json_set_str(member, s->key, ask->name);
	if (is_default)
		tomledit_table(&t, s->defaults, s->n_defaults, member);
	s->add(&t, ask, others, was, warnings);
	r = tomledit_end(&t, err);
	if (r < 0)
		return r;
	strbuf_free(&f->text);
	f->text = t.text;
	t.text = (struct strbuf)STRBUF_INIT;
	*ret = take_ptr(t.facts);
	return 0;
}

/* Another runtime of that name, or a default that a later file sets, would make ours something else than it says. */
static int check_facts(const struct engine_dropin_style *s, const struct engine_ask *ask, const char *dir,
		       struct json *others, struct json *after, bool is_default, struct err *err)
{
	const char *program = program_of(s, others, ask->name);

	if (program && !engine_is_ours(program)) {
		err_set(err, ERR_ENGINE, 0, "%s or a file that is read with it: there is a runtime %s, which is %s",
			ask->file, ask->name, program);
		return err_hint(err, "choose another --name, or take that runtime out first");
	}
	if (is_default && !str_eq(default_of(s, after), ask->name)) {
		err_set(err, ERR_ENGINE, 0, "%s: a later file makes %s the %s", dir, default_of(s, after), s->key);
		return err_hint(err, "take that out first");
	}
	return 0;
}

static struct engine_dropin files_of(const struct engine_dropin_style *s, const struct engine_ask *ask)
{
	return (struct engine_dropin){
		.files = { s->vendor, ask->file },
		.dir = arena_printf(ask->arena, "%s.d", ask->file),
		.suffix = s->suffix,
	};
}

/* Whether our file names itself the default. */
static bool is_asked(const struct engine_dropin_style *s, const struct engine_ask *ask, const struct engine_file *f)
{
	cleanup_json struct json *facts = tomledit_facts(&f->was.text, f->was.path, NULL);
	const char *name = default_of(s, facts);

	return name && str_eq(name, ask->name);
}

void engine_dropin_warn(const struct engine_ask *ask, const struct engine_file *f, const char *program,
			struct engine_plan *plan)
{
	if (f->there)
		strlist_add(ask->arena, &plan->warnings,
			    arena_printf(ask->arena, "left as it is, for nvcoreos did not write it: %s", f->was.path));
	else if (engine_is_ours(program))
		strlist_add(ask->arena, &plan->warnings,
			    arena_printf(ask->arena, "take it out by hand, nvcoreos did not put it there: runtime %s",
					 ask->name));
}

/* Whatever state the files of others are in: ours goes. What stands on it then is told. */
static int plan_remove(const struct engine_dropin_style *s, const struct engine_ask *ask, const struct engine_dropin *d,
		       struct engine_file *f, struct engine_plan *plan)
{
	cleanup_json struct json *own = NULL, *after = NULL;
	struct err err = ERR_INIT;
	const char *name;

	if (engine_dropin_check(s->engine, f, NULL) == 0)
		f->there = false;
	if (f->there)
		own = tomledit_facts(&f->text, f->was.path, &err);
	if (!f->there || own)
		after = engine_dropin_facts(ask, d, f->was.path, own, &err);
	name = after ? default_of(s, after) : NULL;
	plan->is_default = !after || default_is_ours(s, after);
	engine_dropin_warn(ask, f, program_of(s, after, ask->name), plan);
	if (!after)
		strlist_add(ask->arena, &plan->warnings,
			    arena_printf(ask->arena, "whether nvcoreos is the default runtime cannot be told: %s",
					 err.what));
	else if (!f->there && name && str_eq(name, ask->name) && !program_of(s, after, name))
		strlist_add(ask->arena, &plan->warnings,
			    arena_printf(ask->arena, "another file makes %s the %s, and there is no such runtime now",
					 name, s->key));
	return 0;
}

static int plan_add(const struct engine_dropin_style *s, const struct engine_ask *ask, const struct engine_dropin *d,
		    struct engine_file *f, struct engine_plan *plan, struct err *err)
{
	cleanup_json struct json *others = NULL, *ours = NULL, *after = NULL, *was = NULL;
	bool is_default = ask->set_default || is_asked(s, ask, f);
	int r = engine_dropin_check(s->engine, f, err);

	others = r == 0 ? engine_dropin_facts(ask, d, f->was.path, NULL, err) : NULL;
	was = others ? tomledit_facts(&f->was.text, f->was.path, err) : NULL;
	if (!was)
		return -EINVAL;
	r = make_text(s, ask, f, is_default, others, was, &plan->warnings, &ours, err);
	if (r < 0)
		return r;
	f->there = true;
	r = engine_dropin_settle(f, was, ours, err);
	if (r < 0)
		return r;
	after = engine_dropin_facts(ask, d, f->was.path, ours, err);
	if (!after)
		return -EINVAL;
	plan->is_default = default_is_ours(s, after);
	return check_facts(s, ask, d->dir, others, after, is_default, err);
}

int engine_dropin_plan(const struct engine_dropin_style *s, const struct engine_ask *ask, struct engine_plan *plan,
		       struct err *err)
{
	struct engine_dropin d = files_of(s, ask);
	struct engine_file *f =
		engine_plan_read(ask, plan, engine_dropin_path(ask, d.dir, *s->suffix ? s->suffix : ".conf"), err);

	if (!f)
		return -EINVAL;
	if (ask->cdi && !ask->remove)
		strlist_add(ask->arena, &plan->notes,
			    arena_printf(ask->arena, "%s has CDI switched on by itself", s->engine->name));
	return ask->remove ? plan_remove(s, ask, &d, f, plan) : plan_add(s, ask, &d, f, plan, err);
}

void engine_dropin_style_names(const struct engine_dropin_style *s, const struct engine_ask *ask, struct strlist *names)
{
	struct engine_dropin d = files_of(s, ask);
	cleanup_json struct json *facts = engine_dropin_facts(ask, &d, "", NULL, NULL);
	struct json *value;
	const char *name;
	void *iter = NULL;

	engine_dropin_names(ask, s->engine, d.dir, *s->suffix ? s->suffix : ".conf", names);
	/* Those that others have written down are told by the plan. */
	while (json_next(tomledit_get(facts, s->runtimes, s->n_runtimes), &iter, &name, &value))
		if (engine_is_ours(s->program(value)) && !strlist_has(names, name))
			strlist_add(ask->arena, names, name);
}
