/* SPDX-License-Identifier: Apache-2.0 */
/* containerd: config.toml, or a file in conf.d where that is imported. */
#include <errno.h>
#include <limits.h>

#include "base/path.h"
#include "engine_containerd.h"
#include "engine_cri.h"
#include "engine_dropin.h"
#include "tomledit.h"

#define SUFFIX ".toml"

/* The files of one call. */
struct files {
	struct engine_file *main, *own;
	const char *dir;
	bool by_dropin; /* ours is in conf.d */
};

static const char *conf_d(const struct engine_ask *ask)
{
	char dir[PATH_MAX];

	if (path_parent(ask->file, dir, sizeof(dir)) < 0)
		return NULL;
	return arena_printf(ask->arena, "%s/conf.d", str_eq(dir, "/") ? "" : dir);
}

static const char *glob_of(const struct engine_ask *ask, const char *dir)
{
	return arena_printf(ask->arena, "%s/*" SUFFIX, dir);
}

/* A relative pattern is read from beside config.toml by some containerds, and by others from wherever they run: not to be built on. */
static bool is_import(const struct json *import, const char *glob)
{
	const char *s = json_str(import);
	char norm[PATH_MAX];

	return s && path_normalize(s, norm, sizeof(norm)) == 0 && str_eq(norm, glob);
}

static bool imports(struct json *facts, const char *glob)
{
	struct json *list = json_get(facts, "imports");

	for (size_t i = 0; i < json_len(list); i++)
		if (is_import(json_at(list, i), glob))
			return true;
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

/* A later file in conf.d may have another word. */
static int check_default(struct json *after, const struct engine_ask *ask, bool wanted, const char *dir,
			 struct err *err)
{
	struct engine_cri c = { 0 };
	int r = engine_cri_find(after, ask->file, &c, err);

	if (r < 0 || !wanted || str_eq(engine_cri_default(after, &c), ask->name))
		return r;
	err_set(err, ERR_ENGINE, 0, "%s: a later file makes %s the default_runtime_name", dir,
		engine_cri_default(after, &c));
	return err_hint(err, "take that out first");
}

/* From version 3 on files are merged, and the imported ones come later. */
static void tell_imports(const struct engine_ask *ask, struct engine_plan *plan, struct json *facts, const char *glob)
{
	struct json *list = json_get(facts, "imports");

	for (size_t i = 0; i < json_len(list); i++)
		if (!is_import(json_at(list, i), glob))
			strlist_add(ask->arena, &plan->warnings,
				    arena_printf(
					    ask->arena,
					    "a default_runtime_name there would count more than ours, look for one: %s",
					    json_str(json_at(list, i)) ? json_str(json_at(list, i)) : "?"));
}

static void tell(const struct engine_ask *ask, struct engine_plan *plan, struct json *facts, const struct engine_cri *c)
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
	if (c->version > 2 && ask->set_default)
		tell_imports(ask, plan, facts, glob_of(ask, conf_d(ask)));
}

/* The text of our file in conf.d. */
static int make_dropin(const struct engine_ask *ask, struct files *f, struct json *facts, struct json *before,
		       struct err *err)
{
	struct engine_containerd e = asked(ask, f->main);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	int r;

	engine_dropin_head(&engine_containerd, &text);
	r = engine_containerd_dropin(&text, &e, facts, before, err);
	if (r == 0)
		engine_file_set(f->own, &text);
	return r;
}

static int add_dropin(const struct engine_ask *ask, struct files *f, struct err *err)
{
	struct engine_dropin d = { .dir = f->dir, .suffix = SUFFIX };
	const char *path = f->own->was.path;
	/* Once conf.d is imported, what stood in config.toml moves there. */
	const struct strbuf *was = f->own->was.exists ? &f->own->was.text : &f->main->was.text;
	cleanup_json struct json *facts = tomledit_facts(&f->main->text, ask->file, err), *rest = NULL;
	cleanup_json struct json *old = NULL, *ours = NULL, *after = NULL;
	struct engine_cri c = { 0 };
	int r;

	old = facts ? tomledit_facts(was, path, err) : NULL;
	rest = old ? engine_dropin_facts(ask, &d, path, NULL, err) : NULL;
	if (!rest)
		return -EINVAL;
	engine_dropin_merge(facts, rest);
	r = make_dropin(ask, f, facts, old, err);
	if (r < 0)
		return r;
	ours = tomledit_facts(&f->own->text, path, err);
	if (!ours || engine_dropin_settle(f->own, old, ours, err) < 0)
		return -EINVAL;
	after = engine_dropin_facts(ask, &d, path, ours, err);
	if (!after || engine_cri_find(ours, ask->file, &c, err) < 0)
		return -EINVAL;
	return check_default(after, ask, str_eq(engine_cri_default(ours, &c), ask->name), f->dir, err);
}

