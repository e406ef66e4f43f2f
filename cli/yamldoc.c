/* SPDX-License-Identifier: Apache-2.0 */
#include "yamldoc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "base/mem.h"

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
	return strspn(s, "0123456789+-._:eExXoObB") == strlen(s);
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
};

struct reader {
	yaml_parser_t parser;
	struct level levels[JSON_DEPTH_MAX];
	unsigned depth;
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
	if (!l->key) {
		json_free(value);
		return refuse(x, "a key that is no plain string");
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

static bool take_key(struct reader *x, struct level *l, const char *text)
{
	if (json_get(l->value, text))
		return refuse(x, "a key stands twice");
	l->key = mem_strdup(text);
	return true;
}

static bool is_null(const char *s)
{
	return !*s || str_eq(s, "~") || str_eq(s, "null") || str_eq(s, "Null") || str_eq(s, "NULL");
}

static struct json *plain(const char *s)
{
	const char *digits = s + (*s == '-');
	uint64_t v;

	if (str_to_u64(digits, INT64_MAX, &v) == 0 && !(v == 0 && digits != s))
		return json_new_int(digits == s ? (int64_t)v : -(int64_t)v);
	if (str_eq(s, "true") || str_eq(s, "false"))
		return json_new_bool(str_eq(s, "true"));
	return json_new_string(s);
}

static bool add_scalar(struct reader *x, const yaml_event_t *event)
{
	struct level *l = x->depth ? &x->levels[x->depth - 1] : NULL;
	const char *text = (const char *)event->data.scalar.value;

	if (event->data.scalar.tag)
		return refuse(x, "tags are not read");
	if (strlen(text) != event->data.scalar.length)
		return refuse(x, "a zero byte");
	if (l && json_is_object(l->value) && !l->key)
		return take_key(x, l, text);
	if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return add_value(x, json_new_string(text));
	return add_value(x, is_null(text) ? NULL : plain(text));
}

static bool end(struct reader *x)
{
	x->depth--;
	return true;
}

/* Aliases are what makes little text a lot of value. */
static bool take_event(struct reader *x, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return add_scalar(x, event);
	case YAML_MAPPING_START_EVENT:
		return event->data.mapping_start.tag ? refuse(x, "tags are not read") : begin(x, json_new_object());
	case YAML_SEQUENCE_START_EVENT:
		return event->data.sequence_start.tag ? refuse(x, "tags are not read") : begin(x, json_new_array());
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		return end(x);
	case YAML_ALIAS_EVENT:
		return refuse(x, "aliases are not read");
	case YAML_DOCUMENT_START_EVENT:
		return !x->top || refuse(x, "a second document");
	default:
		return true;
	}
}

static bool read_all(struct reader *x)
{
	bool ok = true, last = false;

	while (ok && !last) {
		yaml_event_t event;

		if (!yaml_parser_parse(&x->parser, &event)) {
			snprintf(x->why, x->size, "line %zu: %s", x->parser.problem_mark.line + 1,
				 x->parser.problem ? x->parser.problem : "it cannot be read");
			return false;
		}
		last = event.type == YAML_STREAM_END_EVENT;
		ok = take_event(x, &event);
		yaml_event_delete(&event);
	}
	return ok && (x->top || refuse(x, "there is nothing in it"));
}

struct json *yamldoc_read(const char *text, size_t len, char *why, size_t size)
{
	struct reader x = { .why = why, .size = size };

	if (!yaml_parser_initialize(&x.parser)) {
		snprintf(why, size, "out of memory");
		return NULL;
	}
	yaml_parser_set_input_string(&x.parser, (const unsigned char *)text, len);
	yaml_parser_set_encoding(&x.parser, YAML_UTF8_ENCODING);
	if (!read_all(&x)) {
		json_free(x.top);
		x.top = NULL;
	}
	for (unsigned i = 0; i < JSON_DEPTH_MAX; i++)
		free(x.levels[i].key);
	yaml_parser_delete(&x.parser);
	return x.top;
}
