/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos rollback: selects the driver that was selected before. */
#include <errno.h>
#include <getopt.h>

#include "cli.h"
#include "writer.h"

static int rollback(struct cli *cli, struct writer *w, struct err *err)
{
	struct store *s = &w->store;

	if (!s->previous) {
		err_set(err, ERR_TREE_NAME, ENOENT, "no driver was selected before this one");
		return err_hint(err, "select one with 'nvcoreos use TREE'");
	}
	return writer_use(w, cli, arena_printf(&s->arena, "%s/%s", s->previous, w->os), err);
}

int verb_rollback(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct option longs[] = { { 0 } };
	struct writer w;
	int r;

	if (getopt_long(argc, argv, "", longs, NULL) != -1)
		return err_set(err, ERR_USAGE, 0, "rollback %s", argv[optind - 1]);
	if (optind < argc)
		return err_set(err, ERR_USAGE, 0, "rollback takes no '%s'", argv[optind]);
	r = writer_begin(&w, cli, err);
	if (r < 0)
		return r;
	r = rollback(cli, &w, err);
	writer_end(&w);
	return r;
}
