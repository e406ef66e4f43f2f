/* SPDX-License-Identifier: Apache-2.0 */
#include "host/inventory_mig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define CAPABILITIES "driver/nvidia/capabilities"
#define MIG_MINORS "driver/nvidia-caps/mig-minors"
#define MINOR_MAX ((1u << 20) - 1)
#define INSTANCE_MAX 255

/* -ENOENT, with no error set, where the capability's file is not there: an instance may go while we look. */
static int read_minor(const struct inventory_dir *proc, const char *path, uint32_t *ret, struct err *err)
{
	struct arena a cleanup_arena = ARENA_INIT;
	const char *text;
	int r = inventory_text_read(proc, &a, path, &text, err);

	if (r < 0)
		return r;
	if (!text)
		return -ENOENT;
	if (inventory_text_number(text, "DeviceFileMinor", MINOR_MAX, ret) < 0)
		return err_set(err, ERR_HOST, 0, "%s/%s: DeviceFileMinor", proc->label, path);
	return 0;
}

/* "config 1" as a line of mig-minors. */
static int minor_of_line(const char *text, const char *name, uint32_t *ret)
{
	for (size_t n; *text; text += n + (text[n] == '\n')) {
		const char *v;
		char buf[32];
		uint64_t minor;

		n = strcspn(text, "\n");
		v = str_after(text, name);
		if (!v || *v != ' ')
			continue;
		snprintf(buf, sizeof(buf), "%.*s", (int)(text + n - v - 1), v + 1);
		if (str_to_u64(buf, MINOR_MAX, &minor) < 0)
			return -EINVAL;
		*ret = (uint32_t)minor;
		return 0;
	}
	return 0;
}

int inventory_mig_read_admin(struct inventory *inv, const struct inventory_dir *proc, struct err *err)
{
	struct arena a cleanup_arena = ARENA_INIT;
	const char *text;
	int r;

	r = read_minor(proc, CAPABILITIES "/mig/config", &inv->mig_config_minor, err);
	if (r < 0 && r != -ENOENT)
		return r;
	r = read_minor(proc, CAPABILITIES "/mig/monitor", &inv->mig_monitor_minor, err);
	if (r < 0 && r != -ENOENT)
		return r;
	/* The list of all minors has thousands of lines, so it is only read where the two short files are missing. */
	if (inv->mig_config_minor != INVENTORY_NO_MAJOR && inv->mig_monitor_minor != INVENTORY_NO_MAJOR)
		return 0;
	r = inventory_text_read(proc, &a, MIG_MINORS, &text, err);
	if (r < 0 || !text)
		return r;
	if ((inv->mig_config_minor == INVENTORY_NO_MAJOR &&
	     minor_of_line(text, "config", &inv->mig_config_minor) < 0) ||
	    (inv->mig_monitor_minor == INVENTORY_NO_MAJOR &&
	     minor_of_line(text, "monitor", &inv->mig_monitor_minor) < 0))
		return err_set(err, ERR_HOST, 0, "%s/%s", proc->label, MIG_MINORS);
	return 0;
}

/* The numbers of entries "<prefix><number>" of a directory; others are not instances. */
static int list_instances(const struct inventory_dir *proc, const char *path, const char *prefix, struct strlist *names,
			  struct arena *a, struct err *err)
{
	struct strlist all;
	int r = inventory_text_list(proc, a, path, &all, err);

	*names = (struct strlist){ 0 };
	for (size_t i = 0; i < all.n && r == 0; i++) {
		const char *number = str_after(all.v[i], prefix);
		uint64_t v;

		if (!number)
			continue;
		if (str_to_u64(number, INSTANCE_MAX, &v) < 0)
			return err_set(err, ERR_HOST, 0, "%s/%s/%s", proc->label, path, all.v[i]);
		strlist_add(a, names, number);
	}
	return r;
}

struct mig_walk {
	struct inventory *inv;
	const struct inventory_dir *proc;
	struct inventory_gpu *gpu;
	struct arena *scratch;
};

static uint32_t to_number(const char *s)
{
	uint64_t v = 0;

	/* list_instances has passed only numbers. */
	return str_to_u64(s, INSTANCE_MAX, &v) < 0 ? 0 : (uint32_t)v;
}

