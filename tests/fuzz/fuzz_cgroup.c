/* SPDX-License-Identifier: Apache-2.0 */
/* Where a container's cgroups are, by the texts of proc: /proc/PID/cgroup, linux.cgroupsPath, mountinfo. */
#include "apply/cgroup_paths.h"
#include "fuzz.h"

/* The outermost cgroup is the path or one above it, never the hierarchy's top. */
static void check_own(const char *path, const char *cgroups_path)
{
	size_t own = cgroup_paths_own(path, cgroups_path);

	MUST(own <= strlen(path) && own > 0 && (path[own] == '/' || path[own] == '\0'));
	MUST(own > 1 || str_eq(path, "/"));
	MUST(cgroup_paths_own(path, NULL) == strlen(path));
}

/* What is opened beneath a mount stays beneath it, and is that cgroup. */
static void check_mount(const struct cgroup_mount *m, const char *path)
{
	const char *in = cgroup_paths_in(m->root, path);
	cleanup_free char *back = NULL;

	if (!in)
		return;
	MUST(in[0] && in[0] != '/' && !fuzz_matches(in, "(^|/)\\.\\.(/|$)"));
	if (str_eq(in, "."))
		back = mem_strdup(m->root);
	else
		back = mem_printf("%s/%s", str_eq(m->root, "/") ? "" : m->root, in);
	MUST(str_eq(back, path));
}

FUZZ(cgroup)
{
	struct fuzz_input in = { data, size };
	cleanup_free char *cgroups_path = fuzz_line(&in), *text = fuzz_part(&in), *mounts = fuzz_part(&in);
	cleanup_free char *lines = mem_printf("%s\n", text);
	struct cgroup_paths p = { NULL, NULL };
	struct err err = ERR_INIT;
	struct cgroup_mount m;
	char *rest = mounts;

	if (cgroup_paths_parse(&p, lines, strlen(lines), &err) < 0)
		fuzz_refused(&err, ERR_CGROUP, ERR_NONE);
	for (unsigned i = 0; i < 2; i++) {
		const char *path = i ? p.v2 : p.v1;

		if (!path)
			continue;
		MUST(fuzz_is_normal(path) && !str_ends(path, " (deleted)"));
		check_own(path, *cgroups_path ? cgroups_path : NULL);
	}
	while (cgroup_paths_mount(&rest, &m)) {
		MUST(m.root && m.target && m.root >= mounts && m.target > m.root);
		if (p.v1)
			check_mount(&m, p.v1);
		if (p.v2)
			check_mount(&m, p.v2);
	}
	cgroup_paths_free(&p);
}
