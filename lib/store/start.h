/* SPDX-License-Identifier: Apache-2.0 */
/* From a manifest to what a container's start needs of it (start.json). */
#ifndef NVCOREOS_STORE_START_H
#define NVCOREOS_STORE_START_H

#include "store/manifest.h"
#include "store/tree.h"

/*
 * Fills `t` (to be freed with tree_free) for a driver's manifest with all links in it. Capabilities for which
 * the driver has no file of their own are taken out of the manifest's entries first. `path` is the tree's
 * place, for messages.
 */
void start_driver(struct tree *t, struct manifest *m, const char *path);
/* Adds a toolkit's library directories, those of its machine (manifest's arch) that are there, in the order that the loader takes. */
void start_dirs(struct strlist *dirs, struct arena *arena, const struct manifest *m);
/* The same for a toolkit, with the directories of start_dirs. */
void start_toolkit(struct tree *t, const struct manifest *m, const char *path);

#endif
