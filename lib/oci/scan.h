/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first look at config.json: its raw bytes are searched for the fixed names by which a container can ask
 * for a GPU. Where there is none nothing is parsed (design rule 7). A name that is written with JSON escapes
 * is not found: no engine writes one, and missing it grants nothing.
 */
#ifndef NVCOREOS_OCI_SCAN_H
#define NVCOREOS_OCI_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the bytes hold a name of a request (a variable that is empty or "void" asks for nothing), or the annotation of an earlier run of ours. */
bool scan_has_request(const char *text, size_t len);

#endif
