/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edits of config.json as splices of its bytes: what nvcoreos does not touch stays byte for byte (numbers
 * beyond int64, escapes, order). spec_parse has taken the text before, so what that asks for is valid JSON; of
 * the rest nobody has looked.
 *
 * What was added is written down in the annotation io.nvcoreos.edits, so that a second run on the same bundle
 * takes it out first. That annotation may come from an image: taking out never widens what a container may
 * do, and nothing in it is ever put into the document. So a deny-all rule that edit_apply made stays: nobody
 * can tell it from the engine's, and to crun a list without rules allows everything.
 */
#ifndef NVCOREOS_OCI_EDIT_H
#define NVCOREOS_OCI_EDIT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct edit_device {
	unsigned major, minor; /* always a character device, access "rw" */
};

struct edit {
	const struct edit_device *devices; /* rules to append to linux.resources.devices */
	size_t n_devices;
	const char *const *hook_args; /* NULL-ended; [0] is written as args[0], the entry's path is hook_path */
	const char *hook_path;	      /* NULL: no hook entry */
	const char *hook_stage;	      /* "prestart" or "createRuntime" */
	/* Directories to put first in LD_LIBRARY_PATH, all below /usr/local/nvidia or /usr/local/cuda; or NULL. */
	const char *ld_library_path;
};

/*
 * Makes the edited text. First our own earlier edits are taken out, and any prestart entry whose program is
 * called nvidia-container-runtime-hook (it would do our work twice). Device rules are appended; where the
 * engine gave no list, deny-all goes before them; where the list allows everything (privileged), none is
 * added. The hook entry has env ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]. *ret is malloc'd. The same edit
 * on its own result gives the same bytes. -EINVAL with ERR_SPEC where a member on the way has the wrong type,
 * or the edit itself cannot be written.
 */
int edit_apply(const char *text, size_t len, const struct edit *edit, char **ret, size_t *ret_len,
	       struct err *err) must_check;
/* Only takes our earlier edits out. *ret is malloc'd; equal to the text where there were none. */
int edit_undo(const char *text, size_t len, char **ret, size_t *ret_len, struct err *err) must_check;

#endif
