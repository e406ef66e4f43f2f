/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_cri.h"

#include "engine.h"
#include "tomledit.h"

/* A file without a version has version 1; one that says nothing at all may have any. */
int engine_cri_find(struct json *facts, const char *file, struct engine_cri *ret, struct err *err)
{
	struct json *version = json_get(facts, "version");
	bool blank = !json_next(facts, &(void *){ NULL }, &(const char *){ NULL }, &(struct json *){ NULL });

	*ret = (struct engine_cri){ .version = blank ? 2 : 1,
				    .path = { "plugins", "cri", "containerd", "runtimes", "", "options" } };
	if (version && !json_int(version, 1, 4, &ret->version)) {
		cleanup_free char *text = json_dump(version, 0);

		err_set(err, ERR_ENGINE, 0, "%s: version %s", file, text);
		return err_hint(err, "versions 1 to 4 are known");
	}
	if (ret->version == 2)
		ret->path[1] = "io.containerd.grpc.v1.cri";
	else if (ret->version > 2)
		ret->path[1] = "io.containerd.cri.v1.runtime";
	return 0;
}

struct json *engine_cri_runtime(struct json *facts, const struct engine_cri *c, const char *name)
{
	return json_get(tomledit_get(facts, c->path, ENGINE_CRI_RUNTIMES), name);
}

const char *engine_cri_program(struct json *facts, const struct engine_cri *c, const char *name)
{
	return json_get_str(json_get(engine_cri_runtime(facts, c, name), "options"), "BinaryName", NULL);
}

const char *engine_cri_default(struct json *facts, const struct engine_cri *c)
{
	const char *name =
		json_get_str(tomledit_get(facts, c->path, ENGINE_CRI_CONTAINERD), "default_runtime_name", "runc");

	return *name ? name : "runc";
}

bool engine_cri_default_is_ours(struct json *facts, const struct engine_cri *c)
{
	return engine_is_ours(engine_cri_program(facts, c, engine_cri_default(facts, c)));
}

bool engine_cri_has_default(struct json *facts, const struct engine_cri *c)
{
	const char *name = engine_cri_default(facts, c);

	return str_eq(name, "runc") || engine_cri_runtime(facts, c, name);
}

bool engine_cri_has_cdi(struct json *facts, const struct engine_cri *c)
{
	return json_bool(json_get(tomledit_get(facts, c->path, ENGINE_CRI_PLUGIN), "enable_cdi"), false);
}

void engine_cri_names(struct json *facts, const struct engine_cri *c, struct arena *arena, struct strlist *names)
{
	struct json *all = tomledit_get(facts, c->path, ENGINE_CRI_RUNTIMES), *value;
	const char *name;
	void *iter = NULL;

	while (json_next(all, &iter, &name, &value))
		if (engine_is_ours(json_get_str(json_get(value, "options"), "BinaryName", NULL)))
			strlist_add(arena, names, name);
}
