/* SPDX-License-Identifier: Apache-2.0 */
#include "cdigen.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "cdifile.h"
#include "cdispec.h"
#include "host/hostroot.h"
#include "host/osver.h"
#include "oci/spec.h"
#include "plan/choose.h"
#include "rootfile.h"
#include "store/store.h"

/* What a start by the specification will need: a driver. */
static int check_driver(const struct cli *cli, const struct inventory *inv, struct err *err)
{
	cleanup_arena struct arena a = ARENA_INIT;
	struct store store;
	const char *os;
	int r = store_read(&store, &cli->conf, err);

	if (r < 0)
		return r;
	r = osver_read(&a, cli->root, NULL, &os, err);
	if (r == 0 && !choose_driver(&store, inv, os, err))
		r = -ENOENT;
	store_free(&store);
	return r;
}

const char *cdigen_inside_root(const struct cli *cli, const char *path)
{
	const char *rest = *cli->root ? str_after(path, cli->root) : NULL;

	return rest && *rest == '/' ? rest : path;
}

/* The hook runs elsewhere: what is handed on to it must not depend on where we stand. */
int cdigen_config_file(const struct cli *cli, char **ret, struct err *err)
{
	cleanup_free char *cwd = NULL, *joined = NULL;
	const char *file = cli->conf.file;
	char whole[PATH_MAX];

	*ret = NULL;
	if (!file)
		return 0;
	if (file[0] != '/') {
		cwd = getcwd(NULL, 0);
		if (!cwd)
			return err_set(err, ERR_IO, errno, "%s", file);
		joined = mem_printf("%s/%s", cwd, file);
	}
	if (path_normalize(joined ? joined : file, whole, sizeof(whole)) < 0)
		return err_set(err, ERR_IO, ENAMETOOLONG, "%s", file);
	*ret = mem_strdup(cdigen_inside_root(cli, whole));
	return 0;
}

/* In words of the host's: nobody asks for a GPU here. */
static int check_gpu(const struct inventory *inv, const struct cdigen *g, struct err *err)
{
	if (inv->n_gpus || (inv->has_pci_gpu && !inv->passthrough) || str_eq(g->class, CDI_CLASS_IMEX))
		return 0;
	err_set(err, ERR_NO_GPU, 0, "%s", inv->passthrough ? inv->passthrough : "the PCI bus shows none");
	return err_hint(err, "there is nothing to name");
}

static int make(const struct cli *cli, const struct cdigen *g, struct json **ret, struct err *err)
{
	cleanup_hostroot struct hostroot host = HOSTROOT_INIT;
	cleanup_free char *config_file = NULL;
	struct inventory inv = { .driver = NULL };
	struct cdi_input in = {
		.conf = &cli->conf,
		.dev_root = cdigen_inside_root(cli, cli->conf.dev_root),
		.inventory = &inv,
		.vendor = g->vendor,
		.class = g->class,
		.strategies = { CDI_INDEX, CDI_UUID },
		.n_strategies = 2,
	};
	int r = cdigen_config_file(cli, &config_file, err);

	in.config_file = config_file;
	if (g->n_strategies) {
		memcpy(in.strategies, g->strategies, sizeof(in.strategies));
		in.n_strategies = g->n_strategies;
	}
	if (r == 0)
		r = hostroot_open(&host, &cli->conf, err);
	if (r == 0)
		r = inventory_read(&inv, &host, err);
	if (r == 0)
		r = check_gpu(&inv, g, err);
	if (r == 0)
		r = cdi_make(ret, &in, err);
	if (r == 0)
		r = check_driver(cli, &inv, err);
	inventory_free(&inv);
	return r;
}

int cdigen_text(const struct cli *cli, const struct cdigen *g, bool yaml, struct strbuf *out, struct err *err)
{
	cleanup_json struct json *doc = NULL;
	int r = make(cli, g, &doc, err);

	return r < 0 ? r : cdispec_text(doc, yaml, out, err);
}

static bool is_ours(const struct json *doc)
{
	const struct json *hooks = json_get(json_get(doc, "containerEdits"), "hooks");

	if (str_ends(json_get_str(doc, "kind", ""), "/" CDI_CLASS_IMEX))
		return true;
	return json_len(hooks) == 1 && str_eq(path_base(json_get_str(json_at(hooks, 0), "path", "")), SPEC_HOOK_NAME);
}

static enum cdi_strategy strategy_of(const char *name)
{
	if (str_starts(name, "GPU-") || str_starts(name, "MIG-"))
		return CDI_UUID;
	return str_starts(name, "gpu") || str_starts(name, "mig") ? CDI_TYPE_INDEX : CDI_INDEX;
}

