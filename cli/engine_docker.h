/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's daemon.json: our runtime in it and out of it again. Changes the bytes that it must and no others. */
#ifndef NVCOREOS_CLI_ENGINE_DOCKER_H
#define NVCOREOS_CLI_ENGINE_DOCKER_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

/* A file that was made by us begins as this one. */
#define ENGINE_DOCKER_NEW "{\n}\n"

struct engine_docker {
	const char *file;   /* its name, for errors */
	const char *name;   /* of the runtime */
	const char *path;   /* of nvcoreos-runtime */
	const char *config; /* for --nvcoreos-config, or NULL: what there is stays, as all other arguments do */
	bool set_default;   /* add: make it the default-runtime */
	bool cdi;	    /* add: switch features.cdi on; remove: put back what it was */
	/* remove: the text before ours came, so that keys that gave way come back; NULL: not known, they go */
	const struct strbuf *before;
};

/*
 * Adds to the text of a daemon.json (blank text counts as {}). 0; -errno with ERR_ENGINE, and the text
 * untouched, where it is no valid daemon.json or another runtime has the name.
 */
int engine_docker_add(struct strbuf *text, const struct engine_docker *e, struct err *err) must_check;
/* Takes out what engine_docker_add puts in, key by key; a runtime of that name that is not ours stays. The same errors. */
int engine_docker_remove(struct strbuf *text, const struct engine_docker *e, struct err *err) must_check;

/* What a text says; one that is not valid says nothing. Strings are the arena's. */
/* Adds the names of the runtimes that are ours. */
void engine_docker_names(const struct strbuf *text, struct arena *arena, struct strlist *names);
/* Whether a runtime of ours is the default-runtime. */
bool engine_docker_default_is_ours(const struct strbuf *text);
/* What this runtime has as --nvcoreos-config, or NULL. */
const char *engine_docker_config(const struct strbuf *text, const char *name, struct arena *arena);
bool engine_docker_has_cdi(const struct strbuf *text);
/* Whether it has no member. */
bool engine_docker_is_bare(const struct strbuf *text);

#endif
