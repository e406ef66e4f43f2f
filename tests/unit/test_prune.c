/* SPDX-License-Identifier: Apache-2.0 */
#include "store/prune.h"

#include "base/attr.h"
#include "tap.h"

/* Trees newest first: 'p' is protected, '.' is not; what comes out: '-' goes, the others stay. */
TEST(protected_stay_and_count)
{
	static const struct {
		const char *trees, *after;
		size_t keep;
	} cases[] = {
		{ "....", "..--", 2 },	 { "...p", ".--p", 2 }, { "p.p.", "p-p-", 2 }, { "pppp", "pppp", 1 },
		{ "ppp.", "ppp-", 2 },	 { "....", "----", 0 }, { ".p.p", "-p-p", 0 }, { "..", "..", 9 },
		{ "..p..", "..p--", 3 }, { "", "", 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct prune_tree t[8] = { 0 };
		size_t n = strlen(cases[i].trees);
		char got[9] = "";

		for (size_t k = 0; k < n; k++)
			t[k].why = cases[i].trees[k] == 'p' ? "because" : NULL;
		prune_decide(t, n, cases[i].keep);
		for (size_t k = 0; k < n; k++)
			got[k] = t[k].goes ? '-' : cases[i].trees[k];
		CHECK_STR(got, cases[i].after);
	}
}
