/* SPDX-License-Identifier: Apache-2.0 */
/* Docker: its daemon.json, and the memory of what that was. */
#include <errno.h>

#include "engine_docker.h"
#include "engine_memory.h"

static bool name_ok(const char *name)
{
	return str_is_name(name) && !str_eq(name, "runc") && !str_starts(name, "io.containerd.");
}

static struct engine_docker asked(const struct engine_ask *ask, const struct engine_file *f)
{
	return (struct engine_docker){
		.file = f->was.path,
		.name = ask->name,
		.path = ask->path,
		.config = ask->config,
		.set_default = ask->set_default,
		.cdi = ask->cdi,
	};
}

/* Takes every runtime of ours out of the text that was none before. */
static int take_all(const struct engine_ask *ask, const struct engine_file *f, const struct engine_memory *m,
		    struct strbuf *text, struct err *err)
{
	struct engine_docker e = asked(ask, f);
	struct strlist names = { 0 }, kept = { 0 };
	int r = 0;

	e.before = &m->before;
	e.cdi = m->cdi;
	engine_docker_names(text, ask->arena, &names);
	engine_docker_names(&m->before, ask->arena, &kept);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		e.name = names.v[i];
		if (!strlist_has(&kept, e.name))
			r = engine_docker_remove(text, &e, err);
	}
	return r;
}

/* The text as it would be without ours becomes what is remembered, where somebody has changed the file since. */
static int refresh(const struct engine_ask *ask, const struct engine_file *f, struct engine_memory *m, struct err *err)
{
	struct strbuf text = STRBUF_INIT;
	int r = 0;

	if (m->is_ours)
		return 0;
	strbuf_add(&text, f->was.text.buf ? f->was.text.buf : "", f->was.text.len);
	if (m->known)
		r = take_all(ask, f, m, &text, err);
	m->had_file = f->was.exists && (!m->known || m->had_file || !engine_docker_is_bare(&text));
	strbuf_free(&m->before);
	m->before = text;
	return r;
}

static void keep(const struct engine_file *f, struct engine_memory *m)
{
	m->cdi = engine_docker_has_cdi(&f->text) && !engine_docker_has_cdi(&m->before);
	engine_memory_keep(m, f);
}

static int plan_add(const struct engine_ask *ask, struct engine_file *f, struct engine_memory *m, struct err *err)
{
	struct engine_docker e = asked(ask, f);
	int r;

	if (!f->was.exists)
		strbuf_puts(&f->text, ENGINE_DOCKER_NEW);
	f->there = true;
	r = engine_docker_add(&f->text, &e, err);
	if (r < 0 || !engine_file_changes(f))
		return r;
	r = refresh(ask, f, m, err);
	if (r < 0)
		return r;
	keep(f, m);
	return 0;
}

/* Whether a runtime of ours is left that was none before. */
static bool has_left(const struct engine_ask *ask, const struct strbuf *text, const struct engine_memory *m)
{
	struct strlist names = { 0 }, kept = { 0 };

	engine_docker_names(text, ask->arena, &names);
	engine_docker_names(&m->before, ask->arena, &kept);
	for (size_t i = 0; i < names.n; i++)
		if (!str_eq(names.v[i], ask->name) && !strlist_has(&kept, names.v[i]))
			return true;
	return false;
}

/* The last one goes: where nobody has changed the file, it is again what it was, byte for byte. */
static int plan_last(const struct engine_docker *e, struct engine_file *f, struct engine_memory *m, struct err *err)
{
	int r;

	if (m->is_ours)
		engine_file_set(f, &m->before);
	r = engine_docker_remove(&f->text, e, err);
	if (m->known && !m->had_file && engine_docker_is_bare(&f->text))
		f->there = false;
	engine_memory_drop(m);
	return r;
}

static int plan_remove(const struct engine_ask *ask, struct engine_file *f, struct engine_memory *m, struct err *err)
{
	struct engine_docker e = asked(ask, f);
	bool left = has_left(ask, &f->was.text, m);
	int r;

	e.before = m->known ? &m->before : NULL;
	/* Whoever has switched it on: what is left of ours may want it. */
	e.cdi = m->known ? m->cdi && !left : ask->cdi;
	if (!left)
		return plan_last(&e, f, m, err);
	r = engine_docker_remove(&f->text, &e, err);
	if (r < 0 || !m->known || !engine_file_changes(f))
		return r;
	e.before = NULL;
	e.cdi = false;
	if (m->is_ours)
		r = engine_docker_remove(&m->before, &e, err);
	else
		r = refresh(ask, f, m, err);
	if (r == 0)
		keep(f, m);
	return r;
}

static int plan(const struct engine_ask *ask, struct engine_plan *plan, struct err *err)
{
	struct engine_memory m cleanup(engine_memory_free) = { .before = STRBUF_INIT };
	struct engine_file *f = engine_plan_read(ask, plan, ask->file, err);
	struct strlist names = { 0 };
	int r = f ? engine_memory_read(ask, plan, f, &m, err) : -EINVAL;

	if (r == 0)
		r = ask->remove ? plan_remove(ask, f, &m, err) : plan_add(ask, f, &m, err);
	if (r < 0)
		return r;
	plan->is_default = engine_docker_default_is_ours(&f->text);
	engine_docker_names(&f->text, ask->arena, &names);
	plan->has_ours = names.n;
	plan->config = engine_docker_config(ask->remove ? &f->was.text : &f->text, ask->name, ask->arena);
	if (!plan->config)
		plan->config = ask->config;
	return 0;
}

static void names(const struct engine_ask *ask, struct strlist *names)
{
	struct rootfile f;

	if (rootfile_read(ask->rootfd, ask->file, ERR_ENGINE, &f, NULL) == 0)
		engine_docker_names(&f.text, ask->arena, names);
	rootfile_free(&f);
}

const struct engine engine_docker = {
	.name = "docker",
	.file = "/etc/docker/daemon.json",
	.user_file = "docker/daemon.json",
	.restart = "systemctl restart docker",
	.takes_options = true,
	.wants_alias = true,
	.name_ok = name_ok,
	.names = names,
	.plan = plan,
};
