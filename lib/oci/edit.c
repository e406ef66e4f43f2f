/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/edit.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "oci/edit_note.h"
#include "oci/json.h"
#include "oci/spec.h"
#include "oci/splice.h"

#define DEVICES "linux.resources.devices"
#define LD_NAME "LD_LIBRARY_PATH="
#define DENY_ALL "{\"allow\":false,\"access\":\"rwm\"}"
#define HOOK_ENV "[\"PATH=/usr/sbin:/usr/bin:/sbin:/bin\"]"
#define DOCKER_HOOK "nvidia-container-runtime-hook"

static const char *const stages[] = { "prestart", "createRuntime" };

static struct json *parse_at(const struct strbuf *b, struct splice_span span)
{
	char why[128];

	return json_parse(b->buf + span.start, span.end - span.start, why, sizeof(why));
}

/* The items of a container that may be absent: none then. */
static int find_items(struct strbuf *b, const char *path, char open, struct splice_span **ret, size_t *ret_n,
		      struct err *err)
{
	struct splice_span container;
	int r = splice_find(b, path, open, &container, err);

	*ret = NULL;
	*ret_n = 0;
	if (r <= 0)
		return r;
	if (splice_items(b, container, ret, ret_n) < 0)
		return err_set(err, ERR_SPEC, 0, "%s is no JSON", path);
	return 0;
}

/* Takes the annotation out, and reads it into *ret, which stays empty where there is none. */
static int take_note(struct strbuf *b, struct edit_note *ret, struct err *err)
{
	cleanup_free struct splice_span *items = NULL;
	cleanup_free bool *gone = NULL;
	cleanup_json struct json *value = NULL;
	struct splice_span annotations, span;
	size_t n;
	int r = splice_find(b, "annotations", '{', &annotations, err);

	if (r <= 0 || splice_member(b, annotations, SPEC_EDITS_ANNOTATION, &span) <= 0)
		return r < 0 ? r : 0;
	value = parse_at(b, span);
	edit_note_parse(ret, json_is_string(value) ? json_str(value) : "");
	r = find_items(b, "annotations", '{', &items, &n, err);
	if (r < 0)
		return r;
	gone = mem_zalloc(n);
	for (size_t i = 0; i < n; i++)
		gone[i] = items[i].end == span.end;
	splice_remove(b, items, gone, n);
	return 0;
}

/* Whether a rule is just as we write one. */
static bool is_our_rule(const struct json *rule, struct edit_device *ret)
{
	const struct json *allow = json_get(rule, "allow");
	int64_t major, minor;
	struct json *value;
	const char *key;
	void *iter = NULL;
	unsigned members = 0;

	if (!json_is_object(rule))
		return false;
	while (json_next((struct json *)rule, &iter, &key, &value))
		members++;
	if (members != 5 || !json_bool(allow, false) || !str_eq(json_get_str(rule, "type", ""), "c") ||
	    !str_eq(json_get_str(rule, "access", ""), "rw"))
		return false;
	if (!json_int(json_get(rule, "major"), 0, UINT32_MAX, &major) ||
	    !json_int(json_get(rule, "minor"), 0, UINT32_MAX, &minor))
		return false;
	*ret = (struct edit_device){ (unsigned)major, (unsigned)minor };
	return true;
}

/*
 * Takes out the last rule of ours for each device of the note: an equal one of the engine stands before it
 * and stays. A deny-all is never taken out, ours neither: every containerd spec holds it, the note may lie,
 * and to crun a list without it allows everything.
 */
static int undo_devices(struct strbuf *b, const struct edit_note *note, struct err *err)
{
	cleanup_free struct splice_span *items = NULL;
	cleanup_free bool *gone = NULL, *done = NULL;
	size_t n, kept = 0;
	int r = 0;

	if (note->n_devices)
		r = find_items(b, DEVICES, '[', &items, &n, err);
	if (r < 0 || !items)
		return r;
	gone = mem_zalloc(n);
	done = mem_zalloc(note->n_devices);
	for (size_t i = n; i > 0; i--) {
		cleanup_json struct json *rule = parse_at(b, items[i - 1]);
		const struct edit_device *noted;
		struct edit_device device;

		if (!is_our_rule(rule, &device))
			continue;
		noted = bsearch(&device, note->devices, note->n_devices, sizeof(device), edit_note_compare);
		if (!noted || done[noted - note->devices])
			continue;
		done[noted - note->devices] = gone[i - 1] = true;
	}
	for (size_t i = 0; i < n; i++)
		kept += !gone[i];
	/*
	 * With our own note a deny-all is left. To crun v2 an empty list is wider than one that names devices
	 * only.
	 */
	if (n > 0 && kept == 0)
		splice_replace(b, (struct splice_span){ items[0].start, items[n - 1].end }, DENY_ALL, strlen(DENY_ALL));
	else
		splice_remove(b, items, gone, n);
	return 0;
}

