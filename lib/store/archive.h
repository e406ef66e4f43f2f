/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading tar archives (bzip2, xz, gzip, zstd), and directories that hold what such an archive would. A child process
 * without privilege and without any file but the archive decompresses and parses it (decoder.h) and passes entries through
 * a pipe; what comes out of the pipe is data only, and every name in it is checked (names.h).
 */
#ifndef NVCOREOS_STORE_ARCHIVE_H
#define NVCOREOS_STORE_ARCHIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/decoder.h"
#include "store/digest.h"

#define ARCHIVE_ENTRIES_MAX 200000
#define ARCHIVE_BYTES_MAX (64ull << 30)

enum archive_stream_type { ARCHIVE_STREAM_FILE, ARCHIVE_STREAM_DIR, ARCHIVE_STREAM_SYMLINK, ARCHIVE_STREAM_HARDLINK };

struct archive_stream_entry {
	enum archive_stream_type type;
	char path[4096];   /* relative, of plain names; nothing comes twice, nothing lies below a link */
	char target[4096]; /* of a symlink: stays inside, as text; of a hard link: a file that came before */
	uint64_t size;	   /* of a file */
	bool executable;
};

struct archive_stream;

/*
 * What the child calls when it has given everything else away, to give away system calls too; negative: it ends. Not set,
 * nothing is called.
 */
void archive_set_guard(int (*guard)(void));

struct archive_source {
	const char *name; /* for messages */
	int fd; /* a regular file or a directory; stays the caller's and must outlive the stream, which reads it */
	uint64_t offset; /* where in a file the archive begins; it ends with the file */
	enum decoder_compression compression;
	bool packed; /* no archive: one file, compressed alone, which comes as the entry "packed" */
};

/* Starts reading an archive, or what lies in a directory. -errno with ERR_IO. */
int archive_stream_open(struct archive_stream **ret, const struct archive_source *src, struct err *err) must_check;
/* Reads records from fd, which becomes the stream's; a child that writes them is the caller's affair: for tests. */
struct archive_stream *archive_stream_of_records(int fd, const char *name) must_check;
/*
 * The next entry: 1, 0 at the end (of a whole archive), -errno with ERR_ARCHIVE where the archive is damaged, too
 * large, or holds what decoder.h and names.h refuse. Data of the entry before that was not read is passed over. A top
 * directory, which has no name of its own, is passed over too.
 */
int archive_stream_next(struct archive_stream *s, struct archive_stream_entry *ret, struct err *err) must_check;
/*
 * Writes the data of the entry, a file, to out and gives its digest. -errno with ERR_ARCHIVE, or ERR_STORE where
 * writing failed.
 */
int archive_stream_copy(struct archive_stream *s, int out, char hex[DIGEST_HEX], struct err *err) must_check;
/*
 * Calls fn(data, n) as data is copied, n being how much of the source was read: bytes of the file, compressed, or of the
 * files of a directory so far.
 */
typedef void archive_watch_fn(void *data, uint64_t n);
void archive_stream_watch(struct archive_stream *s, archive_watch_fn *fn, void *data);
/* Ends the child. NULL is allowed. */
void archive_stream_close(struct archive_stream *s);
static inline void cleanup_archive_stream_p(struct archive_stream **s)
{
	archive_stream_close(*s);
}
#define cleanup_archive_stream cleanup(cleanup_archive_stream_p)

#endif
