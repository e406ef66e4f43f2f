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
#include "base/mem.h"
#include "base/path.h"
#include "cli.h"
#include "engine.h"
#include "oci/json.h"
#include "rootfile.h"
#include "textdiff.h"

#define RUNTIME NVCOREOS_PREFIX "/bin/nvcoreos-runtime"
#define HOOK NVCOREOS_PREFIX "/bin/nvcoreos-hook"
#define ALIAS "nvidia-container-runtime-hook"
#define CONF NVCOREOS_SYSCONFDIR "/nvcoreos/nvcoreos.conf"
/* Each engine has its own: taking one back must not take the other's away. */
#define DROP_IN ".d/50-default-runtime"
#define DROP_IN_HEAD "# Written by 'nvcoreos configure %s --set-as-default'; '--remove' takes it away again.\n"
#define DROP_IN_OLD "default-runtime before: "
#define DROP_IN_TEXT \
	"# nvcoreos-runtime is every container's runtime here: without a GPU they must start all the same, and an\n" \
	"# image must not take GPUs by its environment alone.\n" \
	"no-gpu=ignore\n" \
	"accept-environment=privileged\n"

struct options {
	const char *name, *file;
	bool set_default, cdi, dry_run, remove;
};

/* One call at work: what it reads, and what it has to tell. */
struct job {
	struct cli *cli;
	const struct engine *engine;
	struct options opt;
	struct arena arena;
	int rootfd;
	struct engine_plan plan;
	struct rootfile drop_in;
	const char *config; /* --config as the host sees it, or NULL */
	const char *alias;  /* path of the hook's alias; NULL: left alone */
	bool alias_there;
	struct strlist done;
};

static void job_init(struct job *j, struct cli *cli)
{
	*j = (struct job){ .cli = cli, .rootfd = -EBADF };
}

static void job_free(struct job *j)
{
	fd_close(j->rootfd);
	engine_plan_free(&j->plan);
	rootfile_free(&j->drop_in);
	arena_free(&j->arena);
}

static int parse_options(struct job *j, int argc, char **argv, struct err *err)
{
	static const struct option longs[] = {
		{ "name", required_argument, NULL, 'n' }, { "set-as-default", no_argument, NULL, 's' },
		{ "cdi", no_argument, NULL, 'c' },	  { "engine-config", required_argument, NULL, 'e' },
		{ "dry-run", no_argument, NULL, 'd' },	  { "remove", no_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },	  { 0 },
	};
	struct options *o = &j->opt;
	int c;

	o->name = "nvcoreos";
	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'n':
			o->name = optarg;
			break;
		case 's':
			o->set_default = true;
			break;
		case 'c':
			o->cdi = true;
			break;
		case 'e':
			o->file = optarg;
			break;
		case 'd':
			o->dry_run = true;
			break;
		case 'r':
			o->remove = true;
			break;
		case 'j':
			j->cli->json = true;
			break;
		default:
			err_set(err, ERR_USAGE, 0, "configure: %s", argv[optind - 1]);
			return -EINVAL;
		}
	}
	if (argc - optind != 1) {
		err_set(err, ERR_USAGE, 0, "configure: %s", optind < argc ? argv[optind + 1] : "no engine");
		err_hint(err, "nvcoreos configure ENGINE; engines are: %s", engine_names());
		return -EINVAL;
	}
	j->engine = engine_find(argv[optind]);
	if (j->engine)
		return 0;
	err_set(err, ERR_USAGE, 0, "configure: engine %s", argv[optind]);
	return err_hint(err, "engines are: %s", engine_names());
}

static int check_options(const struct job *j, struct err *err)
{
	const struct options *o = &j->opt;

	if (!j->engine->name_ok(o->name)) {
		err_set(err, ERR_USAGE, 0, "configure: --name %s", o->name);
		return err_hint(err, "letters, digits and . _ + -; names that engines know by themselves are theirs");
	}
	if (o->remove && o->set_default)
		return err_set(err, ERR_USAGE, 0, "configure: --remove and --set-as-default");
	return 0;
}

