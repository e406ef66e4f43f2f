/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos prune: takes old trees away. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "base/str.h"
#include "cli.h"
#include "oci/json.h"
#include "protect.h"
#include "store/prune.h"
#include "store/remove.h"
#include "store/usage.h"
#include "store/store.h"
#include "writer.h"

#define KEEP_MAX 1000

struct job {
	struct cli *cli;
	struct store *store;
	const char *os;
	struct protect *protect;
	size_t keep;
	bool dry_run;
	uint64_t freed;
	struct json *kept, *removed;
	struct err unknown; /* why it is not known whether a tree is in use; the first one */
};

static void note(struct job *j, const char *name, const struct prune_tree *p, uint64_t freed)
{
	struct json *row;

	if (j->cli->json) {
		row = json_new_object();
		json_set_str(row, "tree", name);
		if (p->goes)
			json_set_int(row, "freed", (int64_t)freed);
		else if (p->why)
			json_set_str(row, "why", p->why);
		json_append(p->goes ? j->removed : j->kept, row);
	} else if (!j->cli->quiet && p->goes) {
		printf("%s: %s (%llu bytes)\n", j->dry_run ? "would go" : "removed", name, (unsigned long long)freed);
	} else if (!j->cli->quiet) {
		printf("kept: %s: %s\n", name, p->why ? p->why : "one of the newest");
	}
}

/* A container that was started meanwhile keeps its tree. */
static int take_away(struct job *j, const struct store_tree *t, struct prune_tree *p, uint64_t *freed, struct err *err)
{
	const struct guard guard = protect_guard(j->cli);
	const char *why = NULL;
	struct protect *now;
	int r = protect_read(&now, j->cli, j->store, j->os, err);

	if (r < 0)
		return r;
	r = protect_why(now, t, &why, err);
	if (why) {
		p->goes = false;
		p->why = arena_strdup(&j->store->arena, why);
	}
	protect_free(now);
	return r < 0 || why ? r : remove_tree(j->store, t, &guard, freed, err);
}

/* Not to know is no reason to take it away, nor to say that all was done. */
static const char *why_kept(struct job *j, const struct store_tree *t)
{
	struct err local = ERR_INIT;
	const char *why;

	if (protect_why(j->protect, t, &why, &local) == 0)
		return why;
	if (j->unknown.code == ERR_NONE)
		j->unknown = local;
	return arena_strdup(&j->store->arena, local.what);
}

/* The trees stand oldest first in the store; the decision wants the newest first. */
static int prune(struct job *j, const struct store_tree *trees, size_t n, struct err *err)
{
	struct prune_tree *p = arena_alloc(&j->store->arena, (n + 1) * sizeof(*p));
	int r = 0;

	for (size_t i = 0; i < n; i++)
		p[n - 1 - i].why = why_kept(j, &trees[i]);
	prune_decide(p, n, j->keep);
	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct store_tree *t = &trees[n - 1 - i];
		uint64_t freed = 0;

		if (p[i].goes && j->dry_run)
			freed = usage_of(t->path).freed;
		else if (p[i].goes)
			r = take_away(j, t, &p[i], &freed, err);
		j->freed += freed;
		if (r == 0)
			note(j, remove_name(&j->store->arena, t), &p[i], freed);
	}
	return r;
}

static int prune_drivers(struct job *j, struct err *err)
{
	struct store *s = j->store;
	struct store_tree *t = arena_alloc(&s->arena, (s->n_drivers + 1) * sizeof(*t));

	for (size_t i = 0; i < s->n_drivers; i++) {
		t[i] = (struct store_tree){ .driver = s->drivers[i].driver, .os = s->drivers[i].os };
		t[i].path = arena_printf(&s->arena, "%s/%s/%s", s->driver_path, t[i].driver, t[i].os);
	}
	return prune(j, t, s->n_drivers, err);
}

static int prune_toolkits(struct job *j, struct err *err)
{
	struct store *s = j->store;
	struct store_tree *t = arena_alloc(&s->arena, (s->n_toolkits + 1) * sizeof(*t));

	for (size_t i = 0; i < s->n_toolkits; i++) {
		t[i] = (struct store_tree){ .is_cuda = true, .cuda = s->toolkits[i] };
		t[i].path = arena_printf(&s->arena, "%s/%s", s->cuda_path, t[i].cuda);
	}
	return prune(j, t, s->n_toolkits, err);
}

static void print_json(struct job *j)
{
	cleanup_json struct json *root = json_new_object();
	cleanup_free char *text = NULL;

	json_set(root, "kept", j->kept);
	json_set(root, "removed", j->removed);
	json_set_int(root, "freed", (int64_t)j->freed);
	json_set_bool(root, "dryRun", j->dry_run);
	text = json_dump(root, 2);
	puts(text);
}

static int prune_all(struct cli *cli, struct writer *w, size_t keep, bool dry_run, struct err *err)
{
	struct job j = { .cli = cli, .store = &w->store, .os = w->os, .keep = keep, .dry_run = dry_run };
	int r = protect_read(&j.protect, cli, &w->store, w->os, err);

	if (r < 0)
		return r;
	j.kept = json_new_array();
	j.removed = json_new_array();
	r = prune_drivers(&j, err);
	if (r == 0)
		r = prune_toolkits(&j, err);
	if (cli->json) {
		print_json(&j);
	} else {
		json_free(j.kept);
		json_free(j.removed);
	}
	protect_free(j.protect);
	if (r == 0 && j.unknown.code != ERR_NONE) {
		*err = j.unknown;
		r = -EIO;
	}
	return r;
}

int verb_prune(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct option longs[] = { { "keep", required_argument, NULL, 'k' },
					       { "dry-run", no_argument, NULL, 'n' },
					       { 0 } };
	uint64_t keep = cli->conf.keep_trees;
	bool dry_run = false;
	struct writer w;
	int c, r;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'n') {
			dry_run = true;
		} else if (c != 'k' || str_to_u64(optarg, KEEP_MAX, &keep) < 0) {
			return err_set(err, ERR_USAGE, 0, "prune %s%s", c == 'k' ? "--keep " : "",
				       c == 'k' ? optarg : argv[optind - 1]);
		}
	}
	if (optind < argc)
		return err_set(err, ERR_USAGE, 0, "prune takes no '%s'", argv[optind]);
	r = writer_begin(&w, cli, err);
	if (r < 0)
		return r;
	r = prune_all(cli, &w, keep, dry_run, err);
	writer_end(&w);
	return r;
}
