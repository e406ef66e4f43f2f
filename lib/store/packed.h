/* SPDX-License-Identifier: Apache-2.0 */
/* A kernel module that was compressed alone (.ko.xz, .ko.zst), as what it unpacks to. */
#ifndef NVCOREOS_STORE_PACKED_H
#define NVCOREOS_STORE_PACKED_H

#include <stdbool.h>

#include "base/err.h"

/* Whether a file is, by its name. */
bool packed_is(const char *name);
/*
 * Unpacks the open file in a child without privilege (archive.h) into memory. An fd to read from, which the caller closes, or
 * -errno with ERR_ARCHIVE where it is damaged, packed in another way than its name says, or too large; ERR_IO.
 */
int packed_open(const char *name, int fd, struct err *err) must_check;

#endif
