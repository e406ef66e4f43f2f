/* SPDX-License-Identifier: Apache-2.0 */
#include "store/treelist.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "tap.h"

#define HEAD "{\"format\":1,\"kind\":\"driver\",\"driver\":\"535.261.03\",\"os\":\"3975.2.0\",\"libraries\":["
#define ONE \
	"{\"soname\":\"libcuda.so.1\",\"dir\":\"lib64\",\"class\":64,\"machine\":62,\"capability\":\"compute\",\"compat\":true}"
#define TWO "{\"soname\":\"libx.so.1\",\"dir\":\"lib32\",\"class\":32,\"machine\":3}"
#define LEAST "{\"soname\":\"a\",\"dir\":\"b\",\"class\":32,\"machine\":3}"
#define TAIL "]}"
#define PROGRAM "{\"name\":\"nvidia-smi\",\"capability\":\"utility\"}"
#define LINK "{\"path\":\"/etc/a\",\"target\":\"share/a\"}"
#define ALL(programs, links) HEAD ONE "],\"programs\":[" programs "],\"links\":[" links TAIL

static bool reads(const char *text, struct tree *t)
{
	const char *behind;
	size_t from;

	*t = (struct tree){ .arena = ARENA_INIT, .text = mem_strdup(text) };
	if (!treelist_read(t, t->text, strlen(text), &from, &behind)) {
		CHECK_STR(t->text, text);
		return false;
	}
	return text[from - 1] == '[' && str_starts(behind, "]") && str_eq(behind + strlen(behind) - strlen(TAIL), TAIL);
}

TEST(reads_what_is_written)
{
	struct tree t;

	REQUIRE(reads(HEAD ONE "," TWO "," TWO TAIL, &t));
	REQUIRE(t.n_libraries == 3);
	CHECK_STR(t.libraries[0].soname, "libcuda.so.1");
	CHECK_STR(t.libraries[0].dir, "lib64");
	CHECK_INT(t.libraries[0].class, 64);
	CHECK_INT(t.libraries[0].machine, 62);
	CHECK_INT(t.libraries[0].capability, CAP_COMPUTE);
	CHECK(t.libraries[0].compat && !t.libraries[1].compat);
	CHECK_STR(t.libraries[1].dir, "lib32");
	CHECK_STR(t.libraries[2].dir, "lib32");
	CHECK_INT(t.libraries[1].capability, 0);
	tree_free(&t);
	/* Nothing can be shorter, and so none be more. */
	REQUIRE(reads(HEAD LEAST "," LEAST "," LEAST "," LEAST "," LEAST TAIL, &t));
	CHECK_INT(t.n_libraries, 5);
	tree_free(&t);
	CHECK(reads(HEAD TAIL, &t));
	CHECK_INT(t.n_libraries, 0);
	tree_free(&t);
	/* Another key that ends in the same bytes. */
	CHECK(!reads("{\"format\":1,\"\\\"libraries\":[" ONE TAIL, &t));
	tree_free(&t);
	REQUIRE(reads(ALL(PROGRAM ",{\"name\":\"x\"}",
			  LINK ",{\"path\":\"/b\",\"target\":\"c\",\"capability\":\"graphics\"}"),
		      &t));
	REQUIRE(t.n_libraries == 1 && t.n_programs == 2 && t.n_links == 2);
	CHECK_STR(t.programs[0].name, "nvidia-smi");
	CHECK_INT(t.programs[0].capability, CAP_UTILITY);
	CHECK_STR(t.programs[1].name, "x");
	CHECK_INT(t.programs[1].capability, 0);
	CHECK_STR(t.links[0].path, "/etc/a");
	CHECK_STR(t.links[0].target, "share/a");
	CHECK_INT(t.links[0].capability, 0);
	CHECK_STR(t.links[1].path, "/b");
	CHECK_INT(t.links[1].capability, CAP_GRAPHICS);
	tree_free(&t);
	CHECK(reads(ALL("", ""), &t));
	CHECK(t.n_libraries == 1 && t.n_programs == 0 && t.n_links == 0);
	tree_free(&t);
}

