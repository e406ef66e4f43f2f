/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one file that knows libarchive: decompresses a tar archive, parses it, and writes what is in it as records. It runs
 * in a process that can do nothing else (archive.c), so whatever is wrong in it, or in libarchive, can only make records.
 */
#ifndef NVCOREOS_STORE_DECODER_H
#define NVCOREOS_STORE_DECODER_H

#include <stdint.h>

#include "store/records.h"

/* How an archive is compressed. */
enum decoder_compression { DECODER_ANY, DECODER_BZIP2, DECODER_XZ, DECODER_GZIP, DECODER_ZSTD };

/* What an archive of n compressed bytes may hold: far more than any driver does, far less than a bomb. */
uint64_t decoder_limit(uint64_t n);

/*
 * Reads the archive in the regular file `in` from `offset` to its end and writes what is in it to w. Refused: what is no
 * whole compressed tar archive with nothing behind it, other types than files, directories and links, modes beyond
 * rwxrwxr-x, extended attributes, ACLs, file flags, holes, more than decoder_limit allows. What the entries are called is
 * not looked at.
 */
void decoder_run(struct records *w, int in, uint64_t offset, enum decoder_compression expected);
/* The same of one file that was compressed alone: it comes as the one entry "packed", of DECODER_PACKED_MAX bytes at most. */
#define DECODER_PACKED_MAX (256u << 20) /* the largest module, several times over */
void decoder_run_packed(struct records *w, int in, enum decoder_compression expected);

#endif
