/* SPDX-License-Identifier: Apache-2.0 */
#include "yamldoc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "base/mem.h"
#include "yamlscalar.h"

/* What aliases may make of one document, as bytes of JSON. */
#define ALIASES_MAX (4u << 20)
#define ANCHORS_MAX 256

/* --- writing --- */

struct writer {
	yaml_emitter_t emitter;
	int r; /* the first failure: all that may fail is memory, since what is emitted is a tree */
};

static void emit(struct writer *w, yaml_event_t *event, int made)
{
	if (w->r == 0 && made && yaml_emitter_emit(&w->emitter, event))
		return;
	if (w->r < 0 && made)
		yaml_event_delete(event);
	w->r = -ENOMEM;
}

static int take_text(void *data, unsigned char *text, size_t len)
{
	strbuf_add(data, text, len);
	return 1;
}

static bool is_number_like(const char *s)
{
	return !*s || (strchr("0123456789+-.", *s) && strspn(s, "0123456789abcdefABCDEF+-._:xXoO") == strlen(s));
}

/* What some version of YAML or another takes for no string when it is not quoted. */
static bool needs_quotes(const char *s)
{
	static const char *const words[] = { "y",    "n",     "yes",  "no", "on",   "off",
					     "true", "false", "null", "~",  ".nan", ".inf" };

	if (is_number_like(s))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(s, words[i]) == 0)
			return true;
	return false;
}

/* Where it cannot stand plain, the emitter quotes a text by itself. */
static void emit_scalar(struct writer *w, const char *text, bool string)
{
	bool quoted = string && needs_quotes(text);
	yaml_event_t event;
	int made = yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)strlen(text), 1, 1,
						quoted ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_PLAIN_SCALAR_STYLE);

	emit(w, &event, made);
}

/* One object or array that is being written. */
struct place {
	const struct json *value;
	void *iter; /* of an object */
	size_t next;
};

static void emit_begin(struct writer *w, const struct json *j)
{
	yaml_event_t event;

	if (json_is_object(j))
		emit(w, &event, yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE));
	else
		emit(w, &event, yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE));
}

static void emit_end(struct writer *w, const struct json *j)
{
	yaml_event_t event;

	if (json_is_object(j))
		emit(w, &event, yaml_mapping_end_event_initialize(&event));
	else
		emit(w, &event, yaml_sequence_end_event_initialize(&event));
}

/* What comes next in it, with its key written; NULL at the end. */
static const struct json *emit_next(struct writer *w, struct place *p)
{
	struct json *value;
	const char *key;

	if (!json_is_object(p->value))
		return json_at(p->value, p->next++);
	if (!json_next((struct json *)p->value, &p->iter, &key, &value))
		return NULL;
	emit_scalar(w, key, true);
	return value;
}

static void emit_leaf(struct writer *w, const struct json *j)
{
	cleanup_free char *text = json_is_string(j) ? NULL : json_dump(j, 0);

	emit_scalar(w, text ? text : json_str(j), !text);
}

static void emit_value(struct writer *w, const struct json *j)
{
	struct place places[JSON_DEPTH_MAX];
	unsigned depth = 0;

	do {
		if (!json_is_object(j) && !json_is_array(j)) {
			emit_leaf(w, j);
		} else if (depth < JSON_DEPTH_MAX) {
			emit_begin(w, j);
			places[depth++] = (struct place){ .value = j };
		}
		j = NULL;
		while (depth && !(j = emit_next(w, &places[depth - 1])))
			emit_end(w, places[--depth].value);
	} while (j);
}

