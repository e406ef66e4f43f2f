/* SPDX-License-Identifier: Apache-2.0 */
/* The OCI state on a hook's stdin. */
#include <limits.h>

#include "base/path.h"
#include "fuzz.h"
#include "oci/state.h"

FUZZ(state)
{
	struct err err = ERR_INIT;
	struct state s;
	char norm[PATH_MAX];

	if (state_parse(&s, (const char *)data, size, &err) < 0) {
		fuzz_refused(&err, ERR_STATE, ERR_NONE);
		return;
	}
	MUST(s.pid > 1 && s.pid <= 1 << 22);
	MUST(s.bundle[0] == '/' && strlen(s.bundle) < PATH_MAX);
	MUST(path_normalize(s.bundle, norm, sizeof(norm)) == 0 && !str_eq(norm, "/"));
	MUST(s.id && s.status);
	state_free(&s);
}
