/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos verify: installed trees against their manifests. */
#include <getopt.h>
#include <stdio.h>

#include "base/str.h"
#include "cli.h"
#include "host/osver.h"
#include "oci/json.h"
#include "store/store.h"
#include "store/verify.h"

struct job {
	struct cli *cli;
	struct json *trees;
	size_t checked, damaged;
	const char *first; /* of the damaged ones */
};

static void add_json(struct job *j, const char *name, const struct verify *v)
{
	struct json *row = json_new_object(), *findings = json_new_array();

	json_set_str(row, "tree", name);
	json_set_bool(row, "whole", v->n_findings == 0);
	json_set_int(row, "files", (int64_t)v->files);
	json_set_int(row, "findings", (int64_t)v->n_findings);
	for (size_t i = 0; i < v->findings.n; i++)
		json_append(findings, json_new_string(v->findings.v[i]));
	json_set(row, "found", findings);
	json_append(j->trees, row);
}

static void print_text(const char *name, const struct verify *v)
{
	if (!v->n_findings) {
		printf("%s: whole (%zu files)\n", name, v->files);
		return;
	}
	for (size_t i = 0; i < v->findings.n; i++)
		printf("%s: %s\n", name, v->findings.v[i]);
	if (v->n_findings > v->findings.n)
		printf("%s: and %zu more\n", name, v->n_findings - v->findings.n);
}

static void check(struct job *j, const char *name, const char *path)
{
	struct verify v;

	verify_tree(&v, path);
	j->checked++;
	if (v.n_findings && !j->damaged++)
		j->first = name;
	if (j->cli->json)
		add_json(j, name, &v);
	else if (!j->cli->quiet)
		print_text(name, &v);
	verify_free(&v);
}

static int check_one(struct job *j, struct store *s, const char *wanted, struct err *err)
{
	struct store_tree t = { 0 };
	const char *os = NULL;
	int r = osver_read(&s->arena, j->cli->root, NULL, &os, err);

	if (r == 0)
		r = store_find(s, wanted, os, &t, err);
	if (r < 0)
		return r;
	check(j,
	      t.is_cuda ? arena_printf(&s->arena, "cuda/%s", t.cuda) : arena_printf(&s->arena, "%s/%s", t.driver, t.os),
	      t.path);
	return 0;
}

static void check_all(struct job *j, struct store *s)
{
	for (size_t i = 0; i < s->n_drivers; i++) {
		const char *name = arena_printf(&s->arena, "%s/%s", s->drivers[i].driver, s->drivers[i].os);

		check(j, name, arena_printf(&s->arena, "%s/%s", s->driver_path, name));
	}
	for (size_t i = 0; i < s->n_toolkits; i++)
		check(j, arena_printf(&s->arena, "cuda/%s", s->toolkits[i]),
		      arena_printf(&s->arena, "%s/%s", s->cuda_path, s->toolkits[i]));
}

static int finish(struct job *j, struct err *err)
{
	if (j->cli->json) {
		cleanup_json struct json *root = json_new_object();
		cleanup_free char *text = NULL;

		json_set(root, "trees", j->trees);
		text = json_dump(root, 2);
		puts(text);
	} else if (!j->checked && !j->cli->quiet) {
		puts("nothing is installed");
	}
	if (!j->damaged)
		return 0;
	err_set(err, ERR_TREE, 0, "%s%s", j->first, j->damaged > 1 ? " and others" : "");
	return err_hint(err, "select another with 'nvcoreos use', 'nvcoreos remove' this one, and install it again");
}

int verb_verify(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct option longs[] = { { 0 } };
	struct job j = { .cli = cli };
	struct store s;
	int r;

	if (getopt_long(argc, argv, "", longs, NULL) != -1)
		return err_set(err, ERR_USAGE, 0, "verify %s", argv[optind - 1]);
	if (argc - optind > 1)
		return err_set(err, ERR_USAGE, 0, "verify: one TREE, or none for all");
	r = store_read(&s, &cli->conf, err);
	if (r < 0)
		return r;
	j.trees = json_new_array();
	if (optind < argc)
		r = check_one(&j, &s, argv[optind], err);
	else
		check_all(&j, &s);
	if (r == 0)
		r = finish(&j, err);
	if (!cli->json || (r < 0 && !j.checked))
		json_free(j.trees);
	store_free(&s);
	return r;
}
