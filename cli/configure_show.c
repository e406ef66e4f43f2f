/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "configure.h"
#include "textdiff.h"

void configure_note(struct configure *c, struct strlist *l, const char *what, const char *path)
{
	strlist_add(&c->arena, l, arena_printf(&c->arena, "%s %s", what, path));
}

/* Root's engine, or the user's own where the user calls. */
static const char *next_step(struct configure *c)
{
	const char *user = *c->engine->restart && geteuid() != 0 && !*c->cli->root ? "systemctl --user" : NULL;

	if (!c->done.n)
		return "";
	return user ? arena_printf(&c->arena, "%s%s", user, c->engine->restart + strlen("systemctl"))
		    : c->engine->restart;
}

static void show_next(struct configure *c)
{
	if (!c->done.n)
		printf("nothing to change in %s\n", c->plan.files[0].was.path);
	else if (c->dry_run)
		printf("nothing was changed (--dry-run)\n");
	else if (!*c->engine->restart)
		printf("%s reads it at its next call\n", c->engine->name);
	else if (c->engine->wants_alias)
		printf("next: %s (a reload is enough for --runtime=%s; --gpus needs the restart)\n", next_step(c),
		       c->name);
	else
		printf("next: %s\n", next_step(c));
}

static char *diff_of(const struct configure *c)
{
	struct strbuf diff = STRBUF_INIT, none = STRBUF_INIT;

	for (size_t i = 0; i < c->plan.n; i++) {
		const struct engine_file *f = &c->plan.files[i];

		if (!f->private && engine_file_changes(f))
			textdiff_unified(&diff, f->was.exists ? f->was.path : "/dev/null", &f->was.text,
					 f->there ? f->was.path : "/dev/null", f->there ? &f->text : &none);
	}
	return strbuf_steal(&diff);
}

void configure_show(struct configure *c)
{
	cleanup_free char *diff = diff_of(c);
	cleanup_strbuf struct strbuf safe = STRBUF_INIT;

	for (size_t i = 0; i < c->plan.warnings.n; i++)
		fprintf(stderr, "nvcoreos: %s\n", c->plan.warnings.v[i]);
	if (c->cli->quiet)
		return;
	textdiff_printable(&safe, diff);
	fputs(safe.buf ? safe.buf : "", stdout);
	for (size_t i = 0; i < c->done.n; i++)
		printf("%s%s\n", c->dry_run ? "would " : "", c->done.v[i]);
	for (size_t i = 0; i < c->plan.notes.n; i++)
		printf("note: %s\n", c->plan.notes.v[i]);
	show_next(c);
}

static void add_list(struct json *out, const char *key, const struct strlist *l)
{
	struct json *a = json_new_array();

	for (size_t i = 0; i < l->n; i++)
		json_append(a, json_new_string(l->v[i]));
	json_set(out, key, a);
}

void configure_show_json(struct configure *c, struct json *out)
{
	cleanup_free char *diff = diff_of(c);

	json_set_str(out, "engine", c->engine->name);
	json_set_str(out, "file", c->plan.files[0].was.path);
	json_set_bool(out, "dryRun", c->dry_run);
	json_set_bool(out, "changed", c->done.n && !c->dry_run);
	json_set_str(out, "diff", diff);
	add_list(out, "actions", &c->done);
	add_list(out, "notes", &c->plan.notes);
	add_list(out, "warnings", &c->plan.warnings);
	json_set_str(out, "next", next_step(c));
}
