/* SPDX-License-Identifier: Apache-2.0 */
/* The low-level runtime that nvcoreos-runtime becomes. */
#ifndef NVCOREOS_RUNTIME_FIND_H
#define NVCOREOS_RUNTIME_FIND_H

#include "base/err.h"
#include "base/str.h"

/*
 * The first of `names` (absolute paths, or names looked up in the fixed search path) that is an executable file
 * and not this program itself. The path is malloc'd. NULL with ERR_RUNTIME.
 */
char *runtime_find(const struct strlist *names, struct err *err) must_check;

#endif
