/* SPDX-License-Identifier: Apache-2.0 */
/* The OCI state on a hook's stdin. */
#include <limits.h>

#include "base/path.h"
#include "fuzz.h"
#include "oci/state.h"

/* A hook in the container's own namespaces takes whatever pid there is, and nothing else that the other refuses. */
static void parse_inside(const uint8_t *data, size_t size, bool refused)
{
	struct err err = ERR_INIT;
	struct state s;

	if (state_parse_inside(&s, (const char *)data, size, &err) < 0) {
		MUST(refused);
		fuzz_refused(&err, ERR_STATE, ERR_NONE);
		return;
	}
	MUST(s.pid == 0 && s.bundle[0] == '/' && s.root);
	state_free(&s);
}

FUZZ(state)
{
	struct err err = ERR_INIT;
	struct state s;
	char norm[PATH_MAX];

	if (state_parse(&s, (const char *)data, size, &err) < 0) {
		parse_inside(data, size, true);
		fuzz_refused(&err, ERR_STATE, ERR_NONE);
		return;
	}
	parse_inside(data, size, false);
	MUST(s.pid > 1 && s.pid <= 1 << 22);
	MUST(s.bundle[0] == '/' && strlen(s.bundle) < PATH_MAX);
	MUST(path_normalize(s.bundle, norm, sizeof(norm)) == 0 && !str_eq(norm, "/"));
	MUST(s.id && s.status);
	state_free(&s);
}
