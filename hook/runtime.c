/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos-runtime: edits the config.json of a container that asks for a GPU, then becomes runc (or crun), always. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "apply/caps.h"
#include "apply/load.h"
#include "apply/prepare.h"
#include "base/fd.h"
#include "base/log.h"
#include "oci/edit.h"
#include "oci/json.h"
#include "oci/request.h"
#include "oci/scan.h"
#include "oci/spec.h"
#include "runtime_args.h"
#include "runtime_find.h"

#define PROG "nvcoreos-runtime"

struct run {
	struct runtime_args args;
	struct config conf;
	struct spec spec;
	struct request request;
	struct hostroot host;
	struct prepared prepared;
};

static void out_of_memory(void)
{
	static const char line[] = PROG ": E01: out of memory: shim: give the container engine more memory\n";
	ssize_t r = write(STDERR_FILENO, line, sizeof(line) - 1);

	(void)r;
	_exit(1);
}

/* Engines read the runtime's log for the reason of a failure; without it a user sees only "exit status 1". */
static void tell_engine(const struct runtime_args *args, const char *line)
{
	cleanup_fd int fd =
		args->log ? openat(AT_FDCWD, args->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644)
			  : -EBADF;
	cleanup_free char *text = NULL;
	time_t now = time(NULL);
	char when[32];
	struct tm tm;

	if (fd < 0)
		return;
	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (args->log_json) {
		struct json *j = json_new_object();

		json_set_str(j, "level", "error");
		json_set_str(j, "msg", line);
		json_set_str(j, "time", when);
		text = json_dump(j, 0);
		json_free(j);
	} else {
		struct strbuf b = STRBUF_INIT;

		strbuf_printf(&b, "time=\"%s\" level=error msg=\"", when);
		for (const char *p = line; *p; p++) {
			if (*p == '"' || *p == '\\')
				strbuf_putc(&b, '\\');
			strbuf_putc(&b, *p);
		}
		strbuf_putc(&b, '"');
		text = strbuf_steal(&b);
	}
	if (fd_write_all(fd, text, strlen(text)) == 0 && fd_write_all(fd, "\n", 1) < 0)
		log_debug("%s cannot be written", args->log);
}

static int fail(const struct runtime_args *args, const struct err *err)
{
	char line[2 * ERR_MSG_MAX];
	cleanup_free char *whole = mem_printf(PROG ": %s", err_line(err, line, sizeof(line)));

	fprintf(stderr, "%s\n", whole);
	log_error("%s", line);
	tell_engine(args, whole);
	return 1;
}

