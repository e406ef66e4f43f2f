/* SPDX-License-Identifier: Apache-2.0 */
/* Requirement expressions: no oracle repeats the parser, but answers for parts and for the whole must fit. */
#include "fuzz.h"
#include "plan/require.h"

enum answer { MET, NOT_MET, MALFORMED };

static enum answer ask(const char *expression, const struct require_facts *facts)
{
	struct err err = ERR_INIT;

	if (require_check("NVIDIA_REQUIRE_CUDA", expression, facts, &err) == 0)
		return MET;
	fuzz_refused(&err, ERR_REQUIRE, ERR_NONE);
	MUST(str_starts(err.what, "NVIDIA_REQUIRE_CUDA: "));
	return err.hint[0] ? MALFORMED : NOT_MET;
}

/* What stands behind an alternative that holds, or a term that does not, is not looked at. */
static enum answer of_alternatives(enum answer first, enum answer rest)
{
	return first == NOT_MET ? rest : first;
}

static enum answer of_terms(enum answer first, enum answer rest)
{
	return first == MET ? rest : first;
}

static const char *fact_of(char initial, const struct require_facts *f)
{
	switch (initial | 0x20) {
	case 'c':
		return f->cuda;
	case 'd':
		return f->driver;
	case 'a':
		return f->arch;
	}
	return f->brand;
}

/* A term and its negation: just one of them holds, where the fact is known; else both. */
static void check_negation(const char *term, enum answer whole, const struct require_facts *f)
{
	static const char *const pairs[][2] = { { ">=", "<" }, { "<=", ">" }, { "!=", "=" }, { "!", "=" },
						{ "<", ">=" }, { ">", "<=" }, { "=", "!=" } };
	size_t name = strcspn(term, "<>=!"), op = strspn(term + name, "<>=!");

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		cleanup_free char *negated = NULL;
		enum answer other = MET;

		if (op != strlen(pairs[i][0]) || strncmp(term + name, pairs[i][0], op) != 0)
			continue;
		if (fact_of(term[0], f))
			other = whole == MET ? NOT_MET : MET;
		else
			MUST(whole == MET);
		negated = mem_printf("%.*s%s%s", (int)name, term, pairs[i][1], term + name + op);
		/* One byte more may be one too many. */
		if (strlen(negated) < 120)
			MUST(ask(negated, f) == other);
		return;
	}
	fuzz_fail(__FILE__, __LINE__, "a term without an operator is malformed");
}

static void check_alternative(char *s, enum answer whole, const struct require_facts *f)
{
	char *comma = strchr(s, ',');

	if (comma) {
		*comma = '\0';
		MUST(whole == of_terms(ask(s, f), ask(comma + 1, f)));
	} else if (whole != MALFORMED) {
		check_negation(s, whole, f);
	}
}

FUZZ(require)
{
	struct fuzz_input in = { data, size };
	unsigned known = fuzz_byte(&in);
	struct require_facts f = {
		.driver = known & 1 ? "535.261.03" : NULL,
		.cuda = known & 2 ? "12.2" : NULL,
		.arch = known & 4 ? "9.0" : NULL,
		.brand = known & 8 ? "Tesla" : NULL,
		.gpu = known & 16 ? "GPU 0" : NULL,
	};
	cleanup_free char *expression = mem_strndup((const char *)in.data, in.size);
	char *s = expression + strspn(expression, " ");
	char *space = strchr(s, ' ');
	enum answer whole = ask(expression, &f);

	if (!*s) {
		MUST(whole == MET);
		return;
	}
	if (!space) {
		check_alternative(s, whole, &f);
		return;
	}
	*space = '\0';
	space += 1 + strspn(space + 1, " ");
	MUST(whole == of_alternatives(ask(s, &f), *space ? ask(space, &f) : NOT_MET));
}
