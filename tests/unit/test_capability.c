/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "conf/capability.h"
#include "tap.h"

TEST(words)
{
	unsigned all = 0;

	for (unsigned bit = 1; bit <= CAP_COMPAT32; bit <<= 1) {
		const char *word = capability_word(bit);

		REQUIRE(word);
		CHECK_INT(capability_from_word(word), bit);
		all |= bit;
	}
	CHECK_INT(all, CAP_ALL);
	CHECK(!capability_word(0));
	CHECK(!capability_word(CAP_COMPUTE | CAP_UTILITY));
	CHECK(!capability_word(CAP_COMPAT32 << 1));
	CHECK_INT(capability_from_word("all"), 0);
	CHECK_INT(capability_from_word(""), 0);
	CHECK_INT(capability_from_word("Compute"), 0);
}

TEST(lists)
{
	static const struct {
		const char *list;
		unsigned want;
	} good[] = {
		{ "", 0 },
		{ ",", 0 },
		{ "  ", 0 },
		{ "compute", CAP_COMPUTE },
		{ "compute,utility", CAP_COMPUTE | CAP_UTILITY },
		{ " compute ,\tutility ,", CAP_COMPUTE | CAP_UTILITY },
		{ "compat32,compute,compute", CAP_COMPUTE | CAP_COMPAT32 },
		{ "all", CAP_ALL },
		{ "ngx,all", CAP_ALL },
	};
	struct err err = ERR_INIT;
	unsigned set;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		set = 999;
		CHECK_INT(capability_parse(good[i].list, &set, &err), 0);
		CHECK_INT(set, good[i].want);
	}
}

TEST(unknown_words_are_named)
{
	static const char *const bad[] = { "gpu",	"Compute", "compute utility", "compute;utility",
					   "compute\n", "none",	   "computer",	      "comput",
					   "0",		"%s%n",	   "compute,\xd9\xa3" };
	struct err err = ERR_INIT;
	char big[70000];
	unsigned set = 7;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		err = (struct err)ERR_INIT;
		CHECK_INT(capability_parse(bad[i], &set, &err), -EINVAL);
		CHECK_INT(err.code, ERR_CAPABILITY);
	}
	CHECK_STR(err.what, "\\xd9\\xa3");
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	CHECK_INT(capability_parse(big, &set, &err), -EINVAL);
	CHECK_INT(strlen(err.what), 67);
	CHECK_INT(set, 7);
	CHECK_INT(capability_parse("gpu", &set, NULL), -EINVAL);
}

TEST(views)
{
	char buf[CAPABILITY_NAME_MAX];
	bool seen[CAP_ALL + 1] = { false };
	unsigned n = 0;

	CHECK_INT(capability_view_set(CAP_VIDEO), CAP_VIDEO | CAP_COMPUTE);
	CHECK_INT(capability_view_set(CAP_DISPLAY), CAP_GRAPHICS);
	CHECK_INT(capability_view_set(CAP_UTILITY), CAP_UTILITY);
	for (unsigned set = 0; set <= CAP_ALL; set++) {
		unsigned view = capability_view_set(set);

		CHECK_INT(capability_view_set(view), view);
		n += !seen[view];
		seen[view] = true;
	}
	CHECK_INT(n, 48);
	CHECK_STR(capability_set_name(0, buf), "none");
	CHECK_STR(capability_set_name(CAP_UTILITY | CAP_COMPUTE, buf), "compute+utility");
	CHECK_STR(capability_set_name(CAP_ALL, buf), "compute+utility+video+graphics+display+ngx+compat32");
	CHECK(strlen(buf) < CAPABILITY_NAME_MAX);
}
