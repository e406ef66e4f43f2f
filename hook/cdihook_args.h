/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of nvcoreos-hook as nvidia-cdi-hook, which the CDI specifications of NVIDIA's tools, device plugin and DRA
 * driver call: "nvidia-cdi-hook VERB OPTION...", and of older ones "nvidia-ctk hook VERB OPTION...".
 *
 * As NVIDIA's tool has it: a verb that is not known, or none, is no error, so that a specification for a newer
 * tool still starts containers; an option that a known verb does not have is one. Options are written --name VALUE or
 * --name=VALUE, with one dash too, and lists are several options or values with commas. What does not concern us is taken and not
 * used: --ldconfig-path (no ldconfig is run), --host-cuda-version (releases of drivers are compared, as by our own starts),
 * --debug, --quiet.
 */
#ifndef NVCOREOS_HOOK_CDIHOOK_ARGS_H
#define NVCOREOS_HOOK_CDIHOOK_ARGS_H

#include <stdbool.h>
#include <sys/types.h>

#include "apply/cdilinks.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

enum cdihook_verb {
	CDIHOOK_UNKNOWN,
	CDIHOOK_LINKS,	 /* create-symlinks --link TARGET::LINK */
	CDIHOOK_LDCACHE, /* update-ldcache --folder DIR */
	CDIHOOK_MODE,	 /* chmod --mode OCTAL --path DIR */
	CDIHOOK_COMPAT,	 /* enable-cuda-compat --host-driver-version V [--cuda-compat-container-root DIR] */
	CDIHOOK_PROC,	 /* disable-device-node-modification */
	CDIHOOK_NOTHING, /* noop */
	CDIHOOK_VERSION,
	CDIHOOK_HELP,
};

struct cdihook_args {
	struct arena arena;
	enum cdihook_verb verb;
	const char *word;   /* the verb as it is written; NULL where there is none */
	const char *config; /* --config, absolute; NULL where not given */
	const char *state;  /* --container-spec, absolute: a file with the state; NULL: stdin */
	struct cdilinks_link *links;
	size_t n_links;
	struct strlist folders; /* absolute, normalized, and such as the loader's configuration can hold */
	struct strlist paths;	/* absolute, normalized */
	mode_t mode;		/* --mode, which chmod needs */
	bool has_mode;
	const char *driver;	/* --host-driver-version; NULL where not given or empty */
	const char *compat_dir; /* --cuda-compat-container-root, as folders; NULL where not given or empty */
};

/* -EINVAL with ERR_USAGE. cdihook_args_free is due either way. */
int cdihook_args_parse(struct cdihook_args *ret, int argc, char **argv, struct err *err) must_check;
void cdihook_args_free(struct cdihook_args *a);

#endif
