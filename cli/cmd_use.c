/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos use: selects a tree; with --now the kernel gets its modules too. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "apply/load.h"
#include "base/str.h"
#include "cdigen.h"
#include "cli.h"
#include "here.h"
#include "hostview.h"
#include "store/loaded.h"
#include "store/manifest.h"
#include "unload.h"
#include "writer.h"

/* What --now needs is known before anything goes. */
static int check_modules(const struct writer *w, const struct store_tree *t, struct err *err)
{
	cleanup_manifest struct manifest m = { .arena = ARENA_INIT };
	int r;

	if (t->is_cuda)
		return err_set(err, ERR_USAGE, 0, "use --now cuda/%s: a toolkit has no modules", t->cuda);
	if (!str_eq(t->os, w->os)) {
		err_set(err, ERR_NO_TREE, 0, "%s/%s: %s is running", t->driver, t->os, w->os);
		return err_hint(err, "install the modules of this OS version");
	}
	r = manifest_load(&m, t->path, err);
	if (r < 0 || m.n_modules)
		return r;
	err_set(err, ERR_NO_TREE, 0, "%s/%s has no modules", t->driver, t->os);
	return err_hint(err, "install modules-%s-%s", t->os, t->driver);
}

/* What nvcoreos-load printed is in *res, to be told where all went well. */
static int look(const struct cli *cli, int r, struct proc_result *res, const char *driver, struct err *err)
{
	char buf[LOADED_MAX];
	const char *loaded;

	if (r < 0)
		return r;
	if (res->status == LOAD_EXIT_NO_GPU)
		return load_no_gpu(res, err);
	loaded = loaded_driver(cli->conf.proc_root, buf);
	if (!loaded || !str_eq(loaded, driver))
		return err_set(err, ERR_LOAD, 0, "driver %s is loaded, not %s", loaded ? loaded : "none", driver);
	return 0;
}

/* Nothing is printed: whether it stays is not known yet. */
static int select_silently(struct cli *cli, struct writer *w, const char *name, struct err *err)
{
	bool quiet = cli->quiet, json = cli->json;
	int r;

	cli->quiet = true;
	cli->json = false;
	r = writer_use(w, cli, name, err);
	cli->quiet = quiet;
	cli->json = json;
	return r;
}

/* The driver that was loaded, from the store or, where that has it no more or never had, from the kernel's own modules. */
static int load_again(const struct cli *cli, struct writer *w, const char *loaded, struct err *err)
{
	struct proc_result res;
	int r = -ENOENT;

	if (store_tree_of(&w->store, loaded, w->os)) {
		r = store_select(&w->store, loaded, w->os, err);
		if (r == 0)
			r = look(cli, load_run(&cli->conf, &res, err), &res, loaded, err);
	}
	return r == 0 ? 0 : look(cli, load_run_own(&cli->conf, &res, err), &res, loaded, err);
}

/* What was selected is selected, and the driver that was loaded is loaded again: as if nothing had been tried. */
static void go_back(struct cli *cli, struct writer *w, const struct store *before, const char *loaded, struct err *err)
{
	struct err again = ERR_INIT;
	int r = loaded ? load_again(cli, w, loaded, &again) : 0;

	if (store_restore(&w->store, before, &again) < 0 || hostview_refresh(cli, &again) < 0)
		r = -EIO;
	if (r < 0)
		err_hint(err,
			 "no driver may be loaded now: see 'nvcoreos list', then 'nvcoreos use' and 'nvcoreos load'");
	else if (loaded)
		err_hint(err, "driver %s is loaded again, and all is selected as before", loaded);
}

static void tell(const struct cli *cli, struct writer *w, const struct store_tree *t, const struct proc_result *res)
{
	if (cli->json)
		writer_print_json(&w->store);
	else if (!cli->quiet)
		printf("%s/current -> %s/%s\n%s", w->store.driver_path, t->driver, t->os, res->output);
}

/* Those that went before the one that is in use come back. */
static int unload_other(struct cli *cli, struct err *err)
{
	struct err unused = ERR_INIT;
	struct proc_result res;
	int r = unload_modules(cli, &res, err);

	if (r < 0 && load_run(&cli->conf, &res, &unused) < 0)
		err_hint(err, "some modules are unloaded: 'nvcoreos load' loads them again");
	return r;
}

/* loaded: another driver that is in the kernel, or NULL. */
static int switch_to(struct cli *cli, struct writer *w, const char *name, const struct store_tree *t,
		     const char *loaded, struct err *err)
{
	struct proc_result res;
	struct store before;
	int r = store_read(&before, &cli->conf, err);

	if (r < 0)
		return r;
	if (loaded)
		r = unload_other(cli, err);
	if (r == 0) {
		r = select_silently(cli, w, name, err);
		if (r == 0)
			r = look(cli, load_run(&cli->conf, &res, err), &res, t->driver, err);
		if (r < 0)
			go_back(cli, w, &before, loaded, err);
	}
	store_free(&before);
	if (r == 0)
		tell(cli, w, t, &res);
	return r;
}

static int use_now(struct cli *cli, struct writer *w, const char *name, struct err *err)
{
	char buf[LOADED_MAX];
	struct proc_result res;
	const char *loaded;
	struct store_tree t;
	int r = store_find(&w->store, name, w->os, &t, err);

	if (r == 0)
		r = check_modules(w, &t, err);
	if (r == 0)
		r = writer_check(&t, err);
	if (r < 0)
		return r;
	loaded = loaded_driver(cli->conf.proc_root, buf);
	if (loaded && str_eq(loaded, t.driver))
		return switch_to(cli, w, name, &t, NULL, err);
	/* While the driver that works is still there. */
	r = load_prove(&cli->conf, t.driver, &res, err);
	if (r == 0 && res.status == LOAD_EXIT_NO_GPU)
		r = load_no_gpu(&res, err);
	return r < 0 ? r : switch_to(cli, w, name, &t, loaded, err);
}

int verb_use(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct option longs[] = { { "now", no_argument, NULL, 'n' }, { 0 } };
	struct writer w;
	bool now = false;
	int r, c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'n')
			return err_set(err, ERR_USAGE, 0, "use %s", argv[optind - 1]);
		now = true;
	}
	if (argc - optind != 1)
		return err_set(err, ERR_USAGE, 0, "use: one TREE");
	r = now ? here_only(cli, "use --now", "modules can be loaded on the running host only", err) : 0;
	if (r < 0)
		return r;
	r = writer_begin(&w, cli, err);
	if (r < 0)
		return r;
	r = now ? use_now(cli, &w, argv[optind], err) : writer_use(&w, cli, argv[optind], err);
	writer_end(&w);
	if (r == 0 && now)
		cdigen_follow(cli);
	return r;
}
