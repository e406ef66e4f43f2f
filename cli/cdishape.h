/* SPDX-License-Identifier: Apache-2.0 */
/* The shape of a CDI specification, as the library that engines read it with wants it: one wrong word, and none of the file counts. */
#ifndef NVCOREOS_CLI_CDISHAPE_H
#define NVCOREOS_CLI_CDISHAPE_H

#include <stddef.h>

#include "oci/json.h"

/*
 * What an engine would have of this value: members under the names that CDI gives them, however they are capitalized, and
 * strings where strings stand (the YAML `name: 0` too). The caller frees it. NULL with the reason in why (of `size`
 * bytes) where engines refuse it: a member that CDI does not know or of another type, a name, variable, hook,
 * permission or path that cannot be, a device without edits, a version below that of what is used.
 */
struct json *cdishape_read(const struct json *raw, char *why, size_t size) must_check;

#endif
