/* SPDX-License-Identifier: Apache-2.0 */
/* The annotation of an earlier run, which anybody may have written. */
#include "fuzz.h"
#include "oci/edit_note.h"
#include "oci/json.h"
#include "oci/spec.h"

static char *write_note(const struct edit_note *n)
{
	cleanup_strbuf struct strbuf b = STRBUF_INIT;
	char why[128];
	cleanup_json struct json *j = NULL;

	strbuf_putc(&b, '{');
	edit_note_write(n, "prestart", &b);
	strbuf_putc(&b, '}');
	j = json_parse(b.buf, b.len, why, sizeof(why));
	MUST(j && json_is_string(json_get(j, SPEC_EDITS_ANNOTATION)));
	return mem_strdup(json_str(json_get(j, SPEC_EDITS_ANNOTATION)));
}

FUZZ(note)
{
	cleanup_free char *text = mem_strndup((const char *)data, size), *written = NULL, *second = NULL;
	struct edit_note n = { 0 }, again = { 0 };

	edit_note_parse(&n, text);
	MUST(n.n_devices <= EDIT_NOTE_DEVICES_MAX);
	for (size_t i = 1; i < n.n_devices; i++)
		MUST(edit_note_compare(&n.devices[i - 1], &n.devices[i]) <= 0);
	MUST(!n.ld || fuzz_matches(n.ld, "^(/usr/local/(nvidia/|cuda)[A-Za-z0-9._+/-]*(:|$))+$"));
	written = write_note(&n);
	edit_note_parse(&again, written);
	second = write_note(&again);
	MUST(str_eq(written, second) && again.n_devices == n.n_devices && !again.ld == !n.ld);
	edit_note_free(&again);
	edit_note_free(&n);
}
