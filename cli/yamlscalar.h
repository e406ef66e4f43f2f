/* SPDX-License-Identifier: Apache-2.0 */
/* What an unquoted word of YAML 1.1 is. */
#ifndef NVCOREOS_CLI_YAMLSCALAR_H
#define NVCOREOS_CLI_YAMLSCALAR_H

#include "oci/json.h"

/*
 * A whole number (0666 is 438, 0x1f, 0b101 and 0o17 too), true or false (yes, on, y ... too), NULL for null, or the word itself, as which
 * fractions stand too: as the library has it that engines read YAML with. The caller frees it.
 */
struct json *yamlscalar_read(const char *s) must_check;

#endif
