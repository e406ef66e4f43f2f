/* SPDX-License-Identifier: Apache-2.0 */
#include "store/packed.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "base/str.h"
#include "store/archive.h"

bool packed_is(const char *name)
{
	return str_ends(name, ".xz") || str_ends(name, ".zst");
}

int packed_open(const char *name, int fd, struct err *err)
{
	const struct archive_source src = {
		.name = name, .fd = fd, .compression = str_ends(name, ".xz") ? DECODER_XZ : DECODER_ZSTD, .packed = true
	};
	cleanup_archive_stream struct archive_stream *s = NULL;
	cleanup_fd int out = memfd_create("packed", MFD_CLOEXEC);
	struct archive_stream_entry e;
	char hex[DIGEST_HEX];
	int r;

	if (out < 0)
		return err_set(err, ERR_IO, errno, "%s", name);
	r = archive_stream_open(&s, &src, err);
	if (r == 0)
		r = archive_stream_next(s, &e, err);
	if (r == 0)
		r = err_set(err, ERR_ARCHIVE, 0, "%s: nothing in it", name);
	if (r > 0)
		r = archive_stream_copy(s, out, hex, err);
	/* To its end: what is wrong behind the data comes there. */
	if (r == 0)
		r = archive_stream_next(s, &e, err);
	return r < 0 ? r : take_fd(out);
}
