/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for programs that end within milliseconds (hook/musl/malloc.c puts it in malloc's place): it is taken in a row, and what is given
 * back is used again only where it was the last that was taken, or is large. One thread at a time.
 */
#ifndef NVCOREOS_BASE_HEAP_H
#define NVCOREOS_BASE_HEAP_H

#include <stddef.h>

#include "base/attr.h"

/* From this size on a block is a mapping of its own, which goes back to the kernel. */
#define HEAP_LARGE (512u << 10)

/* At least size bytes, aligned for anything, not zeroed. NULL with ENOMEM. */
void *heap_take(size_t size) must_check;
/* The same, zeroed: without a touch of what was never given out, which is. */
void *heap_take_zeroed(size_t size) must_check;
/* Gives a block back; NULL is none. errno stays. */
void heap_give(void *block);
/*
 * The block with room for size bytes, or another one with what was in it; then the first is given back. Of NULL: heap_take. NULL with
 * ENOMEM, and the block stays.
 */
void *heap_resize(void *block, size_t size) must_check;

#endif
