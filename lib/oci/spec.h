/* SPDX-License-Identifier: Apache-2.0 */
/* What nvcoreos reads of an OCI config.json (runtime-spec config.md, config-linux.md). */
#ifndef NVCOREOS_OCI_SPEC_H
#define NVCOREOS_OCI_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define SPEC_FILE_MAX (16u << 20)
#define SPEC_EDITS_ANNOTATION "io.nvcoreos.edits"
/*
 * The hook entry of the shim: its program's name, and the argument that tells the hook that the device rules
 * are set.
 */
#define SPEC_HOOK_NAME "nvcoreos-hook"
#define SPEC_HOOK_BY_SHIM "--device-cgroup=none"
/* The argument of the hook entry that our CDI specifications bring: the engine gives the nodes. */
#define SPEC_HOOK_BY_CDI "--cdi"

/* What device lists are mounts of. */
#define SPEC_NULL_SOURCE "/dev/null"

struct spec_mount {
	const char *destination; /* normalized, absolute */
	const char *source;	 /* "" where absent, and where SPEC_NULL_SOURCE is no part of it */
	bool bind;		 /* type bind, or options bind/rbind */
	bool tmpfs;		 /* type tmpfs */
};

struct spec_node {
	uint32_t major, minor; /* of a character device */
};

struct spec_pair {
	const char *key, *value;
};

struct spec {
	struct arena arena;
	bool has_process, has_linux;
	struct strlist env; /* process.env in order; entries without "=" left out */
	struct spec_pair *annotations;
	size_t n_annotations;
	struct spec_mount *mounts;
	size_t n_mounts;
	const char *root_path; /* as written; NULL where root is absent */
	bool root_readonly;
	bool privileged;	  /* CAP_SYS_ADMIN in process.capabilities.bounding */
	bool own_mount_ns;	  /* a mount namespace without a path is asked for */
	const char *cgroups_path; /* linux.cgroupsPath; NULL where it is absent or empty */
	struct spec_node
		*nodes; /* linux.devices, which engines write and no image can; what is no such device is left out */
	size_t n_nodes;
	bool sandbox;	     /* CRI pod sandbox */
	bool cgroup_by_shim; /* our hook entry says that the shim set the device rules */
	bool by_cdi;	     /* a hook entry of ours comes from our CDI specification */
};

/*
 * Parses config.json; of process, its capabilities, mounts, linux and hooks only what is asked for here, the rest can be anything: other
 * members, capabilities without CAP_SYS_ADMIN, types and options that do not bind, namespaces that are not mount's. -EINVAL with ERR_SPEC
 * naming the member that is wrong.
 */
int spec_parse(struct spec *ret, const char *text, size_t len, struct err *err) must_check;
/* An empty spec (a request on the command line), for spec_add_env. */
void spec_init(struct spec *ret);
void spec_add_env(struct spec *s, const char *assignment);
/*
 * Opens BUNDLE/config.json (a regular file, no symlink, SPEC_FILE_MAX bytes at most) and reads it once. The
 * caller frees *ret_text. -errno with ERR_SPEC.
 */
int spec_read_file(int bundle_fd, char **ret_text, size_t *ret_len, struct err *err) must_check;
/* The value of a variable, the last one where it stands twice (as runc takes it); NULL where it is not set. */
const char *spec_env(const struct spec *s, const char *name);
/* The last mount whose destination is `path`; NULL where none is. */
const struct spec_mount *spec_mount_at(const struct spec *s, const char *path);
/*
 * The mount other than the root that covers `path`: the deepest destination at or above it; NULL where it
 * lies on the root.
 */
const struct spec_mount *spec_mount_over(const struct spec *s, const char *path);
void spec_free(struct spec *s);

#endif