/* Each is for the JSON library to read or to refuse. */
TEST(leaves_alone_what_is_written_otherwise)
{
	static const char *const texts[] = {
		"",
		"{}",
		"{\"format\":1}",
		HEAD,
		HEAD ONE,
		HEAD ONE ",",
		HEAD ONE TWO TAIL,
		HEAD "," ONE TAIL,
		HEAD ONE "," TAIL,
		HEAD " " ONE TAIL,
		HEAD "7" TAIL,
		"[{\"libraries\":[" ONE "]}]",
		"{\"x\":{\"libraries\":[" ONE "]}}",
		HEAD "{\"soname\":\"a\\u0062\",\"dir\":\"lib64\",\"class\":64,\"machine\":62}" TAIL,
		HEAD "{\"soname\":\"a/b\",\"dir\":\"lib64\",\"class\":64,\"machine\":62}" TAIL,
		HEAD "{\"soname\":\"\",\"dir\":\"lib64\",\"class\":64,\"machine\":62}" TAIL,
		HEAD "{\"soname\":\"a\",\"dir\":\"\",\"class\":64,\"machine\":62}" TAIL,
		HEAD "{\"soname\":\"a\",\"dir\":\"../lib64\",\"class\":64,\"machine\":62}" TAIL,
		HEAD "{\"soname\":\"a\",\"dir\":\"a\\\\b\",\"class\":64,\"machine\":62}" TAIL,
		HEAD "{\"soname\":\"a\",\"dir\":\"lib64\",\"class\":65,\"machine\":62}" TAIL,
		HEAD "{\"soname\":\"a\",\"dir\":\"lib64\",\"class\":064,\"machine\":62}" TAIL,
		HEAD "{\"soname\":\"a\",\"dir\":\"lib64\",\"class\":64,\"machine\":0}" TAIL,
		HEAD "{\"soname\":\"a\",\"dir\":\"lib64\",\"class\":64,\"machine\":-1}" TAIL,
		HEAD "{\"soname\":\"a\",\"dir\":\"lib64\",\"class\":64,\"machine\":62.0}" TAIL,
		HEAD "{\"soname\":\"a\",\"dir\":\"lib64\",\"class\":64,\"machine\":65536}" TAIL,
		HEAD "{\"soname\":\"a\",\"dir\":\"lib64\",\"class\":64,\"machine\":62,\"capability\":\"none\"}" TAIL,
		HEAD "{\"soname\":\"a\",\"dir\":\"lib64\",\"class\":64,\"machine\":62,\"capability\":\"comp" TAIL,
		HEAD "{\"soname\":\"a\",\"dir\":\"lib64\",\"class\":64,\"machine\":62,\"compat\":false}" TAIL,
		HEAD "{\"soname\":\"a\",\"dir\":\"lib64\",\"class\":64}" TAIL,
		HEAD "{\"soname\":\"a\",\"dir\":\"lib64" TAIL,
		HEAD "{\"soname\":\"a" TAIL,
		ALL("{\"name\":\"a/b\"}", ""),
		ALL("{\"name\":\"a\\\\b\"}", ""),
		ALL("{\"name\":\"a\",\"capability\":\"none\"}", ""),
		ALL("{\"name\":\"a\",}", ""),
		ALL("{\"name\":7}", ""),
		ALL(PROGRAM PROGRAM, ""),
		ALL(PROGRAM, "{\"path\":\"etc/a\",\"target\":\"a\"}"),
		ALL(PROGRAM, "{\"path\":\"/etc/../a\",\"target\":\"a\"}"),
		ALL(PROGRAM, "{\"path\":\"/etc/\\\\a\",\"target\":\"a\"}"),
		ALL(PROGRAM, "{\"path\":\"/etc/a\",\"target\":\"/a\"}"),
		ALL(PROGRAM, "{\"path\":\"/etc/a\",\"target\":\"a/..\"}"),
		ALL(PROGRAM, "{\"path\":\"/etc/a\",\"target\":\"a\",\"capability\":7}"),
		ALL(PROGRAM, "{\"path\":\"/etc/a\"}"),
		ALL(PROGRAM, LINK LINK),
		HEAD ONE "],\"programs\":[" PROGRAM TAIL,
		HEAD ONE "],\"links\":[" LINK TAIL,
		ALL(PROGRAM, LINK) " ",
		ALL(PROGRAM, LINK "],\"dirs\":["),
		HEAD "{\"dir\":\"lib64\",\"soname\":\"a\",\"class\":64,\"machine\":62}" TAIL,
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct tree t;

		if (!CHECK(!reads(texts[i], &t)) || !CHECK_INT(t.n_libraries + t.n_programs + t.n_links, 0))
			printf("# %s\n", texts[i]);
		tree_free(&t);
	}
}

/* Both ways of reading a file come to the same tree. */
TEST(both_ways_are_one)
{
	static const char fast[] = HEAD ONE "," TWO "]}", slow[] = "{\"libraries\": [" ONE "," TWO
								   "],\"format\":1,\"kind\":\"driver\","
								   "\"driver\":\"535.261.03\",\"os\":\"3975.2.0\"}";
	struct err err = ERR_INIT;
	struct tree a, b;
	cleanup_free char *x = NULL, *y = NULL;

	CHECK(reads(fast, &a));
	tree_free(&a);
	CHECK(!reads(slow, &b));
	tree_free(&b);
	REQUIRE(tree_parse(&a, "/t", fast, strlen(fast), &err) == 0);
	REQUIRE(tree_parse(&b, "/t", slow, strlen(slow), &err) == 0);
	x = tree_dump(&a);
	y = tree_dump(&b);
	CHECK_STR(x, y);
	tree_free(&a);
	tree_free(&b);
	/* A second list is one too many, whoever has read the first. */
	CHECK(tree_parse(&a, "/t", HEAD ONE "],\"libraries\":[" TWO "]}", strlen(HEAD ONE "],\"libraries\":[" TWO "]}"),
			 &err) < 0);
	CHECK(tree_parse(&a, "/t", HEAD ONE "]", strlen(HEAD ONE "]"), &err) < 0);
#define TWICE \
	"{\"format\":1,\"kind\":\"driver\",\"driver\":\"535.261.03\",\"os\":\"3975.2.0\",\"programs\":[],\"libraries\":[],\"programs\":[],\"links\":[" TAIL
	CHECK(tree_parse(&a, "/t", TWICE, strlen(TWICE), &err) < 0);
#undef TWICE
#define NUL HEAD "{\"soname\":\"a\0b\",\"dir\":\"lib64\",\"class\":64,\"machine\":62}" TAIL
	CHECK(tree_parse(&a, "/t", NUL, sizeof(NUL) - 1, &err) < 0);
#undef NUL
}
