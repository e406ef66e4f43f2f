/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container's root holds that decides edits: one bounded pass of openat2 probes below its root fd,
 * nothing opened for reading but O_PATH and short directory listings.
 */
#ifndef NVCOREOS_HOST_ROOTFACTS_H
#define NVCOREOS_HOST_ROOTFACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "oci/spec.h"

enum rootfacts_kind {
	ROOTFACTS_ABSENT,
	ROOTFACTS_DIR,
	ROOTFACTS_FILE,
	ROOTFACTS_LINK,	     /* a symlink to anywhere else */
	ROOTFACTS_LINK_OURS, /* a symlink into /usr/local/nvidia, from an earlier start or an image made of one */
	ROOTFACTS_OTHER,     /* a device, FIFO, socket */
	ROOTFACTS_BLOCKED,   /* cannot be resolved: loop, magic link, a file where a directory should be */
};

struct rootfacts_path {
	const char *path;
	enum rootfacts_kind kind; /* of the last component, not followed */
	bool resolves_to_dir;	  /* following symlinks inside the root it is a directory */
	bool on_root; /* nearest existing parent, the path itself and what it leads to lie on the root's own mount */
	bool unseen;  /* a mount of config.json that is not made yet will cover it: what it holds is not known */
	const char *volume; /* where it does not: the destination in config.json that covers it, or "another mount" */
};

enum rootfacts_libc { ROOTFACTS_NO_LIBC, ROOTFACTS_GLIBC, ROOTFACTS_MUSL };

struct rootfacts {
	struct arena arena;
	bool known; /* false: no root was looked at (the shim); only what config.json tells is filled in */
	struct rootfacts_path *paths; /* the paths asked for and the fixed ones below, in no order */
	size_t n_paths;
	/*
	 * glibc's where ROOTFACTS_CACHE is a file on the root's mount; else by the loaders: /lib64/ld-linux-x86-64.so.2,
	 * /lib/ld-linux*.so*, /lib/ld-musl-*.so.1.
	 */
	enum rootfacts_libc libc;
	/*
	 * /usr/local/cuda or, where that is there or it is asked, a /usr/local/cuda-* with bin/nvcc, lib64, targets or
	 * version.json|txt of its own.
	 */
	bool has_cuda;
	bool lacks_conf; /* it has an /sbin/ldconfig, nothing stands at ROOTFACTS_CONF, and that would lie on the root's mount */
	/*
	 * The <version> of /usr/local/cuda/compat/libcuda.so.<version> to which libcuda.so.1 there leads, the newest where
	 * it is a copy. NULL where there is none, or no libcuda.so.1.
	 */
	const char *compat;
	uint64_t
		dev_mount; /* the mount at /dev, where it is a tmpfs of the container's own (by config.json too): nodes may be made there; else 0 */
};

/* The paths that are always looked at. */
#define ROOTFACTS_NVIDIA "/usr/local/nvidia"
#define ROOTFACTS_CUDA "/usr/local/cuda"
#define ROOTFACTS_CONF_D "/etc/ld.so.conf.d"
#define ROOTFACTS_CONF "/etc/ld.so.conf"
#define ROOTFACTS_CACHE "/etc/ld.so.cache"

/* What else is asked for. */
struct rootfacts_ask {
	struct strlist paths; /* at most 256 */
	bool cuda;	      /* the image's toolkits too where nothing stands at /usr/local/cuda */
};

/*
 * Probes the root `rootfd` for the fixed paths and for what is asked. The walk through /usr/local and the compat directory reads
 * at most 4096 entries. -errno with ERR_ROOTFS or ERR_KERNEL.
 */
int rootfacts_collect(struct rootfacts *ret, int rootfd, const struct spec *spec, const struct rootfacts_ask *ask,
		      struct err *err) must_check;
/* What can be told without a root: nothing covered but by the spec's mounts; known is false, libc glibc. */
void rootfacts_assume(struct rootfacts *ret, const struct spec *spec, const struct rootfacts_ask *ask);
/* The entry of a path that was asked for; never NULL for the fixed ones and those. */
const struct rootfacts_path *rootfacts_get(const struct rootfacts *f, const char *path);
void rootfacts_free(struct rootfacts *f);

#endif
