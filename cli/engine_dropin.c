/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_dropin.h"

#include <errno.h>
#include <stdlib.h>

#include "base/path.h"

#define HEAD "# Written by 'nvcoreos configure %s'; '--remove' takes it away again.\n"

const char *engine_dropin_path(const struct engine_ask *ask, const char *dir, const char *suffix)
{
	if (str_eq(ask->name, "nvcoreos"))
		return arena_printf(ask->arena, "%s/50-nvcoreos%s", dir, suffix);
	return arena_printf(ask->arena, "%s/50-nvcoreos-%s%s", dir, ask->name, suffix);
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
		     bool is_default, struct json **ret, struct err *err)
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
	s->add(&t, ask);
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
		err_set(err, ERR_ENGINE, 0, "%s: there is a runtime %s, which is %s", ask->file, ask->name, program);
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

static bool was_default(const struct engine_dropin_style *s, const struct engine_ask *ask, const struct engine_file *f)
{
	cleanup_json struct json *facts = tomledit_facts(&f->was.text, f->was.path, NULL);
	const char *name = default_of(s, facts);

	return name && str_eq(name, ask->name);
}

int engine_dropin_plan(const struct engine_dropin_style *s, const struct engine_ask *ask, struct engine_plan *plan,
		       struct err *err)
{
	struct engine_dropin d = files_of(s, ask);
	const char *own = engine_dropin_path(ask, d.dir, *s->suffix ? s->suffix : ".conf");
	struct engine_file *f = engine_plan_read(ask, plan, own, err);
	cleanup_json struct json *others = NULL, *ours = NULL, *after = NULL;
	bool is_default;
	int r;

	if (!f)
		return -EINVAL;
	r = engine_dropin_check(s->engine, f, err);
	if (r < 0)
		return ask->remove ? 0 : r;
	plan->was_default = was_default(s, ask, f);
	if (ask->remove) {
		/* Whatever state the others are in: it goes. */
		f->there = false;
		after = engine_dropin_facts(ask, &d, own, NULL, NULL);
		plan->is_default = default_is_ours(s, after);
		return 0;
	}
	is_default = ask->set_default || plan->was_default;
	others = engine_dropin_facts(ask, &d, own, NULL, err);
	if (!others)
		return -EINVAL;
	r = make_text(s, ask, f, is_default, &ours, err);
	if (r < 0)
		return r;
	f->there = true;
	after = engine_dropin_facts(ask, &d, own, ours, err);
	if (!after)
		return -EINVAL;
	r = check_facts(s, ask, d.dir, others, after, is_default, err);
	plan->is_default = default_is_ours(s, after);
	if (ask->cdi)
		strlist_add(ask->arena, &plan->notes,
			    arena_printf(ask->arena, "%s has CDI switched on by itself", s->engine->name));
	return r;
}
