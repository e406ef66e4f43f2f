/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos gpus: what this host has; --refresh asks NVML for what /proc does not tell. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "apply/load.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cdifile.h"
#include "cdigen.h"
#include "cli.h"
#include "here.h"
#include "host/hostroot.h"
#include "host/inventory.h"
#include "host/inventory_json.h"
#include "host/osver.h"
#include "nvml.h"
#include "oci/json.h"
#include "plan/choose.h"
#include "store/store.h"

#define NVML_NAME "libnvidia-ml.so.1"

static void set_known(struct json *o, const char *key, const char *value)
{
	if (value)
		json_set_str(o, key, value);
}

static struct json *mig_json(const struct inventory_gpu *gpu)
{
	struct json *list = json_new_array();

	for (size_t i = 0; i < gpu->n_mig; i++) {
		struct json *o = json_new_object();

		json_set_int(o, "index", gpu->mig[i].index);
		set_known(o, "uuid", gpu->mig[i].uuid);
		json_set_int(o, "gi", gpu->mig[i].gi);
		json_set_int(o, "ci", gpu->mig[i].ci);
		json_append(list, o);
	}
	return list;
}

static struct json *gpu_json(const struct inventory_gpu *gpu)
{
	struct json *o = json_new_object(), *drm = json_new_array();

	json_set_int(o, "index", gpu->index);
	set_known(o, "uuid", gpu->uuid);
	json_set_str(o, "pci", gpu->pci);
	json_set_str(o, "model", gpu->model);
	json_set_int(o, "minor", gpu->minor);
	set_known(o, "brand", gpu->brand);
	set_known(o, "arch", gpu->arch);
	for (size_t i = 0; i < gpu->n_drm; i++)
		json_append(drm, json_new_string(gpu->drm[i].name));
	json_set(o, "drm", drm);
	json_set_bool(o, "migMode", gpu->mig_mode);
	json_set(o, "mig", mig_json(gpu));
	return o;
}

static void show_json(const struct inventory *inv)
{
	cleanup_json struct json *o = json_new_object();
	cleanup_free char *text = NULL;
	struct json *gpus = json_new_array();

	set_known(o, "driver", inv->driver);
	if (inv->driver)
		json_set_str(o, "modules", inv->open_modules ? "open" : "proprietary");
	for (size_t i = 0; i < inv->n_gpus; i++)
		json_append(gpus, gpu_json(&inv->gpus[i]));
	json_set(o, "gpus", gpus);
	text = json_dump(o, 2);
	printf("%s\n", text);
}

static void show_row(const char *index, const char *uuid, const char *pci, const char *model)
{
	char safe[128];

	/* The model comes from a file: nothing in it may move a terminal's cursor. */
	str_escape(model, safe, sizeof(safe));
	printf("%-6s %-40s %-16s %s\n", index, uuid ? uuid : "-", pci, safe);
}

static void show_table(const struct inventory *inv)
{
	show_row("INDEX", "UUID", "PCI", "MODEL");
	for (size_t i = 0; i < inv->n_gpus; i++) {
		const struct inventory_gpu *gpu = &inv->gpus[i];
		char index[32];

		snprintf(index, sizeof(index), "%u", gpu->index);
		show_row(index, gpu->uuid, gpu->pci, gpu->model);
		for (size_t k = 0; k < gpu->n_mig; k++) {
			snprintf(index, sizeof(index), "%u:%u", gpu->index, gpu->mig[k].index);
			show_row(index, gpu->mig[k].uuid, gpu->pci, "MIG device");
		}
	}
}

/* NVML of the driver that is loaded; the host's own where the store has none. */
static const char *find_library(struct cli *cli, const struct inventory *inv, struct arena *a)
{
	struct store store = { .driver_path = NULL };
	const struct store_driver *d = NULL;
	const char *os, *path = NULL;
	int r = store_read(&store, &cli->conf, NULL);

	if (r == 0)
		r = osver_read(a, cli->root, NULL, &os, NULL);
	if (r == 0)
		d = choose_driver(&store, inv, os, NULL);
	if (d)
		path = arena_printf(a, "%s/%s/%s/lib64/%s", store.driver_path, d->driver, d->os, NVML_NAME);
	store_free(&store);
	return path && access(path, R_OK) == 0 ? path : NVML_NAME;
}

