/* SPDX-License-Identifier: Apache-2.0 */
#include "cdihook.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "apply/caps.h"
#include "apply/cdilinks.h"
#include "apply/cdiloader.h"
#include "apply/cdimode.h"
#include "apply/cdiproc.h"
#include "apply/made.h"
#include "apply/filter.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "cdihook_args.h"
#include "conf/config.h"
#include "confine.h"
#include "host/hostroot.h"
#include "oci/spec.h"
#include "oci/state.h"
#include "report.h"

/* Seconds for one verb, as for a start of our own. */
#define DEADLINE 30
#define STATE_MAX (1u << 20)

/* All that one run owns. */
struct run {
	struct cdihook_args args;
	struct config conf;
	struct state state;
	struct spec spec;
	struct container container;
	struct made made;
	struct rootfacts facts;
};

static const char help[] =
	"usage: nvidia-cdi-hook create-symlinks --link TARGET::LINK...\n"
	"       nvidia-cdi-hook update-ldcache --folder DIR...\n"
	"       nvidia-cdi-hook chmod --mode OCTAL --path DIR...\n"
	"       nvidia-cdi-hook enable-cuda-compat --host-driver-version V [--cuda-compat-container-root DIR]\n"
	"       nvidia-cdi-hook disable-device-node-modification\n"
	"OCI hooks for the createContainer stage: each reads the container's state on stdin, or from --container-spec FILE.\n";

bool cdihook_is_called(int argc, char **argv)
{
	const char *name = argc > 0 ? path_base(argv[0]) : "";

	return str_eq(name, "nvidia-cdi-hook") || str_eq(name, "nvidia-ctk");
}

/* From here on no program is started, no namespace entered, and what only our own starts need is given up. */
static int confine(struct err *err)
{
	const unsigned phases = CAPS_BIT(CAPS_READ) | CAPS_BIT(CAPS_MOUNT) | CAPS_BIT(CAPS_OWN) | CAPS_BIT(CAPS_WRITE);
	int r = caps_limit(err);

	if (r == 0)
		r = confine_limits(DEADLINE, err);
	if (r == 0)
		r = caps_keep(phases, err);
	return r < 0 ? r : filter_enter(SECCOMP_HERE, err);
}

static int read_state(struct run *run, struct err *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r;

	if (!run->args.state)
		return state_read_inside(&run->state, STDIN_FILENO, err);
	r = fd_read_file_at(AT_FDCWD, run->args.state, STATE_MAX, &text, &len);
	if (r < 0)
		return err_set(err, ERR_STATE, -r, "%s", run->args.state);
	return state_parse_inside(&run->state, text, len, err);
}

static int read_config(struct run *run, struct err *err)
{
	cleanup_fd int bundle = fd_open_dir(run->state.bundle);
	cleanup_free char *text = NULL;
	size_t len;
	int r;

	if (bundle < 0)
		return err_set(err, ERR_BUNDLE, -bundle, "%s", run->state.bundle);
	r = spec_read_file(bundle, &text, &len, err);
	if (r == 0)
		r = spec_parse(&run->spec, text, len, err);
	return r < 0 ? err_wrap(err, "%s", run->state.bundle) : 0;
}

/*
 * root.path. A user namespace may keep the bundle from us; then the runtime's own word has to do (crun's), and of the
 * container nothing else is known.
 */
static int read_spec(struct run *run, struct err *err)
{
	int r = read_state(run, err);

	if (r == 0)
		r = caps_raise(CAPS_READ, err);
	if (r < 0)
		return r;
	r = read_config(run, err);
	if (r == -EACCES && run->state.root[0] && run->args.verb != CDIHOOK_PROC) {
		log_warning("%s cannot be read: its root is %s, as the runtime says", run->state.bundle,
			    run->state.root);
		err->code = ERR_NONE;
		spec_init(&run->spec);
		run->spec.root_path = run->state.root;
		r = 0;
	}
	return r < 0 ? r : caps_lower(err);
}

/* It is relative to the bundle where it is not absolute (runtime-spec config.md, root). */
static int enter(struct run *run, struct err *err)
{
	const char *path = run->spec.root_path;
	char whole[PATH_MAX];
	int n, r;

	if (!path || !*path)
		return err_set(err, ERR_SPEC, 0, "root.path is missing");
	n = path[0] == '/' ? snprintf(whole, sizeof(whole), "%s", path)
			   : snprintf(whole, sizeof(whole), "%s/%s", run->state.bundle, path);
	if (n >= (int)sizeof(whole))
		return err_set(err, ERR_SPEC, ENAMETOOLONG, "root.path");
	r = container_here(&run->container, whole, err);
	run->made = (struct made)MADE_INIT(run->container.rootfd);
	run->container.made = &run->made;
	return r;
}

static int look_at_root(struct run *run, struct err *err)
{
	const struct rootfacts_ask none = { 0 };
	int r = caps_raise(CAPS_READ, err);

	if (r == 0)
		r = rootfacts_collect(&run->facts, run->container.rootfd, &run->spec, &none, err);
	return r < 0 ? r : caps_lower(err);
}

/* All is looked at: from here on only files of the container's root are written. */
static int begin_writing(struct err *err)
{
	int r = caps_keep(CAPS_BIT(CAPS_OWN) | CAPS_BIT(CAPS_WRITE), err);

	return r < 0 ? r : filter_enter(SECCOMP_FILES, err);
}

static int make_links(struct run *run, struct err *err)
{
	int r = begin_writing(err);

	return r < 0 ? r
		     : cdilinks_make(&run->container, run->args.links, run->args.n_links, run->facts.dev_mount, err);
}

