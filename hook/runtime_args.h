/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of nvcoreos-runtime: runc's, and our own options, which begin with --nvcoreos-. */
#ifndef NVCOREOS_RUNTIME_ARGS_H
#define NVCOREOS_RUNTIME_ARGS_H

#include <stdbool.h>

#include "base/err.h"

struct runtime_args {
	char **argv; /* for the low-level runtime: without our options, NULL-ended; argv[0] is still ours. Freed by the caller */
	bool starts;		    /* create or run: a bundle is about to become a container */
	const char *bundle;	    /* of create and run; "." where none is given */
	const char *config, *debug; /* --nvcoreos-config, --nvcoreos-debug; NULL where not given */
	const char *log;	    /* --log: where the engine looks for an error; NULL where not given */
	bool log_json;
};

/*
 * Never fails on what it does not know: that is the low-level runtime's business. -EINVAL with ERR_USAGE only
 * for an option of our own that is unknown or lacks its value. Pointers go into argv.
 */
int runtime_args_parse(struct runtime_args *ret, int argc, char **argv, struct err *err) must_check;

#endif
