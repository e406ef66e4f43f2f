/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos use: selects a tree. */
#include <getopt.h>

#include "cli.h"
#include "writer.h"

int verb_use(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct option longs[] = { { 0 } };
	struct writer w;
	int r;

	if (getopt_long(argc, argv, "", longs, NULL) != -1)
		return err_set(err, ERR_USAGE, 0, "use %s", argv[optind - 1]);
	if (argc - optind != 1)
		return err_set(err, ERR_USAGE, 0, "use: one TREE");
	r = writer_begin(&w, cli, err);
	if (r < 0)
		return r;
	r = writer_use(&w, cli, argv[optind], err);
	writer_end(&w);
	return r;
}
