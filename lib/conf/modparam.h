/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters of the driver's modules that an administrator may set: "nvidia.NVreg_EnableGpuFirmware=0", as on the kernel's
 * command line. Only known ones are taken, since the kernel takes an unknown one in silence, and some would undo what nvcoreos
 * itself sets (NVreg_ModifyDeviceFiles).
 */
#ifndef NVCOREOS_CONF_MODPARAM_H
#define NVCOREOS_CONF_MODPARAM_H

#include "base/mem.h"
#include "base/str.h"

/* What is wrong with such a word, as advice; NULL: nothing. */
const char *modparam_check(const char *word);
/*
 * Those words of the kernel's command line that are for one of the modules: `ret` gets the ones that may be set, `refused` the
 * others. All of them live in the arena.
 */
void modparam_of_kernel(struct arena *a, const char *cmdline, struct strlist *ret, struct strlist *refused);
/*
 * What a module is loaded with: `own` ("" for nothing), then what `words`, all of them checked, hold for `module`. In its name
 * '-' and '_' are one. The text lives in the arena.
 */
const char *modparam_of(struct arena *a, const struct strlist *words, const char *module, const char *own);

#endif
