/* SPDX-License-Identifier: Apache-2.0 */
/* Requirements as images write them (NVIDIA_REQUIRE_CUDA="cuda>=12.4 brand=tesla,driver>=535"). Pure. */
#ifndef NVCOREOS_PLAN_REQUIRE_H
#define NVCOREOS_PLAN_REQUIRE_H

#include "base/attr.h"
#include "base/err.h"

/* What one GPU and its driver offer. NULL: not known, and then no term on it holds. */
struct require_facts {
	const char *driver; /* "535.261.03" */
	const char *cuda;   /* the version that the driver supports, "12.2" */
	const char *arch;   /* compute capability, "9.0" */
	const char *brand;  /* "Tesla" */
	const char *gpu;    /* how messages call the GPU, "GPU 0"; NULL where none is meant */
};

/*
 * Checks one expression: alternatives separated by spaces, terms of one alternative by commas; cuda, driver,
 * arch with = != < <= > >= and dotted numbers, brand with = and != in any case. 0 where an alternative holds
 * (and for an empty expression); -EINVAL with ERR_REQUIRE where none does, naming terms that fail and what the
 * host has, and where the expression is malformed anywhere, be it behind an alternative that holds.
 */
int require_check(const char *name, const char *expression, const struct require_facts *facts,
		  struct err *err) must_check;

#endif
