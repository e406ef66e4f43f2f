/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim's edits of config.json. Whatever stands in it, an annotation of ours by somebody else too: the result
 * is JSON, a second run changes nothing, nothing but our places changes, and no device is allowed that was not
 * allowed before or is not the plan's.
 */
#include "fuzz.h"
#include "oci/edit.h"
#include "oci/json.h"
#include "oci/spec.h"

#define LD "/usr/local/nvidia/lib64"

static const struct edit_device devices[] = { { 195, 0 }, { 195, 255 }, { 510, 0 } };
static const char *const hook_args[] = { "nvcoreos-hook", "--device-cgroup=none", "prestart", NULL };

/* How an engine starts: what a list says that does not speak of a device. */
enum engine {
	ENGINE_RUNC,	/* nothing is allowed */
	ENGINE_CRUN_V1, /* a new cgroup allows everything */
	ENGINE_CRUN_V2, /* everything is allowed where no program is loaded, which an empty list means */
	N_ENGINES,
};

static bool covers(const struct json *rule, const char *key, int64_t number)
{
	const struct json *j = json_get(rule, key);
	int64_t v;

	if (!j || json_is_null(j) || json_int(j, -1, -1, &v))
		return true;
	return json_int(j, 0, UINT32_MAX, &v) && v == number;
}

static bool speaks_of(const struct json *rule, char type, int64_t major, int64_t minor, char access)
{
	const char *t = json_get_str(rule, "type", "a"), *what = json_get_str(rule, "access", "");

	if (*t && *t != 'a' && *t != type)
		return false;
	if (*what && !strchr(what, access))
		return false;
	return covers(rule, "major", major) && covers(rule, "minor", minor);
}

/* The last rule that speaks of it decides. */
static bool allowed(const struct json *doc, enum engine engine, char type, int64_t major, int64_t minor, char access)
{
	const struct json *rules = json_get(json_get(json_get(doc, "linux"), "resources"), "devices");
	size_t n = json_len(rules);
	bool yes = engine == ENGINE_CRUN_V1 || (engine == ENGINE_CRUN_V2 && n == 0);

	for (size_t i = 0; i < n; i++)
		if (speaks_of(json_at(rules, i), type, major, minor, access))
			yes = json_bool(json_get(json_at(rules, i), "allow"), false);
	return yes;
}

static bool is_planned(char type, int64_t major, int64_t minor, char access)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		if (type == 'c' && access != 'm' && devices[i].major == major && devices[i].minor == minor)
			return true;
	return false;
}

static void check_devices(const struct json *before, const struct json *after, bool planned)
{
	static const int64_t numbers[][2] = { { 195, 0 }, { 195, 1 }, { 195, 255 }, { 510, 0 }, { 1, 3 }, { 8, 0 } };

	for (unsigned e = 0; e < N_ENGINES; e++)
		for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
			for (const char *t = "cb"; *t; t++)
				for (const char *a = "rwm"; *a; a++) {
					int64_t x = numbers[i][0], y = numbers[i][1];

					MUST(!allowed(after, e, *t, x, y, *a) || allowed(before, e, *t, x, y, *a) ||
					     (planned && is_planned(*t, x, y, *a)));
					/* And what the plan says is really there. */
					MUST(!planned || !is_planned(*t, x, y, *a) || allowed(after, e, *t, x, y, *a));
				}
}

/* The document without what edits may touch. */
static char *rest_of(const struct json *doc)
{
	cleanup_json struct json *copy = json_clone(doc);
	struct json *res = json_get(json_get(copy, "linux"), "resources");

	json_remove(res, "devices");
	if (json_is_object(res) && !json_is_null(res)) {
		cleanup_free char *text = json_dump(res, 0);

		if (str_eq(text, "{}"))
			json_remove(json_get(copy, "linux"), "resources");
	}
	json_remove(copy, "annotations");
	json_remove(copy, "hooks");
	json_remove(json_get(copy, "process"), "env");
	return json_dump(copy, 0);
}

static bool is_made(const struct json *doc, const char *key)
{
	const struct json *j = json_get(doc, key);

	return !j || json_is_null(j);
}

static struct json *parse(const char *text, size_t len)
{
	char why[160] = "";
	struct json *j = json_parse(text, len, why, sizeof(why));
	struct err err = ERR_INIT;
	struct spec s;

	MUST(j);
	MUST(spec_parse(&s, text, len, &err) == 0);
	spec_free(&s);
	return j;
}

static void check_rest(const struct json *before, const struct json *after)
{
	cleanup_free char *x = rest_of(before), *y = rest_of(after);

	/* Where an object on the way was missing it is made. */
	if (!is_made(before, "linux") && !is_made(before, "process") &&
	    !is_made(json_get(before, "linux"), "resources"))
		MUST(str_eq(x, y));
}

