/* SPDX-License-Identifier: Apache-2.0 */
/* Podman: a file in containers.conf.d, which it reads behind containers.conf at each call. */
#include "engine_dropin.h"

static const char *const runtime_table[] = { "engine", "runtimes" };

static void add(struct tomledit *t, const struct engine_ask *ask, struct json *others, struct json *was,
		struct strlist *warnings)
{
	cleanup_json struct json *members = json_new_object();
	struct json *paths = json_new_array();

	(void)others;
	(void)was;
	(void)warnings;
	json_append(paths, json_new_string(ask->path));
	json_set(members, ask->name, paths);
	tomledit_table(t, runtime_table, ARRAY_SIZE(runtime_table), members);
}

/* It takes the first that is there; whose runtime it is the first one tells. */
static const char *program(const struct json *entry)
{
	return json_str(json_at(entry, 0));
}

/* What Podman has built in, over all its versions; one of ours would hide it. */
static bool name_ok(const char *name)
{
	static const char *const known[] = {
		"crun-vm", "crun-wasm", "kata", "krun", "ocijail", "runj", "runsc", "youki"
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (str_eq(name, known[i]))
			return false;
	return engine_name_ok(name);
}

static const struct engine_dropin_style style = {
	.engine = &engine_podman,
	.vendor = "/usr/share/containers/containers.conf",
	.suffix = ".conf",
	.defaults = runtime_table,
	.n_defaults = 1,
	.key = "runtime",
	.runtimes = runtime_table,
	.n_runtimes = 2,
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

const struct engine engine_podman = {
	.name = "podman",
	.file = "/etc/containers/containers.conf",
	.user_file = "containers/containers.conf",
	.restart = "",
	.name_ok = name_ok,
	.names = names,
	.plan = plan,
};
