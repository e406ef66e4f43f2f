/* SPDX-License-Identifier: Apache-2.0 */
/*
 * glibc's ld.so.cache, read and written natively: format glibc-ld.so.cache1.1 with its extension section, alone
 * or behind the old ld.so-1.7.0 header (ldconfig -c compat). Pure functions on bytes; the old cache is the
 * image's, so every offset in it is hostile.
 */
#ifndef NVCOREOS_APPLY_LDCACHE_H
#define NVCOREOS_APPLY_LDCACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define LDCACHE_MAX (64u << 20)

struct ldcache_entry {
	int32_t flags; /* 0x303: ELF libc6, x86-64 */
	uint32_t osversion;
	uint64_t hwcap;		/* legacy bits, or the extension's index */
	const char *hwcap_name; /* glibc-hwcaps subdirectory ("x86-64-v3"), NULL where none */
	const char *soname, *path;
};

enum ldcache_found {
	LDCACHE_NEW,	 /* new format, or compat */
	LDCACHE_OLD,	 /* only the old format: converted */
	LDCACHE_NONE,	 /* absent or empty */
	LDCACHE_CORRUPT, /* replaced by one that holds our entries alone */
};

struct ldcache {
	struct arena arena;
	enum ldcache_found found;
	const struct ldcache_entry **entries; /* in the file's order */
	size_t n_entries;
	const char *generator; /* the extension's generator string, NULL where none */
};

/*
 * The flags of a cache entry for an ELF class and machine (x86-64, i386, aarch64); 0 for what the loader's
 * cache has no name for here.
 */
int32_t ldcache_flags(unsigned class, unsigned machine);

/* Reads a cache; never fails: what it is stands in found. Entries point into data, which must outlive them. */
void ldcache_parse(struct ldcache *ret, const void *data, size_t len);
void ldcache_free(struct ldcache *c);

struct ldcache_change {
	const struct ldcache_entry
		*first; /* win over entries of the same SONAME and ABI, those in hwcaps directories too */
	size_t n_first;
	const struct ldcache_entry *last; /* only where no entry of the SONAME and ABI is left */
	size_t n_last;
	const struct strlist *own_prefixes; /* entries whose path lies below one of these are dropped first */
};
/*
 * Applies a change to a cache in memory: entries are dropped and added, then sorted in the loader's order. What is added stays
 * the caller's, and must outlive the cache.
 */
void ldcache_merge(struct ldcache *c, const struct ldcache_change *change);
/*
 * Whether a comes before b (-1), after it (1), or as one with it (0) in ascending order; digits compare as numbers. A cache is in
 * descending order: so the loader's binary search wants it.
 */
int ldcache_compare_names(const char *a, const char *b);
/* Writes the new format with its extension section. The caller frees *ret. */
void ldcache_write(const struct ldcache *c, char **ret, size_t *ret_len);

#endif