static bool is_our_hook(const struct json *hook)
{
	const struct json *args = json_get(hook, "args");

	if (!str_eq(path_base(json_get_str(hook, "path", "")), SPEC_HOOK_NAME))
		return false;
	for (size_t i = 0; i < json_len(args); i++) {
		const char *arg = json_str(json_at(args, i));

		if (arg && str_eq(arg, SPEC_HOOK_BY_SHIM))
			return true;
	}
	return false;
}

static bool is_docker_hook(const struct json *hook)
{
	return str_eq(path_base(json_get_str(hook, "path", "")), DOCKER_HOOK);
}

/* Where no program of that name can be in these bytes, they need not be looked through. */
static bool may_name(const struct strbuf *b, struct splice_span item, const char *program)
{
	const char *text = b->buf + item.start;
	size_t len = item.end - item.start;

	return memmem(text, len, program, strlen(program)) || memchr(text, '\\', len);
}

/* Whether it is an entry that `match` knows: 1, 0; -EINVAL where that cannot be told. */
static int is_hook(const struct strbuf *b, struct splice_span item, bool (*match)(const struct json *), struct err *err)
{
	static const struct splice_kept kept[] = { { .member = "path" }, { .member = "args" }, { 0 } };
	char why[128];
	cleanup_json struct json *hook =
		splice_parse(b->buf + item.start, item.end - item.start, kept, why, sizeof(why));

	return hook ? match(hook) : err_set(err, ERR_SPEC, 0, "%s", why);
}

static int remove_hooks(struct strbuf *b, const char *path, const char *program, bool (*match)(const struct json *),
			struct err *err)
{
	cleanup_free struct splice_span *items = NULL;
	cleanup_free bool *gone = NULL;
	bool any = false;
	size_t n;
	int r;

	if (!may_name(b, (struct splice_span){ 0, b->len }, program))
		return 0;
	r = find_items(b, path, '[', &items, &n, err);
	if (r < 0)
		return r;
	gone = mem_zalloc(n);
	for (size_t i = 0; i < n; i++) {
		r = may_name(b, items[i], program) ? is_hook(b, items[i], match, err) : 0;
		if (r < 0)
			return err_wrap(err, "%s[%zu]", path, i);
		gone[i] = r > 0;
		any |= gone[i];
	}
	if (any)
		splice_remove(b, items, gone, n);
	return 0;
}

static int undo_hooks(struct strbuf *b, struct err *err)
{
	char path[64];
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(stages); i++) {
		snprintf(path, sizeof(path), "hooks.%s", stages[i]);
		r = remove_hooks(b, path, SPEC_HOOK_NAME, is_our_hook, err);
	}
	return r;
}

/* The last assignment of LD_LIBRARY_PATH, as runc takes it. */
struct ld {
	struct splice_span *items; /* all of process.env */
	size_t n, i;		   /* the i-th is it */
	char *value;		   /* decoded; NULL where there is no assignment */
	struct splice_span raw;	   /* the value's bytes; empty where even the name is written with escapes */
};

static void ld_free(struct ld *ld)
{
	free(ld->items);
	free(ld->value);
}
#define cleanup_ld cleanup(ld_free)

static int find_ld(struct strbuf *b, struct ld *ret, struct err *err)
{
	const size_t name = 1 + strlen(LD_NAME);
	int r = find_items(b, "process.env", '[', &ret->items, &ret->n, err);

	if (r < 0)
		return r;
	for (ret->i = ret->n; ret->i > 0;) {
		struct splice_span item = ret->items[--ret->i];
		cleanup_json struct json *entry = parse_at(b, item);
		const char *value = json_str(entry) ? str_after(json_str(entry), LD_NAME) : NULL;

		if (!value)
			continue;
		ret->value = mem_strdup(value);
		if (item.end - item.start > name && memcmp(b->buf + item.start, "\"" LD_NAME, name) == 0)
			ret->raw = (struct splice_span){ item.start + name, item.end - 1 };
		return 0;
	}
	return 0;
}

