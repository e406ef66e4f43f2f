/* SPDX-License-Identifier: Apache-2.0 */
/* malloc of hook and shim, which musl lets a program bring: a start would spend a tenth of its time in mapping and unmapping pages. */
#include <errno.h>
#include <stdlib.h>

#include "base/heap.h"

void *malloc(size_t size)
{
	return heap_take(size);
}

void free(void *block)
{
	heap_give(block);
}

void *realloc(void *block, size_t size)
{
	return heap_resize(block, size);
}

void *calloc(size_t n, size_t size)
{
	size_t all;

	if (__builtin_mul_overflow(n, size, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	return heap_take_zeroed(all);
}
