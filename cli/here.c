/* SPDX-License-Identifier: Apache-2.0 */
#include "here.h"

#include "base/str.h"

int here_only(const struct cli *cli, const char *what, const char *why, struct err *err)
{
	if (!*cli->root || str_eq(cli->root, "/"))
		return 0;
	err_set(err, ERR_USAGE, 0, "%s with --root %s", what, cli->root);
	return err_hint(err, "%s", why);
}
