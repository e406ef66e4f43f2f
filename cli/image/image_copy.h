/* SPDX-License-Identifier: Apache-2.0 */
/* The directory of the programs, from the image to a host and away again. */
#ifndef NVCOREOS_CLI_IMAGE_COPY_H
#define NVCOREOS_CLI_IMAGE_COPY_H

#include "base/err.h"

/*
 * Copies the directory `path` of this root to the same path below rootfd, with a file `name` that holds `text` in it: beside
 * first, synced, then in the place of what is there by one rename. -errno with ERR_IO, and nothing has changed.
 */
int image_copy_prefix(int rootfd, const char *path, const char *name, const char *text, struct err *err) must_check;
/* Removes it from there, by one rename first; absent is fine. -errno with ERR_IO. */
int image_copy_remove(int rootfd, const char *path, struct err *err) must_check;

#endif
