/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/ldso.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "apply/inside.h"
#include "apply/ldcache.h"
#include "base/fd.h"
#include "base/log.h"

/* What an image can have in the cache's place that is no cache, and would be none to its own loader either. */
static bool is_no_cache(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -EXDEV || r == -ENAMETOOLONG || r == -EMEDIUMTYPE;
}

/*
 * *ret is NULL where there is none. An error is one: without what the image's own cache says, its programs would miss their
 * libraries.
 */
static int read_cache(const struct container *c, char **ret, size_t *ret_len, struct err *err)
{
	struct stat st;
	cleanup_fd int fd = inside_open(c, ROOTFACTS_CACHE, 0, &st);
	int r = fd < 0 ? fd : 0;

	*ret = NULL;
	*ret_len = 0;
	if (is_no_cache(r) || (r == 0 && st.st_size > LDCACHE_MAX))
		return 0;
	if (r == 0)
		r = fd_read_sized(fd, st.st_size, LDCACHE_MAX, ret, ret_len);
	if (r < 0) {
		err_set(err, ERR_ROOTFS, -r, "%s", ROOTFACTS_CACHE);
		return err_hint(err, "it is there, and must be readable");
	}
	return 0;
}

static struct ldcache_entry *entries(struct arena *a, const struct plan_cache_library *libs, size_t n, size_t *ret_n)
{
	struct ldcache_entry *list = arena_alloc(a, (n + 1) * sizeof(*list));

	*ret_n = 0;
	for (size_t i = 0; i < n; i++) {
		int32_t flags = ldcache_flags(libs[i].class, libs[i].machine);

		if (flags)
			list[(*ret_n)++] = (struct ldcache_entry){ .flags = flags,
								   .soname = libs[i].soname,
								   .path = libs[i].path };
	}
	return list;
}

int ldso_read(const struct container *c, char **ret, size_t *ret_len, struct err *err)
{
	int r = container_own_begin(c, err);

	*ret = NULL;
	if (r < 0)
		return r;
	r = read_cache(c, ret, ret_len, err);
	container_own_end(c);
	return r;
}

int ldso_replace(const struct container *c, const struct plan *plan, const char *old, size_t old_len, struct err *err)
{
	cleanup_free char *new = NULL;
	struct ldcache cache = { 0 };
	struct ldcache_change change = { .own_prefixes = &plan->cache.own_prefixes };
	size_t new_len;
	int r = 0;

	ldcache_parse(&cache, old, old_len);
	if (cache.found == LDCACHE_CORRUPT)
		log_warning("%s of the container is damaged and replaced", ROOTFACTS_CACHE);
	change.first = entries(&cache.arena, plan->cache.first, plan->cache.n_first, &change.n_first);
	change.last = entries(&cache.arena, plan->cache.last, plan->cache.n_last, &change.n_last);
	ldcache_merge(&cache, &change);
	ldcache_write(&cache, &new, &new_len);
	ldcache_free(&cache);
	if (!old || old_len != new_len || memcmp(old, new, new_len) != 0)
		r = inside_write(c, ROOTFACTS_CACHE, new, new_len, err);
	return r;
}

int ldso_update(const struct container *c, const struct plan *plan, struct err *err)
{
	cleanup_free char *old = NULL;
	size_t len;
	int r = ldso_read(c, &old, &len, err);

	return r < 0 ? r : ldso_replace(c, plan, old, len, err);
}
