/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos plan: what a container would get and why; changes nothing. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "apply/prepare.h"
#include "base/fd.h"
#include "base/mem.h"
#include "cdigen.h"
#include "cdispec.h"
#include "cli.h"
#include "host/hostroot.h"
#include "oci/json.h"
#include "oci/request.h"
#include "oci/spec.h"
#include "plan/cdi_plan.h"
#include "plan/render.h"

struct options {
	const char *bundle, *rootfs;
	const char *format; /* of --cdi: "yaml" or "json" */
	bool env;	    /* at least one --env */
	bool cdi;
	struct spec spec;
};

static int take_option(struct cli *cli, struct options *o, int c, const char *word, struct err *err)
{
	switch (c) {
	case 'e':
		if (!strchr(optarg, '='))
			return err_set(err, ERR_USAGE, 0, "--env %s: KEY=VALUE is needed", optarg);
		spec_add_env(&o->spec, optarg);
		o->env = true;
		return 0;
	case 'r':
		o->rootfs = optarg;
		return 0;
	case 'j':
		cli->json = true;
		return 0;
	case 'c':
		o->cdi = true;
		return 0;
	case 'f':
		o->format = optarg;
		return 0;
	default:
		return err_set(err, ERR_USAGE, 0, "%s", word);
	}
}

static int read_options(struct cli *cli, int argc, char **argv, struct options *o, struct err *err)
{
	static const struct option longs[] = {
		{ "env", required_argument, NULL, 'e' },    { "rootfs", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },	    { "cdi", no_argument, NULL, 'c' },
		{ "format", required_argument, NULL, 'f' }, { NULL, 0, NULL, 0 },
	};
	int c, r = 0;

	opterr = 0;
	optind = 0;
	while (r == 0 && (c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		r = take_option(cli, o, c, argv[optind - 1], err);
	if (r < 0)
		return r;
	if (o->format && (!o->cdi || (!str_eq(o->format, "yaml") && !str_eq(o->format, "json"))))
		return err_set(err, ERR_USAGE, 0, "--format %s: give yaml or json, with --cdi", o->format);
	if (argc - optind > 1)
		return err_set(err, ERR_USAGE, 0, "%s", argv[optind + 1]);
	o->bundle = optind < argc ? argv[optind] : NULL;
	if (o->bundle && (o->env || o->rootfs))
		return err_set(err, ERR_USAGE, 0, "give a bundle, or --env and --rootfs");
	if (!o->bundle && !o->env)
		return err_set(err, ERR_USAGE, 0, "give a bundle or --env KEY=VALUE");
	return 0;
}

static int read_bundle(struct options *o, int *ret_root, struct err *err)
{
	cleanup_fd int bundle = fd_open_dir(o->bundle);
	cleanup_free char *text = NULL;
	size_t len;
	int r;

	if (bundle < 0)
		return err_set(err, ERR_BUNDLE, -bundle, "%s", o->bundle);
	r = spec_read_file(bundle, &text, &len, err);
	if (r < 0)
		return r;
	spec_free(&o->spec);
	r = spec_parse(&o->spec, text, len, err);
	if (r < 0)
		return r;
	/* A root that is not there yet, or gone, is no error: the plan is then made from config.json alone. */
	if (o->spec.root_path)
		*ret_root = openat(bundle, o->spec.root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return 0;
}

static int open_input(struct options *o, int *ret_root, struct err *err)
{
	if (o->bundle)
		return read_bundle(o, ret_root, err);
	if (!o->rootfs)
		return 0;
	*ret_root = open(o->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *ret_root < 0 ? err_set(err, ERR_ROOTFS, errno, "%s", o->rootfs) : 0;
}

static int show_nothing(const struct cli *cli, const struct options *opts, const char *why, struct err *err)
{
	cleanup_json struct json *o = NULL;
	cleanup_free char *text = NULL;

	/* A specification without edits is none: engines refuse it. */
	if (opts->cdi) {
		err_set(err, ERR_VALUE, 0, "no edits: the container would be left alone: %s", why);
		return err_hint(err, "give a container that asks for a GPU");
	}
	if (!cli->json) {
		printf("The container would be left alone: %s.\n", why);
		return 0;
	}
	o = json_new_object();
	json_set_bool(o, "wanted", false);
	json_set_str(o, "why", why);
	text = json_dump(o, 2);
	printf("%s\n", text);
	return 0;
}

static int render_cdi(const struct cli *cli, const struct options *o, const struct plan *plan, struct strbuf *out,
		      struct err *err)
{
	cleanup_free char *config_file = NULL;
	struct cdi_plan_input in = {
		.plan = plan,
		.conf = &cli->conf,
		.dev_root = cdigen_inside_root(cli, cli->conf.dev_root),
		.root = cli->root,
		.library_path = spec_env(&o->spec, "LD_LIBRARY_PATH"),
	};
	cleanup_json struct json *doc = NULL;
	bool yaml = o->format ? str_eq(o->format, "yaml") : !cli->json;
	int r = cdigen_config_file(cli, &config_file, err);

	if (r < 0)
		return r;
	in.config_file = config_file;
	doc = cdi_plan_make(&in);
	return cdispec_text(doc, yaml, out, err);
}

static int render(const struct cli *cli, const struct options *o, const struct plan *plan, struct strbuf *out,
		  struct err *err)
{
	if (o->cdi)
		return render_cdi(cli, o, plan, out, err);
	if (cli->json)
		render_json(plan, out);
	else
		render_text(plan, out);
	return 0;
}

static int show_plan(struct cli *cli, const struct options *o, const struct request *req, int rootfd, struct err *err)
{
	cleanup_hostroot struct hostroot host = HOSTROOT_INIT;
	cleanup_strbuf struct strbuf out = STRBUF_INIT;
	struct prepared prepared = { .has_toolkit = false };
	struct prepare_input in = {
		.conf = &cli->conf,
		.host = &host,
		.spec = &o->spec,
		.request = req,
		.rootfd = rootfd,
		.os_root = cli->root,
	};
	int r = hostroot_open(&host, &cli->conf, err);

	if (r < 0)
		return r;
	r = prepare_plan(&prepared, &in, err);
	if (r == 0 && prepared.no_gpu_ignored)
		r = show_nothing(cli, o, "this host has no GPU, and no-gpu=ignore", err);
	else if (r == 0)
		r = render(cli, o, &prepared.plan, &out, err);
	if (out.buf)
		fwrite(out.buf, 1, out.len, stdout);
	prepare_free(&prepared);
	return r;
}

int verb_plan(struct cli *cli, int argc, char **argv, struct err *err)
{
	cleanup_fd int rootfd = -EBADF;
	struct options o = { .bundle = NULL };
	struct request req = { .wanted = false };
	int r;

	spec_init(&o.spec);
	r = read_options(cli, argc, argv, &o, err);
	if (r == 0)
		r = open_input(&o, &rootfd, err);
	if (r == 0 && o.spec.by_cdi)
		r = request_from_engine(&req, &o.spec, &cli->conf, err);
	else if (r == 0)
		r = request_parse(&req, &o.spec, &cli->conf, err);
	if (r == 0 && !req.wanted)
		r = show_nothing(cli, &o, req.why_not ? req.why_not : "it asks for no GPU and no driver", err);
	else if (r == 0)
		r = show_plan(cli, &o, &req, rootfd, err);
	request_free(&req);
	spec_free(&o.spec);
	return r;
}
