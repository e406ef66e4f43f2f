/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/require.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

#define EXPRESSION_MAX (64u << 10)
#define TERM_MAX 126

enum op { OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE };
enum property { CUDA, DRIVER, ARCH, BRAND };

struct term {
	const char *text; /* where it stands in the expression */
	size_t len;
	enum property property;
	enum op op;
	char value[TERM_MAX];
};

static const char operators[] = "<>=!";

static bool parse_property(const char *s, size_t len, enum property *ret)
{
	static const char *const names[] = { [CUDA] = "cuda", [DRIVER] = "driver", [ARCH] = "arch", [BRAND] = "brand" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (len == strlen(names[i]) && strncasecmp(s, names[i], len) == 0) {
			*ret = (enum property)i;
			return true;
		}
	return false;
}

static bool parse_operator(const char *s, size_t len, enum op *ret)
{
	static const struct {
		const char *text;
		enum op op;
	} all[] = { { "=", OP_EQ },  { "!=", OP_NE }, { "!", OP_NE }, { "<", OP_LT },
		    { "<=", OP_LE }, { ">", OP_GT },  { ">=", OP_GE } };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (len == strlen(all[i].text) && memcmp(s, all[i].text, len) == 0) {
			*ret = all[i].op;
			return true;
		}
	return false;
}

static bool number_fits(const char *digits, size_t len)
{
	static const char end[] = "18446744073709551615"; /* what NVIDIA's tool takes for an overflow */
	size_t max = strlen(end);

	while (len && *digits == '0') {
		digits++;
		len--;
	}
	return len < max || (len == max && memcmp(digits, end, max) < 0);
}

/* Numbers and dots; several dots count as one, one at the end as none. Brings it into the form of str_version_cmp. */
static bool normalize_version(char *version)
{
	char *out = version;
	const char *in = version;

	while (*in) {
		size_t digits = strspn(in, "0123456789"), dots = strspn(in + digits, ".");

		if (!digits || !number_fits(in, digits))
			return false;
		memmove(out, in, digits);
		out += digits;
		in += digits + dots;
		if (*in && !dots)
			return false;
		if (*in)
			*out++ = '.';
	}
	*out = '\0';
	return out != version;
}

/* NULL, or why the term is malformed. */
static const char *parse_term(struct term *t)
{
	size_t name = strcspn(t->text, operators), op, value;

	if (name >= t->len || t->len >= TERM_MAX)
		return "not understood";
	op = strspn(t->text + name, operators);
	value = t->len - name - op;
	if (!name || !value || !parse_operator(t->text + name, op, &t->op))
		return "not understood";
	if (!parse_property(t->text, name, &t->property))
		return "unknown property";
	memcpy(t->value, t->text + name + op, value);
	t->value[value] = '\0';
	if (t->property != BRAND)
		return normalize_version(t->value) ? NULL : "not a version";
	return t->op == OP_EQ || t->op == OP_NE ? NULL : "a brand is compared by = and != only";
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

static const char *fact_of(const struct require_facts *f, enum property property)
{
	switch (property) {
	case CUDA:
		return f->cuda;
	case DRIVER:
		return f->driver;
	case ARCH:
		return f->arch;
	case BRAND:
		return f->brand;
	}
	return NULL;
}

static bool holds(const struct term *t, const struct require_facts *f)
{
	const char *fact = fact_of(f, t->property);

	/* Where there is no GPU, or nobody has asked NVML, nothing speaks against the image. */
	if (!fact)
		return true;
	if (t->property == BRAND)
		return (strcasecmp(fact, t->value) == 0) == (t->op == OP_EQ);
	return compare(t->op, str_version_cmp(fact, t->value));
}

/* What the host has of it, for people: always with the driver and the GPU. */
static void describe(const struct term *t, const struct require_facts *f, struct strbuf *out)
{
	const char *driver = f->driver ? f->driver : "of unknown version";
	const char *known = fact_of(f, t->property), *fact = known ? known : "unknown";

	if (t->property == CUDA)
		strbuf_printf(out, "driver %s supports CUDA %s", driver, fact);
	else if (t->property == DRIVER)
		strbuf_printf(out, "the driver is %s", fact);
	else
		strbuf_printf(out, "%s is %s", t->property == ARCH ? "compute capability" : "brand", fact);
	if (f->gpu)
		strbuf_printf(out, ", %s", f->gpu);
	if (t->property == ARCH || t->property == BRAND)
		strbuf_printf(out, ", driver %s", driver);
}

struct verdict {
	bool met;		 /* an alternative holds */
	unsigned n_failed;	 /* alternatives that do not */
	struct term first, last; /* the first failing terms of the first and of the last of them */
};

/* Term by term up to the first that fails, as NVIDIA's tool does: what stands behind it is not looked at. */
static int check_alternative(const char *text, size_t len, const struct require_facts *facts, struct verdict *v,
			     struct err *err)
{
	struct term t = { .text = text };

	for (; t.text < text + len; t.text += t.len + 1) {
		const char *why;

		t.len = strcspn(t.text, ", ");
		if (!t.len)
			continue;
		why = parse_term(&t);
		if (why) {
			err_set(err, ERR_REQUIRE, 0, "%.*s: %s", t.len > 64 ? 64 : (int)t.len, t.text, why);
			return err_hint(err, "correct the expression, or set NVIDIA_DISABLE_REQUIRE=1");
		}
		if (holds(&t, facts))
			continue;
		if (v->n_failed++ == 0)
			v->first = t;
		v->last = t;
		return 0;
	}
	v->met = true;
	return 0;
}

static int not_met(const struct verdict *v, const struct require_facts *facts, struct err *err)
{
	cleanup_strbuf struct strbuf has = STRBUF_INIT;

	describe(&v->first, facts, &has);
	if (v->n_failed == 1)
		return err_set(err, ERR_REQUIRE, 0, "%.*s (%s)", (int)v->first.len, v->first.text, has.buf);
	/* The first alternative is what the image wants; the last one says that the others were looked at. */
	return err_set(err, ERR_REQUIRE, 0, "%.*s (%s), and the last of %u alternatives fails at %.*s",
		       (int)v->first.len, v->first.text, has.buf, v->n_failed, (int)v->last.len, v->last.text);
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
	while (r == 0 && !v.met && *(expression += strspn(expression, " "))) {
		len = strcspn(expression, " ");
		r = check_alternative(expression, len, facts, &v, err);
		expression += len;
	}
	if (r == 0 && !v.met && v.n_failed)
		r = not_met(&v, facts, err);
	return r < 0 ? err_wrap(err, "%s", name) : 0;
}
