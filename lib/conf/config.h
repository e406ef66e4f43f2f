/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos.conf and its drop-ins. Nothing else configures hook and shim: no environment, no search path. */
#ifndef NVCOREOS_CONF_CONFIG_H
#define NVCOREOS_CONF_CONFIG_H

#include <stdbool.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#ifndef NVCOREOS_SYSCONFDIR
#define NVCOREOS_SYSCONFDIR "/etc"
#endif
#ifndef NVCOREOS_PREFIX
#define NVCOREOS_PREFIX "/opt/nvcoreos"
#endif
#define CONFIG_DEFAULT_FILE NVCOREOS_SYSCONFDIR "/nvcoreos/nvcoreos.conf"

enum config_accept { CONFIG_ACCEPT_ALL, CONFIG_ACCEPT_PRIVILEGED };
enum config_no_gpu { CONFIG_NO_GPU_ERROR, CONFIG_NO_GPU_IGNORE };
enum config_flavour { CONFIG_FLAVOUR_AUTO, CONFIG_FLAVOUR_OPEN, CONFIG_FLAVOUR_PROPRIETARY };
enum config_peermem { CONFIG_PEERMEM_AUTO, CONFIG_PEERMEM_YES, CONFIG_PEERMEM_NO };
enum { CONFIG_IPC_PERSISTENCED = 1 << 0, CONFIG_IPC_FABRICMANAGER = 1 << 1, CONFIG_IPC_MPS = 1 << 2 };

/* Every key of nvcoreos.conf; strings live in the arena, paths are absolute and normalized. */
struct config {
	struct arena arena;
	const char *file; /* what --config named, NULL for the default file */
	struct strlist low_level_runtimes;
	const char *hook_path, *libexec_dir;
	const char *driver_store, *cuda_store;
	const char *proc_root, *sys_root, *dev_root;
	const char *run_dir;
	const char *log_file; /* NULL: the journal */
	enum log_level log_level;
	enum config_accept accept_environment;
	bool accept_mounts;
	enum config_no_gpu no_gpu;
	unsigned default_capabilities;
	const char *cuda; /* "auto", "none" or a version */
	bool load_modules;
	unsigned load_timeout; /* seconds */
	bool device_cgroup;    /* auto: true, none: false */
	bool cuda_compat;      /* auto: true, off: false */
	unsigned ipc;	       /* CONFIG_IPC_* */
	enum config_flavour module_flavour;
	struct strlist module_parameters; /* each as modparam.h takes it */
	enum config_peermem peermem;
	unsigned *imex_channels; /* whose nodes are made */
	size_t n_imex_channels;
	const char *index_url, *public_key; /* NULL: not set */
	unsigned keep_trees;
};

/* Where low-level runtimes that are names are looked for, in this order; NULL ends it. */
extern const char *const config_runtime_dirs[];

/* Fills in the defaults. config_free frees what any of these functions made. */
void config_init(struct config *c);
/*
 * Reads `file`, then FILE.d/<name>.conf in order of names. With file == NULL the default file is read, which may
 * be absent; a file that was named must be there. -errno with ERR_CONF (where the stores lie in one another, too) or ERR_CONF_KEY
 * (which names the nearest known key). `c` must be config_init'ed.
 */
int config_load(struct config *c, const char *file, struct err *err) must_check;
/* Parses one text, for tests and fuzzing; `file` is its name in errors. */
int config_parse(struct config *c, const char *file, const char *text, size_t len, struct err *err) must_check;
/*
 * Puts `root` before the paths of stores, run-dir, proc-root, sys-root, dev-root (the tool's --root). "" and "/"
 * change nothing.
 */
void config_set_root(struct config *c, const char *root);
void config_free(struct config *c);

#endif
