/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan: the list of edits that give a container what it asked for. Pure: no system call, no clock, no
 * environment; the same input gives the same plan, byte for byte in its JSON.
 */
#ifndef NVCOREOS_PLAN_PLAN_H
#define NVCOREOS_PLAN_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/config.h"
#include "host/inventory.h"
#include "host/rootfacts.h"
#include "oci/request.h"
#include "store/tree.h"

#define PLAN_NVIDIA_DIR "/usr/local/nvidia"
#define PLAN_CUDA_DIR "/usr/local/cuda"
#define PLAN_PROC_DIR "/proc/driver/nvidia"
#define PLAN_CONF_FILE "/etc/ld.so.conf.d/00-nvcoreos.conf"
#define PLAN_CUDA_CONF_FILE "/etc/ld.so.conf.d/zz-nvcoreos-cuda.conf"
#define PLAN_CONF_HEAD "# Written by nvcoreos; replaced at each start.\n"
#define PLAN_CONF_INCLUDE "include /etc/ld.so.conf.d/*.conf" /* all that ROOTFACTS_CONF holds, where we make it */
#define PLAN_EGL_FILE "/etc/nvidia/nvidia-application-profiles-rc.d/10-container.conf"

struct plan_input {
	const struct config *conf;
	const struct request *request; /* wanted */
	const struct inventory *inventory;
	const struct tree *driver;
	const struct tree *toolkit; /* NULL: none is mounted */
	const char *toolkit_why;    /* why so; NULL where nothing needs saying */
	const struct rootfacts *facts;
};

struct plan_gpu {
	const char *index; /* "0", or "0:1" for a MIG device */
	const char *uuid;  /* NULL while nobody knows it */
	const char *pci, *model;
};

struct plan_mount {
	const char *source; /* host path: a view or a toolkit */
	const char *target; /* directory in the container */
};

struct plan_node {
	const char *name; /* below dev-root on the host and /dev in the container: "nvidia0", "dri/card0" */
	uint32_t major, minor;
};

struct plan_ipc {
	const char *path; /* host socket or directory, shown at the same path */
};

struct plan_shown {
	const char *path; /* file or directory of the host, shown read-only at the same path where the host has it */
};

struct plan_dev_link {	    /* in the container's /dev */
	const char *name;   /* "dri/by-path/pci-0000:01:00.0-card" */
	const char *target; /* "../card0" */
};

struct plan_file { /* small files that are written whole */
	const char *path, *content;
};

struct plan_link {
	const char *path, *target;
};

struct plan_proc_gpu {
	const char *pci, *information;
};

struct plan_proc_cap {	  /* capabilities/<path>, by which NVIDIA's libraries find a MIG device's node */
	const char *path; /* "gpu0/mig/gi1/access" */
	uint32_t minor;	  /* of nvidia-caps */
};

struct plan_proc { /* /proc/driver/nvidia as the container sees it */
	bool wanted;
	const char *version, *params, *registry; /* NULL: no such file */
	struct plan_proc_gpu *gpus;
	size_t n_gpus;
	struct plan_proc_cap *caps;
	size_t n_caps;
};

struct plan_cache_library {
	const char *soname, *path; /* path in the container */
	unsigned class, machine;
};

struct plan_cache { /* /etc/ld.so.cache */
	bool wanted;
	struct plan_cache_library *first; /* these win over everything of the same SONAME and ABI */
	size_t n_first;
	struct plan_cache_library *last; /* these only fill gaps */
	size_t n_last;
	struct strlist own_prefixes; /* entries below these directories are ours from an earlier start, and dropped */
};

struct plan {
	struct arena arena;
	struct plan_gpu *gpus; /* what was resolved */
	size_t n_gpus;
	const char *driver, *cuda; /* versions; cuda NULL where no toolkit is mounted */
	const char *view;	   /* name of the driver's view */
	unsigned capabilities;
	struct plan_mount *mounts;
	size_t n_mounts;
	struct plan_node *nodes; /* exactly these devices are allowed, "rw" */
	size_t n_nodes;
	struct plan_ipc *ipc;
	size_t n_ipc;
	struct plan_shown *shown;
	size_t n_shown;
	struct plan_dev_link *dev_links;
	size_t n_dev_links;
	struct plan_proc proc;
	struct plan_link *links;
	size_t n_links;
	struct plan_file *files;
	size_t n_files;
	struct plan_cache cache;
	const char
		*ld_library_path; /* where the loader's files cannot be written: directories to put first; else NULL */
	struct strlist notes;	  /* decisions and what was left out, in words */
};

/*
 * Makes the plan. -EINVAL and the like with ERR_NO_GPU, ERR_GPU_UNKNOWN, ERR_NOT_LOADED, ERR_NODE (a major that
 * is missing), ERR_REQUIRE, ERR_FOREIGN_MOUNT, ERR_TARGET, ERR_VALUE.
 */
int plan_make(struct plan *ret, const struct plan_input *in, struct err *err) must_check;
/*
 * Of a plan only what needs no tree and no container: gpus, nodes and notes. The same errors but ERR_REQUIRE, ERR_FOREIGN_MOUNT
 * and ERR_TARGET. plan_free is due after 0.
 */
int plan_make_nodes(struct plan *ret, const struct inventory *inv, const struct request *req,
		    struct err *err) must_check;
/*
 * Of a plan only proc: /proc/driver/nvidia with the GPUs whose nodes are among these (an engine's, out of config.json); not
 * wanted where the host has no such directory. -errno with ERR_NO_GPU, ERR_NOT_LOADED. plan_free is due after 0.
 */
int plan_make_proc(struct plan *ret, const struct inventory *inv, const struct spec_node *given, size_t n_given,
		   struct err *err) must_check;
/*
 * The invariants of every plan, checked before it is applied: targets absolute and normalized and only at the
 * places of design section 5; sources below the two stores; node numbers of NVIDIA's majors and drm's only; no
 * path twice. -EINVAL with the offender (a bug, or an attack).
 */
int plan_check(const struct plan *p, const struct plan_input *in, struct err *err) must_check;
void plan_free(struct plan *p);

/*
 * Whether this host can serve the request at all, which needs no tree: 0, or -EINVAL with ERR_NO_GPU or
 * ERR_NOT_LOADED. plan_make checks it too. A request for no GPU is served everywhere.
 */
int plan_host_check(const struct inventory *inv, const struct request *req, struct err *err) must_check;

/*
 * Paths that the planner wants to know of in the container's root: the programs' links and the share links of
 * this tree, and what else a request with these capabilities and features (REQUEST_*) touches. Added to l in the arena.
 */
void plan_candidates(struct arena *a, struct strlist *l, const struct tree *driver, unsigned capabilities,
		     unsigned features);

#endif
