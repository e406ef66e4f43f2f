/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRI-O: a file in crio.conf.d, which it reads behind crio.conf, whatever the files in it are called. A runtime's table takes the place
 * of an earlier one of that name as a whole, and leaves those of other names, the built-in one among them.
 */
#include "engine_dropin.h"

#include <fcntl.h>

#include "base/fd.h"
#include "base/path.h"
#include "conf/config.h"

static const char *const runtime_table[] = { "crio", "runtime", "runtimes" };

/* Without a monitor_path CRI-O looks for conmon on its PATH, where its own packages do not have it, and then does not start at all. */
static struct json *like(struct json *others)
{
	const char *names[] = { json_get_str(tomledit_get(others, runtime_table, 2), "default_runtime", ""), "crun",
				"runc" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct json *entry = json_get(tomledit_get(others, runtime_table, 3), names[i]);

		/* A virtual machine's monitor is no monitor of ours. */
		if (entry && !str_eq(json_get_str(entry, "runtime_type", ""), "vm"))
			return entry;
	}
	return NULL;
}

/* CRI-O's own packages keep runc and crun where nvcoreos-runtime does not look for them. */
static void warn_low_level(const struct engine_ask *ask, const char *path, struct strlist *warnings)
{
	static const char *const names[] = { "runc", "crun" };
	cleanup_fd int its = path_open(ask->rootfd, path, O_PATH);

	for (size_t i = 0; its >= 0 && config_runtime_dirs[i]; i++)
		for (size_t j = 0; j < ARRAY_SIZE(names); j++) {
			const char *here = arena_printf(ask->arena, "%s/%s", config_runtime_dirs[i], names[j]);
			cleanup_fd int fd = path_open(ask->rootfd, here, O_PATH);

			if (fd >= 0)
				return;
		}
	if (its >= 0)
		strlist_add(
			ask->arena, warnings,
			arena_printf(
				ask->arena,
				"no runc or crun where nvcoreos-runtime looks: set low-level-runtimes=%s in nvcoreos.conf",
				path));
}

/* Ours is as it was; a new one as the default runtime is, but for its program and what goes with that. */
static void add(struct tomledit *t, const struct engine_ask *ask, struct json *others, struct json *was,
		struct strlist *warnings)
{
	const char *path[] = { "crio", "runtime", "runtimes", ask->name };
	cleanup_json struct json *members = json_new_object();
	struct json *its = like(others), *own = json_get(tomledit_get(was, runtime_table, 3), ask->name),
		    *from = own ? own : its;
	const char *type = json_get_str(from, "runtime_type", ""), *low = json_get_str(its, "runtime_path", "");

	json_set_str(members, "runtime_path", ask->path);
	json_set_str(members, "runtime_type", *type ? type : "oci");
	engine_copy_members(members, from);
	json_remove(members, "inherit_default_runtime");
	json_remove(members, "container_min_memory");
	tomledit_table(t, path, ARRAY_SIZE(path), members);
	if (*low == '/' && !engine_is_ours(low))
		warn_low_level(ask, low, warnings);
}

static const char *program(const struct json *entry)
{
	return json_get_str(entry, "runtime_path", NULL);
}

static const struct engine_dropin_style style = {
	.engine = &engine_crio,
	.suffix = "",
	.defaults = runtime_table,
	.n_defaults = 2,
	.key = "default_runtime",
	.runtimes = runtime_table,
	.n_runtimes = 3,
	.add = add,
	.program = program,
};

static int plan(const struct engine_ask *ask, struct engine_plan *plan, struct err *err)
{
	return engine_dropin_plan(&style, ask, plan, err);
}

static void names(const struct engine_ask *ask, struct strlist *names)
{
	engine_dropin_style_names(&style, ask, names);
}

const struct engine engine_crio = {
	.name = "crio",
	.file = "/etc/crio/crio.conf",
	.restart = "systemctl restart crio",
	.name_ok = engine_name_ok,
	.names = names,
	.plan = plan,
};