static int set_modes(struct run *run, struct err *err)
{
	int r = begin_writing(err);

	return r < 0 ? r : cdimode_set(&run->container, &run->args.paths, run->args.mode, run->facts.dev_mount, err);
}

static int update_ldcache(struct run *run, struct err *err)
{
	cleanup(cdiloader_free) struct cdiloader l = { .had_file = false };
	int r = cdiloader_look(&l, &run->container, &run->args.folders, err);

	if (r == 0)
		r = begin_writing(err);
	return r < 0 ? r : cdiloader_update(&l, &run->container, &run->facts, err);
}

/* As our own starts decide, and NVIDIA's tool: by the release that comes first in a driver's version. */
static bool is_newer(const char *compat, const char *driver)
{
	uint64_t a = 0, b = 0;
	char x[16], y[16];

	snprintf(x, sizeof(x), "%.*s", (int)strcspn(compat, "."), compat);
	snprintf(y, sizeof(y), "%.*s", (int)strcspn(driver, "."), driver);
	return str_to_u64(x, UINT32_MAX, &a) == 0 && str_to_u64(y, UINT32_MAX, &b) == 0 && a > b;
}

static int enable_compat(struct run *run, struct err *err)
{
	cleanup(cdilibs_free) struct cdilibs libs = { .n = 0 };
	const char *dir = run->args.compat_dir ? run->args.compat_dir : CDILOADER_COMPAT_DIR, *version = NULL;
	int r;

	if (!run->args.driver)
		return 0;
	r = cdiloader_find_compat(&libs, &run->container, dir, &version, err);
	if (r == 0)
		r = begin_writing(err);
	if (r < 0)
		return r;
	if (version && !run->conf.cuda_compat)
		log_info("container %s: libcuda %s is not used: cuda-compat=off", run->state.id, version);
	if (!version || !run->conf.cuda_compat || !is_newer(version, run->args.driver))
		dir = NULL;
	return cdiloader_name_compat(&run->container, &run->facts, dir, err);
}

static int show_proc(struct run *run, struct err *err)
{
	cleanup_hostroot struct hostroot host = HOSTROOT_INIT;
	cleanup_fd int tree = -EBADF;
	int r = hostroot_open(&host, &run->conf, err);

	if (r < 0)
		return r;
	tree = cdiproc_build(&run->container, &host, &run->spec, err);
	if (tree < 0)
		return err->code == ERR_NONE ? 0 : tree;
	r = caps_keep(CAPS_BIT(CAPS_MOUNT), err);
	if (r == 0)
		r = filter_enter(SECCOMP_INSIDE, err);
	return r < 0 ? r : cdiproc_show(&run->container, tree, err);
}

static int do_verb(struct run *run, struct err *err)
{
	switch (run->args.verb) {
	case CDIHOOK_LINKS:
		return make_links(run, err);
	case CDIHOOK_LDCACHE:
		return update_ldcache(run, err);
	case CDIHOOK_MODE:
		return set_modes(run, err);
	case CDIHOOK_COMPAT:
		return enable_compat(run, err);
	case CDIHOOK_PROC:
	default:
		return show_proc(run, err);
	}
}

/* After a failure what was made is taken away again. */
static void take_back(const struct run *run)
{
	struct err ignored = ERR_INIT;

	if (!run->made.n || container_own_begin(&run->container, &ignored) < 0)
		return;
	made_undo(&run->made);
	container_own_end(&run->container);
}

static int serve(struct run *run, struct err *err)
{
	int r = config_load(&run->conf, run->args.config, err);

	if (r < 0)
		return r;
	log_open(REPORT_PROG, run->conf.log_file, run->conf.log_level);
	confine_log_opened();
	r = confine(err);
	if (r == 0)
		r = read_spec(run, err);
	if (r == 0)
		r = enter(run, err);
	if (r == 0)
		r = look_at_root(run, err);
	if (r == 0)
		r = do_verb(run, err);
	if (r < 0)
		take_back(run);
	return r;
}

/* crun takes it for a failure if nobody reads what it writes, whatever the hook then says. */
static int read_nothing(struct run *run)
{
	struct err ignored = ERR_INIT;

	if (state_read_inside(&run->state, STDIN_FILENO, &ignored) < 0)
		log_debug("%s", ignored.what);
	return 0;
}

/* Said, and no failure: a container starts by a specification for a newer tool too. */
static int pass_over(struct run *run)
{
	char word[128];

	(void)read_nothing(run);
	if (!run->args.word) {
		report_note("no verb: nothing is done");
		return 0;
	}
	str_escape(run->args.word, word, sizeof(word));
	report_note("the verb '%s' is not known: it is passed over", word);
	return 0;
}

static int run_verb(struct run *run)
{
	struct err err = ERR_INIT;

	switch (run->args.verb) {
	case CDIHOOK_UNKNOWN:
		return pass_over(run);
	case CDIHOOK_NOTHING:
		return read_nothing(run);
	case CDIHOOK_VERSION:
	case CDIHOOK_HELP:
		fputs(run->args.verb == CDIHOOK_HELP ? help : "nvidia-cdi-hook " NVCOREOS_VERSION "\n", stdout);
		return 0;
	default:
		return report_end(serve(run, &err), &err);
	}
}

int cdihook_main(int argc, char **argv)
{
	struct run run = { .container = CONTAINER_INIT };
	struct err err = ERR_INIT;
	int r = cdihook_args_parse(&run.args, argc, argv, &err);

	config_init(&run.conf);
	r = r < 0 ? report_end(r, &err) : run_verb(&run);
	made_free(&run.made);
	rootfacts_free(&run.facts);
	container_close(&run.container);
	spec_free(&run.spec);
	state_free(&run.state);
	config_free(&run.conf);
	cdihook_args_free(&run.args);
	log_close();
	return r;
}
