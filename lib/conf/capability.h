/* SPDX-License-Identifier: Apache-2.0 */
/* Driver capabilities (NVIDIA_DRIVER_CAPABILITIES) as sets of bits. */
#ifndef NVCOREOS_CONF_CAPABILITY_H
#define NVCOREOS_CONF_CAPABILITY_H

#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"

enum {
	CAP_COMPUTE = 1 << 0,
	CAP_UTILITY = 1 << 1,
	CAP_VIDEO = 1 << 2,
	CAP_GRAPHICS = 1 << 3,
	CAP_DISPLAY = 1 << 4,
	CAP_NGX = 1 << 5,
	CAP_COMPAT32 = 1 << 6,
	CAP_ALL = (1 << 7) - 1,
};
#define CAPABILITY_NAME_MAX 64

/* One word ("compute"); 0 for a word that is none. */
unsigned capability_from_word(const char *word);
/* The word of one bit, in the fixed order of the enum; NULL for anything else. */
const char *capability_word(unsigned bit);
/*
 * A list as users write it: words separated by commas, "all" for every one; white space around words is allowed,
 * empty words are passed over. An empty list gives 0. -EINVAL with ERR_CAPABILITY naming the word that is unknown.
 */
int capability_parse(const char *list, unsigned *ret, struct err *err) must_check;
/* What a set comes to as a view: video includes compute, display becomes graphics. */
unsigned capability_view_set(unsigned set);
/*
 * "compute+utility" in the fixed order, "none" for the empty set; buf holds CAPABILITY_NAME_MAX bytes. Returns
 * buf.
 */
const char *capability_set_name(unsigned set, char *buf);

#endif
