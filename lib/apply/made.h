/* SPDX-License-Identifier: Apache-2.0 */
/* What a start has made in a container's root, so that a start that fails can take it away again. */
#ifndef NVCOREOS_APPLY_MADE_H
#define NVCOREOS_APPLY_MADE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/mem.h"

struct made_entry {
	const char *path; /* in the container */
	uint64_t mount;	  /* that it was made on */
	dev_t dev;
	ino_t ino;
	mode_t mode;
};

struct made {
	int rootfd; /* not owned */
	struct arena arena;
	struct made_entry *v;
	size_t n;
};
#define MADE_INIT(rootfd) \
	{ \
		(rootfd), ARENA_INIT, NULL, 0 \
	}

/* Notes that `path` was made just now: what stands at `name` in a directory, or is fd's own with "". NULL for m: notes nothing. */
void made_note_at(struct made *m, const char *path, int fd, const char *name);
/* The same of what has been looked at already. */
struct path_facts;
void made_note_seen(struct made *m, const char *path, const struct path_facts *f);
/*
 * Removes what was noted, the last first: only where still the very inode stands there, on the very mount, and of directories
 * only empty ones. What cannot be removed (a mount stands on it) stays.
 */
void made_undo(const struct made *m);
void made_free(struct made *m);

#endif
