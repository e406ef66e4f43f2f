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
#include "engine_docker.h"
#include "oci/json.h"
#include "rootfile.h"
#include "textdiff.h"

#define RUNTIME NVCOREOS_PREFIX "/bin/nvcoreos-runtime"
#define HOOK NVCOREOS_PREFIX "/bin/nvcoreos-hook"
#define ALIAS "nvidia-container-runtime-hook"
#define DROP_IN ".d/50-default-runtime.conf"
#define DROP_IN_HEAD "# Written by 'nvcoreos configure docker --set-as-default'; '--remove' takes it away again.\n"
#define DROP_IN_OLD "# Docker's default-runtime before: "
#define DROP_IN_TEXT \
	"# nvcoreos-runtime is every container's runtime here: without a GPU they must start all the same.\n" \
	"no-gpu=ignore\n"

struct options {
	const char *engine, *name, *file;
	bool set_default, cdi, dry_run, remove;
};

/* One call at work: what it reads, and what it has to tell. */
struct job {
	struct cli *cli;
	struct options opt;
	struct arena arena;
	int rootfd;
	struct rootfile file, drop_in;
	struct strbuf text; /* of the engine's file afterwards */
	const char *config; /* --config as the host sees it, or NULL */
	const char *alias;  /* path of the hook's alias; NULL: left alone */
	bool alias_there;
	struct strlist done, warnings;
};

static void job_init(struct job *j, struct cli *cli)
{
	*j = (struct job){ .cli = cli, .rootfd = -EBADF, .text = STRBUF_INIT };
}

static void job_free(struct job *j)
{
	fd_close(j->rootfd);
	rootfile_free(&j->file);
	rootfile_free(&j->drop_in);
	strbuf_free(&j->text);
	arena_free(&j->arena);
}

static int parse_options(struct cli *cli, struct options *o, int argc, char **argv, struct err *err)
{
	static const struct option longs[] = {
		{ "name", required_argument, NULL, 'n' }, { "set-as-default", no_argument, NULL, 's' },
		{ "cdi", no_argument, NULL, 'c' },	  { "engine-config", required_argument, NULL, 'e' },
		{ "dry-run", no_argument, NULL, 'd' },	  { "remove", no_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },	  { 0 },
	};
	int c;

	*o = (struct options){ .name = "nvcoreos", .file = ENGINE_DOCKER_FILE };
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
			cli->json = true;
			break;
		default:
			err_set(err, ERR_USAGE, 0, "configure: %s", argv[optind - 1]);
			return -EINVAL;
		}
	}
	if (argc - optind != 1) {
		err_set(err, ERR_USAGE, 0, "configure: %s", optind < argc ? argv[optind + 1] : "no engine");
		err_hint(err, "nvcoreos configure docker");
		return -EINVAL;
	}
	o->engine = argv[optind];
	return 0;
}

static int check_options(const struct options *o, struct err *err)
{
	if (!str_eq(o->engine, "docker")) {
		err_set(err, ERR_USAGE, 0, "configure: engine %s", o->engine);
		return err_hint(err, "this version configures: docker");
	}
	if (!engine_docker_name_ok(o->name)) {
		err_set(err, ERR_USAGE, 0, "configure: --name %s", o->name);
		return err_hint(err, "letters, digits and . _ + -; Docker keeps runc and io.containerd.* for itself");
	}
	if (o->remove && o->set_default)
		return err_set(err, ERR_USAGE, 0, "configure: --remove and --set-as-default");
	return 0;
}

/* dockerd starts in /, so what it is told must be absolute. */
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

