/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The drop-in of a default runtime in nvcoreos.conf.d. It is written once: whoever takes a line out of it afterwards has the last
 * word. Each engine has its own: taking one back must not take the other's away.
 */
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "base/path.h"
#include "configure.h"

#define DROP_IN ".d/50-default-runtime"
#define HEAD "# Written by 'nvcoreos configure %s --set-as-default'; '--remove' takes it away again.\n"
#define NO_GPU "no-gpu=ignore\n"
#define ENVIRONMENT "accept-environment=privileged\n"
#define TEXT \
	"# nvcoreos-runtime is every container's runtime here: without a GPU they must start all the same, and an\n" \
	"# image must not take GPUs by its environment alone.\n" NO_GPU ENVIRONMENT

static const char *path_of(struct configure *c)
{
	bool docker = c->engine == &engine_docker;

	return arena_printf(&c->arena, "%s" DROP_IN "%s%s.conf", c->plan.config ? c->plan.config : CONFIGURE_CONF,
			    docker ? "" : "-", docker ? "" : c->engine->name);
}

/* It begins as ours does, and every line is a comment or one of ours. */
static bool is_ours(const struct strbuf *text, const char *head)
{
	const char *p = text->buf ? text->buf : "";

	if (!str_starts(p, head))
		return false;
	while (*p) {
		size_t n = strcspn(p, "\n");

		n += p[n] == '\n';
		if (*p != '#' && *p != '\n' && !str_starts(p, NO_GPU) && !str_starts(p, ENVIRONMENT))
			return false;
		p += n;
	}
	return true;
}

/* A user's own engine may go, whoever has written this. */
static bool can_remove(struct configure *c, const char *path)
{
	char dir[PATH_MAX];

	return geteuid() == 0 || path_parent(path, dir, sizeof(dir)) < 0 || rootfile_can_make(c->rootfd, dir);
}

int configure_policy(struct configure *c, struct err *err)
{
	const char *head = arena_printf(&c->arena, HEAD, c->engine->name);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	struct engine_file *f = &c->plan.files[c->plan.n];
	int r;

	/* The file that --config names may be the user's own, whatever root's default is. */
	if (c->remove ? c->plan.is_default || (c->default_elsewhere && !c->plan.config) : !c->set_default)
		return 0;
	r = rootfile_read(c->rootfd, path_of(c), ERR_IO, &f->was, err);
	if (r < 0)
		return r;
	c->plan.n++;
	f->there = f->was.exists;
	if (f->there)
		engine_file_set(f, &f->was.text);
	if (f->there && !str_starts(f->was.text.buf ? f->was.text.buf : "", head) && !c->remove)
		configure_note(c, &c->plan.warnings, "left as it is, for it was changed by hand:", f->was.path);
	if (!f->there && !c->remove) {
		strbuf_printf(&text, "%s" TEXT, head);
		engine_file_set(f, &text);
	}
	if (f->there && c->remove && is_ours(&f->was.text, head) && !can_remove(c, f->was.path))
		configure_note(c, &c->plan.warnings, "left as it is, for only root can take it away:", f->was.path);
	else if (f->there && c->remove && is_ours(&f->was.text, head))
		f->there = false;
	else if (f->there && c->remove)
		configure_note(c, &c->plan.warnings, "left as it is, for it was changed by hand:", f->was.path);
	return 0;
}
