/* SPDX-License-Identifier: Apache-2.0 */
/* User namespaces as the kernel tells them: ours, and that of a container's init. */
#ifndef NVCOREOS_HOST_USERNS_H
#define NVCOREOS_HOST_USERNS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Whether this process runs in the machine's first user namespace. Elsewhere the kernel lets nobody change a device
 * cgroup, load a module or make a node, whatever capabilities a process has there. Where /proc does not tell: true,
 * so that nothing is left out without a word.
 */
bool userns_is_first(void);

/*
 * Our ids for uid 0 and gid 0 of the user namespace of process `pid`: 0 and 0 where it has ours. The caller pins the
 * process and may read its namespaces. -errno with ERR_NAMESPACE; -EINVAL where 0 is not mapped there.
 */
int userns_root_of(pid_t pid, uint32_t *ret_uid, uint32_t *ret_gid, struct err *err) must_check;

/*
 * The same question to the text of an id map (lines "first-inside first-outside count"). 0, or -EINVAL where the text
 * does not map 0 or is none.
 */
int userns_map_root(const char *text, uint32_t *ret) must_check;

#endif
