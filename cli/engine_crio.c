/* SPDX-License-Identifier: Apache-2.0 */
/* CRI-O: a file in crio.conf.d, which it reads behind crio.conf, whatever the files in it are called. */
#include "engine_dropin.h"

static const char *const runtime_table[] = { "crio", "runtime", "runtimes" };

static void add(struct tomledit *t, const struct engine_ask *ask)
{
	const char *path[] = { "crio", "runtime", "runtimes", ask->name };
	cleanup_json struct json *members = json_new_object();

	json_set_str(members, "runtime_path", ask->path);
	json_set_str(members, "runtime_type", "oci");
	tomledit_table(t, path, ARRAY_SIZE(path), members);
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
