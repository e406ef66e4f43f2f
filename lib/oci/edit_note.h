/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The annotation io.nvcoreos.edits: "1 [c=MAJOR:MINOR[-MINOR],...] [stage=STAGE]
 * [ld-new=DIRS|ld-first=DIRS]". The stage is there for people: hook entries are known by their shape. Anybody
 * may have written what is read here.
 */
#ifndef NVCOREOS_OCI_EDIT_NOTE_H
#define NVCOREOS_OCI_EDIT_NOTE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "oci/edit.h"

#define EDIT_NOTE_DEVICES_MAX 65536u

struct edit_note {
	struct edit_device *devices; /* sorted */
	size_t n_devices;
	char *ld;    /* NULL: LD_LIBRARY_PATH is as it was */
	bool ld_new; /* the entry is ours, not only its beginning */
};

/* Reads the value; what is not wholly as edit_note_write writes it (or NULL) gives an empty note. */
void edit_note_parse(struct edit_note *ret, const char *text);
/* Adds the annotation as a JSON member; stage may be NULL. */
void edit_note_write(const struct edit_note *n, const char *stage, struct strbuf *ret);
void edit_note_free(struct edit_note *n);
#define cleanup_edit_note cleanup(edit_note_free)

/* For qsort and bsearch: by major, then minor. */
int edit_note_compare(const void *a, const void *b);
/*
 * Whether a list of directories may be put first and taken away again: below /usr/local/nvidia or CUDA's, no
 * byte that needs an escape.
 */
bool edit_note_is_ld(const char *s);

#endif
