/* SPDX-License-Identifier: Apache-2.0 */
/* A container engine as `nvcoreos configure` sees it: what its files would be. Nothing here writes. */
#ifndef NVCOREOS_CLI_ENGINE_H
#define NVCOREOS_CLI_ENGINE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "oci/json.h"
#include "rootfile.h"

/* What the user asks for. */
struct engine_ask {
	struct arena *arena; /* for strings of the plan */
	int rootfd;
	const char *file;   /* the engine's configuration file, below the root */
	const char *name;   /* of the runtime */
	const char *path;   /* of nvcoreos-runtime */
	const char *config; /* for --nvcoreos-config, or NULL: what the runtime has already */
	bool set_default, cdi, remove;
};

/* One of its files before and after. */
struct engine_file {
	struct rootfile was;
	struct strbuf text; /* afterwards */
	bool there;	    /* whether it is there afterwards */
	bool private;	    /* for us alone: nobody else reads it, and no diff shows it */
};

/* The engine's own file, another one of its or of ours, and the policy of a default runtime. */
#define ENGINE_FILES_MAX 3

struct engine_plan {
	/* The first one is what messages name. To add, the last is written first; to remove, the first one goes first. */
	struct engine_file files[ENGINE_FILES_MAX];
	size_t n;
	bool is_default;    /* afterwards a runtime of ours is the default, or that cannot be told */
	bool has_ours;	    /* afterwards, whatever its name */
	const char *config; /* what the runtime has as --nvcoreos-config (where it goes: had), or NULL */
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
	/* Adds the names of runtimes that are ours. Files that cannot be read have none. */
	void (*names)(const struct engine_ask *ask, struct strlist *names);
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
 * Gives `into` what one runtime may get from another: the members of `from` (NULL: none) that it has not, but for objects, and for
 * what an engine takes anyway.
 */
void engine_copy_members(struct json *into, struct json *from);

/*
 * Adds a file to the plan, as it is now, and returns it; what it shall be is still the same. NULL with ERR_ENGINE where it
 * cannot be read.
 */
struct engine_file *engine_plan_read(const struct engine_ask *ask, struct engine_plan *plan, const char *path,
				     struct err *err) must_check;
/* Whether it differs afterwards. */
bool engine_file_changes(const struct engine_file *f);
/* What it shall hold; the text may be the one that it holds. */
void engine_file_set(struct engine_file *f, const struct strbuf *text);
void engine_plan_free(struct engine_plan *plan);

#endif
