/* SPDX-License-Identifier: Apache-2.0 */
/* Paths as text: from mounts and configuration, and from archives. */
#include <limits.h>

#include "base/path.h"
#include "fuzz.h"
#include "store/names.h"
#include "store/tree.h"

/* Where the link leads, component by component, counted from the tree's root: below 0 is outside. */
static bool stays_inside(const char *path, const char *target)
{
	cleanup_free char *copy = mem_strdup(path);
	char *base = strrchr(copy, '/');
	long depth = 0;

	*(base ? base : copy) = '\0';
	for (const char *p = copy; *p; p += strcspn(p, "/"), p += *p == '/')
		depth++;
	for (const char *p = target; *p; p += *p == '/') {
		size_t n = strcspn(p, "/");

		if (n == 2 && p[0] == '.' && p[1] == '.')
			depth--;
		else if (n > 0 && !(n == 1 && p[0] == '.'))
			depth++;
		if (depth < 0)
			return false;
		p += n;
	}
	return true;
}

static void check_archive(const char *path, const char *target)
{
	if (!names_path_ok(path))
		return;
	MUST(path[0] != '/');
	MUST(stays_inside("x", path) && !fuzz_matches(path, "(^|/)\\.\\.(/|$)"));
	if (names_link_ok(path, target))
		MUST(target[0] != '/' && stays_inside(path, target));
}

FUZZ(path)
{
	struct fuzz_input in = { data, size };
	cleanup_free char *path = fuzz_line(&in), *other = fuzz_line(&in);
	char norm[PATH_MAX], again[PATH_MAX], parent[PATH_MAX];

	check_archive(path, other);
	MUST(!tree_is_relative(path) || (path[0] != '/' && !fuzz_matches(path, "(^|/)\\.{0,2}(/|$)")));
	if (path_normalize(path, norm, sizeof(norm)) < 0) {
		MUST(path[0] != '/' || strlen(path) >= sizeof(norm) / 2);
		return;
	}
	MUST(fuzz_is_normal(norm) && strlen(norm) <= strlen(path));
	MUST(path_normalize(norm, again, sizeof(again)) == 0 && str_eq(norm, again));
	MUST(path_parent(norm, parent, sizeof(parent)) == 0 && path_is_below(norm, parent));
	MUST(path_is_below(norm, norm) && path_is_below(norm, "/"));
	MUST(!strchr(path_base(norm), '/'));
}
