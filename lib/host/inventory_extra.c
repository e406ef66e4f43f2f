/* SPDX-License-Identifier: Apache-2.0 */
#include "host/inventory_extra.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/str.h"
#include "host/inventory_text.h"
#include "oci/request.h"

#define FS_MINOR_MAX 255
#define NVSWITCH_MINOR_MAX 254
#define NVSWITCH_CONTROL 255
#define VERBS "class/infiniband_verbs"
#define NUMBER_MAX 4095 /* of a name, where it is no minor */

struct search {
	struct inventory *inv;
	struct inventory_dir sys, dev;
	struct arena *scratch;
	enum request_feature feature;
	struct err *err;
};

/* What has no node cannot be shown, and is not made here: it is not ours. */
static int add(struct search *s, const char *name, uint32_t major, uint32_t minor)
{
	struct inventory *inv = s->inv;
	struct stat st;

	if (fstatat(s->dev.fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_set(s->err, ERR_HOST, errno, "dev-root/%s", name);
	if (inv->n_extra >= INVENTORY_EXTRA_MAX)
		return err_set(s->err, ERR_HOST, E2BIG, "dev-root/%s", name);
	inv->extra = arena_grow(&inv->arena, inv->extra, inv->n_extra, sizeof(*inv->extra));
	inv->extra[inv->n_extra++] =
		(struct inventory_extra){ s->feature, arena_strdup(&inv->arena, name), major, minor };
	return 0;
}

/* Whether a name is the prefix and a number as the kernel writes it. */
static bool number_of(const char *name, const char *prefix, uint64_t max, uint32_t *ret)
{
	const char *digits = str_after(name, prefix);
	uint64_t v;

	if (!digits || str_to_u64(digits, max, &v) < 0)
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* Nodes /dev/<prefix><minor> of one major. No directory of /sys tells of them. */
static int add_numbered(struct search *s, const char *prefix, uint32_t major, uint64_t max)
{
	struct strlist names;
	int r = 0;

	if (major == INVENTORY_NO_MAJOR)
		return 0;
	r = inventory_text_list(&s->dev, s->scratch, ".", &names, s->err);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		uint32_t minor;

		if (number_of(names.v[i], prefix, max, &minor))
			r = add(s, names.v[i], major, minor);
	}
	return r;
}

static int add_nvswitch(struct search *s)
{
	uint32_t major = s->inv->major_nvswitch;
	int r = add_numbered(s, "nvidia-nvswitch", major, NVSWITCH_MINOR_MAX);

	if (r < 0 || major == INVENTORY_NO_MAJOR)
		return r;
	return add(s, "nvidia-nvswitchctl", major, NVSWITCH_CONTROL);
}

/* A device of /sys with its number, and its node below dev/infiniband. */
static int add_verbs(struct search *s, const char *dir, const char *name)
{
	const char *path = arena_printf(s->scratch, "%s/%s/dev", dir, name), *text;
	uint32_t major, minor;
	int r = inventory_text_read(&s->sys, s->scratch, path, &text, s->err);

	if (r < 0 || !text)
		return r;
	if (inventory_text_device(text, &major, &minor) < 0)
		return err_set(s->err, ERR_HOST, 0, "sys-root/%s: '%s'", path, text);
	return add(s, arena_printf(s->scratch, "infiniband/%s", name), major, minor);
}

static int add_mofed(struct search *s)
{
	struct strlist names;
	uint32_t number;
	int r = inventory_text_list(&s->sys, s->scratch, VERBS, &names, s->err);

	for (size_t i = 0; r == 0 && i < names.n; i++)
		if (number_of(names.v[i], "uverbs", NUMBER_MAX, &number))
			r = add_verbs(s, VERBS, names.v[i]);
	return r < 0 ? r : add_verbs(s, "class/misc", "rdma_cm");
}

/* Directories have no order. */
static int compare(const void *x, const void *y)
{
	const struct inventory_extra *a = x, *b = y;

	if (a->feature != b->feature)
		return a->feature < b->feature ? -1 : 1;
	if (a->major != b->major)
		return a->major < b->major ? -1 : 1;
	return a->minor < b->minor ? -1 : a->minor > b->minor;
}

static int search(struct search *s, unsigned features)
{
	int r = 0;

	s->feature = REQUEST_GDS;
	if (features & REQUEST_GDS)
		r = add_numbered(s, "nvidia-fs", s->inv->major_fs, FS_MINOR_MAX);
	s->feature = REQUEST_MOFED;
	if (r == 0 && (features & REQUEST_MOFED))
		r = add_mofed(s);
	s->feature = REQUEST_GDRCOPY;
	if (r == 0 && (features & REQUEST_GDRCOPY) && s->inv->major_gdrdrv != INVENTORY_NO_MAJOR)
		r = add(s, "gdrdrv", s->inv->major_gdrdrv, 0);
	s->feature = REQUEST_NVSWITCH;
	if (r == 0 && (features & REQUEST_NVSWITCH))
		r = add_nvswitch(s);
	return r;
}

int inventory_extra_read(struct inventory *inv, const struct hostroot *root, unsigned features, struct err *err)
{
	struct arena scratch cleanup_arena = ARENA_INIT;
	struct search s = { .inv = inv,
			    .sys = { root->sys, "sys-root" },
			    .dev = { root->dev, "dev-root" },
			    .scratch = &scratch,
			    .err = err };
	int r = features ? search(&s, features) : 0;

	if (r == 0 && inv->n_extra)
		qsort(inv->extra, inv->n_extra, sizeof(*inv->extra), compare);
	return r;
}