static int add_compute(struct mig_walk *w, const char *gi_path, const struct inventory_mig *found, struct err *err)
{
	struct inventory_mig mig = *found;
	char path[160];
	int r;

	snprintf(path, sizeof(path), "%s/ci%u/access", gi_path, mig.ci);
	r = read_minor(w->proc, path, &mig.ci_minor, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (w->gpu->n_mig >= INVENTORY_MIG_MAX)
		return err_set(err, ERR_HOST, E2BIG, "%s/%s", w->proc->label, gi_path);
	w->gpu->mig = arena_grow(&w->inv->arena, w->gpu->mig, w->gpu->n_mig, sizeof(mig));
	w->gpu->mig[w->gpu->n_mig++] = mig;
	return 0;
}

static int add_gi(struct mig_walk *w, const struct inventory_mig *mig, struct err *err)
{
	struct inventory_gpu *gpu = w->gpu;

	if (gpu->n_gi >= INVENTORY_MIG_MAX)
		return err_set(err, ERR_HOST, E2BIG, "%s/" CAPABILITIES "/gpu%u/mig", w->proc->label, gpu->minor);
	gpu->gi = arena_grow(&w->inv->arena, gpu->gi, gpu->n_gi, sizeof(*gpu->gi));
	gpu->gi[gpu->n_gi++] = (struct inventory_gi){ mig->gi, mig->gi_minor };
	return 0;
}

static int add_instance(struct mig_walk *w, const char *gi, struct err *err)
{
	struct inventory_mig mig = { .gi = to_number(gi) };
	char path[96], access[128];
	struct strlist cis;
	int r;

	snprintf(path, sizeof(path), CAPABILITIES "/gpu%u/mig/gi%u", w->gpu->minor, mig.gi);
	snprintf(access, sizeof(access), "%s/access", path);
	r = read_minor(w->proc, access, &mig.gi_minor, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	w->gpu->mig_mode = true;
	r = add_gi(w, &mig, err);
	if (r < 0)
		return r;
	r = list_instances(w->proc, path, "ci", &cis, w->scratch, err);
	for (size_t i = 0; i < cis.n && r == 0; i++) {
		mig.ci = to_number(cis.v[i]);
		r = add_compute(w, path, &mig, err);
	}
	return r;
}

static int by_instance(const void *x, const void *y)
{
	const struct inventory_mig *a = x, *b = y;

	if (a->gi != b->gi)
		return a->gi < b->gi ? -1 : 1;
	return a->ci < b->ci ? -1 : a->ci > b->ci;
}

static int by_gi(const void *x, const void *y)
{
	const struct inventory_gi *a = x, *b = y;

	return a->gi < b->gi ? -1 : a->gi > b->gi;
}

static int read_gpu(struct mig_walk *w, struct err *err)
{
	struct strlist gis;
	char path[96];
	int r;

	snprintf(path, sizeof(path), CAPABILITIES "/gpu%u/mig", w->gpu->minor);
	r = list_instances(w->proc, path, "gi", &gis, w->scratch, err);
	for (size_t i = 0; i < gis.n && r == 0; i++)
		r = add_instance(w, gis.v[i], err);
	if (r == 0 && w->gpu->n_gi)
		qsort(w->gpu->gi, w->gpu->n_gi, sizeof(*w->gpu->gi), by_gi);
	if (r < 0 || !w->gpu->n_mig)
		return r;
	qsort(w->gpu->mig, w->gpu->n_mig, sizeof(*w->gpu->mig), by_instance);
	for (size_t i = 0; i < w->gpu->n_mig; i++)
		w->gpu->mig[i].index = (uint32_t)i;
	return 0;
}

int inventory_mig_read(struct inventory *inv, const struct inventory_dir *proc, struct err *err)
{
	struct arena scratch cleanup_arena = ARENA_INIT;
	int r = 0;

	for (size_t i = 0; i < inv->n_gpus && r == 0; i++) {
		struct mig_walk w = { inv, proc, &inv->gpus[i], &scratch };

		r = read_gpu(&w, err);
	}
	return r;
}