/* A daemon starts in /, so what it is told must be absolute. */
static const char *absolute(struct job *j, const char *path, struct err *err)
{
	char cwd[PATH_MAX], norm[PATH_MAX];
	const char *full = path;

	if (path[0] != '/') {
		if (!getcwd(cwd, sizeof(cwd))) {
			err_set(err, ERR_IO, errno, "%s", path);
			return NULL;
		}
		full = arena_printf(&j->arena, "%s/%s", cwd, path);
	}
	if (path_normalize(full, norm, sizeof(norm)) < 0) {
		err_set(err, ERR_USAGE, ENAMETOOLONG, "%s", path);
		return NULL;
	}
	return arena_strdup(&j->arena, norm);
}

/* --config is a path of this machine; on the other host that --root names it is one below that root. */
static const char *inside_root(struct job *j, const char *path)
{
	char root[PATH_MAX];

	if (*j->cli->root && path_normalize(j->cli->root, root, sizeof(root)) == 0 && path_is_below(path, root) &&
	    root[1])
		return arena_strdup(&j->arena, path[strlen(root)] ? path + strlen(root) : "/");
	return path;
}

/* Root's file, or what an engine that runs without root reads. */
static const char *engine_file_path(struct job *j)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (j->opt.file)
		return j->opt.file;
	if (*j->cli->root || geteuid() == 0 || !j->engine->user_file)
		return j->engine->file;
	if (config && *config)
		return arena_printf(&j->arena, "%s/%s", config, j->engine->user_file);
	return home && *home ? arena_printf(&j->arena, "%s/.config/%s", home, j->engine->user_file) : j->engine->file;
}

static int find_config(struct job *j, struct err *err)
{
	const char *conf;

	if (!j->cli->conf.file)
		return 0;
	conf = absolute(j, j->cli->conf.file, err);
	if (!conf)
		return -EINVAL;
	conf = inside_root(j, conf);
	if (!j->engine->takes_options && str_eq(conf, CONF))
		return 0;
	j->config = conf;
	if (j->engine->takes_options || j->opt.remove)
		return 0;
	err_set(err, ERR_USAGE, 0, "configure: --config %s", conf);
	return err_hint(err, "%s hands a runtime no options: it would read " CONF, j->engine->name);
}

static int read_drop_in(struct job *j, struct err *err)
{
	bool docker = j->engine == &engine_docker;

	j->rootfd = rootfile_open_root(j->cli->root, err);
	if (j->rootfd < 0)
		return j->rootfd;
	return rootfile_read(j->rootfd,
			     arena_printf(&j->arena, "%s" DROP_IN "%s%s.conf", j->config ? j->config : CONF,
					  docker ? "" : "-", docker ? "" : j->engine->name),
			     ERR_IO, &j->drop_in, err);
}

/* The default-runtime that the drop-in remembers, or NULL. */
static const char *remembered(struct job *j)
{
	const char *line = j->drop_in.text.buf ? strstr(j->drop_in.text.buf, DROP_IN_OLD) : NULL;

	if (!line)
		return NULL;
	line += strlen(DROP_IN_OLD);
	return arena_strndup(&j->arena, line, strcspn(line, "\n"));
}

static int make_plan(struct job *j, struct err *err)
{
	struct engine_ask ask = {
		.arena = &j->arena,
		.rootfd = j->rootfd,
		.file = absolute(j, engine_file_path(j), err),
		.name = j->opt.name,
		.path = RUNTIME,
		.config = j->config,
		.old_default = remembered(j),
		.set_default = j->opt.set_default,
		.cdi = j->opt.cdi,
		.remove = j->opt.remove,
	};

	return ask.file ? j->engine->plan(&ask, &j->plan, err) : -EINVAL;
}

static void note(struct job *j, struct strlist *l, const char *what, const char *path)
{
	strlist_add(&j->arena, l, arena_printf(&j->arena, "%s %s", what, path));
}

/* What the drop-in is to hold: NULL where it stays as it is, "" where it goes. */
static const char *drop_in_text(struct job *j)
{
	const char *head = arena_printf(&j->arena, DROP_IN_HEAD, j->engine->name);
	const char *old = j->plan.was_default ? remembered(j) : j->plan.old_default;

	if (!(j->opt.remove ? j->drop_in.exists && !j->plan.is_default : j->opt.set_default))
		return NULL;
	if (j->drop_in.exists && !str_starts(j->drop_in.text.buf ? j->drop_in.text.buf : "", head)) {
		note(j, &j->plan.warnings, "left as it is, for it was changed by hand:", j->drop_in.path);
		return NULL;
	}
	if (j->opt.remove)
		return "";
	return arena_printf(&j->arena, "%s%s%s%s" DROP_IN_TEXT, head, old ? "# Docker's " DROP_IN_OLD : "",
			    old ? old : "", old ? "\n" : "");
}