/* As it says itself; one that does not, by the ways in the order in which they first stand there. */
static void read_strategies(const struct json *doc, struct cdigen *g)
{
	const struct json *devices = json_get(doc, "devices");

	g->n_strategies = cdi_strategies(doc, g->strategies);
	if (g->n_strategies)
		return;
	for (size_t i = 0; i < json_len(devices); i++) {
		const char *name = json_get_str(json_at(devices, i), "name", "");
		bool known = str_starts(name, "all");

		for (size_t k = 0; k < g->n_strategies; k++)
			known |= g->strategies[k] == strategy_of(name);
		if (!known)
			g->strategies[g->n_strategies++] = strategy_of(name);
	}
}

/* By the configuration that its hook reads, which need not be ours; channels have no hook that would tell. */
static int text_of(const struct cli *cli, const struct json *doc, const struct cdigen *g, bool yaml, struct strbuf *out,
		   struct err *err)
{
	const char *want = cdi_config_file(doc);
	cleanup_free char *have = NULL, *file = NULL;
	struct cli other = *cli;
	int r = cdigen_config_file(cli, &have, err);

	if (r < 0)
		return r;
	if (str_eq(g->class, CDI_CLASS_IMEX) || str_eq(want ? want : "", have ? have : ""))
		return cdigen_text(cli, g, yaml, out, err);
	file = want ? mem_printf("%s%s", cli->root, want) : NULL;
	config_init(&other.conf);
	if (file || !*cli->root)
		r = config_load(&other.conf, file, err);
	config_set_root(&other.conf, cli->root);
	if (r == 0)
		r = cdigen_text(&other, g, yaml, out, err);
	config_free(&other.conf);
	return r;
}

static int refresh_text(const struct cli *cli, const char *path, const struct strbuf *old, struct err *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	cleanup_free char *vendor = NULL;
	cleanup_json struct json *doc = NULL;
	struct cdigen g = { .n_strategies = 0 };
	const char *kind;
	bool yaml = false;
	char why[256];
	int r;

	(void)cdispec_format(path, &yaml);
	doc = cdispec_parse(old->buf ? old->buf : "", old->len, why, sizeof(why));
	if (!doc || !is_ours(doc)) {
		log_warning("%s is not refreshed: %s", path, doc ? "it is not of nvcoreos" : why);
		return 0;
	}
	kind = json_get_str(doc, "kind", "");
	vendor = mem_strndup(kind, strcspn(kind, "/"));
	g.vendor = vendor;
	g.class = strchr(kind, '/') + 1;
	read_strategies(doc, &g);
	r = text_of(cli, doc, &g, yaml, &text, err);
	if (r == 0)
		r = cdifile_write(cli, path, &text, err);
	if (r > 0)
		log_info("%s is written anew", path);
	return r < 0 ? err_wrap(err, "%s", path) : 0;
}

static int refresh(const struct cli *cli, int rootfd, const char *path, struct err *err)
{
	struct rootfile f;
	int r = rootfile_read(rootfd, path, ERR_IO, &f, err);

	if (r < 0)
		return r;
	if (f.exists)
		r = refresh_text(cli, path, &f.text, err);
	rootfile_free(&f);
	return r;
}

static const char *const places[] = {
	CDISPEC_DIR_STATIC "/nvcoreos.yaml",	   CDISPEC_DIR_STATIC "/nvcoreos.json",
	CDISPEC_DIR_STATIC "/nvcoreos-imex.yaml",  CDISPEC_DIR_STATIC "/nvcoreos-imex.json",
	CDISPEC_DIR_DYNAMIC "/nvcoreos.yaml",	   CDISPEC_DIR_DYNAMIC "/nvcoreos.json",
	CDISPEC_DIR_DYNAMIC "/nvcoreos-imex.yaml", CDISPEC_DIR_DYNAMIC "/nvcoreos-imex.json",
};

int cdigen_refresh(const struct cli *cli, struct err *err)
{
	cleanup_fd int rootfd = rootfile_open_root(cli->root, err);
	int first = rootfd < 0 ? rootfd : 0;

	for (size_t i = 0; rootfd >= 0 && i < ARRAY_SIZE(places); i++) {
		struct err each = ERR_INIT;
		int r = refresh(cli, rootfd, places[i], &each);

		if (r < 0 && first == 0) {
			first = r;
			*err = each;
		}
	}
	return first;
}

static bool is_any(const struct cli *cli)
{
	struct err err = ERR_INIT;
	cleanup_fd int rootfd = rootfile_open_root(cli->root, &err);

	for (size_t i = 0; rootfd >= 0 && i < ARRAY_SIZE(places); i++) {
		cleanup_fd int fd = path_open(rootfd, places[i], O_PATH);

		if (fd >= 0)
			return true;
	}
	return false;
}

void cdigen_follow(const struct cli *cli)
{
	cleanup_fd int lock = -EBADF;
	char line[ERR_MSG_MAX + 512];
	struct err err = ERR_INIT;

	if (!is_any(cli))
		return;
	lock = cdifile_lock(cli, &err);
	if ((lock < 0 && lock != -EBADF) || cdigen_refresh(cli, &err) < 0)
		fprintf(stderr, "nvcoreos: a specification for CDI is as it was: %s\n",
			err_line(&err, line, sizeof(line)));
}
