/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos configure ENGINE: makes a container engine know nvcoreos-runtime, and forget it again. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "configure.h"

#define RUNTIME NVCOREOS_PREFIX "/bin/nvcoreos-runtime"
#define NAME "nvcoreos"

static void start(struct configure *c, struct cli *cli)
{
	*c = (struct configure){ .cli = cli, .rootfd = -EBADF };
}

static void finish(struct configure *c)
{
	fd_close(c->rootfd);
	engine_plan_free(&c->plan);
	arena_free(&c->arena);
}

static int parse_options(struct configure *c, int argc, char **argv, struct err *err)
{
	static const struct option longs[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "set-as-default", no_argument, NULL, 's' },
		{ "cdi", no_argument, NULL, 'c' },
		{ "engine-config", required_argument, NULL, 'e' },
		{ "dry-run", no_argument, NULL, 'd' },
		{ "remove", no_argument, NULL, 'r' },
		{ "all", no_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	int o;

	optind = 0;
	opterr = 0;
	while ((o = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (o == 'n')
			c->name = optarg;
		else if (o == 's')
			c->set_default = true;
		else if (o == 'c')
			c->cdi = true;
		else if (o == 'e')
			c->file = optarg;
		else if (o == 'd')
			c->dry_run = true;
		else if (o == 'r')
			c->remove = true;
		else if (o == 'a')
			c->all = true;
		else if (o == 'j')
			c->cli->json = true;
		else {
			err_set(err, ERR_USAGE, 0, "configure: %s", argv[optind - 1]);
			return -EINVAL;
		}
	}
	if (argc - optind != 1) {
		err_set(err, ERR_USAGE, 0, "configure: %s", optind < argc ? argv[optind + 1] : "no engine");
		err_hint(err, "nvcoreos configure ENGINE; engines are: %s", engine_names());
		return -EINVAL;
	}
	c->engine = engine_find(argv[optind]);
	if (c->engine)
		return 0;
	err_set(err, ERR_USAGE, 0, "configure: engine %s", argv[optind]);
	err_hint(err, "engines are: %s", engine_names());
	return -EINVAL;
}

static int check_options(struct configure *c, struct err *err)
{
	if (c->remove && c->set_default)
		return err_set(err, ERR_USAGE, 0, "configure: --remove and --set-as-default");
	if (c->all && (!c->remove || c->name)) {
		err_set(err, ERR_USAGE, 0, "configure: --all");
		return err_hint(err, "it goes with --remove, and without --name");
	}
	if (!c->name)
		c->name = NAME;
	if (c->engine->name_ok(c->name))
		return 0;
	err_set(err, ERR_USAGE, 0, "configure: --name %s", c->name);
	return err_hint(err, "letters, digits and . _ + -; names that engines know by themselves are theirs");
}

/* A daemon starts in /, so what it is told must be absolute. */
static const char *absolute(struct configure *c, const char *path, struct err *err)
{
	char cwd[PATH_MAX], norm[PATH_MAX];
	const char *full = path;

	if (path[0] != '/') {
		if (!getcwd(cwd, sizeof(cwd))) {
			err_set(err, ERR_IO, errno, "%s", path);
			return NULL;
		}
		full = arena_printf(&c->arena, "%s/%s", cwd, path);
	}
	if (path_normalize(full, norm, sizeof(norm)) < 0) {
		err_set(err, ERR_USAGE, ENAMETOOLONG, "%s", path);
		return NULL;
	}
	return arena_strdup(&c->arena, norm);
}

/* A path of this machine as the host sees it whose root --root names. */
static const char *inside_root(struct configure *c, const char *option, const char *path, struct err *err)
{
	const char *full = absolute(c, path, err);
	char root[PATH_MAX];

	if (!full || !*c->cli->root)
		return full;
	if (path_normalize(c->cli->root, root, sizeof(root)) < 0 || !path_is_below(full, root)) {
		err_set(err, ERR_USAGE, 0, "configure: %s %s", option, path);
		err_hint(err, "it must be below --root %s", c->cli->root);
		return NULL;
	}
	return full[strlen(root)] ? full + strlen(root) : "/";
}

/* Root's file, or what an engine that runs without root reads. An absolute --engine-config is one below --root. */
static const char *engine_file_path(struct configure *c, struct err *err)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (c->file && c->file[0] != '/')
		return inside_root(c, "--engine-config", c->file, err);
	if (c->file)
		return absolute(c, c->file, err);
	if (*c->cli->root || geteuid() == 0 || !c->engine->user_file)
		return c->engine->file;
	if (config && *config)
		return absolute(c, arena_printf(&c->arena, "%s/%s", config, c->engine->user_file), err);
	if (home && *home)
		return absolute(c, arena_printf(&c->arena, "%s/.config/%s", home, c->engine->user_file), err);
	return c->engine->file;
}

/* What --config names, for the runtime to read; the default file it reads by itself. */
static int find_config(struct configure *c, struct err *err)
{
	const char *conf;

	if (!c->cli->conf.file)
		return 0;
	if (!c->engine->takes_options && c->remove)
		return 0;
	conf = inside_root(c, "--config", c->cli->conf.file, err);
	if (!conf)
		return -EINVAL;
	if (str_eq(conf, CONFIGURE_CONF))
		return 0;
	c->ask.config = conf;
	if (c->engine->takes_options)
		return 0;
	err_set(err, ERR_USAGE, 0, "configure: --config %s", conf);
	return err_hint(err, "%s hands a runtime no options: it would read " CONFIGURE_CONF, c->engine->name);
}

static int prepare(struct configure *c, struct err *err)
{
	int r = find_config(c, err);

	if (r < 0)
		return r;
	c->ask.file = engine_file_path(c, err);
	if (!c->ask.file)
		return -EINVAL;
	c->rootfd = rootfile_open_root(c->cli->root, err);
	if (c->rootfd < 0)
		return c->rootfd;
	c->ask.arena = &c->arena;
	c->ask.rootfd = c->rootfd;
	c->ask.path = RUNTIME;
	c->ask.set_default = c->set_default;
	c->ask.cdi = c->cdi;
	c->ask.remove = c->remove;
	return c->dry_run ? 0 : rootfile_lock(c->rootfd, err);
}

/*
 * A runtime that is missing is a failing container; a default-runtime that is missing is a dockerd that does
 * not start.
 */
static int check_installed(struct configure *c, struct err *err)
{
	cleanup_fd int fd = path_open(c->rootfd, RUNTIME, O_PATH);

	if (fd >= 0 || c->remove)
		return 0;
	if (c->set_default && !c->dry_run) {
		err_set(err, ERR_ENGINE, -fd, "default runtime %s", RUNTIME);
		return err_hint(err, "install nvcoreos first: no container would start");
	}
	configure_note(c, &c->plan.warnings, "not installed yet:", RUNTIME);
	return 0;
}

/* The policy and the alias are the machine's: what is taken out of one file must not take them from another. */
static void look_elsewhere(struct configure *c)
{
	struct engine_plan plan = { 0 };
	struct engine_ask ask = c->ask;
	bool told;

	if (!c->remove || str_eq(ask.file, c->engine->file))
		return;
	ask.file = c->engine->file;
	/* No runtime is called so: nothing would go. */
	ask.name = "";
	told = c->engine->plan(&ask, &plan, NULL) == 0;
	c->ours_elsewhere = !told || plan.has_ours;
	c->default_elsewhere = !told || plan.is_default;
	engine_plan_free(&plan);
}

/* One runtime. */
static int configure(struct configure *c, const char *name, struct err *err)
{
	int r;

	engine_plan_free(&c->plan);
	c->plan = (struct engine_plan){ 0 };
	c->done = (struct strlist){ 0 };
	c->name = c->ask.name = name;
	r = c->engine->plan(&c->ask, &c->plan, err);
	look_elsewhere(c);
	if (r == 0)
		r = configure_policy(c, err);
	if (r == 0)
		r = check_installed(c, err);
	for (size_t i = 0; r == 0 && !c->dry_run && i < c->plan.n; i++)
		rootfile_tidy(c->rootfd, c->plan.files[i].was.path);
	return r == 0 ? configure_apply(c, err) : r;
}

static int each(struct configure *c, const struct strlist *names, struct err *err)
{
	cleanup_json struct json *all = json_new_array();
	cleanup_free char *text = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < names->n; i++) {
		struct json *one = NULL;

		r = configure(c, names->v[i], err);
		if (r < 0)
			break;
		if (!c->cli->json) {
			configure_show(c);
			continue;
		}
		one = json_new_object();
		configure_show_json(c, one);
		json_append(all, one);
	}
	if (r == 0 && c->cli->json) {
		text = json_dump(c->all ? all : json_at(all, 0), 2);
		puts(text);
	}
	return r;
}

int verb_configure(struct cli *cli, int argc, char **argv, struct err *err)
{
	cleanup(finish) struct configure c;
	struct strlist names = { 0 };
	int r;

	start(&c, cli);
	r = parse_options(&c, argc, argv, err);
	if (r == 0)
		r = check_options(&c, err);
	if (r == 0)
		r = prepare(&c, err);
	if (r < 0)
		return r;
	if (c.all)
		c.engine->names(&c.ask, &names);
	/* Of none of ours something may be left, beside the engine's files. */
	if (!names.n)
		strlist_add(&c.arena, &names, c.name);
	return each(&c, &names, err);
}
