/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs of `nvcoreos` share: global options and the table of verbs. */
#ifndef NVCOREOS_CLI_CLI_H
#define NVCOREOS_CLI_CLI_H

#include <stdbool.h>

#include "base/err.h"
#include "conf/config.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NOT_HERE = 3 };

struct cli {
	const char *root;   /* --root DIR: "" for this host */
	struct config conf; /* loaded, with root applied */
	bool json, quiet, debug;
};

/*
 * One verb: argv[0] is its name, options come after. Returns 0, or -errno with *err set; main turns the error
 * into one line and an exit status (ERR_USAGE: 2, ERR_NO_GPU: 3, else 1).
 */
typedef int verb_fn(struct cli *cli, int argc, char **argv, struct err *err);

struct verb {
	const char *name, *args, *summary;
	verb_fn *fn;
	const char *options; /* lines for `nvcoreos VERB --help`, or NULL */
};

/* The table, ended by a name of NULL; main.c holds it. */
extern const struct verb verbs[];

verb_fn verb_install, verb_import, verb_use, verb_list; /* cmd_install.c, cmd_import.c, cmd_use.c, cmd_list.c */
verb_fn verb_rollback, verb_remove, verb_prune;		/* cmd_rollback.c, cmd_remove.c, cmd_prune.c */
verb_fn verb_verify;					/* cmd_verify.c */
verb_fn verb_plan, verb_gpus;				/* cmd_plan.c, cmd_gpus.c */
verb_fn verb_configure;					/* cmd_configure.c */
verb_fn verb_cdi;					/* cmd_cdi.c */
verb_fn verb_load;					/* cmd_load.c */
verb_fn verb_unload, verb_host, verb_status;		/* cmd_unload.c, cmd_host.c, cmd_status.c */

#endif
