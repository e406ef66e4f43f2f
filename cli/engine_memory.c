/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_memory.h"

#include <errno.h>
#include <limits.h>

#include "base/path.h"
#include "oci/json.h"
#include "store/digest.h"

#define FORMAT 1

static const char *place(const struct engine_ask *ask, const char *path)
{
	char dir[PATH_MAX];

	if (path_parent(path, dir, sizeof(dir)) < 0)
		return path;
	return arena_printf(ask->arena, "%s/.%s.nvcoreos-was", str_eq(dir, "/") ? "" : dir, path_base(path));
}

static const char *digest_of(const struct strbuf *text, char hex[DIGEST_HEX])
{
	struct digest *d = digest_new();

	digest_add(d, text->buf ? text->buf : "", text->len);
	return digest_end(d, hex);
}

/* One of the texts that we have left: the last one, or the one before, where a run was killed between two files. */
static bool is_one_of(const struct strbuf *text, const struct json *digests)
{
	char hex[DIGEST_HEX];

	digest_of(text, hex);
	for (size_t i = 0; i < json_len(digests); i++)
		if (str_eq(json_str(json_at(digests, i)) ? json_str(json_at(digests, i)) : "", hex))
			return true;
	return false;
}

static bool understand(struct engine_memory *m, const struct json *j, const struct engine_file *of)
{
	const struct json *before = json_get(j, "before"), *after = json_get(j, "after");
	int64_t format;

	if (!json_int(json_get(j, "format"), FORMAT, FORMAT, &format) || !json_is_array(after) ||
	    !(json_str(before) || json_is_null(before)))
		return false;
	m->known = true;
	m->had_file = json_str(before);
	if (m->had_file)
		strbuf_puts(&m->before, json_str(before));
	m->is_ours = of->was.exists && is_one_of(&of->was.text, after);
	m->cdi = json_bool(json_get(j, "cdi"), false);
	return true;
}

int engine_memory_read(const struct engine_ask *ask, struct engine_plan *plan, const struct engine_file *of,
		       struct engine_memory *ret, struct err *err)
{
	struct engine_file *f = engine_plan_read(ask, plan, place(ask, of->was.path), err);
	cleanup_json struct json *j = NULL;
	char why[256] = "not understood";

	*ret = (struct engine_memory){ .file = f, .before = STRBUF_INIT };
	if (!f)
		return -EINVAL;
	f->private = true;
	if (!f->was.exists) {
		f->was.mode = 0600;
		return 0;
	}
	j = json_parse(f->text.buf ? f->text.buf : "", f->text.len, why, sizeof(why));
	if (j && understand(ret, j, of))
		return 0;
	err_set(err, ERR_ENGINE, 0, "%s: %s", f->was.path, why);
	return err_hint(err, "take it away: then '--remove' takes out the runtime and what hangs on it, and no more");
}

void engine_memory_keep(struct engine_memory *m, const struct engine_file *of)
{
	cleanup_json struct json *j = json_new_object();
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	cleanup_free char *dump = NULL;
	struct json *after = json_new_array(), *nothing = NULL;
	char hex[DIGEST_HEX], why[64];

	json_set_int(j, "format", FORMAT);
	if (m->had_file)
		json_set_str(j, "before", m->before.buf ? m->before.buf : "");
	else if ((nothing = json_parse("null", 4, why, sizeof(why))))
		json_set(j, "before", nothing);
	if (m->is_ours)
		json_append(after, json_new_string(digest_of(&of->was.text, hex)));
	json_append(after, json_new_string(digest_of(&of->text, hex)));
	json_set(j, "after", after);
	json_set_bool(j, "cdi", m->cdi);
	dump = json_dump(j, 2);
	strbuf_printf(&text, "%s\n", dump);
	engine_file_set(m->file, &text);
}

void engine_memory_drop(struct engine_memory *m)
{
	m->file->there = false;
}

void engine_memory_free(struct engine_memory *m)
{
	strbuf_free(&m->before);
}
