/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGNMENT 16
/* Nearly all starts need less than one. */
#define CHUNK_SIZE (1u << 20)
#define PAGE ((size_t)4096)

/* In front of each block. */
struct head {
	_Alignas(ALIGNMENT) size_t size; /* of what follows */
	size_t mapped;			 /* of the block's own mapping, this head with it; 0: it lies in a chunk */
};

/* What is left of the newest chunk. */
static char *next, *end;
/* From here to its end nothing was ever given out. */
static char *fresh;
/* The block that was taken last, where it was not given back. */
static struct head *newest;

static size_t round_up(size_t size, size_t to)
{
	return (size + to - 1) & ~(to - 1);
}

/* With a page behind it that nobody can write: what is written too far ends there, and not in somebody's data. */
static void *map(size_t size)
{
	char *p = mmap(NULL, size + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (mprotect(p + size, PAGE, PROT_NONE) < 0) {
		munmap(p, size + PAGE);
		return NULL;
	}
	return p;
}

static void *take_large(size_t size)
{
	const size_t mapped = round_up(size + sizeof(struct head), PAGE);
	struct head *h = map(mapped);

	if (!h)
		return NULL;
	*h = (struct head){ .size = mapped - sizeof(*h), .mapped = mapped };
	return h + 1;
}

static void move_next(char *to)
{
	next = to;
	if (next > fresh)
		fresh = next;
}

/* *ret_used: how much of it may have been given out before. */
static void *take(size_t size, size_t *ret_used)
{
	struct head *h;
	char *chunk;

	*ret_used = 0;
	if (size > PTRDIFF_MAX - 2 * PAGE - sizeof(*h)) {
		errno = ENOMEM;
		return NULL;
	}
	if (size >= HEAP_LARGE)
		return take_large(size);
	size = round_up(size, ALIGNMENT);
	if (size + sizeof(*h) > (size_t)(end - next)) {
		chunk = map(CHUNK_SIZE);
		if (!chunk)
			return NULL;
		next = fresh = chunk;
		end = chunk + CHUNK_SIZE;
	}
	h = (struct head *)(void *)next;
	*h = (struct head){ .size = size };
	if (fresh > (char *)(h + 1))
		*ret_used = (size_t)(fresh - (char *)(h + 1));
	move_next(next + sizeof(*h) + size);
	newest = h;
	return h + 1;
}

void *heap_take(size_t size)
{
	size_t used;

	return take(size, &used);
}

void *heap_take_zeroed(size_t size)
{
	size_t used;
	void *block = take(size, &used);

	return block ? memset(block, 0, used < size ? used : size) : NULL;
}

void heap_give(void *block)
{
	struct head *h = block ? (struct head *)block - 1 : NULL;
	int saved = errno;

	if (h && h->mapped) {
		munmap(h, h->mapped + PAGE);
	} else if (h && h == newest) {
		next = (char *)h;
		newest = NULL;
	}
	errno = saved;
}

/* Whether the newest block could be made as large where it lies. */
static bool grow(struct head *h, size_t size)
{
	if (h != newest || size >= HEAP_LARGE)
		return false;
	size = round_up(size, ALIGNMENT);
	if (size > (size_t)(end - (char *)(h + 1)))
		return false;
	h->size = size;
	move_next((char *)(h + 1) + size);
	return true;
}

void *heap_resize(void *block, size_t size)
{
	struct head *h = block ? (struct head *)block - 1 : NULL;
	void *moved;

	if (h && (size <= h->size || grow(h, size)))
		return block;
	moved = heap_take(size);
	if (moved && h) {
		memcpy(moved, block, h->size);
		heap_give(block);
	}
	return moved;
}
