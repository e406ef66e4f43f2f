/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos remove: takes an installed tree away. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli.h"
#include "host/osver.h"
#include "oci/json.h"
#include "protect.h"
#include "store/remove.h"
#include "store/repair.h"
#include "store/store.h"

static int check_free(struct cli *cli, struct store *s, const struct store_tree *t, struct err *err)
{
	struct protect *p;
	const char *why;
	int r = protect_read(&p, cli, s, err);

	if (r < 0)
		return r;
	why = protect_why(p, t);
	if (why) {
		r = err_set(err, ERR_BUSY, EBUSY, "%s: %s", remove_name(&s->arena, t), why);
		err_hint(err, "remove it when that is over");
	}
	protect_free(p);
	return r;
}

/* Whoever sits at a terminal is asked; a script has said what it wants. */
static bool is_agreed(const char *name, bool yes)
{
	int c, first;

	if (yes || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return true;
	fprintf(stderr, "remove %s? [y/N] ", name);
	for (c = first = getchar(); c != '\n' && c != EOF;)
		c = getchar();
	return first == 'y' || first == 'Y';
}

static void print_result(const struct cli *cli, const char *name, uint64_t freed)
{
	cleanup_json struct json *j = NULL;
	cleanup_free char *text = NULL;

	if (!cli->json) {
		if (!cli->quiet)
			printf("removed: %s (%llu bytes freed)\n", name, (unsigned long long)freed);
		return;
	}
	j = json_new_object();
	json_set_str(j, "removed", name);
	json_set_int(j, "freed", (int64_t)freed);
	text = json_dump(j, 2);
	puts(text);
}

static int remove_one(struct cli *cli, struct store *s, const char *wanted, bool yes, struct err *err)
{
	struct store_tree t;
	const char *os, *name;
	uint64_t freed;
	int r = osver_read(&s->arena, cli->root, NULL, &os, err);

	if (r == 0)
		r = store_find(s, wanted, os, &t, err);
	if (r == 0)
		r = check_free(cli, s, &t, err);
	if (r < 0)
		return r;
	name = remove_name(&s->arena, &t);
	if (!is_agreed(name, yes)) {
		fprintf(stderr, "nothing was removed\n");
		return 0;
	}
	r = remove_tree(s, &t, &freed, err);
	if (r == 0)
		print_result(cli, name, freed);
	return r;
}

static int run(struct cli *cli, const char *wanted, bool yes, struct err *err)
{
	cleanup_fd int lock = repair_lock(&cli->conf, cli->root, err);
	struct store s;
	int r;

	if (lock < 0)
		return lock;
	r = store_read(&s, &cli->conf, err);
	if (r < 0)
		return r;
	r = remove_one(cli, &s, wanted, yes, err);
	store_free(&s);
	return r;
}

int verb_remove(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct option longs[] = { { "yes", no_argument, NULL, 'y' }, { 0 } };
	bool yes = false;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'y')
			return err_set(err, ERR_USAGE, 0, "remove %s", argv[optind - 1]);
		yes = true;
	}
	if (argc - optind != 1)
		return err_set(err, ERR_USAGE, 0, "remove: one TREE");
	return run(cli, argv[optind], yes, err);
}
