/* SPDX-License-Identifier: Apache-2.0 */
#include "store/names.h"

#include <stdio.h>

#include "base/mem.h"
#include "tap.h"

TEST(paths)
{
	static const struct {
		const char *path;
		bool ok;
	} cases[] = { { "bin/nvcc", true }, { "a b/c@2(3).so", true }, { "..a/b..", true }, { "", false },
		      { "/bin", false },    { "a//b", false },	       { "a/../b", false }, { "..", false },
		      { "a/.", false },	    { "a\nb", false },	       { "a\\b", false },   { "a/b/", false } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CHECK_INT(names_path_ok(cases[i].path), cases[i].ok);
}

TEST(links)
{
	static const struct {
		const char *path, *target;
		bool ok;
	} cases[] = { { "lib64", "targets/x86_64-linux/lib", true },
		      { "a/b/c", "../../d", true },
		      { "a/b", "../c", true },
		      { "a/b", "../../c", false },
		      { "a", "..", false },
		      { "a", "/etc", false },
		      { "a", "", false },
		      { "a/b", "x/../../../y", false },
		      { "a/b", "./c//d", true } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CHECK_INT(names_link_ok(cases[i].path, cases[i].target), cases[i].ok);
}

/* What names_add says to the last of these entries, "type path [target]"; the ones before must be taken. */
static const char *last_of(const char *const entries[])
{
	struct names *n = names_new();
	const char *why = NULL;

	for (size_t i = 0; entries[i]; i++) {
		char type, path[256] = "", target[256] = "";
		enum names_type t;

		CHECK(!why);
		CHECK(sscanf(entries[i], "%c %255s %255s", &type, path, target) >= 2);
		t = type == 'f' ? NAMES_FILE : type == 'd' ? NAMES_DIR : type == 'l' ? NAMES_SYMLINK : NAMES_HARDLINK;
		why = names_add(n, t, path, target);
	}
	names_free(n);
	return why;
}

TEST(what_may_stand_in_an_archive)
{
	static const struct {
		const char *entries[5];
		const char *why; /* a part of it; NULL: it may */
	} cases[] = {
		{ { "d ./", "d ./a/", "f ./a/b", "d a" }, NULL },
		{ { "f a/b", "d a" }, NULL },
		{ { "f a/b", "f a" }, "twice" },
		{ { "f a", "d a" }, "twice" },
		{ { "f a", "f ./a" }, "twice" },
		{ { "f a", "f A" }, NULL },
		{ { "f a", "f a/b" }, "lies below" },
		{ { "l a b", "f a/b" }, "lies below" },
		{ { "l a b", "d a" }, "twice" },
		{ { "d a", "l a b" }, "twice" },
		{ { "d a", "f a/" }, "not allowed" },
		{ { "f ." }, "not allowed" },
		{ { "f ./" }, "not allowed" },
		{ { "f a//b" }, "not allowed" },
		{ { "l a ../b" }, "leaves" },
		{ { "l a /b" }, "leaves" },
		{ { "l a/b ../c" }, NULL },
		{ { "f a", "h b ./a", "h c b" }, NULL },
		{ { "h b a", NULL }, "before it" },
		{ { "d a", "h b a" }, "no file" },
		{ { "l a b", "h c a" }, "no file" },
		{ { "f a", "h b ../a" }, "before it" },
		{ { "f a", "h a a" }, "twice" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *why = last_of(cases[i].entries);

		if (!CHECK(cases[i].why ? why && strstr(why, cases[i].why) : !why))
			printf("# %s: %s\n", cases[i].entries[0], why ? why : "taken");
	}
}

TEST(the_top_directory_has_no_name)
{
	struct names *n = names_new();
	char dot[] = ".", slash[] = "./", path[] = "./x/./";

	CHECK(!names_add(n, NAMES_DIR, dot, NULL) && !names_add(n, NAMES_DIR, slash, NULL));
	CHECK_STR(dot, "");
	CHECK_STR(slash, "");
	CHECK(names_add(n, NAMES_DIR, path, NULL) != NULL);
	names_free(n);
	names_free(NULL);
}
