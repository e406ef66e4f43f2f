/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apply/load.h"
#include "base/log.h"
#include "base/proc.h"
#include "cdigen.h"
#include "cli.h"
#include "here.h"
#include "hostview.h"
#include "protect.h"
#include "said.h"
#include "store/repair.h"

/* After an OS update. Whatever is in its way keeps no modules from being loaded: a start finds its tree by the loaded driver. */
static void move_current(const struct cli *cli)
{
	const struct guard guard = protect_guard(cli);
	struct err local = ERR_INIT;
	char line[ERR_MSG_MAX + 512];

	if (repair_follow_os(&cli->conf, cli->root, &guard, &local) < 0)
		log_warning("current stays where it is: %s", err_line(&local, line, sizeof(line)));
}

/* The engine is a program of its own, so that what a start runs and what the tool runs is the same. */
int verb_load(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct proc_result res;
	int r;

	if (argc > 1)
		return err_set(err, ERR_USAGE, 0, "load takes no '%s'", argv[1]);
	r = here_only(cli, "load", "modules can be loaded on the running host only", err);
	if (r < 0)
		return r;
	move_current(cli);
	r = load_run(&cli->conf, &res, err);
	if (r < 0)
		return r;
	if (res.status == LOAD_EXIT_NO_GPU)
		return load_no_gpu(&res, err);
	said_print(cli, &res);
	cdigen_follow(cli);
	return hostview_refresh(cli, err);
}
