/* SPDX-License-Identifier: Apache-2.0 */
/* The OCI state that a runtime writes to a hook's stdin (runtime-spec runtime.md, "State"). */
#ifndef NVCOREOS_OCI_STATE_H
#define NVCOREOS_OCI_STATE_H

#include <sys/types.h>

#include "base/err.h"
#include "base/mem.h"

struct state {
	struct arena arena;
	const char *id;	    /* as written; only ever logged, escaped */
	const char *bundle; /* absolute */
	const char *status; /* "creating", "created", ... or "" */
	const char *root;   /* root.path of config.json, where the runtime tells it here (crun); "" */
	pid_t pid;	    /* > 1; 0 of a hook in the container's own namespaces, where it means nothing */
};

/*
 * Parses the state. -EINVAL with ERR_STATE for a pid that is missing or no process id (0, negative, 1, over
 * 2^22), a bundle that is missing, relative, "/" or over PATH_MAX, an ociVersion of another major than 1, or
 * JSON that is not valid.
 */
int state_parse(struct state *ret, const char *text, size_t len, struct err *err) must_check;
/*
 * The same of a createContainer hook, which runs in the container's namespaces: what the state says of a pid (0 of crun, a number
 * in the container's own pid namespace of runc) is not looked at.
 */
int state_parse_inside(struct state *ret, const char *text, size_t len, struct err *err) must_check;
/* Reads fd to its end (1 MiB and 2 seconds at most) and parses it. */
int state_read(struct state *ret, int fd, struct err *err) must_check;
int state_read_inside(struct state *ret, int fd, struct err *err) must_check;
void state_free(struct state *s);

#endif
