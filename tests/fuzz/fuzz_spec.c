/* SPDX-License-Identifier: Apache-2.0 */
/* config.json: the look at its raw bytes, the parser, and the request in it. */
#include <limits.h>

#include "fuzz.h"
#include "oci/scan.h"
#include "oci/spec.h"
#include "oracle.h"

static void check_spec(const struct spec *s, const char *text, size_t size, bool escapes)
{
	static const char admin[] = "CAP_SYS_ADMIN";

	for (size_t i = 0; i < s->n_mounts; i++) {
		const struct spec_mount *m = &s->mounts[i];

		MUST(fuzz_is_normal(m->destination) && strlen(m->destination) < PATH_MAX);
		MUST(m->type && m->source);
		MUST(str_eq(m->destination, "/") || spec_mount_over(s, m->destination));
	}
	for (size_t i = 0; i < s->env.n; i++)
		MUST(strchr(s->env.v[i], '='));
	MUST(!s->root_path || (s->root_path[0] && !str_eq(s->root_path, "/") && strlen(s->root_path) < PATH_MAX));
	MUST(!s->privileged || escapes || memmem(text, size, admin, strlen(admin)));
}

FUZZ(spec)
{
	const char *text = (const char *)data;
	/* A name that is written with escapes is not found in the raw bytes, which grants nothing. */
	bool escapes = size && memchr(text, '\\', size), asked = scan_has_request(text, size);
	struct err err = ERR_INIT;
	struct config conf;
	struct spec s;

	if (spec_parse(&s, text, size, &err) < 0) {
		fuzz_refused(&err, ERR_SPEC, ERR_NONE);
		return;
	}
	check_spec(&s, text, size, escapes);
	config_init(&conf);
	for (unsigned i = 0; i < 4; i++) {
		struct request r;

		conf.accept_environment = i & 1 ? CONFIG_ACCEPT_PRIVILEGED : CONFIG_ACCEPT_ALL;
		conf.accept_mounts = !(i & 2);
		if (!oracle_request(&r, &s, &conf))
			continue;
		MUST(!r.wanted || asked || escapes);
		request_free(&r);
	}
	config_free(&conf);
	spec_free(&s);
}
