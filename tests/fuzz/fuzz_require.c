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

/* `all` holds where both parts do, an alternative where one does; what is malformed is so wherever it stands. */
static void check_parts(enum answer whole, enum answer a, enum answer b, bool all)
{
	if (a == MALFORMED || b == MALFORMED)
		MUST(whole == MALFORMED);
	else if (all)
		MUST(whole == (a == MET && b == MET ? MET : NOT_MET));
	else
		MUST(whole == (a == MET || b == MET ? MET : NOT_MET));
}

/* A term and its negation: just one of them holds, where the fact is known; else neither. */
static void check_negation(const char *term, enum answer whole, const struct require_facts *f)
{
	static const char *const pairs[][2] = { { ">=", "<" }, { "<=", ">" }, { "!=", "=" },
						{ "<", ">=" }, { ">", "<=" }, { "=", "!=" } };
	size_t name = strcspn(term, "<>=!");
	const char *fact = str_starts(term, "cuda") ? f->cuda
			   : str_starts(term, "d")  ? f->driver
			   : str_starts(term, "a")  ? f->arch
						    : f->brand;

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		const char *value = str_after(term + name, pairs[i][0]);
		cleanup_free char *negated = value ? mem_printf("%.*s%s%s", (int)name, term, pairs[i][1], value) : NULL;

		if (!value)
			continue;
		/* One byte more may be one too many. */
		if (strlen(negated) < 90)
			MUST(ask(negated, f) == (fact && whole == MET ? NOT_MET : fact ? MET : NOT_MET));
		MUST(fact || whole == NOT_MET);
		return;
	}
	fuzz_fail(__FILE__, __LINE__, "a term without an operator is malformed");
}

static void check_alternative(char *s, enum answer whole, const struct require_facts *f)
{
	char *comma = strchr(s, ',');

	if (!comma) {
		if (whole != MALFORMED)
			check_negation(s, whole, f);
		return;
	}
	*comma = '\0';
	if (!*s || !comma[1])
		MUST(whole == MALFORMED);
	else
		check_parts(whole, ask(s, f), ask(comma + 1, f), true);
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
	if (space[1 + strspn(space + 1, " ")])
		check_parts(whole, ask(s, &f), ask(space + 1, &f), false);
	else
		MUST(whole == ask(s, &f));
}
