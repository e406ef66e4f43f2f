/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos cdi: writes this host's CDI specification, shows what all of them name, and holds them against the host. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "cdifile.h"
#include "cdigen.h"
#include "cdispec.h"
#include "cli.h"
#include "oci/json.h"
#include "rootfile.h"

struct options {
	struct arena arena;
	const char *output, *format;
	struct cdigen gen;
	struct strlist dirs;
};

static int add_strategy(struct cdigen *g, const char *word, struct err *err)
{
	enum cdi_strategy s;

	if (!cdi_strategy_from_word(word, &s)) {
		err_set(err, ERR_USAGE, 0, "--device-name-strategy %s", word);
		return err_hint(err, "give index, uuid or type-index");
	}
	for (size_t i = 0; i < g->n_strategies; i++)
		if (g->strategies[i] == s)
			return 0;
	g->strategies[g->n_strategies++] = s;
	return 0;
}

/* Several in one word, too, as NVIDIA's tool takes them. */
static int add_strategies(struct options *o, const char *value, struct err *err)
{
	struct strlist words = { NULL, 0 };
	int r = 0;

	strlist_split(&o->arena, &words, value, ",", true);
	for (size_t i = 0; r == 0 && i < words.n; i++)
		r = add_strategy(&o->gen, words.v[i], err);
	return r;
}

static int take_option(struct options *o, struct cli *cli, int c, const char *word, struct err *err)
{
	switch (c) {
	case 'o':
		o->output = optarg;
		return 0;
	case 'f':
		o->format = optarg;
		return 0;
	case 'v':
		o->gen.vendor = optarg;
		return 0;
	case 'c':
		o->gen.class = optarg;
		return 0;
	case 'n':
		return add_strategies(o, optarg, err);
	case 'd':
		strlist_add(&o->arena, &o->dirs, optarg);
		return optarg[0] == '/' ? 0
					: err_set(err, ERR_USAGE, 0, "--spec-dir %s: give an absolute path", optarg);
	case 'j':
		cli->json = true;
		return 0;
	default:
		return err_set(err, ERR_USAGE, 0, "cdi %s", word);
	}
}

static int read_options(struct options *o, struct cli *cli, int argc, char **argv, const struct option *longs,
			struct err *err)
{
	int c, r = 0;

