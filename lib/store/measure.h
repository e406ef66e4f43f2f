/* SPDX-License-Identifier: Apache-2.0 */
/* How much an archive unpacks to, and how much room there is for it: known before anything is written. */
#ifndef NVCOREOS_STORE_MEASURE_H
#define NVCOREOS_STORE_MEASURE_H

#include <stdint.h>

#include "base/err.h"

/*
 * The size of the tar in a compressed file, read off its own records without unpacking it: the index of xz, the blocks of
 * zstd, the last bytes of gzip, the number of blocks of bzip2 (which is an estimate: runs of equal bytes count as what they
 * are packed to). `fd` is a regular file that keeps its offset; the archive begins at `offset`. A file that is not
 * understood measures 0: what unpacks it will say why. 0 or -errno of reading.
 */
int measure_archive(int fd, uint64_t offset, uint64_t *ret) must_check;
/* The size of all files below a directory. 0 or -errno. */
int measure_dir(const char *path, uint64_t *ret) must_check;

/* Room that is asked for below a directory; where that is absent, in the one above it. */
struct measure_room {
	const char *dir;
	uint64_t bytes;
};
/*
 * Whether there is room, also for two that lie on one file system. -ENOSPC with ERR_STORE naming what is needed and what is
 * free, or -errno with ERR_STORE.
 */
int measure_check(const struct measure_room *rooms, unsigned n, struct err *err) must_check;

#endif
