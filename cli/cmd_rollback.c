/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos rollback: selects the driver that was selected before. */
#include <errno.h>
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

/* The previous driver's tree for the OS that runs, and it must be whole: a rollback that fails at a start is none. */
static int find_previous(struct cli *cli, struct store *s, struct store_tree *ret, struct err *err)
{
	struct tree tree;
	const char *os;
	int r;

	if (!s->previous) {
		err_set(err, ERR_TREE_NAME, ENOENT, "no driver was selected before this one");
		return err_hint(err, "select one with 'nvcoreos use TREE'");
	}
	r = osver_read(&s->arena, cli->root, NULL, &os, err);
	if (r == 0)
		r = store_find(s, arena_printf(&s->arena, "%s/%s", s->previous, os), os, ret, err);
	if (r == 0)
		r = tree_load(&tree, ret->path, err);
	if (r == 0)
		tree_free(&tree);
	return r;
}

static int rollback(struct cli *cli, struct err *err)
{
	cleanup_fd int lock = repair_lock(&cli->conf, cli->root, err);
	struct store_tree t;
	struct store s;
	int r;

	if (lock < 0)
		return lock;
	r = store_read(&s, &cli->conf, err);
	if (r < 0)
		return r;
	r = find_previous(cli, &s, &t, err);
	if (r == 0)
		r = select_tree(cli, &s, &(struct select_tree){ t.driver, t.os, NULL }, err);
	if (r == 0 && cli->json) {
		cleanup_json struct json *j = json_new_object();
		cleanup_free char *text = NULL;

		json_set_str(j, "selected", s.selected);
		if (s.previous)
			json_set_str(j, "previous", s.previous);
		if (s.current)
			json_set_str(j, "current", s.current);
		text = json_dump(j, 2);
		puts(text);
	}
	store_free(&s);
	return r;
}

int verb_rollback(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct option longs[] = { { 0 } };

	if (getopt_long(argc, argv, "", longs, NULL) != -1)
		return err_set(err, ERR_USAGE, 0, "rollback %s", argv[optind - 1]);
	if (optind < argc)
		return err_set(err, ERR_USAGE, 0, "rollback takes no '%s'", argv[optind]);
	return rollback(cli, err);
}
