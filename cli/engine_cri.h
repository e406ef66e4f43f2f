/* SPDX-License-Identifier: Apache-2.0 */
/* What containerd's configuration, versions 1 to 4, says of Kubernetes' runtimes. */
#ifndef NVCOREOS_CLI_ENGINE_CRI_H
#define NVCOREOS_CLI_ENGINE_CRI_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "oci/json.h"

/* The keys of a runtime's path: plugins, the plugin, containerd, runtimes, the name, options. */
enum {
	ENGINE_CRI_PLUGIN = 2,
	ENGINE_CRI_CONTAINERD = 3,
	ENGINE_CRI_RUNTIMES = 4,
	ENGINE_CRI_RUNTIME = 5,
	ENGINE_CRI_OPTIONS = 6,
};

struct engine_cri {
	int64_t version;
	const char *path[ENGINE_CRI_OPTIONS]; /* the name is the caller's to fill in */
};

/* The version, and where things stand in it. 0, or -EINVAL with ERR_ENGINE for one that is not known. */
int engine_cri_find(struct json *facts, const char *file, struct engine_cri *ret, struct err *err) must_check;

/* These borrow from facts, which may be NULL. */
struct json *engine_cri_runtime(struct json *facts, const struct engine_cri *c, const char *name);
/* The program of a runtime of runc's kind, or NULL. */
const char *engine_cri_program(struct json *facts, const struct engine_cri *c, const char *name);
/* The name of the default runtime, where none is said "runc". */
const char *engine_cri_default(struct json *facts, const struct engine_cri *c);
bool engine_cri_default_is_ours(struct json *facts, const struct engine_cri *c);
/* Whether the default runtime is there; containerd knows runc by itself. */
bool engine_cri_has_default(struct json *facts, const struct engine_cri *c);
bool engine_cri_has_cdi(struct json *facts, const struct engine_cri *c);
/* Adds the names of those that are ours, in the arena. */
void engine_cri_names(struct json *facts, const struct engine_cri *c, struct arena *arena, struct strlist *names);

#endif
