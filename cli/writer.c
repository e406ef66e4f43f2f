/* SPDX-License-Identifier: Apache-2.0 */
#include "writer.h"

#include <errno.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/str.h"
#include "host/osver.h"
#include "oci/json.h"
#include "protect.h"
#include "select.h"
#include "store/manifest.h"
#include "store/repair.h"
#include "store/tree.h"

int writer_begin(struct writer *w, const struct cli *cli, struct err *err)
{
	const struct guard guard = protect_guard(cli);
	int r;

	*w = (struct writer){ .lock = repair_lock(&cli->conf, cli->root, &guard, err) };
	if (w->lock < 0)
		return w->lock;
	r = store_read(&w->store, &cli->conf, err);
	if (r == 0) {
		r = store_check_trees(&w->store, err);
		if (r == 0)
			r = osver_read(&w->store.arena, cli->root, NULL, &w->os, err);
		if (r < 0)
			store_free(&w->store);
	}
	if (r < 0)
		fd_close(take_fd(w->lock));
	return r;
}

void writer_end(struct writer *w)
{
	store_free(&w->store);
	fd_close(take_fd(w->lock));
}

void writer_print_json(const struct store *s)
{
	cleanup_json struct json *j = json_new_object();
	cleanup_free char *text = NULL;

	if (s->selected)
		json_set_str(j, "selected", s->selected);
	if (s->previous)
		json_set_str(j, "previous", s->previous);
	if (s->current)
		json_set_str(j, "current", s->current);
	if (s->current_cuda)
		json_set_str(j, "currentCuda", s->current_cuda);
	text = json_dump(j, 2);
	puts(text);
}

/* A start with a damaged tree would fail: better here than there. */
int writer_check(const struct store_tree *found, struct err *err)
{
	struct manifest m;
	struct tree t;
	int r = tree_load(&t, found->path, err);

	if (r < 0)
		return r;
	tree_free(&t);
	r = manifest_load(&m, found->path, err);
	if (r == 0)
		manifest_free(&m);
	return r;
}

int writer_use(struct writer *w, struct cli *cli, const char *name, struct err *err)
{
	struct store_tree t;
	int r = store_find(&w->store, name, w->os, &t, err);

	if (r == 0)
		r = writer_check(&t, err);
	if (r == 0)
		r = select_tree(cli, &w->store, &(struct select_tree){ t.driver, t.os, t.cuda }, err);
	if (r == 0 && cli->json)
		writer_print_json(&w->store);
	return r;
}
