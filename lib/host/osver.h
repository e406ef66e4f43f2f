/* SPDX-License-Identifier: Apache-2.0 */
/* Which release of which OS runs here: the second half of a driver tree's name. */
#ifndef NVCOREOS_HOST_OSVER_H
#define NVCOREOS_HOST_OSVER_H

#include "base/err.h"
#include "base/mem.h"

/*
 * The OS version of the host whose root is `root` ("" or "/" for this one), from etc/os-release or
 * usr/lib/os-release: VERSION_ID on Flatcar and CoreOS (ID flatcar, coreos), OSTREE_VERSION where it is set
 * (Fedora CoreOS), ID-VERSION_ID-<kernel> elsewhere (VERSION_ID left out where the file has none). `kernel`
 * NULL: uname -r. The name passes str_is_name. -errno with ERR_HOST.
 */
int osver_read(struct arena *a, const char *root, const char *kernel, const char **ret, struct err *err) must_check;
/* The same from the text of an os-release file, for tests. */
int osver_parse(struct arena *a, const char *text, size_t len, const char *kernel, const char **ret,
		struct err *err) must_check;

#endif
