/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "configure.h"

static int write_one(struct configure *c, const struct engine_file *f, struct err *err)
{
	return f->there ? rootfile_write(c->rootfd, &f->was, &f->text, err)
			: rootfile_remove(c->rootfd, f->was.path, err);
}

static int put_back_one(struct configure *c, const struct engine_file *f, struct err *err)
{
	return f->was.exists ? rootfile_write(c->rootfd, &f->was, &f->was.text, err)
			     : rootfile_remove(c->rootfd, f->was.path, err);
}

/* The files in the order of work: the engine's own file is the last to name ours, and the first to forget it. */
static struct engine_file *at(struct configure *c, size_t i)
{
	return &c->plan.files[c->remove ? i : c->plan.n - 1 - i];
}

static int put_back(struct configure *c, size_t n, struct err *err)
{
	for (size_t i = n; i-- > 0;) {
		struct err local = ERR_INIT;
		const struct engine_file *f = at(c, i);

		if (engine_file_changes(f) && put_back_one(c, f, &local) < 0)
			err_hint(err, "and %s could not be put back", f->was.path);
	}
	return -err->errnum;
}

int configure_apply(struct configure *c, struct err *err)
{
	int r = 0;
	size_t i;

	for (i = 0; r == 0 && i < c->plan.n; i++) {
		const struct engine_file *f = at(c, i);

		if (!engine_file_changes(f))
			continue;
		configure_note(c, &c->done, f->there ? "write" : "remove", f->was.path);
		if (!c->dry_run)
			r = write_one(c, f, err);
	}
	if (r == 0) {
		r = configure_alias(c, err);
		i++;
	}
	if (r == 0)
		return 0;
	if (err->errnum == EACCES && c->engine->takes_options && c->set_default)
		err_hint(err, "as root, or with --config and a file of your own");
	/* What has failed has changed nothing. */
	return put_back(c, i - 1, err);
}
