/* SPDX-License-Identifier: Apache-2.0 */
/* The driver version of the loaded module, for what needs nothing else of the host. */
#ifndef NVCOREOS_STORE_LOADED_H
#define NVCOREOS_STORE_LOADED_H

#include <stddef.h>

#include "base/attr.h"

#define LOADED_MAX 33

/*
 * The same for who must not take an error for absence: 1 with the version in buf, 0 where no module is loaded, -errno. -EBADMSG
 * where the file does not tell a version.
 */
int loaded_read(const char *proc_root, char *buf) must_check;
/* The version in <proc_root>/driver/nvidia/version, in buf of LOADED_MAX bytes; NULL where no module is loaded. */
const char *loaded_driver(const char *proc_root, char *buf);
/* The same from the file's text. */
const char *loaded_parse(const char *text, char *buf);

#endif
