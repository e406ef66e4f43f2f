/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos remove: takes an installed tree away. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "base/str.h"
#include "cli.h"
#include "oci/json.h"
#include "protect.h"
#include "store/remove.h"
#include "store/store.h"
#include "writer.h"

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

static int remove_one(struct cli *cli, struct writer *w, const char *wanted, bool yes, struct err *err)
{
	const struct guard guard = protect_guard(cli);
	struct store *s = &w->store;
	struct store_tree t;
	const char *name;
	uint64_t freed;
	int r = store_find(s, wanted, w->os, &t, err);

	if (r == 0)
		r = protect_check(cli, s, w->os, &t, err);
	if (r < 0)
		return r;
	name = remove_name(&s->arena, &t);
	if (!is_agreed(name, yes)) {
		fprintf(stderr, "nothing was removed\n");
		return 0;
	}
	/* The answer may have taken its time. */
	r = protect_check(cli, s, w->os, &t, err);
	if (r == 0)
		r = remove_tree(s, &t, &guard, &freed, err);
	if (r == 0)
		print_result(cli, name, freed);
	return r;
}

int verb_remove(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct option longs[] = { { "yes", no_argument, NULL, 'y' }, { 0 } };
	bool yes = false;
	struct writer w;
	int c, r;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'y')
			return err_set(err, ERR_USAGE, 0, "remove %s", argv[optind - 1]);
		yes = true;
	}
	if (argc - optind != 1)
		return err_set(err, ERR_USAGE, 0, "remove: one TREE");
	r = writer_begin(&w, cli, err);
	if (r < 0)
		return r;
	r = remove_one(cli, &w, argv[optind], yes, err);
	writer_end(&w);
	return r;
}
