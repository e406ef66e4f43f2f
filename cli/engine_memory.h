/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a file of an engine's was before ours came into it, in a file of ours beside it (hidden, for root alone): JSON has no
 * comments in which it could stand, as it does in TOML. Beside, because it is the file's past: where /etc is copied, or an ostree
 * host goes back to an older one, both go together; and so it is at hand whatever --engine-config names. Where it is lost, what
 * is ours is still taken out, key by key.
 */
#ifndef NVCOREOS_CLI_ENGINE_MEMORY_H
#define NVCOREOS_CLI_ENGINE_MEMORY_H

#include <stdbool.h>

#include "engine.h"

struct engine_memory {
	struct engine_file *file; /* where it is kept, in the plan */
	bool known;		  /* whether something is remembered; else all below is empty */
	bool had_file;		  /* whether the engine had a file */
	struct strbuf before;	  /* its text, without ours */
	bool is_ours;		  /* the engine's file still is, byte for byte, what we have left there */
	bool cdi;		  /* we have switched CDI on */
};

/*
 * Adds the memory of `of`, which is in the plan, to the plan and reads it. 0; -EINVAL with ERR_ENGINE where it cannot be read or
 * is not understood. engine_memory_free either way.
 */
int engine_memory_read(const struct engine_ask *ask, struct engine_plan *plan, const struct engine_file *of,
		       struct engine_memory *ret, struct err *err) must_check;
/* Plans that had_file, before and cdi are remembered, of a file that is planned too. */
void engine_memory_keep(struct engine_memory *m, const struct engine_file *of);
/* Plans that nothing is. */
void engine_memory_drop(struct engine_memory *m);
void engine_memory_free(struct engine_memory *m);

#endif
