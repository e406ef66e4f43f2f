/* SPDX-License-Identifier: Apache-2.0 */
/* containerd's config.toml, versions 1 to 4: our runtime in it and out of it again. */
#ifndef NVCOREOS_CLI_ENGINE_CONTAINERD_H
#define NVCOREOS_CLI_ENGINE_CONTAINERD_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "oci/json.h"

struct engine_containerd {
	const char *file; /* its name, for errors */
	const char *name; /* of the runtime */
	const char *path; /* of nvcoreos-runtime */
	bool set_default; /* add: make it the default_runtime_name */
	bool cdi;	  /* add: enable_cdi */
	bool is_new;	  /* add: the file is not there yet */
};

/*
 * Adds to the text of a config.toml. 0; -errno with ERR_ENGINE, and the text untouched, where it is no TOML, another runtime
 * has the name, or it is written in a way that cannot be changed.
 */
int engine_containerd_add(struct strbuf *text, const struct engine_containerd *e, struct err *err) must_check;
/* Takes out what engine_containerd_add put in; *ret_was_new tells whether it had made the file. The same errors. */
int engine_containerd_remove(struct strbuf *text, const struct engine_containerd *e, bool *ret_was_new,
			     struct err *err) must_check;
/*
 * Adds the whole of a file in conf.d to the text, which holds its head. facts: what all others say; before: what the file said
 * (of its own runtime all that it said stays), or NULL. The same errors.
 */
int engine_containerd_dropin(struct strbuf *text, const struct engine_containerd *e, struct json *facts,
			     struct json *before, struct err *err) must_check;

#endif
