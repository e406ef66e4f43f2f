/* SPDX-License-Identifier: Apache-2.0 */
/* What a kernel's configuration, as its headers have it (include/config/auto.conf), means for modules. Text only. */
#ifndef NVCOREOS_STORE_KCONFIG_H
#define NVCOREOS_STORE_KCONFIG_H

#include <stdbool.h>

#include "base/mem.h"

/* Whether the configuration has the line "CONFIG_<name>=y". */
bool kconfig_is_set(const char *config, const char *name);
/* Whether the layout of its structures is random: then a part of vermagic stands for the seed. */
bool kconfig_is_random(const char *config);
/*
 * The vermagic of a kernel: its release, what the configuration adds, and, where the layout is random, `seed` as the kernel
 * writes it ("RANDSTRUCT_<hash>"). NULL where it cannot be told: for another machine than x86-64 and arm64, or where a seed is
 * needed and `seed` is NULL. Lives in the arena.
 */
const char *kconfig_vermagic(struct arena *a, const char *config, const char *release, const char *seed);

#endif
