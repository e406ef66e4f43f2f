/* SPDX-License-Identifier: Apache-2.0 */
/* What lies in a directory, as records: a source that was unpacked already. */
#ifndef NVCOREOS_STORE_WALKER_H
#define NVCOREOS_STORE_WALKER_H

#include "store/records.h"

/*
 * Writes all that lies below the directory `dir` to w, by name order; changes the working directory to it. Follows no link:
 * a file that becomes one meanwhile is refused. Refused too: other types than files, directories and links, and modes
 * beyond rwxrwxr-x.
 */
void walker_run(struct records *w, int dir);

#endif
