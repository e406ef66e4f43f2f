/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvcoreos-hook as nvidia-cdi-hook: the verbs that CDI specifications of NVIDIA's tools call at createContainer, in the
 * container's own namespaces and before it has its root. What they do is NVIDIA's; how is ours: nothing of the container is
 * executed, every path is resolved below its root, and files are written on its own root mount alone, so that
 *
 *   create-symlinks  leaves out a link whose place is in a volume;
 *   update-ldcache   writes a file in ld.so.conf.d and merges the libraries that are mounted in the folders into the cache;
 *   chmod            changes directories, on the root and on the container's own /dev;
 *   enable-cuda-compat  names the image's directory in ld.so.conf.d, unless nvcoreos.conf says cuda-compat=off;
 *   disable-device-node-modification  shows /proc/driver/nvidia as our own starts do: with the container's GPUs alone.
 *
 * Each may be called many times. Any other verb is passed over with a line on stderr, and so is none.
 */
#ifndef NVCOREOS_HOOK_CDIHOOK_H
#define NVCOREOS_HOOK_CDIHOOK_H

#include <stdbool.h>

#include "base/attr.h"

/* Whether the program was called nvidia-cdi-hook, or nvidia-ctk. */
bool cdihook_is_called(int argc, char **argv);
/* All of it, from confine_process on: the exit status. */
int cdihook_main(int argc, char **argv) must_check;

#endif
