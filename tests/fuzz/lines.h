/* SPDX-License-Identifier: Apache-2.0 */
/* A container's words as lines, without the JSON around them, so that mutations hit the values. */
#ifndef NVCOREOS_TESTS_LINES_H
#define NVCOREOS_TESTS_LINES_H

#include "conf/config.h"
#include "fuzz.h"
#include "oci/spec.h"

/*
 * The first line holds flags: P a privileged container, S a sandbox, e accept-environment=privileged, m
 * accept-mounts=no. Each line after it is "M" and a mount's destination, "A" and an annotation's key=value, or an
 * assignment of the environment.
 */
void lines_read(struct fuzz_input *in, struct spec *spec, struct config *conf);

#endif