	opterr = 0;
	optind = 0;
	while (r == 0 && (c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		r = take_option(o, cli, c, argv[optind - 1], err);
	if (r == 0 && optind < argc)
		r = err_set(err, ERR_USAGE, 0, "cdi %s takes no '%s'", argv[0], argv[optind]);
	return r;
}

/* By --format, else by the file's name; YAML, as NVIDIA's tool, where neither says. */
static int choose_format(const struct options *o, bool *yaml, struct err *err)
{
	if (o->format && !str_eq(o->format, "yaml") && !str_eq(o->format, "json"))
		return err_set(err, ERR_USAGE, 0, "--format %s: give yaml or json", o->format);
	*yaml = !o->format || str_eq(o->format, "yaml");
	if (o->format || !o->output)
		return 0;
	if (cdispec_format(o->output, yaml))
		return 0;
	err_set(err, ERR_USAGE, 0, "--output %s", o->output);
	return err_hint(err, "end the name in .yaml or .json: engines read no other file, or give --format");
}

/* What is not absolute is a file of who calls, and not one below --root: *ret_root is the root that it lies below. */
static int whole_path(const struct cli *cli, const char *path, char **ret, const char **ret_root, struct err *err)
{
	cleanup_free char *cwd = path[0] == '/' ? NULL : getcwd(NULL, 0);

	if (path[0] != '/' && !cwd)
		return err_set(err, ERR_IO, errno, "%s", path);
	*ret = cwd ? mem_printf("%s/%s", cwd, path) : mem_strdup(path);
	*ret_root = cwd ? "" : cli->root;
	return 0;
}

static void tell(const struct cli *cli, const char *path, bool written)
{
	cleanup_json struct json *o = json_new_object();
	cleanup_free char *text = NULL;

	if (!cli->json) {
		if (!cli->quiet)
			printf("%s %s\n", path, written ? "is written" : "is up to date");
		return;
	}
	json_set_str(o, "file", path);
	json_set_bool(o, "written", written);
	text = json_dump(o, 2);
	puts(text);
}

static int output(const struct cli *cli, const char *path, const struct strbuf *text, struct err *err)
{
	cleanup_free char *whole = NULL;
	struct cli here = *cli;
	int r = whole_path(cli, path, &whole, &here.root, err);
	bool yaml;

	if (r == 0)
		r = cdifile_write(&here, whole, text, err);
	if (r < 0)
		return r;
	if (!cdispec_format(whole, &yaml))
		fprintf(stderr, "nvcoreos: %s: engines read no file whose name does not end in .yaml or .json\n", path);
	tell(cli, path, r);
	return 0;
}

static int generate(struct options *o, struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct option longs[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "format", required_argument, NULL, 'f' },
		{ "vendor", required_argument, NULL, 'v' },
		{ "class", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "device-name-strategy", required_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	cleanup_fd int lock = -EBADF;
	bool yaml = true;
	int r = read_options(o, cli, argc, argv, longs, err);

	if (o->output && str_eq(o->output, "-"))
		o->output = NULL;
	if (r == 0 && cli->json && !o->format && !o->output)
		o->format = "json";
	if (r == 0)
		r = choose_format(o, &yaml, err);
	if (r == 0 && o->output) {
		lock = cdifile_lock(cli, err);
		r = lock == -EBADF ? 0 : lock;
	}
	if (r >= 0)
		r = cdigen_text(cli, &o->gen, yaml, &text, err);
	if (r < 0)
		return r;
	if (o->output)
		return output(cli, o->output, &text, err);
	if (text.buf)
		fwrite(text.buf, 1, text.len, stdout);
	return 0;
}

static int read_specs(struct options *o, struct cli *cli, int argc, char **argv, struct cdispec_set *ret, int *ret_root,
		      struct err *err)
{
	static const struct option longs[] = {
		{ "spec-dir", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	int r = read_options(o, cli, argc, argv, longs, err);

	if (r < 0)
		return r;
	if (!o->dirs.n) {
		strlist_add(&o->arena, &o->dirs, CDISPEC_DIR_STATIC);
		strlist_add(&o->arena, &o->dirs, CDISPEC_DIR_DYNAMIC);
	}
	*ret_root = rootfile_open_root(cli->root, err);
	return *ret_root < 0 ? *ret_root : cdispec_read(ret, *ret_root, &o->dirs, err);
}

static void print_json(const char *key, struct json *list)
{
	cleanup_json struct json *o = json_new_object();
	cleanup_free char *text = NULL;

	json_set(o, key, list);
	text = json_dump(o, 2);
	puts(text);
}

static void show_device(const struct cli *cli, const char *name, const char *file, struct json *list)
{
	char safe[1024];

	if (cli->json) {
		struct json *o = json_new_object();

		json_set_str(o, "name", name);
		json_set_str(o, "file", file);
		json_append(list, o);
		return;
	}
	str_escape(file, safe, sizeof(safe));
	printf("%-58s %s\n", name, safe);
}

/* What cannot be read names nothing; `cdi check` says why. */
static int list(struct options *o, struct cli *cli, int argc, char **argv, struct err *err)
{
	cleanup(cdispec_free) struct cdispec_set s = { .n_files = 0 };
	cleanup_fd int rootfd = -EBADF;
	struct json *names;
	int r = read_specs(o, cli, argc, argv, &s, &rootfd, err);

	if (r < 0)
		return r;
	names = json_new_array();
	for (size_t i = 0; i < s.n_files; i++)
		for (size_t k = 0; k < json_len(json_get(s.files[i].doc, "devices")); k++)
			show_device(cli, cdispec_name(&o->arena, s.files[i].doc, k), s.files[i].path, names);
	if (cli->json)
		print_json("devices", names);
	else
		json_free(names);
	return 0;
}

static void show_findings(const struct cli *cli, const struct cdispec_findings *f)
{
	struct json *found = json_new_array();

	for (size_t i = 0; i < f->n; i++) {
		const struct cdispec_finding *x = &f->v[i];
		struct json *o = json_new_object();
		char safe[1024];

		json_set_str(o, "file", x->file);
		if (x->device)
			json_set_str(o, "device", x->device);
		json_set_str(o, "finding", x->what);
		json_append(found, o);
		str_escape(x->file, safe, sizeof(safe));
		if (!cli->json && !cli->quiet)
			printf("%s: %s%s%s\n", safe, x->device ? x->device : "", x->device ? ": " : "", x->what);
	}
	if (cli->json)
		print_json("findings", found);
	else
		json_free(found);
}

static int check(struct options *o, struct cli *cli, int argc, char **argv, struct err *err)
{
	cleanup(cdispec_free) struct cdispec_set s = { .n_files = 0 };
	cleanup(cdispec_findings_free) struct cdispec_findings found = { .n = 0 };
	cleanup_fd int rootfd = -EBADF;
	int r = read_specs(o, cli, argc, argv, &s, &rootfd, err);

	if (r < 0)
		return r;
	cdispec_check(&s, rootfd, &found);
	show_findings(cli, &found);
	if (!found.n)
		return 0;
	err_set(err, ERR_ENGINE, 0, "%s: %s%s%s", found.v[0].file, found.v[0].device ? found.v[0].device : "",
		found.v[0].device ? ": " : "", found.v[0].what);
	return err_hint(err, "write it anew with 'nvcoreos cdi generate', with the tool that made it, or remove it");
}

int verb_cdi(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct {
		const char *word;
		int (*fn)(struct options *, struct cli *, int, char **, struct err *);
	} verbs_of_cdi[] = { { "generate", generate }, { "list", list }, { "check", check } };
	struct options o = { .gen = { .vendor = CDI_VENDOR, .class = CDI_CLASS } };
	const char *word = argc > 1 ? argv[1] : "";
	size_t i = 0;
	int r;

	while (i < ARRAY_SIZE(verbs_of_cdi) && !str_eq(word, verbs_of_cdi[i].word))
		i++;
	if (i < ARRAY_SIZE(verbs_of_cdi)) {
		r = verbs_of_cdi[i].fn(&o, cli, argc - 1, argv + 1, err);
	} else {
		err_set(err, ERR_USAGE, 0, "cdi '%s'", word);
		r = err_hint(err, "give generate, list or check");
	}
	arena_free(&o.arena);
	return r;
}