static int change_drop_in(struct job *j, struct err *err)
{
	const char *text = drop_in_text(j);
	cleanup_strbuf struct strbuf b = STRBUF_INIT;

	if (!text || (j->drop_in.exists && *text && j->drop_in.text.buf && str_eq(text, j->drop_in.text.buf)))
		return 0;
	note(j, &j->done, *text ? "write" : "remove", j->drop_in.path);
	if (j->opt.dry_run)
		return 0;
	if (!*text)
		return rootfile_remove(j->rootfd, j->drop_in.path, err);
	strbuf_puts(&b, text);
	if (rootfile_write(j->rootfd, &j->drop_in, &b, err) == 0)
		return 0;
	return err->errnum == EACCES && j->engine->takes_options
		       ? err_hint(err, "as root, or with --config and a file of your own")
		       : -err->errnum;
}

static int change_files(struct job *j, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < j->plan.n; i++) {
		const struct engine_file *f = &j->plan.files[i];

		if (!engine_file_changes(f))
			continue;
		note(j, &j->done, f->there ? "write" : "remove", f->was.path);
		if (j->opt.dry_run)
			continue;
		r = f->there ? rootfile_write(j->rootfd, &f->was, &f->text, err)
			     : rootfile_remove(j->rootfd, f->was.path, err);
	}
	return r;
}

/*
 * dockerd looks for the alias when it starts, in the PATH that systemd gives it. Where another program has the
 * name it is NVIDIA's own: ours in front of it would take --gpus away from it.
 */
static void find_alias(struct job *j)
{
	static const char *const dirs[] = { "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin",
					    "/sbin",	       "/bin",		 "/opt/bin" };
	const char *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		const char *path = arena_printf(&j->arena, "%s/" ALIAS, dirs[i]);
		cleanup_free char *target = rootfile_target(j->rootfd, path);

		if (!target)
			continue;
		if (!str_eq(target, HOOK)) {
			if (!j->opt.remove)
				note(j, &j->plan.warnings, "left as it is, and what `docker run --gpus` uses:", path);
			return;
		}
		if (!found)
			found = path;
	}
	j->alias_there = found;
	j->alias = found					    ? found
		   : rootfile_can_make(j->rootfd, "/usr/local/bin") ? "/usr/local/bin/" ALIAS
								    : "/opt/bin/" ALIAS;
}

static int change_alias(struct job *j, struct err *err)
{
	/* It serves every runtime of ours. */
	if (!j->engine->wants_alias || (j->opt.remove && j->plan.has_ours))
		return 0;
	find_alias(j);
	if (!j->alias || j->alias_there != j->opt.remove)
		return 0;
	/* A user's own engine works without, but for --gpus. */
	if (geteuid() != 0 && !rootfile_can_make(j->rootfd, j->opt.remove ? j->alias : "/opt/bin")) {
		note(j, &j->plan.warnings, "only root can do it, and `docker run --gpus` needs it: link to " HOOK ":",
		     j->alias);
		return 0;
	}
	note(j, &j->done, j->opt.remove ? "remove" : "link", j->alias);
	if (j->opt.dry_run)
		return 0;
	return j->opt.remove ? rootfile_remove(j->rootfd, j->alias, err)
			     : rootfile_link(j->rootfd, j->alias, HOOK, err);
}

/*
 * A runtime that is missing is a failing container; a default-runtime that is missing is a dockerd that does
 * not start.
 */
static int check_installed(struct job *j, struct err *err)
{
	cleanup_fd int fd = path_open(j->rootfd, RUNTIME, O_PATH);

	if (fd >= 0 || j->opt.remove)
		return 0;
	if (j->opt.set_default && !j->opt.dry_run) {
		err_set(err, ERR_ENGINE, -fd, "default runtime %s", RUNTIME);
		return err_hint(err, "install nvcoreos first: no container would start");
	}
	note(j, &j->plan.warnings, "not installed yet:", RUNTIME);
	return 0;
}

