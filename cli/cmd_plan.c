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
#include "cli.h"
#include "host/hostroot.h"
#include "oci/json.h"
#include "oci/request.h"
#include "oci/spec.h"
#include "plan/render.h"

struct options {
	const char *bundle, *rootfs;
	bool env; /* at least one --env */
	struct spec spec;
};

static int read_options(struct cli *cli, int argc, char **argv, struct options *o, struct err *err)
{
	static const struct option longs[] = {
		{ "env", required_argument, NULL, 'e' },
		{ "rootfs", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'e' && !strchr(optarg, '='))
			return err_set(err, ERR_USAGE, 0, "--env %s: KEY=VALUE is needed", optarg);
		if (c == 'e') {
			spec_add_env(&o->spec, optarg);
			o->env = true;
		} else if (c == 'r') {
			o->rootfs = optarg;
		} else if (c == 'j') {
			cli->json = true;
		} else {
			return err_set(err, ERR_USAGE, 0, "%s", argv[optind - 1]);
		}
	}
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

static void show_nothing(const struct cli *cli, const char *why)
{
	cleanup_json struct json *o = NULL;
	cleanup_free char *text = NULL;

	if (!cli->json) {
		printf("The container would be left alone: %s.\n", why);
		return;
	}
	o = json_new_object();
	json_set_bool(o, "wanted", false);
	json_set_str(o, "why", why);
	text = json_dump(o, 2);
	printf("%s\n", text);
}

static int show_plan(struct cli *cli, const struct spec *spec, const struct request *req, int rootfd, struct err *err)
{
	cleanup_hostroot struct hostroot host = HOSTROOT_INIT;
	cleanup_strbuf struct strbuf out = STRBUF_INIT;
	struct prepared prepared = { .has_toolkit = false };
	struct prepare_input in = {
		.conf = &cli->conf,
		.host = &host,
		.spec = spec,
		.request = req,
		.rootfd = rootfd,
		.os_root = cli->root,
	};
	int r = hostroot_open(&host, &cli->conf, err);

	if (r < 0)
		return r;
	r = prepare_plan(&prepared, &in, err);
	if (r == 0 && prepared.no_gpu_ignored) {
		show_nothing(cli, "this host has no GPU, and no-gpu=ignore");
	} else if (r == 0) {
		if (cli->json)
			render_json(&prepared.plan, &out);
		else
			render_text(&prepared.plan, &out);
		fwrite(out.buf, 1, out.len, stdout);
	}
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
		show_nothing(cli, req.why_not ? req.why_not : "it asks for no GPU and no driver");
	else if (r == 0)
		r = show_plan(cli, &o.spec, &req, rootfd, err);
	request_free(&req);
	spec_free(&o.spec);
	return r;
}