static int undo_ld(struct strbuf *b, const struct edit_note *note, struct err *err)
{
	cleanup_ld struct ld ld = { 0 };
	cleanup_free bool *gone = NULL;
	size_t n = note->ld ? strlen(note->ld) : 0;
	int r = n ? find_ld(b, &ld, err) : 0;
	struct splice_span ours = { ld.raw.start, ld.raw.start + n };
	bool whole = ld.raw.end == ours.end;

	if (r < 0 || !ld.value || ours.end > ld.raw.end || memcmp(b->buf + ours.start, note->ld, n) != 0)
		return r;
	if (note->ld_new && whole) {
		gone = mem_zalloc(ld.n);
		gone[ld.i] = true;
		splice_remove(b, ld.items, gone, ld.n);
	} else if (!note->ld_new && (whole || b->buf[ours.end] == ':')) {
		ours.end += !whole;
		splice_replace(b, ours, "", 0);
	}
	return 0;
}

static int undo(struct strbuf *b, struct err *err)
{
	cleanup_edit_note struct edit_note note = { 0 };
	int r = take_note(b, &note, err);

	if (r == 0)
		r = undo_devices(b, &note, err);
	if (r == 0)
		r = undo_hooks(b, err);
	return r < 0 ? r : undo_ld(b, &note, err);
}

/* As a JSON string. What is not UTF-8 cannot be written: as another path it would name another file. */
static int add_string(struct strbuf *ret, const char *s, struct err *err)
{
	cleanup_json struct json *j = json_new_string(s);
	cleanup_free char *text = json_dump(j, 0);

	if (!str_eq(json_str(j), s))
		return err_set(err, ERR_SPEC, 0, "not UTF-8: %s", s);
	strbuf_puts(ret, text);
	return 0;
}

/* No number, or -1, is every number. */
static bool is_wildcard(const struct json *rule, const char *key)
{
	const struct json *j = json_get(rule, key);
	int64_t v;

	return !j || json_is_null(j) || json_int(j, -1, -1, &v);
}

static bool allows_all(const struct json *rule)
{
	const char *type = json_get_str(rule, "type", "a"), *access = json_get_str(rule, "access", "");

	if (!str_eq(type, "a") && !str_eq(type, ""))
		return false;
	if (*access && (!strchr(access, 'r') || !strchr(access, 'w') || !strchr(access, 'm')))
		return false;
	return is_wildcard(rule, "major") && is_wildcard(rule, "minor");
}

/* Whether the engine's rules end in everything being allowed. 1, 0, -EINVAL. */
static int net_allows_all(const struct strbuf *b, const struct splice_span *items, size_t n, struct err *err)
{
	int all = 0;

	for (size_t i = 0; i < n; i++) {
		cleanup_json struct json *rule = parse_at(b, items[i]);

		if (!json_is_object(rule))
			return err_set(err, ERR_SPEC, 0, DEVICES "[%zu] is no object", i);
		if (!json_bool(json_get(rule, "allow"), false))
			all = 0;
		else if (allows_all(rule))
			all = 1;
	}
	return all;
}

/* Fills note->devices with what was added: nothing where all is allowed. */
static int add_devices(struct strbuf *b, const struct edit *edit, struct edit_note *note, struct err *err)
{
	cleanup_strbuf struct strbuf rules = STRBUF_INIT;
	cleanup_free struct splice_span *items = NULL;
	struct splice_span list;
	size_t n, kept = 0;
	int r = find_items(b, DEVICES, '[', &items, &n, err);

	if (r == 0 && edit->n_devices > EDIT_NOTE_DEVICES_MAX)
		r = err_set(err, ERR_SPEC, 0, "%zu device rules are too many", edit->n_devices);
	if (r == 0)
		r = net_allows_all(b, items, n, err);
	if (r != 0 || edit->n_devices == 0)
		return r < 0 ? r : 0;
	note->devices = mem_realloc_array(NULL, edit->n_devices, sizeof(*note->devices));
	memcpy(note->devices, edit->devices, edit->n_devices * sizeof(*note->devices));
	qsort(note->devices, edit->n_devices, sizeof(*note->devices), edit_note_compare);
	for (size_t i = 0; i < edit->n_devices; i++)
		if (kept == 0 || edit_note_compare(&note->devices[kept - 1], &note->devices[i]) != 0)
			note->devices[kept++] = note->devices[i];
	note->n_devices = kept;
	if (n == 0)
		strbuf_puts(&rules, DENY_ALL);
	for (size_t i = 0; i < kept; i++)
		strbuf_printf(&rules, "%s{\"allow\":true,\"type\":\"c\",\"major\":%u,\"minor\":%u,\"access\":\"rw\"}",
			      rules.len ? "," : "", note->devices[i].major, note->devices[i].minor);
	r = splice_make(b, DEVICES, '[', &list, err);
	if (r > 0)
		splice_append(b, list, rules.buf);
	return r < 0 ? r : 0;
}

