/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's daemon.json: our runtime in it and out of it again. Changes the bytes that it must and no others. */
#ifndef NVCOREOS_CLI_ENGINE_DOCKER_H
#define NVCOREOS_CLI_ENGINE_DOCKER_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

/* A file that was made by us begins as this one, and a file that is this again may go. */
#define ENGINE_DOCKER_NEW "{\n}\n"

struct engine_docker {
	const char *file;	 /* its name, for errors */
	const char *name;	 /* of the runtime */
	const char *path;	 /* of nvcoreos-runtime */
	const char *config;	 /* for --nvcoreos-config, or NULL */
	bool set_default;	 /* add: make it the default-runtime */
	bool cdi;		 /* add: switch features.cdi on; remove: take it out */
	const char *old_default; /* remove: the default-runtime to put back, or NULL */
};

/*
 * Adds to the text of a daemon.json (blank text counts as {}). 0; -errno with ERR_ENGINE, and the text
 * untouched, where it is no valid daemon.json or another runtime has the name.
 */
int engine_docker_add(struct strbuf *text, const struct engine_docker *e, struct err *err) must_check;
/* Takes out what engine_docker_add puts in; a runtime of that name that is not ours stays. The same errors. */
int engine_docker_remove(struct strbuf *text, const struct engine_docker *e, struct err *err) must_check;

/* Whether any runtime of the text is ours, whatever its name. */
bool engine_docker_has_ours(const struct strbuf *text);
/* The default-runtime of the text that the caller frees, or NULL; *ret_ours tells whether it is a runtime of ours. */
char *engine_docker_default(const struct strbuf *text, bool *ret_ours) must_check;

#endif
