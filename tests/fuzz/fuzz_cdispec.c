/* SPDX-License-Identifier: Apache-2.0 */
/* CDI specifications of others, as YAML or as JSON, and the YAML that is made of what was read. */
#include <fcntl.h>

#include "cdispec.h"
#include "fuzz.h"
#include "plan/cdi.h"
#include "yamldoc.h"

static void check_words(const struct json *doc)
{
	const struct json *devices = json_get(doc, "devices");

	MUST(cdi_version_is_known(json_get_str(doc, "cdiVersion", "")));
	MUST(fuzz_matches(json_get_str(doc, "kind", ""),
			  "^[A-Za-z]([A-Za-z0-9_.-]*[A-Za-z0-9])?/[A-Za-z]([A-Za-z0-9_.-]*[A-Za-z0-9])?$"));
	MUST(json_len(devices) > 0);
	for (size_t i = 0; i < json_len(devices); i++)
		MUST(fuzz_matches(json_get_str(json_at(devices, i), "name", ""),
				  "^[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?$"));
}

/* Whatever was read is written as YAML that reads the same. */
static void check_again(const struct json *j)
{
	cleanup_strbuf struct strbuf out = STRBUF_INIT;
	cleanup_json struct json *again = NULL;
	cleanup_free char *a = json_dump(j, 0), *b = NULL;
	char why[256];

	MUST(yamldoc_write(j, &out) == 0);
	again = yamldoc_read(out.buf, out.len, why, sizeof(why));
	MUST(again);
	b = json_dump(again, 0);
	MUST(str_eq(a, b));
}

FUZZ(cdispec)
{
	static const struct cdispec_file none = { .path = "/etc/cdi/x.yaml" };
	char why[256] = "";
	struct json *any = yamldoc_read((const char *)data, size, why, sizeof(why));
	struct cdispec_file file = none;
	struct cdispec_set set = { .files = &file, .n_files = 1 };
	struct cdispec_findings found;
	static int empty = -1;

	if (any && (json_is_object(any) || json_is_array(any)))
		check_again(any);
	MUST(any || *why);
	json_free(any);
	file.doc = cdispec_parse((const char *)data, size, why, sizeof(why));
	file.why = *why ? why : NULL;
	MUST(file.doc || *why);
	if (file.doc)
		check_words(file.doc);
	if (empty < 0)
		empty = open("/proc/self/fdinfo", O_PATH | O_DIRECTORY | O_CLOEXEC);
	MUST(empty >= 0);
	cdispec_check(&set, empty, &found);
	MUST(found.n <= CDISPEC_FINDINGS_MAX && (file.doc || found.n == 1));
	for (size_t i = 0; i < found.n; i++)
		for (const char *p = found.v[i].what; *p; p++)
			MUST(*p >= ' ' && *p <= '~');
	cdispec_findings_free(&found);
	json_free(file.doc);
}