static int write_facts(const struct cli *cli, const char *text, size_t len, struct err *err)
{
	cleanup_fd int dir = -EBADF;
	int r = fd_mkdir_p(AT_FDCWD, cli->conf.run_dir, 0755);

	if (r == 0)
		dir = fd_open_dir(cli->conf.run_dir);
	if (r == 0)
		r = dir < 0 ? dir : fd_replace_file(dir, INVENTORY_JSON_FILE, text, len, 0644, 0);
	return r < 0 ? err_set(err, ERR_IO, -r, "%s/%s", cli->conf.run_dir, INVENTORY_JSON_FILE) : 0;
}

static int refresh(struct cli *cli, struct inventory *inv, struct err *err)
{
	cleanup_arena struct arena a = ARENA_INIT;
	cleanup_free char *text = NULL;
	const char *library;
	char why[256];
	size_t len;
	int r;

	if (!inv->driver)
		return err_set(err, ERR_NOT_LOADED, 0, "nvidia");
	library = find_library(cli, inv, &a);
	r = nvml_query(library, NVML_CONTROL, NVML_TIMEOUT_S, &text, &len, err);
	if (r < 0)
		return r;
	/* What starts will read is checked by the very code that they read it with. */
	if (inventory_json_apply(inv, text, len, why, sizeof(why)) < 0) {
		err_set(err, ERR_HOST, 0, "%s: %s", library, why);
		return err_hint(err, "the loaded driver and the library must be of one version");
	}
	return write_facts(cli, text, len, err);
}

/* MIG devices come without a word: engines want a node that a specification names, before any start could make it. */
static void make_nodes(const struct cli *cli)
{
	struct err err = ERR_INIT;
	char line[ERR_MSG_MAX + 512];
	struct proc_result res;

	if (load_nodes_of(&cli->conf, &res, &err) < 0)
		log_warning("device nodes: %s", err_line(&err, line, sizeof(line)));
}

/*
 * What the driver tells of MIG devices and UUIDs is what specifications name. One at a time: what it said last is what
 * stands last.
 */
static int refresh_all(struct cli *cli, struct inventory *inv, struct err *err)
{
	cleanup_fd int lock = cdifile_lock(cli, err);
	int r = lock < 0 && lock != -EBADF ? lock : refresh(cli, inv, err);

	if (r < 0)
		return r;
	make_nodes(cli);
	return cdigen_refresh(cli, err);
}

static int read_gpus_options(struct cli *cli, int argc, char **argv, bool *refresh_first, struct err *err)
{
	static const struct option longs[] = {
		{ "refresh", no_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'r')
			*refresh_first = true;
		else if (c == 'j')
			cli->json = true;
		else
			return err_set(err, ERR_USAGE, 0, "%s", argv[optind - 1]);
	}
	return optind < argc ? err_set(err, ERR_USAGE, 0, "%s", argv[optind]) : 0;
}

static bool has_none(const struct inventory *inv)
{
	return !inv->n_gpus && (!inv->has_pci_gpu || inv->passthrough);
}

static int no_gpu(const struct inventory *inv, struct err *err)
{
	if (inv->n_gpus)
		return 0;
	if (has_none(inv)) {
		err_set(err, ERR_NO_GPU, 0, "%s", inv->passthrough ? inv->passthrough : "the PCI bus shows none");
		return err_hint(err, "nothing is to be done here");
	}
	if (!inv->driver)
		return err_set(err, ERR_NOT_LOADED, 0, "nvidia");
	err_set(err, ERR_NOT_LOADED, 0, "driver %s has taken no GPU of this host", inv->driver);
	return err_hint(err, "see 'dmesg' for why, or use a driver that supports the GPU");
}

int verb_gpus(struct cli *cli, int argc, char **argv, struct err *err)
{
	cleanup_hostroot struct hostroot host = HOSTROOT_INIT;
	struct inventory inv = { .driver = NULL };
	bool refresh_first = false;
	int r = read_gpus_options(cli, argc, argv, &refresh_first, err);

	if (r == 0 && refresh_first)
		r = here_only(cli, "gpus --refresh", "it asks the driver of the running host", err);
	if (r == 0)
		r = hostroot_open(&host, &cli->conf, err);
	if (r == 0)
		r = inventory_read(&inv, &host, err);
	if (r == 0 && refresh_first && cli->quiet && has_none(&inv)) {
		/* As after each boot of a machine without: `load` has said so. */
		inventory_free(&inv);
		return 0;
	}
	if (r == 0)
		r = no_gpu(&inv, err);
	if (r == 0 && refresh_first)
		r = refresh_all(cli, &inv, err);
	if (r == 0 && cli->json)
		show_json(&inv);
	else if (r == 0 && !(refresh_first && cli->quiet))
		show_table(&inv);
	inventory_free(&inv);
	return r;
}