int yamldoc_write(const struct json *j, struct strbuf *out)
{
	struct writer w = { .r = 0 };
	yaml_event_t event;

	if (!yaml_emitter_initialize(&w.emitter))
		return -ENOMEM;
	yaml_emitter_set_output(&w.emitter, take_text, out);
	yaml_emitter_set_width(&w.emitter, -1);
	emit(&w, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
	emit(&w, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
	emit_value(&w, j);
	emit(&w, &event, yaml_document_end_event_initialize(&event, 1));
	emit(&w, &event, yaml_stream_end_event_initialize(&event));
	yaml_emitter_delete(&w.emitter);
	return w.r;
}

/* --- reading --- */

struct level {
	struct json *value; /* an object or array that belongs to the level above */
	char *key;	    /* of an object: what the next value is of; NULL: a key comes next */
	bool merges;	    /* that key is YAML's "<<" */
};

/* What an anchor names: a value in the tree, or NULL for YAML's null. */
struct anchor {
	const char *name;
	const struct json *value;
};

struct reader {
	yaml_parser_t parser;
	struct arena arena;
	struct level levels[JSON_DEPTH_MAX];
	unsigned depth;
	struct anchor anchors[ANCHORS_MAX];
	size_t n_anchors, copied; /* bytes that aliases have made */
	struct json *top;
	char *why;
	size_t size;
};

static bool refuse(struct reader *x, const char *what)
{
	snprintf(x->why, x->size, "line %zu: %s", x->parser.mark.line + 1, what);
	return false;
}

/* Takes the value, whatever comes of it; NULL is YAML's null. */
static bool add_value(struct reader *x, struct json *value)
{
	struct level *l = x->depth ? &x->levels[x->depth - 1] : NULL;

	if (!l) {
		x->top = value;
		return value || refuse(x, "there is nothing in it");
	}
	if (json_is_array(l->value)) {
		if (!value)
			return refuse(x, "null in a list");
		json_append(l->value, value);
		return true;
	}
	if (!l->key || l->merges) {
		json_free(value);
		return refuse(x, l->key ? "a merge of what is no alias" : "a key that is no plain string");
	}
	if (value)
		json_set(l->value, l->key, value);
	free(l->key);
	l->key = NULL;
	return true;
}

static bool begin(struct reader *x, struct json *value)
{
	if (x->depth == JSON_DEPTH_MAX) {
		json_free(value);
		return refuse(x, "nested too deep");
	}
	if (!add_value(x, value))
		return false;
	x->levels[x->depth++] = (struct level){ .value = value };
	return true;
}

static bool take_key(struct reader *x, struct level *l, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;

	l->merges = str_eq(text, "<<") && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (json_get(l->value, text))
		return refuse(x, "a key stands twice");
	l->key = mem_strdup(text);
	return true;
}

static struct anchor *find_anchor(struct reader *x, const yaml_char_t *name)
{
	for (size_t i = 0; i < x->n_anchors; i++)
		if (str_eq(x->anchors[i].name, (const char *)name))
			return &x->anchors[i];
	return NULL;
}

/* A name may be given again, and then counts for what follows. */
static bool name_anchor(struct reader *x, const yaml_char_t *name, const struct json *value)
{
	struct anchor *a = name ? find_anchor(x, name) : NULL;

	if (!name)
		return true;
	if (!a && x->n_anchors == ANCHORS_MAX)
		return refuse(x, "too many anchors");
	if (!a) {
		a = &x->anchors[x->n_anchors++];
		a->name = arena_strdup(&x->arena, (const char *)name);
	}
	a->value = value;
	return true;
}

static bool is_open(const struct reader *x, const struct json *value)
{
	for (unsigned i = 0; i < x->depth; i++)
		if (x->levels[i].value == value)
			return true;
	return false;
}

/* How deep the value of this JSON text is. */
static unsigned depth_of(const char *json)
{
	unsigned depth = 0, most = 0;
	bool quoted = false;

	for (; *json; json++) {
		if (*json == '"')
			quoted = !quoted;
		else if (quoted && *json == '\\')
			json++;
		else if (!quoted && (*json == '{' || *json == '['))
			most = ++depth > most ? depth : most;
		else if (!quoted && (*json == '}' || *json == ']'))
			depth--;
	}
	return most;
}

/* Aliases make a lot of value out of little text. */
static bool is_bounded(struct reader *x, const struct json *value)
{
	cleanup_free char *text = value ? json_dump(value, 0) : mem_strdup("");

	x->copied += strlen(text) + 1;
	if (x->copied > ALIASES_MAX)
		return refuse(x, "its aliases make too much of it");
	return x->depth + depth_of(text) <= JSON_DEPTH_MAX || refuse(x, "nested too deep");
}

/* All of that object, as if it stood here. */
static bool merge(struct reader *x, struct level *l, const struct json *value)
{
	struct json *member;
	const char *key;
	void *iter = NULL;

	if (!json_is_object(value))
		return refuse(x, "a merge of what is no object");
	while (json_next((struct json *)value, &iter, &key, &member)) {
		if (json_get(l->value, key))
			return refuse(x, "a key stands twice");
		json_set(l->value, key, json_clone(member));
	}
	free(l->key);
	l->key = NULL;
	l->merges = false;
	return true;
}

static bool add_alias(struct reader *x, const yaml_char_t *name)
{
	struct level *l = x->depth ? &x->levels[x->depth - 1] : NULL;
	const struct anchor *a = find_anchor(x, name);

	if (!a)
		return refuse(x, "an alias of nothing");
	if (is_open(x, a->value))
		return refuse(x, "an alias within what it stands for");
	if (!is_bounded(x, a->value))
		return false;
	if (l && l->key && l->merges)
		return merge(x, l, a->value);
	return add_value(x, a->value ? json_clone(a->value) : NULL);
}

static bool is_tag(const yaml_char_t *tag, const char *want)
{
	return tag && str_eq((const char *)tag, want);
}

static bool add_scalar(struct reader *x, const yaml_event_t *event)
{
	struct level *l = x->depth ? &x->levels[x->depth - 1] : NULL;
	const char *text = (const char *)event->data.scalar.value;
	const bool is_str = is_tag(event->data.scalar.tag, YAML_STR_TAG),
		   is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !is_str;
	struct json *value;

	if (event->data.scalar.tag && !is_str)
		return refuse(x, "a tag that is not read");
	if (strlen(text) != event->data.scalar.length)
		return refuse(x, "a zero byte");
	if (l && json_is_object(l->value) && !l->key)
		return take_key(x, l, event);
	value = is_plain ? yamlscalar_read(text) : json_new_string(text);
	return add_value(x, value) && name_anchor(x, event->data.scalar.anchor, value);
}

static bool begin_object(struct reader *x, const yaml_event_t *event)
{
	const yaml_char_t *tag = event->data.mapping_start.tag;

	if (tag && !is_tag(tag, YAML_MAP_TAG))
		return refuse(x, "a tag that is not read");
	return begin(x, json_new_object()) &&
	       name_anchor(x, event->data.mapping_start.anchor, x->levels[x->depth - 1].value);
}

static bool begin_array(struct reader *x, const yaml_event_t *event)
{
	const yaml_char_t *tag = event->data.sequence_start.tag;

	if (tag && !is_tag(tag, YAML_SEQ_TAG))
		return refuse(x, "a tag that is not read");
	return begin(x, json_new_array()) &&
	       name_anchor(x, event->data.sequence_start.anchor, x->levels[x->depth - 1].value);
}

static bool end(struct reader *x)
{
	x->depth--;
	return true;
}

static bool take_event(struct reader *x, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return add_scalar(x, event);
	case YAML_MAPPING_START_EVENT:
		return begin_object(x, event);
	case YAML_SEQUENCE_START_EVENT:
		return begin_array(x, event);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		return end(x);
	case YAML_ALIAS_EVENT:
		return add_alias(x, event->data.alias.anchor);
	default:
		return true;
	}
}

/* The type of the next event, which is taken where it is of the document; YAML_NO_EVENT: refused. */
static yaml_event_type_t next(struct reader *x)
{
	yaml_event_type_t type;
	yaml_event_t event;

	if (!yaml_parser_parse(&x->parser, &event)) {
		snprintf(x->why, x->size, "line %zu: %s", x->parser.problem_mark.line + 1,
			 x->parser.problem ? x->parser.problem : "it cannot be read");
		return YAML_NO_EVENT;
	}
	type = take_event(x, &event) ? event.type : YAML_NO_EVENT;
	yaml_event_delete(&event);
	return type;
}

static bool read_first(struct reader *x)
{
	yaml_event_type_t type;

	do
		type = next(x);
	while (type != YAML_NO_EVENT && type != YAML_DOCUMENT_END_EVENT && type != YAML_STREAM_END_EVENT);
	if (type == YAML_NO_EVENT)
		return false;
	if (!x->top)
		return refuse(x, "there is nothing in it");
	/* Whatever comes behind, and were it no YAML: readers stop here. */
	if (type == YAML_DOCUMENT_END_EVENT && next(x) != YAML_STREAM_END_EVENT)
		refuse(x, "what follows the first document is not read");
	return true;
}

struct json *yamldoc_read(const char *text, size_t len, char *why, size_t size)
{
	struct reader x = { .why = why, .size = size, .arena = ARENA_INIT };

	snprintf(why, size, "%s", "");
	if (!yaml_parser_initialize(&x.parser)) {
		snprintf(why, size, "out of memory");
		return NULL;
	}
	yaml_parser_set_input_string(&x.parser, (const unsigned char *)text, len);
	yaml_parser_set_encoding(&x.parser, YAML_UTF8_ENCODING);
	if (!read_first(&x)) {
		json_free(x.top);
		x.top = NULL;
	}
	for (unsigned i = 0; i < JSON_DEPTH_MAX; i++)
		free(x.levels[i].key);
	yaml_parser_delete(&x.parser);
	arena_free(&x.arena);
	return x.top;
}