/* An order in which no moment is worse than before: never the default runtime without no-gpu=ignore. */
static int change(struct job *j, struct err *err)
{
	int r = j->opt.remove ? change_files(j, err) : change_drop_in(j, err);

	if (r == 0)
		r = j->opt.remove ? change_drop_in(j, err) : change_files(j, err);
	if (r == 0)
		r = change_alias(j, err);
	return r;
}

/* Root's engine, or the user's own where the user calls. */
static const char *next_step(struct job *j)
{
	const char *user = *j->engine->restart && geteuid() != 0 && !*j->cli->root ? "systemctl --user" : NULL;

	if (!j->done.n)
		return "";
	return user ? arena_printf(&j->arena, "%s%s", user, j->engine->restart + strlen("systemctl"))
		    : j->engine->restart;
}

static void show_next(struct job *j)
{
	if (!j->done.n)
		printf("nothing to change in %s\n", j->plan.files[0].was.path);
	else if (j->opt.dry_run)
		printf("nothing was changed (--dry-run)\n");
	else if (!*j->engine->restart)
		printf("%s reads it at its next call\n", j->engine->name);
	else if (j->engine->wants_alias)
		printf("next: %s (a reload is enough for --runtime=%s; --gpus needs the restart)\n", next_step(j),
		       j->opt.name);
	else
		printf("next: %s\n", next_step(j));
}

static void show_text(struct job *j, const char *diff)
{
	for (size_t i = 0; i < j->plan.warnings.n; i++)
		fprintf(stderr, "nvcoreos: %s\n", j->plan.warnings.v[i]);
	if (j->cli->quiet)
		return;
	fputs(diff, stdout);
	for (size_t i = 0; i < j->done.n; i++)
		printf("%s%s\n", j->opt.dry_run ? "would " : "", j->done.v[i]);
	for (size_t i = 0; i < j->plan.notes.n; i++)
		printf("note: %s\n", j->plan.notes.v[i]);
	show_next(j);
}

static void add_list(struct json *out, const char *key, const struct strlist *l)
{
	struct json *a = json_new_array();

	for (size_t i = 0; i < l->n; i++)
		json_append(a, json_new_string(l->v[i]));
	json_set(out, key, a);
}

static void show_json(struct job *j, const char *diff)
{
	cleanup_json struct json *out = json_new_object();
	cleanup_free char *text = NULL;

	json_set_str(out, "engine", j->engine->name);
	json_set_str(out, "file", j->plan.files[0].was.path);
	json_set_bool(out, "dryRun", j->opt.dry_run);
	json_set_bool(out, "changed", j->done.n && !j->opt.dry_run);
	json_set_str(out, "diff", diff);
	add_list(out, "actions", &j->done);
	add_list(out, "notes", &j->plan.notes);
	add_list(out, "warnings", &j->plan.warnings);
	json_set_str(out, "next", next_step(j));
	text = json_dump(out, 2);
	puts(text);
}

static void show(struct job *j)
{
	cleanup_strbuf struct strbuf diff = STRBUF_INIT;

	for (size_t i = 0; i < j->plan.n; i++) {
		const struct engine_file *f = &j->plan.files[i];
		struct strbuf none = STRBUF_INIT;

		if (engine_file_changes(f))
			textdiff_unified(&diff, f->was.exists ? f->was.path : "/dev/null", &f->was.text,
					 f->there ? f->was.path : "/dev/null", f->there ? &f->text : &none);
	}
	if (j->cli->json)
		show_json(j, diff.buf ? diff.buf : "");
	else
		show_text(j, diff.buf ? diff.buf : "");
}

int verb_configure(struct cli *cli, int argc, char **argv, struct err *err)
{
	cleanup(job_free) struct job j;
	int r;

	job_init(&j, cli);
	r = parse_options(&j, argc, argv, err);
	if (r == 0)
		r = check_options(&j, err);
	if (r == 0)
		r = find_config(&j, err);
	if (r == 0)
		r = read_drop_in(&j, err);
	if (r == 0)
		r = make_plan(&j, err);
	if (r == 0)
		r = check_installed(&j, err);
	if (r == 0)
		r = change(&j, err);
	if (r < 0)
		return r;
	show(&j);
	return 0;
}
