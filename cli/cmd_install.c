/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos install: archives to trees. */
#include <getopt.h>
#include <stdio.h>

#include "apply/seccomp.h"
#include "base/fd.h"
#include "cli.h"
#include "oci/json.h"
#include "progress.h"
#include "protect.h"
#include "select.h"
#include "store/archive.h"
#include "store/install.h"
#include "store/repair.h"
#include "store/store.h"

static void print_json(const struct install_result *r)
{
	cleanup_json struct json *root = json_new_object();
	struct json *trees = json_new_array(), *ignored = json_new_array();
	cleanup_free char *text = NULL;

	for (size_t i = 0; i < r->n_trees; i++) {
		const struct install_tree *t = &r->trees[i];
		struct json *j = json_new_object();

		if (t->cuda) {
			json_set_str(j, "cuda", t->cuda);
		} else {
			json_set_str(j, "driver", t->driver);
			json_set_str(j, "os", t->os);
		}
		json_set_bool(j, "already", t->already);
		json_append(trees, j);
	}
	for (size_t i = 0; i < r->ignored.n; i++)
		json_append(ignored, json_new_string(r->ignored.v[i]));
	json_set(root, "installed", trees);
	json_set(root, "ignored", ignored);
	text = json_dump(root, 2);
	puts(text);
}

static void print_text(const struct install_result *r)
{
	for (size_t i = 0; i < r->n_trees; i++) {
		const struct install_tree *t = &r->trees[i];
		const char *what = t->already ? "already installed" : "installed";

		if (t->cuda)
			printf("%s: cuda/%s\n", what, t->cuda);
		else
			printf("%s: %s/%s\n", what, t->driver, t->os);
	}
	for (size_t i = 0; i < r->ignored.n; i++)
		printf("left out, no part of a driver: %s\n", r->ignored.v[i]);
}

#ifdef __SANITIZE_ADDRESS__
static int guard_decoder(void)
{
	return 0; /* the sanitizers' own calls are not known */
}
#else
static int guard_decoder(void)
{
	struct err unused = ERR_INIT;

	return seccomp_enter(SECCOMP_DECODE, &unused);
}
#endif

static int run(struct cli *cli, struct install_result *result, char **sources, int n, struct err *err)
{
	const struct guard guard = protect_guard(cli);
	struct progress progress;
	struct install_options o = { .conf = &cli->conf, .root = cli->root, .guard = &guard };
	int r;

	progress_begin(&progress);
	if (!cli->quiet) {
		o.progress = progress_show;
		o.data = &progress;
	}
	archive_set_guard(guard_decoder);
	r = install_run(result, &o, sources, (size_t)n, err);
	progress_end(&progress);
	return r;
}

static int install(struct cli *cli, char **sources, int n, bool use, struct err *err)
{
	const struct guard guard = protect_guard(cli);
	cleanup_fd int lock = repair_lock(&cli->conf, cli->root, &guard, err);
	struct install_result result;
	int r;

	if (lock < 0)
		return lock;
	r = run(cli, &result, sources, n, err);
	if (cli->json)
		print_json(&result);
	else if (!cli->quiet)
		print_text(&result);
	for (size_t i = 0; r == 0 && i < result.n_trees; i++) {
		const struct install_tree *t = &result.trees[i];

		r = select_installed(cli, &(struct select_tree){ t->driver, t->os, t->cuda }, use, err);
	}
	install_free(&result);
	return r;
}

int verb_install(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct option longs[] = { { "use", no_argument, NULL, 'u' }, { 0 } };
	bool use = false;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'u')
			return err_set(err, ERR_USAGE, 0, "install %s", argv[optind - 1]);
		use = true;
	}
	if (optind == argc)
		return err_set(err, ERR_USAGE, 0, "install: no SOURCE");
	return install(cli, argv + optind, argc - optind, use, err);
}
