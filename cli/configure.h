/* SPDX-License-Identifier: Apache-2.0 */
/* One call of `nvcoreos configure` at work: what its parts share. */
#ifndef NVCOREOS_CLI_CONFIGURE_H
#define NVCOREOS_CLI_CONFIGURE_H

#include <stdbool.h>

#include "cli.h"
#include "engine.h"
#include "oci/json.h"

#define CONFIGURE_HOOK NVCOREOS_PREFIX "/bin/nvcoreos-hook"
#define CONFIGURE_CONF NVCOREOS_SYSCONFDIR "/nvcoreos/nvcoreos.conf"

struct configure {
	struct cli *cli;
	const struct engine *engine;
	/* The options. */
	const char *name, *file;
	bool set_default, cdi, dry_run, remove, all;
	struct arena arena;
	int rootfd;
	struct engine_ask ask;
	struct engine_plan plan;
	/* To remove: what root's own file of the engine says, where another one is changed; what cannot be told is so. */
	bool ours_elsewhere, default_elsewhere;
	/* Outcome: what was done, or would be. */
	struct strlist done;
};

/* configure_show.c: adds "what path" to a list that is shown. */
void configure_note(struct configure *c, struct strlist *l, const char *what, const char *path);

/*
 * configure_policy.c: what a default runtime needs in nvcoreos.conf.d becomes a file of the plan. -errno with ERR_IO where it
 * cannot be read.
 */
int configure_policy(struct configure *c, struct err *err) must_check;

/* configure_alias.c: puts the hook's alias where dockerd looks for it, or takes it away. -errno with ERR_IO. */
int configure_alias(struct configure *c, struct err *err) must_check;

/*
 * configure_apply.c: makes the files what the plan says, in an order in which no moment is worse than before; where one fails,
 * those that were changed before it are put back. -errno with ERR_IO; the hint names what could not be put back.
 */
int configure_apply(struct configure *c, struct err *err) must_check;

/* configure_show.c: tells on stdout what was done, and warnings on stderr. With --json all is put into the object instead. */
void configure_show(struct configure *c);
void configure_show_json(struct configure *c, struct json *out);

#endif
