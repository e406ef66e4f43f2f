/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CUDA toolkit from its archive: directories are kept, so every path in it is resolved beneath the staging
 * directory.
 */
#ifndef NVCOREOS_STORE_TOOLKIT_H
#define NVCOREOS_STORE_TOOLKIT_H

#include "base/err.h"
#include "store/archive.h"
#include "store/build.h"

/*
 * Takes all of the archive into the tree; b->manifest.cuda is set. A single directory that holds everything
 * ("cuda-12.4.1/") is stripped. -errno with ERR_ARCHIVE where a name or link leaves the tree, or comes twice.
 */
int toolkit_extract(struct build *b, struct archive_stream *s, struct err *err) must_check;
/* SONAME links, start.json and manifest.json. */
int toolkit_finish(struct build *b, struct err *err) must_check;

#endif