static int add_hook(struct strbuf *b, const struct edit *edit, struct err *err)
{
	cleanup_strbuf struct strbuf entry = STRBUF_INIT;
	struct splice_span list;
	char path[64];
	int r;

	if (!str_eq(edit->hook_stage, stages[0]) && !str_eq(edit->hook_stage, stages[1]))
		return err_set(err, ERR_SPEC, 0, "no stage for a hook of ours: %s", edit->hook_stage);
	strbuf_puts(&entry, "{\"path\":");
	r = add_string(&entry, edit->hook_path, err);
	strbuf_puts(&entry, ",\"args\":[");
	for (size_t i = 0; r == 0 && edit->hook_args && edit->hook_args[i]; i++) {
		if (i)
			strbuf_putc(&entry, ',');
		r = add_string(&entry, edit->hook_args[i], err);
	}
	if (r < 0)
		return r;
	strbuf_puts(&entry, "],\"env\":" HOOK_ENV "}");
	snprintf(path, sizeof(path), "hooks.%s", edit->hook_stage);
	r = splice_make(b, path, '[', &list, err);
	if (r > 0)
		splice_append(b, list, entry.buf);
	return r < 0 ? r : 0;
}

static int add_ld(struct strbuf *b, const char *dirs, struct edit_note *note, struct err *err)
{
	cleanup_ld struct ld ld = { 0 };
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	struct splice_span env;
	int r;

	if (!edit_note_is_ld(dirs))
		return err_set(err, ERR_SPEC, 0, "no directories of ours for " LD_NAME "%s", dirs);
	r = find_ld(b, &ld, err);
	if (r < 0)
		return r;
	note->ld = mem_strdup(dirs);
	note->ld_new = !ld.value;
	/* An empty old value gets no colon: an empty directory in the list is the working directory. */
	strbuf_printf(&text, "%s%s", dirs, ld.value && *ld.value ? ":" : "");
	if (ld.raw.start) {
		splice_replace(b, (struct splice_span){ ld.raw.start, ld.raw.start }, text.buf, text.len);
	} else if (ld.value) {
		cleanup_free char *whole = mem_printf(LD_NAME "%s%s", text.buf, ld.value);
		cleanup_strbuf struct strbuf entry = STRBUF_INIT;

		r = add_string(&entry, whole, err);
		if (r == 0)
			splice_replace(b, ld.items[ld.i], entry.buf, entry.len);
	} else {
		cleanup_free char *entry = mem_printf("\"" LD_NAME "%s\"", dirs);

		r = splice_make(b, "process.env", '[', &env, err);
		if (r > 0)
			splice_append(b, env, entry);
	}
	return r < 0 ? r : 0;
}

static int add_note(struct strbuf *b, const struct edit_note *note, const char *stage, struct err *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	struct splice_span annotations;
	int r = splice_make(b, "annotations", '{', &annotations, err);

	if (r < 0)
		return r;
	edit_note_write(note, stage, &text);
	splice_append(b, annotations, text.buf);
	return 0;
}

int edit_apply(const char *text, size_t len, const struct edit *edit, char **ret, size_t *ret_len, struct err *err)
{
	cleanup_strbuf struct strbuf b = STRBUF_INIT;
	cleanup_edit_note struct edit_note note = { 0 };
	int r;

	strbuf_add(&b, text, len);
	r = undo(&b, err);
	if (r == 0)
		r = remove_hooks(&b, "hooks.prestart", DOCKER_HOOK, is_docker_hook, err);
	if (r == 0)
		r = add_devices(&b, edit, &note, err);
	if (r == 0 && edit->hook_path)
		r = add_hook(&b, edit, err);
	if (r == 0 && edit->ld_library_path)
		r = add_ld(&b, edit->ld_library_path, &note, err);
	if (r == 0)
		r = add_note(&b, &note, edit->hook_path ? edit->hook_stage : NULL, err);
	if (r < 0)
		return r;
	*ret_len = b.len;
	*ret = strbuf_steal(&b);
	return 0;
}

int edit_undo(const char *text, size_t len, char **ret, size_t *ret_len, struct err *err)
{
	cleanup_strbuf struct strbuf b = STRBUF_INIT;
	int r;

	strbuf_add(&b, text, len);
	r = undo(&b, err);
	if (r < 0)
		return r;
	*ret_len = b.len;
	*ret = strbuf_steal(&b);
	return 0;
}
