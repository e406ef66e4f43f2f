/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos use: selects a tree. */
#include <getopt.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/str.h"
#include "cli.h"
#include "host/osver.h"
#include "oci/json.h"
#include "select.h"
#include "store/repair.h"
#include "store/store.h"
#include "store/tree.h"

static void print_json(const struct store *s)
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
static int check_whole(const struct store_tree *found, struct err *err)
{
	struct tree t;
	int r = tree_load(&t, found->path, err);

	if (r == 0)
		tree_free(&t);
	return r;
}

static int use(struct cli *cli, const char *name, struct err *err)
{
	cleanup_fd int lock = repair_lock(&cli->conf, cli->root, err);
	struct store_tree t;
	struct store s;
	const char *os;
	int r;

	if (lock < 0)
		return lock;
	r = store_read(&s, &cli->conf, err);
	if (r < 0)
		return r;
	r = osver_read(&s.arena, cli->root, NULL, &os, err);
	if (r == 0)
		r = store_find(&s, name, os, &t, err);
	if (r == 0)
		r = check_whole(&t, err);
	if (r == 0)
		r = select_tree(cli, &s, &(struct select_tree){ t.driver, t.os, t.cuda }, err);
	if (r == 0 && cli->json)
		print_json(&s);
	store_free(&s);
	return r;
}

int verb_use(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct option longs[] = { { 0 } };

	if (getopt_long(argc, argv, "", longs, NULL) != -1)
		return err_set(err, ERR_USAGE, 0, "use %s", argv[optind - 1]);
	if (argc - optind != 1)
		return err_set(err, ERR_USAGE, 0, "use: one TREE");
	return use(cli, argv[optind], err);
}
