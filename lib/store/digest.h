/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256: the one file that knows nettle, which libarchive brings along and which uses the processor's own instructions. */
#ifndef NVCOREOS_STORE_DIGEST_H
#define NVCOREOS_STORE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

#define DIGEST_HEX 65

struct digest;
/*
 * A new digest of nothing. digest_end gives its hexadecimal digits, frees it and returns hex; digest_free does
 * only that (NULL is allowed).
 */
struct digest *digest_new(void) must_check;
void digest_add(struct digest *d, const void *data, size_t len);
const char *digest_end(struct digest *d, char hex[DIGEST_HEX]);
void digest_free(struct digest *d);
static inline void cleanup_digest_p(struct digest **d)
{
	digest_free(*d);
}
#define cleanup_digest cleanup(cleanup_digest_p)

/* MD5, which proves nothing against an enemy: for headers that have no other checksum. digest_md5_end gives 32 digits and frees it. */
struct digest_md5;
struct digest_md5 *digest_md5_new(void) must_check;
void digest_md5_add(struct digest_md5 *m, const void *data, size_t len);
void digest_md5_end(struct digest_md5 *m, char hex[33]);

/* The digest and size of an open file from its beginning, wherever its offset stands (it stays). 0 or -errno. */
int digest_fd(int fd, char hex[DIGEST_HEX], uint64_t *ret_size) must_check;

#endif
