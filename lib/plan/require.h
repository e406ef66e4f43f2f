/* SPDX-License-Identifier: Apache-2.0 */
/* Requirements as images write them (NVIDIA_REQUIRE_CUDA="cuda>=12.4 brand=tesla,driver>=535"). Pure. */
#ifndef NVCOREOS_PLAN_REQUIRE_H
#define NVCOREOS_PLAN_REQUIRE_H

#include "base/attr.h"
#include "base/err.h"

/* What one GPU and its driver offer. NULL: not known, or no GPU is meant; then every term on it holds. */
struct require_facts {
	const char *driver; /* "535.261.03" */
	const char *cuda;   /* the version that the driver supports, "12.2" */
	const char *arch;   /* compute capability, "9.0" */
	const char *brand;  /* "Tesla" */
	const char *gpu;    /* how messages call the GPU, "GPU 0"; NULL where none is meant */
};

/*
 * Checks one expression, with the answers of NVIDIA's tool: alternatives separated by spaces, terms of one alternative by
 * commas (empty ones count for nothing); cuda, driver, arch with = != < <= > >= and dotted numbers of any count
 * ("12.2.0" is "12.2"), brand with = and !=; names and brands in any case. Alternatives are tried in their order up to
 * the first that holds, and terms up to the first that fails: what stands behind is not looked at. 0 where one holds (and
 * for an empty expression); -EINVAL with ERR_REQUIRE where none does, naming terms that fail, the driver and the GPU, and
 * where a term that is looked at is malformed (longer than 125 bytes too).
 */
int require_check(const char *name, const char *expression, const struct require_facts *facts,
		  struct err *err) must_check;

#endif
