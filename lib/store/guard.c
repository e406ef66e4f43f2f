/* SPDX-License-Identifier: Apache-2.0 */
#include "store/guard.h"

#include <string.h>

#include "base/log.h"
#include "base/path.h"

int guard_ask(const struct guard *g, const char *path, const char *was, struct err *err)
{
	return g ? g->may_go(g->data, path, was, err) : 0;
}

void guard_stays(struct err *err, const char *was, const char *now, int errnum)
{
	log_warning("%s cannot be moved back, and stays as %s while it is in use: %s", was, now, strerror(errnum));
	err_hint(
		err,
		"end the containers that use it; it could not be moved back (%s), stays as %s, and goes with a later change of the store",
		strerror(errnum), path_base(now));
}