/* Keeps mode and owner of the file that is replaced: the engine may read it as another user. */
static int replace_config(int bundle, const char *text, size_t len, struct err *err)
{
	struct stat st;
	int r;

	if (fstatat(bundle, "config.json", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(err, ERR_SPEC, errno, "config.json");
	r = fd_replace_file_like(bundle, "config.json", text, len, &st);
	return r < 0 ? err_set(err, ERR_SPEC, -r, "replacing config.json") : 0;
}

static int write_edits(const struct run *run, int bundle, const char *text, size_t len, struct err *err)
{
	const struct plan *p = &run->prepared.plan;
	const char *hook_args[8] = { "nvcoreos-hook", "--device-cgroup=none" };
	cleanup_free struct edit_device *devices = mem_zalloc((p->n_nodes + 1) * sizeof(*devices));
	struct edit edit = { .devices = devices,
			     .n_devices = p->n_nodes,
			     .hook_args = hook_args,
			     .hook_path = run->conf.hook_path,
			     .hook_stage = "prestart",
			     .ld_library_path = p->ld_library_path };
	cleanup_free char *edited = NULL;
	size_t edited_len, n = 2;
	int r;

	for (size_t i = 0; i < p->n_nodes; i++)
		devices[i] = (struct edit_device){ p->nodes[i].major, p->nodes[i].minor };
	if (run->args.config) {
		hook_args[n++] = "--config";
		hook_args[n++] = run->args.config;
	}
	if (run->args.debug) {
		hook_args[n++] = "--debug";
		hook_args[n++] = run->args.debug;
	}
	hook_args[n] = "prestart";
	r = edit_apply(text, len, &edit, &edited, &edited_len, err);
	return r < 0 ? r : replace_config(bundle, edited, edited_len, err);
}

/* An earlier run's edits on a bundle that now asks for nothing. */
static int take_edits_out(int bundle, const char *text, size_t len, struct err *err)
{
	cleanup_free char *plain = NULL;
	size_t plain_len;
	int r = edit_undo(text, len, &plain, &plain_len, err);

	if (r < 0 || (plain_len == len && memcmp(plain, text, len) == 0))
		return r;
	return replace_config(bundle, plain, plain_len, err);
}

static int make_plan(struct run *run, struct err *err)
{
	struct inventory seen cleanup(inventory_free) = { .arena = ARENA_INIT };
	struct prepare_input in = { .conf = &run->conf,
				    .host = &run->host,
				    .seen = &seen,
				    .spec = &run->spec,
				    .request = &run->request,
				    .rootfd = -EBADF,
				    .os_root = "",
				    .nodes_only = true };
	const char *missing = NULL;
	int r = hostroot_open(&run->host, &run->conf, err);

	if (r == 0)
		r = load_missing(&run->conf, &run->host, &missing, &seen, err);
	if (r == 0 && missing) {
		inventory_free(&seen);
		r = load_ensure(&run->conf, &run->host, err);
		/* It may have made the directories that were not there. */
		hostroot_close(&run->host);
		if (r == 0)
			r = hostroot_open(&run->host, &run->conf, err);
	}
	return r < 0 ? r : prepare_plan(&run->prepared, &in, err);
}

/* The bundle of a container that asks for something: edited where need be. */
static int edit_bundle(struct run *run, int bundle, const char *text, size_t len, struct err *err)
{
	/* Parsing needs no capability. */
	int r = caps_lower(err);

	if (r == 0)
		r = spec_parse(&run->spec, text, len, err);
	if (r == 0)
		r = request_parse(&run->request, &run->spec, &run->conf, err);
	if (r < 0)
		return r;
	if (run->request.why_not)
		log_info("%s", run->request.why_not);
	if (run->spec.sandbox)
		return 0;
	r = caps_restore(err);
	if (r == 0 && run->request.wanted)
		r = make_plan(run, err);
	if (r < 0)
		return r;
	if (!run->request.wanted || run->prepared.no_gpu_ignored)
		return take_edits_out(bundle, text, len, err);
	return write_edits(run, bundle, text, len, err);
}

/* Containers that ask for nothing get no further than the scan: not parsed, never failed. */
static int look_at_bundle(struct run *run, int conf_error, struct err *conf_err, struct err *err)
{
	cleanup_fd int bundle = fd_open_dir(run->args.bundle);
	cleanup_free char *text = NULL;
	struct err unread = ERR_INIT;
	size_t len;
	int r;

	if (bundle < 0 || spec_read_file(bundle, &text, &len, &unread) < 0) {
		log_warning("%s: config.json is not looked at: %s", run->args.bundle, unread.what);
		return 0;
	}
	if (!scan_has_request(text, len))
		return 0;
	if (conf_error < 0) {
		*err = *conf_err;
		return conf_error;
	}
	r = edit_bundle(run, bundle, text, len, err);
	/* The low-level runtime gets what the engine gave us, whichever way we came here. */
	if (r == 0)
		r = caps_restore(err);
	return r;
}

/* The hook runs elsewhere: what is handed on to it must not depend on where we stand. */
static const char *absolute(const char *path)
{
	cleanup_free char *cwd = NULL;

	if (!path || path[0] == '/')
		return path;
	cwd = getcwd(NULL, 0);
	return cwd ? mem_printf("%s/%s", cwd, path) : path;
}

static int become_runtime(struct run *run, struct err *err)
{
	cleanup_free char *path = runtime_find(&run->conf.low_level_runtimes, err);

	if (!path)
		return -ENOENT;
	run->args.argv[0] = path;
	execv(path, run->args.argv);
	return err_set(err, ERR_RUNTIME, errno, "%s", path);
}

int main(int argc, char **argv)
{
	struct run run = { .host = HOSTROOT_INIT };
	struct err err = ERR_INIT, conf_err = ERR_INIT;
	int conf_error, r;

	mem_set_oom_handler(out_of_memory);
	r = runtime_args_parse(&run.args, argc, argv, &err);
	if (r < 0)
		return fail(&run.args, &err);
	run.args.config = absolute(run.args.config);
	run.args.debug = absolute(run.args.debug);
	config_init(&run.conf);
	/*
	 * A configuration that is wrong fails those who ask for a GPU; everyone else, and every stop, goes on
	 * with the defaults.
	 */
	conf_error = config_load(&run.conf, run.args.config, &conf_err);
	if (conf_error < 0) {
		config_free(&run.conf);
		config_init(&run.conf);
	}
	if (run.args.debug)
		log_open(PROG, run.args.debug, LOG_LEVEL_DEBUG);
	else
		log_open(PROG, run.conf.log_file, run.conf.log_level);
	if (run.args.starts)
		r = look_at_bundle(&run, conf_error, &conf_err, &err);
	/* It comes back only where the runtime could not be started. */
	if (r != 0 || become_runtime(&run, &err) < 0)
		r = fail(&run.args, &err);
	prepare_free(&run.prepared);
	hostroot_close(&run.host);
	request_free(&run.request);
	spec_free(&run.spec);
	config_free(&run.conf);
	free(run.args.argv);
	return r;
}
