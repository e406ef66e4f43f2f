/* SPDX-License-Identifier: Apache-2.0 */
/* The tool of the image, at work on the host's root. */
#ifndef NVCOREOS_CLI_IMAGE_RUN_H
#define NVCOREOS_CLI_IMAGE_RUN_H

#include <stddef.h>

#include "base/err.h"

/*
 * Runs `nvcoreos --root ROOT ARG...` with this process's standard streams and waits for its end. 0; -errno with ERR_IO where
 * it could not be started, or failed: it has said why then.
 */
int image_run_tool(const char *root, const char *const *args, size_t n, struct err *err) must_check;

#endif
