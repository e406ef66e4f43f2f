/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos-hook: an OCI hook (prestart, createRuntime) that gives one container what it asked for. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "apply/apply.h"
#include "apply/caps.h"
#include "apply/cgroup.h"
#include "apply/container.h"
#include "apply/filter.h"
#include "apply/load.h"
#include "apply/prepare.h"
#include "base/fd.h"
#include "base/log.h"
#include "cdihook.h"
#include "confine.h"
#include "hook_args.h"
#include "oci/request.h"
#include "oci/scan.h"
#include "oci/spec.h"
#include "oci/state.h"
#include "report.h"

#define PROG REPORT_PROG
/* Seconds for all that is done when the modules are loaded: a machine where a hundred containers start at once must not come near it. */
#define DEADLINE 30

/* All that one run owns. */
struct run {
	struct config conf;
	struct state state;
	struct spec spec;
	struct request request;
	struct hostroot host;
	struct inventory seen; /* of it, before anything of the container's was */
	struct container container;
	struct prepared prepared;
	bool must_load; /* modules are missing */
	char root_path[PATH_MAX];
};

static const char help[] =
	"usage: " PROG " [--config FILE] [--debug FILE] [--cdi] prestart|createRuntime|ldcache|version\n"
	"An OCI hook: reads the container's state on stdin, see the runtime specification.\n";

/* root.path is relative to the bundle where it is not absolute (runtime-spec config.md, root). */
static int find_root(struct run *run, struct err *err)
{
	const char *path = run->spec.root_path;
	int n;

	if (!path || !*path)
		return err_set(err, ERR_SPEC, 0, "root.path is missing");
	if (path[0] == '/')
		n = snprintf(run->root_path, sizeof(run->root_path), "%s", path);
	else
		n = snprintf(run->root_path, sizeof(run->root_path), "%s/%s", run->state.bundle, path);
	return n >= (int)sizeof(run->root_path) ? err_set(err, ERR_SPEC, ENAMETOOLONG, "root.path") : 0;
}

/* The bundle may belong to another user, who need not let root in. */
static int read_bundle(const struct run *run, char **ret_text, size_t *ret_len, struct err *err)
{
	cleanup_fd int bundle = -EBADF;
	int r = caps_raise(CAPS_READ, err);

	if (r < 0)
		return r;
	bundle = fd_open_dir(run->state.bundle);
	if (bundle < 0)
		return err_set(err, ERR_BUNDLE, -bundle, "%s", run->state.bundle);
	r = spec_read_file(bundle, ret_text, ret_len, err);
	return r < 0 ? err_wrap(err, "%s", run->state.bundle) : caps_lower(err);
}

/*
 * What our CDI specification was applied to has its nodes from the engine, and its variables say nothing of devices. Where the
 * shim's entry stands there too (a device plugin may ask both ways), that one does all of it.
 */
static int parse_request(struct run *run, bool cdi, struct err *err)
{
	if (!cdi)
		return request_parse(&run->request, &run->spec, &run->conf, err);
	if (!run->spec.cgroup_by_shim)
		return request_from_engine(&run->request, &run->spec, &run->conf, err);
	run->request.why_not = "asked by CDI, but nvcoreos-runtime serves it already";
	return 0;
}

/* 1: the container asks for a GPU; 0: leave it alone. A configuration that is wrong fails only those who ask. */
static int read_request(struct run *run, bool cdi, int conf_error, const struct err *conf_err, struct err *err)
{
	cleanup_free char *text = NULL;
	size_t len = 0;
	int r = state_read(&run->state, STDIN_FILENO, err);

	if (r == 0)
		r = read_bundle(run, &text, &len, err);
	if (r < 0 || (!cdi && !scan_has_request(text, len)))
		return r;
	if (conf_error < 0) {
		*err = *conf_err;
		return conf_error;
	}
	r = spec_parse(&run->spec, text, len, err);
	if (r == 0)
		r = parse_request(run, cdi, err);
	if (r < 0)
		return r;
	if (run->request.why_not)
		log_info("container %s: %s", run->state.id, run->request.why_not);
	return run->request.wanted && !run->spec.sandbox;
}

static int serve(struct run *run, const struct hook_args *args, struct err *err)
{
	struct prepare_input prepare = { .conf = &run->conf,
					 .host = &run->host,
					 .seen = &run->seen,
					 .spec = &run->spec,
					 .request = &run->request,
					 .os_root = "" };
	struct apply_input apply = { .host = &run->host,
				     .plan = &run->prepared.plan,
				     .facts = &run->prepared.facts,
				     .container = &run->container,
				     .loader_only = args->verb == HOOK_LDCACHE,
				     .last = true };
	int r = find_root(run, err);

	if (r == 0)
		r = container_enter(&run->container, run->state.pid, run->root_path, err);
	if (r < 0)
		return r;
	prepare.rootfd = run->container.rootfd;
	r = caps_raise(CAPS_READ, err);
	if (r == 0)
		r = prepare_plan(&run->prepared, &prepare, err);
	if (r == 0)
		r = caps_lower(err);
	if (r < 0 || run->prepared.no_gpu_ignored)
		return r;
	/* The shim's rules are in config.json already, whichever hook entry started us; and so are the engine's. */
	if (run->conf.device_cgroup && !args->cgroup_by_shim && !run->spec.cgroup_by_shim && !args->cdi &&
	    !apply.loader_only)
		r = cgroup_allow(run->state.pid, run->container.init, run->spec.cgroups_path, &run->prepared.plan, err);
	return r < 0 ? r : apply_plan(&apply, err);
}

