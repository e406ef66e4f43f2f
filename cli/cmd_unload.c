/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos unload: the driver's modules out of the running kernel. */
#include "cli.h"
#include "said.h"
#include "unload.h"

int verb_unload(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct proc_result res;
	int r;

	if (argc > 1)
		return err_set(err, ERR_USAGE, 0, "unload takes no '%s'", argv[1]);
	r = unload_modules(cli, &res, err);
	if (r == 0)
		said_print(cli, &res);
	return r;
}
