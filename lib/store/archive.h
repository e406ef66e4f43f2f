/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading tar archives (bzip2, xz, gzip, zstd): the one file that knows libarchive. A child process without
 * privilege and without any file but the archive decompresses and parses it and passes entries through a pipe;
 * what comes out of the pipe is data only.
 */
#ifndef NVCOREOS_STORE_ARCHIVE_H
#define NVCOREOS_STORE_ARCHIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/digest.h"

#define ARCHIVE_ENTRIES_MAX 200000
#define ARCHIVE_BYTES_MAX (64ull << 30)

enum archive_stream_type { ARCHIVE_STREAM_FILE, ARCHIVE_STREAM_DIR, ARCHIVE_STREAM_SYMLINK, ARCHIVE_STREAM_HARDLINK };

struct archive_stream_entry {
	enum archive_stream_type type;
	char path[4096];   /* as it stands in the archive: hostile */
	char target[4096]; /* of links; hostile too */
	uint64_t size;	   /* of a file */
	bool executable;
};

struct archive_stream;

/*
 * Starts reading the archive in fd (a regular file, which stays the caller's and must outlive the stream); `name`
 * is for messages. -errno with ERR_ARCHIVE or ERR_IO.
 */
int archive_stream_open(struct archive_stream **ret, int fd, const char *name, struct err *err) must_check;
/*
 * The next entry: 1, 0 at the end (of a whole archive), -errno with ERR_ARCHIVE where the archive is damaged, too
 * large, or holds something other than files, directories and links. Data of the entry before that was not read is
 * passed over.
 */
int archive_stream_next(struct archive_stream *s, struct archive_stream_entry *ret, struct err *err) must_check;
/*
 * Writes the data of the entry, a file, to out and gives its digest. -errno with ERR_ARCHIVE, or ERR_STORE where
 * writing failed.
 */
int archive_stream_copy(struct archive_stream *s, int out, char hex[DIGEST_HEX], struct err *err) must_check;
/* Ends the child. NULL is allowed. */
void archive_stream_close(struct archive_stream *s);
static inline void cleanup_archive_stream_p(struct archive_stream **s)
{
	archive_stream_close(*s);
}
#define cleanup_archive_stream cleanup(cleanup_archive_stream_p)

#endif