/* Our own file in conf.d goes; where ours shall be one, it comes. */
static int plan_dropin(const struct engine_ask *ask, struct files *f, struct err *err)
{
	bool wanted = f->by_dropin && !ask->remove;
	int r = engine_dropin_check(&engine_containerd, f->own, err);

	if (r < 0)
		return wanted ? r : 0;
	f->own->there = false;
	return wanted ? add_dropin(ask, f, err) : 0;
}

/* What all files say afterwards, to be freed; NULL where one of them cannot be read. */
static struct json *facts_after(const struct engine_ask *ask, const struct files *f, struct err *err)
{
	struct engine_dropin d = { .dir = f->dir, .suffix = SUFFIX };
	cleanup_json struct json *all = tomledit_facts(&f->main->text, ask->file, err), *ours = NULL, *rest = NULL;

	if (!all || !f->by_dropin)
		return take_ptr(all);
	if (f->own->there)
		ours = tomledit_facts(&f->own->text, f->own->was.path, err);
	if (!f->own->there || ours)
		rest = engine_dropin_facts(ask, &d, f->own->was.path, ours, err);
	if (!rest)
		return NULL;
	engine_dropin_merge(all, rest);
	return take_ptr(all);
}

/* Whether a runtime of ours is the default then; and whether there is none of the name that is. */
static void look_at_default(const struct engine_ask *ask, const struct files *f, struct engine_plan *plan)
{
	struct err err = ERR_INIT;
	cleanup_json struct json *after = facts_after(ask, f, &err);
	struct engine_cri c = { 0 };

	if (!after || engine_cri_find(after, ask->file, &c, &err) < 0) {
		plan->is_default = true;
		strlist_add(ask->arena, &plan->warnings,
			    arena_printf(ask->arena, "whether nvcoreos is the default runtime cannot be told: %s",
					 err.what));
		return;
	}
	plan->is_default = engine_cri_default_is_ours(after, &c);
	if (ask->remove && f->by_dropin)
		engine_dropin_warn(ask, f->own, engine_cri_program(after, &c, ask->name), plan);
	if (ask->remove && !engine_cri_has_default(after, &c))
		strlist_add(ask->arena, &plan->warnings,
			    arena_printf(ask->arena, "%s: default_runtime_name is %s, and there is no such runtime",
					 ask->file, engine_cri_default(after, &c)));
}

static int plan(const struct engine_ask *ask, struct engine_plan *plan, struct err *err)
{
	struct files f = { .dir = conf_d(ask) };
	cleanup_json struct json *facts = NULL;
	struct engine_cri c = { 0 };
	int r;

	f.main = f.dir ? engine_plan_read(ask, plan, ask->file, err) : NULL;
	f.own = f.main ? engine_plan_read(ask, plan, engine_dropin_path(ask, f.dir, SUFFIX), err) : NULL;
	facts = f.own ? tomledit_facts(&f.main->text, ask->file, err) : NULL;
	if (!facts || engine_cri_find(facts, ask->file, &c, err) < 0)
		return -EINVAL;
	f.by_dropin = c.version > 2 && imports(facts, glob_of(ask, f.dir));
	if (ask->remove || f.by_dropin) {
		r = strip_main(ask, f.main, err);
	} else {
		struct engine_containerd e = asked(ask, f.main);

		r = engine_containerd_add(&f.main->text, &e, err);
		f.main->there = true;
	}
	if (r == 0)
		r = plan_dropin(ask, &f, err);
	if (r < 0)
		return r;
	look_at_default(ask, &f, plan);
	if (!ask->remove)
		tell(ask, plan, facts, &c);
	return 0;
}

static void names(const struct engine_ask *ask, struct strlist *names)
{
	struct engine_cri c = { 0 };
	cleanup_json struct json *facts = NULL;
	const char *dir = conf_d(ask);
	struct rootfile f;

	if (rootfile_read(ask->rootfd, ask->file, ERR_ENGINE, &f, NULL) == 0)
		facts = tomledit_facts(&f.text, ask->file, NULL);
	rootfile_free(&f);
	if (facts && engine_cri_find(facts, ask->file, &c, NULL) == 0)
		engine_cri_names(facts, &c, ask->arena, names);
	if (dir)
		engine_dropin_names(ask, &engine_containerd, dir, SUFFIX, names);
}

const struct engine engine_containerd = {
	.name = "containerd",
	.file = "/etc/containerd/config.toml",
	.user_file = "containerd/config.toml",
	.restart = "systemctl restart containerd",
	.name_ok = engine_name_ok,
	.names = names,
	.plan = plan,
};
