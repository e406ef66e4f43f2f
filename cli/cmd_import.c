/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos import: the driver that the OS installed, into the store. */
#include <getopt.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/str.h"
#include "cli.h"
#include "oci/json.h"
#include "protect.h"
#include "select.h"
#include "store/import.h"
#include "store/loaded.h"
#include "store/repair.h"
#include "store/store.h"

static void print_result(const struct cli *cli, const struct import_result *r)
{
	cleanup_json struct json *j = NULL;
	cleanup_free char *text = NULL;

	if (!cli->json) {
		if (!cli->quiet)
			printf("%s: %s/%s (%zu files)\n", r->already ? "already installed" : "imported", r->driver,
			       r->os, r->files);
		return;
	}
	j = json_new_object();
	json_set_str(j, "driver", r->driver);
	json_set_str(j, "os", r->os);
	json_set_bool(j, "already", r->already);
	json_set_int(j, "files", (int64_t)r->files);
	text = json_dump(j, 2);
	puts(text);
}

static int import(struct cli *cli, const char *dir, bool use, struct err *err)
{
	const struct guard guard = protect_guard(cli);
	cleanup_fd int lock = repair_lock(&cli->conf, cli->root, &guard, err);
	struct import_result result;
	char buf[LOADED_MAX];
	struct import_from from = { .dir = dir, .host = cli->root, .guard = &guard };
	int r;

	if (lock < 0)
		return lock;
	if (str_eq(dir, cli->root))
		from.loaded = loaded_driver(cli->conf.proc_root, buf);
	r = import_run(&result, &cli->conf, &from, err);
	if (r == 0) {
		print_result(cli, &result);
		r = select_installed(cli, &(struct select_tree){ result.driver, result.os, NULL }, use, err);
	}
	import_free(&result);
	return r;
}

int verb_import(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct option longs[] = { { "use", no_argument, NULL, 'u' }, { 0 } };
	bool use = false;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'u')
			return err_set(err, ERR_USAGE, 0, "import %s", argv[optind - 1]);
		use = true;
	}
	if (argc - optind > 1)
		return err_set(err, ERR_USAGE, 0, "import: one DIR, not %s too", argv[optind + 1]);
	return import(cli, optind < argc ? (str_eq(argv[optind], "/") ? "" : argv[optind]) : cli->root, use, err);
}
