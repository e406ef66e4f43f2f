/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <unistd.h>

#include "configure.h"

#define ALIAS "nvidia-container-runtime-hook"

/*
 * dockerd looks for the alias when it starts, in the PATH that systemd gives it. The path of ours, or of another program that
 * has the name, wherever it is (to be taken away only ours counts), and what it leads to, in the arena; NULL where there is none.
 */
static const char *find(struct configure *c, const char **ret_target)
{
	static const char *const dirs[] = { "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin",
					    "/sbin",	       "/bin",		 "/opt/bin" };
	const char *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		const char *path = arena_printf(&c->arena, "%s/" ALIAS, dirs[i]);
		cleanup_free char *target = rootfile_target(c->rootfd, path);

		bool ours = target && str_eq(target, CONFIGURE_HOOK);

		if (!target || (ours && found) || (!ours && c->remove))
			continue;
		found = path;
		*ret_target = arena_strdup(&c->arena, target);
		if (!ours)
			break;
	}
	return found;
}

int configure_alias(struct configure *c, struct err *err)
{
	const char *path, *target = NULL;

	/* It serves every runtime of ours. */
	if (!c->engine->wants_alias || (c->remove && (c->plan.has_ours || c->ours_elsewhere)))
		return 0;
	path = find(c, &target);
	/* NVIDIA's own: ours in front of it would take --gpus away from it. */
	if (path && !str_eq(target, CONFIGURE_HOOK)) {
		configure_note(c, &c->plan.warnings, "left as it is, and what `docker run --gpus` uses:", path);
		return 0;
	}
	if ((path != NULL) != c->remove)
		return 0;
	if (!path)
		path = rootfile_can_make(c->rootfd, "/usr/local/bin") ? "/usr/local/bin/" ALIAS : "/opt/bin/" ALIAS;
	/* A user's own engine works without, but for --gpus. */
	if (geteuid() != 0 && !rootfile_can_make(c->rootfd, c->remove ? path : "/opt/bin")) {
		configure_note(
			c, &c->plan.warnings,
			c->remove ? "left as it is, for only root can take it away:"
				  : "only root can do it, and `docker run --gpus` needs it: link to " CONFIGURE_HOOK
				    ":",
			path);
		return 0;
	}
	configure_note(c, &c->done, c->remove ? "remove" : "link", path);
	if (c->dry_run)
		return 0;
	return c->remove ? rootfile_remove(c->rootfd, path, err) : rootfile_link(c->rootfd, path, CONFIGURE_HOOK, err);
}
