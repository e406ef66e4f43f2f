/* SPDX-License-Identifier: Apache-2.0 */
#include "engine.h"

#include "base/path.h"

#define PROGRAM "nvcoreos-runtime"

static const struct engine *const engines[] = { &engine_docker, &engine_containerd, &engine_crio, &engine_podman };

const struct engine *engine_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(engines); i++)
		if (str_eq(engines[i]->name, name))
			return engines[i];
	return NULL;
}

const char *engine_names(void)
{
	return "docker, containerd, crio, podman";
}

bool engine_name_ok(const char *name)
{
	return str_is_name(name) && !str_eq(name, "runc") && !str_eq(name, "crun");
}

bool engine_is_ours(const char *path)
{
	return path && str_eq(path_base(path), PROGRAM);
}

static bool is_scalar(const struct json *value)
{
	return json_str(value) || json_is_number(value) || json_bool(value, true) == json_bool(value, false);
}

/* What a runtime may get from another one: "", 0, false and [] an engine takes anyway. */
static bool is_worth_copying(const struct json *value)
{
	int64_t zero;

	if (json_is_array(value)) {
		for (size_t i = 0; i < json_len(value); i++)
			if (!is_scalar(json_at(value, i)))
				return false;
		return json_len(value) > 0;
	}
	return is_scalar(value) && json_bool(value, true) && !json_int(value, 0, 0, &zero) &&
	       !(json_str(value) && !*json_str(value));
}

void engine_copy_members(struct json *into, struct json *from)
{
	const char *key;
	struct json *value;
	void *iter = NULL;

	while (json_next(from, &iter, &key, &value))
		if (is_worth_copying(value) && !json_get(into, key))
			json_set(into, key, json_clone(value));
}

struct engine_file *engine_plan_read(const struct engine_ask *ask, struct engine_plan *plan, const char *path,
				     struct err *err)
{
	struct engine_file *f = &plan->files[plan->n];

	if (rootfile_read(ask->rootfd, path, ERR_ENGINE, &f->was, err) < 0)
		return NULL;
	plan->n++;
	f->text = (struct strbuf)STRBUF_INIT;
	strbuf_add(&f->text, f->was.text.buf ? f->was.text.buf : "", f->was.text.len);
	f->there = f->was.exists;
	return f;
}

void engine_file_set(struct engine_file *f, const struct strbuf *text)
{
	struct strbuf copy = STRBUF_INIT;

	strbuf_add(&copy, text->buf ? text->buf : "", text->len);
	strbuf_free(&f->text);
	f->text = copy;
	f->there = true;
}

bool engine_file_changes(const struct engine_file *f)
{
	if (f->there != f->was.exists)
		return true;
	return f->there && (f->text.len != f->was.text.len ||
			    (f->text.len && memcmp(f->text.buf, f->was.text.buf, f->text.len) != 0));
}

void engine_plan_free(struct engine_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		rootfile_free(&plan->files[i].was);
		strbuf_free(&plan->files[i].text);
	}
	plan->n = 0;
}