static size_t our_hooks(const struct json *doc, const char *stage)
{
	const struct json *list = json_get(json_get(doc, "hooks"), stage);
	size_t ours = 0;

	for (size_t i = 0; i < json_len(list); i++)
		ours += str_ends(json_get_str(json_at(list, i), "path", ""), "/nvcoreos-hook");
	return ours;
}

/* What undoing leaves of the environment is the same whether we were there or not; nothing of ours stays. */
static void check_undone(const struct json *never, const struct json *after)
{
	const struct json *a = json_get(json_get(never, "process"), "env"),
			  *b = json_get(json_get(after, "process"), "env");

	MUST(!json_get(json_get(after, "annotations"), SPEC_EDITS_ANNOTATION));
	MUST(json_len(a) == json_len(b));
	for (size_t i = 0; i < json_len(a); i++)
		MUST(str_eq(json_str(json_at(a, i)), json_str(json_at(b, i))));
}

/* The loader's path begins with our directories, and goes on as it was. */
static void check_ld(const struct json *never, const struct json *after)
{
	const struct json *docs[2] = { never, after };
	const char *value[2] = { NULL, NULL };

	for (unsigned d = 0; d < 2; d++) {
		const struct json *env = json_get(json_get(docs[d], "process"), "env");

		for (size_t i = 0; i < json_len(env); i++)
			if (str_starts(json_str(json_at(env, i)), "LD_LIBRARY_PATH="))
				value[d] = json_str(json_at(env, i)) + strlen("LD_LIBRARY_PATH=");
	}
	MUST(value[1] && str_starts(value[1], LD));
	MUST(str_eq(value[1] + strlen(LD) + (value[1][strlen(LD)] == ':'), value[0] ? value[0] : ""));
}

static void check_apply(const char *text, size_t len, const struct json *before, const struct edit *edit)
{
	cleanup_free char *once = NULL, *twice = NULL, *undone = NULL, *never = NULL;
	cleanup_json struct json *after = NULL, *back = NULL, *clean = NULL;
	size_t once_len, twice_len, undone_len, never_len;
	struct err err = ERR_INIT;

	if (edit_apply(text, len, edit, &once, &once_len, &err) < 0) {
		fuzz_refused(&err, ERR_SPEC, ERR_NONE);
		return;
	}
	after = parse(once, once_len);
	check_devices(before, after, edit->n_devices > 0);
	check_rest(before, after);
	MUST(!edit->hook_path || our_hooks(after, edit->hook_stage) >= 1);
	MUST(edit_apply(once, once_len, edit, &twice, &twice_len, &err) == 0);
	MUST(twice_len == once_len && memcmp(once, twice, once_len) == 0);
	MUST(edit_undo(once, once_len, &undone, &undone_len, &err) == 0);
	back = parse(undone, undone_len);
	check_devices(before, back, false);
	check_rest(before, back);
	MUST(edit_undo(text, len, &never, &never_len, &err) == 0);
	clean = parse(never, never_len);
	check_undone(clean, back);
	if (edit->ld_library_path)
		check_ld(clean, after);
}

static void check_undo(const char *text, size_t len, const struct json *before)
{
	cleanup_free char *out = NULL;
	cleanup_json struct json *after = NULL;
	struct err err = ERR_INIT;
	size_t out_len;

	if (edit_undo(text, len, &out, &out_len, &err) < 0) {
		fuzz_refused(&err, ERR_SPEC, ERR_NONE);
		return;
	}
	after = parse(out, out_len);
	check_devices(before, after, false);
	check_rest(before, after);
}

FUZZ(edit)
{
	struct fuzz_input in = { data, size };
	unsigned flags = fuzz_byte(&in);
	const char *text = (const char *)in.data;
	const struct edit edit = {
		.devices = devices,
		.n_devices = flags & 1 ? ARRAY_SIZE(devices) : 0,
		.hook_args = hook_args,
		.hook_path = flags & 2 ? "/opt/nvcoreos/bin/nvcoreos-hook" : NULL,
		.hook_stage = flags & 4 ? "createRuntime" : "prestart",
		.ld_library_path = flags & 8 ? LD : NULL,
	};
	cleanup_json struct json *before = NULL;
	struct err err = ERR_INIT;
	char why[160];
	struct spec s;

	before = json_parse(text, in.size, why, sizeof(why));
	if (!before || spec_parse(&s, text, in.size, &err) < 0) {
		cleanup_free char *out = NULL;
		size_t out_len;

		/* Not what the editor is given, but it must not leave the text. */
		if (edit_apply(text, in.size, &edit, &out, &out_len, &err) < 0)
			fuzz_refused(&err, ERR_SPEC, ERR_NONE);
		return;
	}
	spec_free(&s);
	check_undo(text, in.size, before);
	check_apply(text, in.size, before, &edit);
}
