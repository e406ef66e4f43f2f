/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * Allocations share blocks. The first is of this size, for most arenas hold little, and each page costs a fault; the others double, up to
 * the size of a page. With 0 each allocation has a block of its own, so that a sanitizer sees where it ends.
 */
#ifndef MEM_ARENA_BLOCK
#define MEM_ARENA_BLOCK 512
#endif
#define MEM_ARENA_BLOCK_MAX 4096

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	_Alignas(max_align_t) unsigned char data[];
};

static void default_oom(void)
{
	static const char line[] = "out of memory\n";
	ssize_t r = write(STDERR_FILENO, line, sizeof(line) - 1);

	(void)r;
	abort();
}

static void (*oom_handler)(void) = default_oom;

void mem_set_oom_handler(void (*handler)(void))
{
	oom_handler = handler;
}

static void *checked(void *p)
{
	if (!p) {
		oom_handler();
		abort();
	}
	return p;
}

void *mem_alloc(size_t size)
{
	return checked(malloc(size ? size : 1));
}

void *mem_zalloc(size_t size)
{
	return checked(calloc(1, size ? size : 1));
}

void *mem_realloc_array(void *p, size_t n, size_t size)
{
	return checked(reallocarray(p, n ? n : 1, size ? size : 1));
}

char *mem_strdup(const char *s)
{
	return checked(strdup(s));
}

char *mem_strndup(const char *s, size_t n)
{
	return checked(strndup(s, n));
}

char *mem_printf(const char *fmt, ...)
{
	va_list ap;
	char *s = NULL;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	return checked(s);
}

static struct arena_block *add_block(struct arena *a, size_t room)
{
	struct arena_block *b = mem_zalloc(sizeof(*b) + room);

	b->size = room;
	b->next = a->head;
	a->head = b;
	return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
	const size_t align = _Alignof(max_align_t);
	struct arena_block *b = a->head;
	size_t block = b ? 2 * b->size : MEM_ARENA_BLOCK;

	if (size > SIZE_MAX / 2)
		checked(NULL);
	if (!MEM_ARENA_BLOCK)
		return add_block(a, size)->data;
	if (block > MEM_ARENA_BLOCK_MAX)
		block = MEM_ARENA_BLOCK_MAX;
	size = (size + align - 1) & ~(align - 1);
	if (!b || b->size - b->used < size)
		b = add_block(a, size > block ? size : block);
	b->used += size;
	return b->data + b->used - size;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *d = arena_alloc(a, len + 1);

	memcpy(d, s, len);
	return d;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	cleanup_free char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	return arena_strdup(a, checked(s));
}

void *arena_grow(struct arena *a, void *array, size_t n, size_t size)
{
	void *d;

	/* Room is made at powers of two, so between them the array has place already. */
	if (n && (n & (n - 1)))
		return array;
	if (size && n > SIZE_MAX / 4 / size)
		checked(NULL);
	d = arena_alloc(a, (n ? 2 * n : 1) * size);
	if (n)
		memcpy(d, array, n * size);
	return d;
}

void arena_free(struct arena *a)
{
	struct arena_block *b = a->head, *next;

	for (; b; b = next) {
		next = b->next;
		free(b);
	}
	a->head = NULL;
}
