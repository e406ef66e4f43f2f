/* SPDX-License-Identifier: Apache-2.0 */
/* A container engine as `nvcoreos configure` sees it: what its files would be. Nothing here writes. */
#ifndef NVCOREOS_CLI_ENGINE_H
#define NVCOREOS_CLI_ENGINE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "rootfile.h"

/* What the user asks for. */
struct engine_ask {
	struct arena *arena; /* for strings of the plan */
	int rootfd;
	const char *file;	 /* the engine's configuration file, below the root */
	const char *name;	 /* of the runtime */
	const char *path;	 /* of nvcoreos-runtime */
	const char *config;	 /* for --nvcoreos-config, or NULL */
	const char *old_default; /* remove: what an earlier plan's old_default was, or NULL */
	bool set_default, cdi, remove;
};

/* One of its files before and after. */
struct engine_file {
	struct rootfile was;
	struct strbuf text; /* afterwards */
	bool there;	    /* whether it is there afterwards */
};

#define ENGINE_FILES_MAX 2

struct engine_plan {
	struct engine_file files[ENGINE_FILES_MAX]; /* the first one is what messages name */
	size_t n;
	bool was_default, is_default; /* a runtime of ours, before and after */
	bool has_ours;		      /* afterwards, whatever its name */
	const char *old_default;      /* the default that gave way and stands nowhere in the files, or NULL */
	struct strlist warnings, notes;
};

struct engine {
	const char *name;
	const char *file, *user_file; /* of root; of others, below their ~/.config, or NULL */
	const char *restart;	      /* what makes it read its files again */
	bool takes_options;	      /* it can hand --nvcoreos-config to the runtime */
	bool wants_alias;	      /* it looks for NVIDIA's hook on its PATH */
	/* Whether it takes this name for a runtime that somebody adds. */
	bool (*name_ok)(const char *name);
	/* Reads the files and fills the plan. -errno with ERR_ENGINE; engine_plan_free either way. */
	int (*plan)(const struct engine_ask *ask, struct engine_plan *plan, struct err *err);
};

extern const struct engine engine_docker, engine_containerd, engine_crio, engine_podman;

/* The engine of this name, or NULL. */
const struct engine *engine_find(const char *name);
/* All names, one after another with ", " between. */
const char *engine_names(void);
/* What all but Docker agree on: a plain name, and none that engines know by themselves. */
bool engine_name_ok(const char *name);
/* Whether a path names nvcoreos-runtime, wherever it is installed. NULL is no path. */
bool engine_is_ours(const char *path);

/*
 * Adds a file to the plan, as it is now, and returns it; what it shall be is still the same. NULL with ERR_ENGINE where it
 * cannot be read.
 */
struct engine_file *engine_plan_read(const struct engine_ask *ask, struct engine_plan *plan, const char *path,
				     struct err *err) must_check;
/* Whether it differs afterwards. */
bool engine_file_changes(const struct engine_file *f);
void engine_plan_free(struct engine_plan *plan);

#endif
