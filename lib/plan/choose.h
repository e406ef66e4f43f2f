/* SPDX-License-Identifier: Apache-2.0 */
/* Which installed trees a start uses (design section 2). Pure. */
#ifndef NVCOREOS_PLAN_CHOOSE_H
#define NVCOREOS_PLAN_CHOOSE_H

#include "base/err.h"
#include "conf/config.h"
#include "host/inventory.h"
#include "host/rootfacts.h"
#include "oci/request.h"
#include "store/store.h"
#include "store/tree.h"

/*
 * The driver tree: the one whose driver is that of the loaded module, for this OS version; else any of that
 * driver (the libraries of a driver are the same for every OS version). While nothing is loaded, `current`
 * decides. An entry of s->drivers, or NULL with ERR_NO_TREE naming the loaded version and what is installed.
 */
const struct store_driver *choose_driver(const struct store *s, const struct inventory *inv, const char *os,
					 struct err *err);

/*
 * The CUDA toolkit to mount. *ret is one of s->toolkits, or NULL where none is to be mounted (why: a sentence
 * for the plan, static or in the arena). -ENOENT with ERR_CUDA_UNKNOWN where the container or the configuration
 * names a version that is not installed. auto: none where the image has its own, or compute is not asked for;
 * else the CUDA store's current where the driver's CUDA major allows it, else the newest that does.
 */
int choose_cuda(const struct store *s, const struct config *conf, const struct request *req,
		const struct rootfacts *facts, const char *driver_cuda, const char **ret, const char **why,
		struct err *err) must_check;

/*
 * Whether that, or what the plan says of it, can depend on toolkits of an image that has nothing at /usr/local/cuda: not where "none" is
 * asked for or configured, nor where "auto" is and none is installed.
 */
bool choose_cuda_minds_image(const struct store *s, const struct config *conf, const struct request *req) must_check;

#endif
