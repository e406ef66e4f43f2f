/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/require.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

#define EXPRESSION_MAX (64u << 10)
#define TERM_MAX 96

enum op { OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE };

struct term {
	const char *text; /* where it stands in the expression */
	size_t len;
	char property[16], value[TERM_MAX];
	enum op op;
};

static bool is_word(const char *s)
{
	for (const char *p = s; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", *p))
			return false;
	return *s != '\0';
}

static size_t parse_operator(const char *s, enum op *ret)
{
	/* Longer ones first. */
	static const struct {
		const char *text;
		enum op op;
	} all[] = { { "!=", OP_NE }, { "<=", OP_LE }, { ">=", OP_GE }, { "=", OP_EQ }, { "<", OP_LT }, { ">", OP_GT } };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (str_starts(s, all[i].text)) {
			*ret = all[i].op;
			return strlen(all[i].text);
		}
	return 0;
}

/* NULL, or why the term is malformed. */
static const char *parse_term(struct term *t)
{
	size_t name = strspn(t->text, "abcdefghijklmnopqrstuvwxyz"), op;

	if (name >= t->len || t->len >= TERM_MAX || name >= sizeof(t->property))
		return "not understood";
	memcpy(t->property, t->text, name);
	t->property[name] = '\0';
	op = parse_operator(t->text + name, &t->op);
	if (!op)
		return "not understood";
	memcpy(t->value, t->text + name + op, t->len - name - op);
	t->value[t->len - name - op] = '\0';
	if (str_eq(t->property, "brand")) {
		if (t->op != OP_EQ && t->op != OP_NE)
			return "a brand is compared by = and != only";
		return is_word(t->value) ? NULL : "not a brand";
	}
	if (!str_eq(t->property, "cuda") && !str_eq(t->property, "driver") && !str_eq(t->property, "arch"))
		return "unknown property";
	return str_is_version(t->value) ? NULL : "not a version";
}

static bool compare(enum op op, int c)
{
	switch (op) {
	case OP_EQ:
		return c == 0;
	case OP_NE:
		return c != 0;
	case OP_LT:
		return c < 0;
	case OP_LE:
		return c <= 0;
	case OP_GT:
		return c > 0;
	case OP_GE:
		return c >= 0;
	}
	return false;
}

static const char *fact_of(const struct require_facts *f, const char *property)
{
	if (str_eq(property, "cuda"))
		return f->cuda;
	if (str_eq(property, "driver"))
		return f->driver;
	return str_eq(property, "arch") ? f->arch : f->brand;
}

static bool holds(const struct term *t, const struct require_facts *f)
{
	const char *fact = fact_of(f, t->property);

	if (!fact)
		return false;
	if (str_eq(t->property, "brand"))
		return (strcasecmp(fact, t->value) == 0) == (t->op == OP_EQ);
	return compare(t->op, str_version_cmp(fact, t->value));
}

/* What the host has of it, for people. */
static void describe(const struct term *t, const struct require_facts *f, char *buf, size_t size)
{
	const char *fact = fact_of(f, t->property), *driver = f->driver ? f->driver : "of unknown version";

	if (str_eq(t->property, "cuda"))
		snprintf(buf, size, "driver %s supports CUDA %s", driver, fact ? fact : "of unknown version");
	else if (str_eq(t->property, "driver"))
		snprintf(buf, size, "the driver is %s", fact ? fact : "unknown");
	else if (str_eq(t->property, "arch"))
		snprintf(buf, size, "compute capability is %s", fact ? fact : "unknown");
	else
		snprintf(buf, size, "brand is %s", fact ? fact : "unknown");
}

struct verdict {
	bool met;		 /* an alternative holds */
	unsigned n_failed;	 /* alternatives that do not */
	struct term first, last; /* the first failing terms of the first and of the last of them */
};

/* One alternative, all of it, so that what is malformed is found wherever it stands. */
static int check_alternative(const struct term *alternative, const struct require_facts *facts, struct verdict *v,
			     struct err *err)
{
	const char *end = alternative->text + alternative->len;
	struct term t = { .text = alternative->text }, failed = { 0 };

	for (; t.text <= end; t.text += t.len + 1) {
		const char *why;

		t.len = strcspn(t.text, ", ");
		why = parse_term(&t);
		if (why) {
			err_set(err, ERR_REQUIRE, 0, "%.*s: %s", t.len > 64 ? 64 : (int)t.len, t.text, why);
			return err_hint(err, "correct the expression, or set NVIDIA_DISABLE_REQUIRE=1");
		}
		if (!failed.text && !holds(&t, facts))
			failed = t;
	}
	if (!failed.text)
		v->met = true;
	else if (v->n_failed++ == 0)
		v->first = failed;
	v->last = failed;
	return 0;
}

static int not_met(const struct verdict *v, const struct require_facts *facts, struct err *err)
{
	char has[128];

	describe(&v->first, facts, has, sizeof(has));
	if (v->n_failed == 1)
		return err_set(err, ERR_REQUIRE, 0, "%.*s (%s%s%s)", (int)v->first.len, v->first.text, has,
			       facts->gpu ? ", " : "", facts->gpu ? facts->gpu : "");
	/* The first alternative is what the image wants; the last one says that the others were looked at. */
	return err_set(err, ERR_REQUIRE, 0, "%.*s (%s%s%s), and the last of %u alternatives fails at %.*s",
		       (int)v->first.len, v->first.text, has, facts->gpu ? ", " : "", facts->gpu ? facts->gpu : "",
		       v->n_failed, (int)v->last.len, v->last.text);
}

int require_check(const char *name, const char *expression, const struct require_facts *facts, struct err *err)
{
	struct verdict v = { 0 };
	size_t len = strnlen(expression, EXPRESSION_MAX + 1);
	int r = 0;

	if (len > EXPRESSION_MAX) {
		err_set(err, ERR_REQUIRE, 0, "%s: longer than %u bytes", name, EXPRESSION_MAX);
		return err_hint(err, "correct the expression, or set NVIDIA_DISABLE_REQUIRE=1");
	}
	while (r == 0 && *(expression += strspn(expression, " "))) {
		struct term alternative = { .text = expression, .len = strcspn(expression, " ") };

		r = check_alternative(&alternative, facts, &v, err);
		expression += alternative.len;
	}
	if (r == 0 && !v.met && v.n_failed)
		r = not_met(&v, facts, err);
	return r < 0 ? err_wrap(err, "%s", name) : 0;
}
