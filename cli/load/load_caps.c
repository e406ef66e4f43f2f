/* SPDX-License-Identifier: Apache-2.0 */
#include "load_caps.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "host/inventory_text.h"

#define MINOR_MAX ((1u << 20) - 1)
#define MODE_DEFAULT 0400
#define FILES_MAX 16384

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

/* The names in a directory are put behind what is still to be looked at. */
static int add_names(struct reading *r, struct strlist *todo, const char *path, struct err *err)
{
	struct strlist names;
	int e = inventory_text_list(&r->proc, r->arena, path, &names, err);

	for (size_t i = 0; e == 0 && i < names.n && todo->n < FILES_MAX; i++)
		strlist_add(r->arena, todo, arena_printf(r->arena, "%s/%s", path, names.v[i]));
	return e;
}

int load_caps_read(struct load_caps *ret, struct arena *a, int proc_root, struct err *err)
{
	struct reading r = { ret, a, { proc_root, "proc-root" } };
	struct strlist todo = { 0 };
	int e = 0;

	*ret = (struct load_caps){ 0 };
	strlist_add(a, &todo, "driver/nvidia/capabilities");
	strlist_add(a, &todo, "driver/nvidia-nvlink/capabilities");
	for (size_t i = 0; e == 0 && i < todo.n; i++) {
		struct stat st;

		/* It may go while it is looked at: a MIG instance that somebody ends. */
		if (fstatat(proc_root, todo.v[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		e = S_ISDIR(st.st_mode) ? add_names(&r, &todo, todo.v[i], err) : read_file(&r, todo.v[i], err);
	}
	return e;
}
