/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short copies, of which a start makes thousands: on x86 musl begins each by `rep movsq`, which takes longer than they do. The linker gives
 * this file all calls of memcpy (--wrap).
 */
#include <stdint.h>
#include <string.h>

#define SHORT_MAX 128

void *__real_memcpy(void *restrict to, const void *restrict from, size_t n);
void *__wrap_memcpy(void *restrict to, const void *restrict from, size_t n);

/* What is copied of a fixed size is no call where the compiler optimizes. */
#if defined(__x86_64__) && defined(__OPTIMIZE__)

struct bytes_16 {
	uint64_t v[2];
};
struct bytes_32 {
	uint64_t v[4];
};
struct bytes_64 {
	uint64_t v[8];
};

/* The first and the last bytes, which may overlap: all are read before the first is written. */
#define COPY_ENDS(type) \
	do { \
		type first, last; \
\
		memcpy(&first, from, sizeof(type)); \
		memcpy(&last, from + n - sizeof(type), sizeof(type)); \
		memcpy(to, &first, sizeof(type)); \
		memcpy(to + n - sizeof(type), &last, sizeof(type)); \
	} while (0)

static void copy_short(char *restrict to, const char *restrict from, size_t n)
{
	if (n >= sizeof(struct bytes_64))
		COPY_ENDS(struct bytes_64);
	else if (n >= sizeof(struct bytes_32))
		COPY_ENDS(struct bytes_32);
	else if (n >= sizeof(struct bytes_16))
		COPY_ENDS(struct bytes_16);
	else if (n >= sizeof(uint64_t))
		COPY_ENDS(uint64_t);
	else if (n >= sizeof(uint32_t))
		COPY_ENDS(uint32_t);
	else if (n >= sizeof(uint16_t))
		COPY_ENDS(uint16_t);
	else if (n)
		*to = *from;
}

#else

static void copy_short(char *restrict to, const char *restrict from, size_t n)
{
	__real_memcpy(to, from, n);
}

#endif

void *__wrap_memcpy(void *restrict to, const void *restrict from, size_t n)
{
	if (n > SHORT_MAX)
		return __real_memcpy(to, from, n);
	copy_short(to, from, n);
	return to;
}
