/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host has, from proc-root, sys-root, dev-root and run-dir/inventory.json: no NVML, no ioctl, no
 * program. A GPU's index is its rank by PCI address among those that the driver has taken, as NVML counts.
 */
#ifndef NVCOREOS_HOST_INVENTORY_H
#define NVCOREOS_HOST_INVENTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "host/hostroot.h"

#define INVENTORY_NO_MAJOR UINT32_MAX

struct inventory_drm {
	const char *name; /* "card0", "renderD128": below dev/dri */
	uint32_t major, minor;
};

struct inventory_mig {
	const char *uuid;	     /* MIG-..., NULL where only NVML knows it and inventory.json does not */
	uint32_t index;		     /* as in gpu:mig */
	uint32_t gi, ci;	     /* GPU instance, compute instance */
	uint32_t gi_minor, ci_minor; /* of /dev/nvidia-caps/nvidia-cap<minor> */
};

struct inventory_gi { /* a GPU instance, with compute instances or without */
	uint32_t gi, minor;
};

struct inventory_gpu {
	uint32_t index;
	const char *pci;	  /* dddd:bb:dd.f, lower case */
	const char *uuid;	  /* GPU-..., NULL while nobody knows it (GPU-???????? in /proc) */
	uint32_t minor;		  /* /dev/nvidia<minor> */
	const char *model;	  /* "" where unknown */
	const char *brand, *arch; /* from inventory.json: "tesla", "9.0"; NULL where unknown */
	const char *information;  /* the text of gpus/<pci>/information */
	bool mig_mode;
	struct inventory_drm *drm;
	size_t n_drm;
	struct inventory_gi *gi;
	size_t n_gi;
	struct inventory_mig *mig;
	size_t n_mig;
};

/* A device of another driver, where a container asks for such: see inventory_extra.h. */
struct inventory_extra {
	unsigned feature; /* REQUEST_GDS ... */
	const char *name; /* below dev-root: "nvidia-fs0", "infiniband/uverbs0" */
	uint32_t major, minor;
};

struct inventory {
	struct arena arena;
	bool has_pci_gpu; /* sys-root shows an NVIDIA display or 3D controller */
	const char *
		passthrough; /* "GPU 0000:01:00.0 is held by vfio-pci for virtual machines", as all are; NULL: not so */
	const char *driver;  /* version of the loaded nvidia module; NULL: not loaded */
	bool open_modules;
	const char *proc_version, *proc_params, *proc_registry; /* texts; NULL where the file is absent */
	uint32_t major, major_uvm, major_caps, major_imex;	/* INVENTORY_NO_MAJOR where proc/devices has none */
	uint32_t major_nvswitch, major_nvlink;			/* likewise */
	uint32_t major_fs, major_gdrdrv;			/* likewise */
	uint32_t mig_config_minor, mig_monitor_minor;		/* of nvidia-caps; INVENTORY_NO_MAJOR where absent */
	struct inventory_gpu *gpus;				/* by PCI address */
	size_t n_gpus;
	struct inventory_extra *extra; /* only what inventory_extra_read was asked for */
	size_t n_extra;
	bool from_json; /* inventory.json was there and fitted the loaded driver */
	bool begun;	/* by inventory_begin */
};

/*
 * Reads it all. Absent files are facts, not errors; content that cannot be understood is ERR_HOST naming the
 * file. inventory.json is ignored (and logged) where it is not valid or tells of another driver than the loaded
 * one.
 */
int inventory_read(struct inventory *ret, const struct hostroot *root, struct err *err) must_check;
/*
 * The same in two steps: first what a start looks at before anything else, the majors, the GPUs and their MIG devices; then what
 * else is asked for. The same errors; after one nothing is to be freed.
 */
enum {
	INVENTORY_PROC = 1 << 0,      /* proc_params, proc_registry */
	INVENTORY_DRM = 1 << 1,	      /* the GPUs' nodes in /dev/dri */
	INVENTORY_MIG_ADMIN = 1 << 2, /* mig_config_minor, mig_monitor_minor */
	INVENTORY_PCI = 1 << 3,	      /* has_pci_gpu by what sys-root says, where the driver has GPUs too */
	INVENTORY_ALL = INVENTORY_PROC | INVENTORY_DRM | INVENTORY_MIG_ADMIN | INVENTORY_PCI,
};
int inventory_begin(struct inventory *ret, const struct hostroot *root, struct err *err) must_check;
int inventory_finish(struct inventory *inv, const struct hostroot *root, unsigned parts, struct err *err) must_check;
void inventory_free(struct inventory *inv);

/*
 * The node `name` (relative to dev-root, one or two components) must be a character device with this number,
 * reached through no symlink. fd (O_PATH) or -errno with ERR_NODE.
 */
int inventory_open_node(int dev_root, const char *name, uint32_t major, uint32_t minor, struct err *err) must_check;
/* Whether fd is that, by whatever way it was opened. 0 or -errno with ERR_NODE. */
int inventory_check_node(int fd, const char *name, uint32_t major, uint32_t minor, struct err *err) must_check;

#endif
