/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a source holds, as bytes in a pipe: entries and their data, written by a child (decoder.h, walker.h), read by
 * archive.c, which trusts no byte of it.
 */
#ifndef NVCOREOS_STORE_RECORDS_H
#define NVCOREOS_STORE_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

/*
 * A record; what follows it are path and target, and a file's data as chunks: a length (uint32_t), so many bytes, and so
 * on to a chunk of no bytes. RECORD_ERROR has a sentence for a path; it comes instead of an entry, or, after the length
 * RECORD_CHUNK_ERROR, instead of a chunk. RECORD_END or RECORD_ERROR is the last one.
 */
enum record_type { RECORD_FILE, RECORD_DIR, RECORD_SYMLINK, RECORD_HARDLINK, RECORD_END, RECORD_ERROR };
struct record {
	uint64_t size; /* of a file */
	uint32_t path_len, target_len;
	uint8_t type, executable;
	uint8_t unused[6];
};
#define RECORD_CHUNK_MAX (128u << 10)
#define RECORD_CHUNK_ERROR UINT32_MAX

enum records_status { RECORDS_WHOLE, RECORDS_REFUSED, RECORDS_BROKEN };

struct records {
	int out;
	enum records_status status; /* RECORDS_BROKEN: out cannot be written */
};

/* All of these: 0, or negative once nothing more may be written. */

/* size, type and executable are the caller's; target is a link's or NULL. */
int records_entry(struct records *w, struct record *r, const char *path, const char *target) must_check;
/* A part of the data, at most RECORD_CHUNK_MAX; none at the end of each file. */
int records_chunk(struct records *w, const void *data, size_t len) must_check;
/* Always negative. in_data: a file's data was begun and not ended. */
int records_error(struct records *w, bool in_data, const char *what);
int records_end(struct records *w) must_check;

#endif
