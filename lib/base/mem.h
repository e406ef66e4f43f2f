/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation that does not return NULL, and arenas: everything that one struct owns lives in one arena
 * and goes with it, so no field has an owner of its own.
 *
 * Out of memory is the one error that is not a value: the handler is called (mains install one that
 * prints E01 and exits) and the process ends.
 */
#ifndef NVCOREOS_BASE_MEM_H
#define NVCOREOS_BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/attr.h"

/* Installs what is called when memory is out; it must not return. The default writes a line and aborts. */
void mem_set_oom_handler(void (*handler)(void));

/* As malloc, calloc, realloc, strdup, strndup, but never NULL. The caller frees with free(). */
void *mem_alloc(size_t size) must_check;
void *mem_zalloc(size_t size) must_check;
void *mem_realloc_array(void *p, size_t n, size_t size) must_check;
char *mem_strdup(const char *s) must_check;
char *mem_strndup(const char *s, size_t n) must_check;
char *mem_printf(const char *fmt, ...) must_check printf_format(1, 2);

static inline void cleanup_free_p(void *p)
{
	free(*(void **)p);
}
#define cleanup_free cleanup(cleanup_free_p)

/* Moves a pointer out of a variable with a cleanup attribute. */
static inline void *mem_take_p(void *p)
{
	void *v = *(void **)p;

	*(void **)p = NULL;
	return v;
}
#define take_ptr(p) ((__typeof__(p))mem_take_p(&(p)))

struct arena_block;
struct arena {
	struct arena_block *head;
};
#define ARENA_INIT \
	{ \
		NULL \
	}

/* Memory that lives until arena_free; zeroed. */
void *arena_alloc(struct arena *a, size_t size) must_check;
char *arena_strdup(struct arena *a, const char *s) must_check;
char *arena_strndup(struct arena *a, const char *s, size_t n) must_check;
char *arena_printf(struct arena *a, const char *fmt, ...) must_check printf_format(2, 3);
/*
 * Makes room for one more element in an array of `n` elements of `size` bytes that lives in the arena
 * (NULL for n == 0) and returns the array, moved where needed; the new element is zeroed.
 */
void *arena_grow(struct arena *a, void *array, size_t n, size_t size) must_check;
/* Frees all of it; the arena is empty again and may be used anew. */
void arena_free(struct arena *a);
#define cleanup_arena cleanup(arena_free)

#endif
