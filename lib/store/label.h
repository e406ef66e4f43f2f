/* SPDX-License-Identifier: Apache-2.0 */
/* SELinux labels of trees: confined containers may read what is labelled so. */
#ifndef NVCOREOS_STORE_LABEL_H
#define NVCOREOS_STORE_LABEL_H

#include "base/err.h"

/* The label that trees get on this host, a literal; NULL where its kernel has no SELinux (<sys_root>/fs/selinux). */
const char *label_for_host(const char *sys_root);
/*
 * Labels a directory (a host path) and all that lies below it. A file system without labels is no error. -errno with
 * ERR_STORE.
 */
int label_tree(const char *path, const char *label, struct err *err) must_check;

#endif