/* Past this no program is started any more: neither the right to load modules nor execve is left. */
static int settle(struct err *err)
{
	int r = confine_limits(DEADLINE, err);

	if (r == 0)
		r = caps_keep(CAPS_ALL & ~CAPS_BIT(CAPS_LOAD), err);
	return r < 0 ? r : filter_enter(SECCOMP_HOOK, err);
}

/*
 * Before a byte of the container's is read. Nearly always the modules are loaded, and nothing is to be started; a host that
 * cannot be read now says so to a container that asks.
 */
static int confine(struct run *run, int conf_error, struct err *err)
{
	const char *missing = NULL;
	int r = caps_limit(err);

	if (r < 0)
		return r;
	if (conf_error == 0 && hostroot_open(&run->host, &run->conf, NULL) == 0 &&
	    load_missing(&run->conf, &run->host, &missing, &run->seen, NULL) == 0)
		run->must_load = missing != NULL;
	return run->must_load ? filter_enter(SECCOMP_LOAD, err) : settle(err);
}

static int load(struct run *run, struct err *err)
{
	int r = 0;

	if (run->must_load) {
		inventory_free(&run->seen);
		r = caps_restore(err);
		if (r == 0)
			r = load_ensure(&run->conf, &run->host, err);
		if (r == 0)
			r = settle(err);
		/* It may have made the directories that were not there. */
		hostroot_close(&run->host);
	}
	if (r == 0 && run->host.proc < 0)
		r = hostroot_open(&run->host, &run->conf, err);
	return r;
}

static int hook(struct run *run, const struct hook_args *args, struct err *err)
{
	struct err conf_err = ERR_INIT;
	int conf_error = config_load(&run->conf, args->config, &conf_err), r;

	if (args->debug)
		log_open(PROG, args->debug, LOG_LEVEL_DEBUG);
	else
		log_open(PROG, run->conf.log_file, run->conf.log_level);
	confine_log_opened();
	r = confine(run, conf_error, err);
	if (r == 0)
		r = read_request(run, args->cdi, conf_error, &conf_err, err);
	if (r <= 0)
		return r;
	r = load(run, err);
	return r < 0 ? r : serve(run, args, err);
}

/* Well below what the log cuts off. */
#define LINE_MAX_LEN 2000

/* What was done, or was to be done: in one line, where that is not too long, because each costs. */
static void log_plan(const struct run *run, bool done)
{
	const struct plan *plan = &run->prepared.plan;
	cleanup_strbuf struct strbuf line = STRBUF_INIT;

	strbuf_printf(&line, "container %s: %sdriver %s, %zu mounts, %zu nodes.", run->state.id,
		      done ? "" : "planned were ", plan->driver ? plan->driver : "none", plan->n_mounts, plan->n_nodes);
	for (size_t i = 0; i < plan->notes.n; i++) {
		if (line.len + strlen(plan->notes.v[i]) > LINE_MAX_LEN) {
			log_info("%s", line.buf);
			line.len = 0;
			strbuf_printf(&line, "container %s:", run->state.id);
		}
		strbuf_printf(&line, " %s", plan->notes.v[i]);
	}
	log_info("%s", line.buf);
}

int main(int argc, char **argv)
{
	struct run run = { .host = HOSTROOT_INIT, .container = CONTAINER_INIT };
	struct err err = ERR_INIT;
	struct hook_args args = { 0 };
	int r;

	mem_set_oom_handler(report_out_of_memory);
	r = confine_process(&err);
	if (r == 0 && cdihook_is_called(argc, argv))
		return cdihook_main(argc, argv);
	if (r == 0)
		r = hook_args_parse(&args, argc, argv, &err);
	if (r < 0)
		return report_end(r, &err);
	if (args.verb == HOOK_HELP || args.verb == HOOK_VERSION) {
		fputs(args.verb == HOOK_HELP ? help : PROG " " NVCOREOS_VERSION "\n", stdout);
		return 0;
	}
	if (args.verb == HOOK_NOTHING)
		return 0;
	config_init(&run.conf);
	r = hook(&run, &args, &err);
	if (run.request.wanted && (r >= 0 || run.prepared.plan.notes.n))
		log_plan(&run, r >= 0);
	/* What it owns ends with it. */
	return report_end(r, &err);
}
