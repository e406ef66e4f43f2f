/* SPDX-License-Identifier: Apache-2.0 */
#include "load_caps.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "host/inventory_text.h"

#define MINOR_MAX ((1u << 20) - 1)
#define MODE_DEFAULT 0400
/* gpu0/mig/gi1/ci0/access is the deepest there is. */
#define DEPTH_MAX 8

struct reading {
	struct load_caps *out;
	struct arena *arena;
	struct inventory_dir proc;
};

static int read_file(struct reading *r, const char *path, struct err *err)
{
	struct load_cap cap = { .mode = MODE_DEFAULT };
	const char *text;
	uint32_t mode;
	int e = inventory_text_read(&r->proc, r->arena, path, &text, err);

	if (e < 0)
		return e;
	if (!text || inventory_text_number(text, "DeviceFileMinor", MINOR_MAX, &cap.minor) < 0)
		return 0;
	if (inventory_text_number(text, "DeviceFileMode", 0777, &mode) == 0)
		cap.mode = mode;
	r->out->v = arena_grow(r->arena, r->out->v, r->out->n, sizeof(cap));
	r->out->v[r->out->n++] = cap;
	return 0;
}

static int read_tree(struct reading *r, const char *path, unsigned depth, struct err *err)
{
	struct strlist names;
	struct stat st;
	int e;

	/* It may go while it is looked at: a MIG instance that somebody ends. */
	if (depth > DEPTH_MAX || fstatat(r->proc.fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (!S_ISDIR(st.st_mode))
		return read_file(r, path, err);
	e = inventory_text_list(&r->proc, r->arena, path, &names, err);
	for (size_t i = 0; e == 0 && i < names.n; i++)
		e = read_tree(r, arena_printf(r->arena, "%s/%s", path, names.v[i]), depth + 1, err);
	return e;
}

int load_caps_read(struct load_caps *ret, struct arena *a, int proc_root, struct err *err)
{
	struct reading r = { ret, a, { proc_root, "proc-root" } };
	int e;

	*ret = (struct load_caps){ 0 };
	e = read_tree(&r, "driver/nvidia/capabilities", 0, err);
	return e < 0 ? e : read_tree(&r, "driver/nvidia-nvlink/capabilities", 0, err);
}
