/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of nvcoreos-hook, under its own name and as nvidia-container-runtime-hook. */
#ifndef NVCOREOS_HOOK_ARGS_H
#define NVCOREOS_HOOK_ARGS_H

#include <stdbool.h>

#include "base/err.h"

enum hook_verb {
	HOOK_APPLY,   /* prestart, createRuntime */
	HOOK_LDCACHE, /* only the loader's files */
	HOOK_NOTHING, /* poststart, poststop of the alias */
	HOOK_VERSION,
	HOOK_HELP,
};

struct hook_args {
	enum hook_verb verb;
	const char *config, *debug; /* NULL where not given */
	bool cgroup_by_shim;	    /* --device-cgroup=none: the shim has set the device rules */
	bool cdi;		    /* --cdi: the engine gives the nodes and their rules, by our CDI specification */
};

/*
 * -EINVAL with ERR_USAGE for anything that is not understood. Options may stand before or after the verb, with
 * one dash or two.
 */
int hook_args_parse(struct hook_args *ret, int argc, char **argv, struct err *err) must_check;

#endif
