/* SPDX-License-Identifier: Apache-2.0 */
#include "store/digest.h"

#include <nettle/base16.h>
#include <nettle/md5.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

#define CHUNK (256u << 10)

struct digest {
	struct sha256_ctx state;
};

struct digest *digest_new(void)
{
	struct digest *d = mem_alloc(sizeof(*d));

	sha256_init(&d->state);
	return d;
}

void digest_add(struct digest *d, const void *data, size_t len)
{
	sha256_update(&d->state, len, data);
}

const char *digest_end(struct digest *d, char hex[DIGEST_HEX])
{
	uint8_t sum[SHA256_DIGEST_SIZE];

	sha256_digest(&d->state, sizeof(sum), sum);
	base16_encode_update(hex, sizeof(sum), sum);
	hex[DIGEST_HEX - 1] = '\0';
	free(d);
	return hex;
}

void digest_free(struct digest *d)
{
	free(d);
}

struct digest_md5 {
	struct md5_ctx state;
};

struct digest_md5 *digest_md5_new(void)
{
	struct digest_md5 *m = mem_alloc(sizeof(*m));

	md5_init(&m->state);
	return m;
}

void digest_md5_add(struct digest_md5 *m, const void *data, size_t len)
{
	md5_update(&m->state, len, data);
}

void digest_md5_end(struct digest_md5 *m, char hex[33])
{
	uint8_t sum[MD5_DIGEST_SIZE];

	md5_digest(&m->state, sizeof(sum), sum);
	base16_encode_update(hex, sizeof(sum), sum);
	hex[32] = '\0';
	free(m);
}

int digest_fd(int fd, char hex[DIGEST_HEX], uint64_t *ret_size)
{
	cleanup_digest struct digest *d = digest_new();
	cleanup_free char *buf = mem_alloc(CHUNK);
	uint64_t offset = 0;
	ssize_t n;

	while ((n = fd_read_at(fd, buf, CHUNK, offset)) > 0) {
		digest_add(d, buf, (size_t)n);
		offset += (uint64_t)n;
	}
	if (n < 0)
		return (int)n;
	digest_end(take_ptr(d), hex);
	if (ret_size)
		*ret_size = offset;
	return 0;
}
