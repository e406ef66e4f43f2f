/* SPDX-License-Identifier: Apache-2.0 */
#include "modprove.h"

#include "base/mem.h"

static int read_modules(struct arena *a, struct kmodfile *k, const struct modset *set, bool open,
			struct modcheck_module **ret, struct err *err)
{
	struct modcheck_module *v = arena_alloc(a, set->n * sizeof(*v));
	int r = 0;

	*ret = v;
	for (size_t i = 0; r == 0 && i < set->n; i++) {
		r = kmodfile_read(k, &set->v[i], a, &v[i], err);
		v[i].open = open;
	}
	return r;
}

int modprove_set(struct modcheck *ret, const struct modset *set, bool open, const char *build_id,
		 const struct kernelsyms_source *src, struct err *err)
{
	struct kmodfile *k cleanup_kmodfile = NULL;
	cleanup_arena struct arena a = ARENA_INIT;
	struct modcheck_module *modules;
	struct modcheck_kernel kernel;
	int r = kmodfile_open(&k, err);

	if (r == 0)
		r = read_modules(&a, k, set, open, &modules, err);
	if (r == 0)
		r = kernelsyms_read(&a, &kernel, k, src, modules, set->n, err);
	if (r == 0)
		modcheck_run(ret, modules, set->n, &kernel, build_id);
	return r;
}

int modprove_dir(struct modcheck *ret, const char *dir, bool open, const char *build_id,
		 const struct kernelsyms_source *src, struct err *err)
{
	struct modset set cleanup_modset = MODSET_INIT;
	int r = modset_open(&set, dir, err);

	if (r <= 0 || !set.n)
		return r < 0 ? r : 0;
	r = modprove_set(ret, &set, open, build_id, src, err);
	return r < 0 ? r : 1;
}