static int read_files(struct job *j, struct err *err)
{
	const char *conf = NVCOREOS_SYSCONFDIR "/nvcoreos/nvcoreos.conf";
	const char *file = absolute(j, j->opt.file, err);
	int r;

	if (!file)
		return -EINVAL;
	if (j->cli->conf.file) {
		conf = absolute(j, j->cli->conf.file, err);
		if (!conf)
			return -EINVAL;
		conf = j->config = inside_root(j, conf);
	}
	j->rootfd = rootfile_open_root(j->cli->root, err);
	if (j->rootfd < 0)
		return j->rootfd;
	r = rootfile_read(j->rootfd, file, ERR_ENGINE, &j->file, err);
	if (r < 0)
		return r;
	return rootfile_read(j->rootfd, arena_printf(&j->arena, "%s" DROP_IN, conf), ERR_IO, &j->drop_in, err);
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

static int edit(struct job *j, struct err *err)
{
	struct engine_docker e = {
		.file = j->file.path,
		.name = j->opt.name,
		.path = RUNTIME,
		.config = j->config,
		.set_default = j->opt.set_default,
		.cdi = j->opt.cdi,
	};

	if (j->file.exists)
		strbuf_add(&j->text, j->file.text.buf, j->file.text.len);
	if (!j->opt.remove) {
		if (!j->file.exists)
			strbuf_puts(&j->text, ENGINE_DOCKER_NEW);
		return engine_docker_add(&j->text, &e, err);
	}
	e.old_default = remembered(j);
	return engine_docker_remove(&j->text, &e, err);
}

/* Whether the engine's file goes away altogether. */
static bool file_goes(const struct job *j)
{
	return j->opt.remove && j->file.exists && j->text.len && str_eq(j->text.buf, ENGINE_DOCKER_NEW);
}

static bool file_changes(const struct job *j)
{
	return file_goes(j) || j->text.len != j->file.text.len ||
	       (j->text.len && memcmp(j->text.buf, j->file.text.buf, j->text.len) != 0);
}

static void note(struct job *j, struct strlist *l, const char *what, const char *path)
{
	strlist_add(&j->arena, l, arena_printf(&j->arena, "%s %s", what, path));
}

/* What the drop-in is to hold: NULL where it stays as it is, "" where it goes. */
static const char *drop_in_text(struct job *j)
{
	bool was_ours, is_ours;
	cleanup_free char *before = engine_docker_default(&j->file.text, &was_ours);
	cleanup_free char *after = engine_docker_default(&j->text, &is_ours);
	const char *old = was_ours ? remembered(j) : before;

	if (!(j->opt.remove ? j->drop_in.exists && !is_ours : j->opt.set_default))
		return NULL;
	if (j->drop_in.exists && !str_starts(j->drop_in.text.buf ? j->drop_in.text.buf : "", DROP_IN_HEAD)) {
		note(j, &j->warnings, "left as it is, for it was changed by hand:", j->drop_in.path);
		return NULL;
	}
	if (j->opt.remove)
		return "";
	return arena_printf(&j->arena, DROP_IN_HEAD "%s%s%s" DROP_IN_TEXT, old ? DROP_IN_OLD : "", old ? old : "",
			    old ? "\n" : "");
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
	return rootfile_write(j->rootfd, &j->drop_in, &b, err);
}

static int change_file(struct job *j, struct err *err)
{
	if (!file_changes(j))
		return 0;
	note(j, &j->done, file_goes(j) ? "remove" : "write", j->file.path);
	if (j->opt.dry_run)
		return 0;
	return file_goes(j) ? rootfile_remove(j->rootfd, j->file.path, err)
			    : rootfile_write(j->rootfd, &j->file, &j->text, err);
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
				note(j, &j->warnings, "left as it is, and what `docker run --gpus` uses:", path);
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
	if (j->opt.remove && engine_docker_has_ours(&j->text))
		return 0;
	find_alias(j);
	if (!j->alias || j->alias_there != j->opt.remove)
		return 0;
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
		err_set(err, ERR_ENGINE, -fd, "default-runtime %s", RUNTIME);
		return err_hint(err, "install nvcoreos first: dockerd would not start");
	}
	note(j, &j->warnings, "not installed yet:", RUNTIME);
	return 0;
}

/* An order in which no moment is worse than before: never the default runtime without no-gpu=ignore. */
static int change(struct job *j, struct err *err)
{
	int r = j->opt.remove ? change_file(j, err) : change_drop_in(j, err);

	if (r == 0)
		r = j->opt.remove ? change_drop_in(j, err) : change_file(j, err);
	if (r == 0)
		r = change_alias(j, err);
	return r;
}

static const char *next_step(const struct job *j)
{
	return j->done.n ? "systemctl restart docker" : "";
}

static void show_text(const struct job *j, const char *diff)
{
	for (size_t i = 0; i < j->warnings.n; i++)
		fprintf(stderr, "nvcoreos: %s\n", j->warnings.v[i]);
	if (j->cli->quiet)
		return;
	fputs(diff, stdout);
	for (size_t i = 0; i < j->done.n; i++)
		printf("%s%s\n", j->opt.dry_run ? "would " : "", j->done.v[i]);
	if (!j->done.n)
		printf("nothing to change in %s\n", j->file.path);
	else if (j->opt.dry_run)
		printf("nothing was changed (--dry-run)\n");
	else
		printf("next: %s (a reload is enough for --runtime=%s; --gpus needs the restart)\n", next_step(j),
		       j->opt.name);
}

static void add_list(struct json *out, const char *key, const struct strlist *l)
{
	struct json *a = json_new_array();

	for (size_t i = 0; i < l->n; i++)
		json_append(a, json_new_string(l->v[i]));
	json_set(out, key, a);
}

static void show_json(const struct job *j, const char *diff)
{
	cleanup_json struct json *out = json_new_object();
	cleanup_free char *text = NULL;

	json_set_str(out, "engine", j->opt.engine);
	json_set_str(out, "file", j->file.path);
	json_set_bool(out, "dryRun", j->opt.dry_run);
	json_set_bool(out, "changed", j->done.n && !j->opt.dry_run);
	json_set_str(out, "diff", diff);
	add_list(out, "actions", &j->done);
	add_list(out, "warnings", &j->warnings);
	json_set_str(out, "next", next_step(j));
	text = json_dump(out, 2);
	puts(text);
}

static void show(const struct job *j)
{
	cleanup_strbuf struct strbuf diff = STRBUF_INIT;
	struct strbuf none = STRBUF_INIT;

	textdiff_unified(&diff, j->file.exists ? j->file.path : "/dev/null", &j->file.text,
			 file_goes(j) ? "/dev/null" : j->file.path, file_goes(j) ? &none : &j->text);
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
	r = parse_options(cli, &j.opt, argc, argv, err);
	if (r == 0)
		r = check_options(&j.opt, err);
	if (r == 0)
		r = read_files(&j, err);
	if (r == 0)
		r = edit(&j, err);
	if (r == 0)
		r = check_installed(&j, err);
	if (r == 0)
		r = change(&j, err);
	if (r < 0)
		return r;
	show(&j);
	return 0;
}
