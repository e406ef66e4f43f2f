/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tree.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "base/str.h"
#include "tap.h"

static const char full[] =
	"{\"format\":1,\"kind\":\"driver\",\"driver\":\"535.261.03\",\"os\":\"3975.2.0\",\"arch\":\"x86_64\","
	"\"cuda\":\"12.2\","
	"\"capabilities\":[\"compute\",\"utility\",\"graphics\",\"display\"],"
	"\"libraries\":[{\"soname\":\"libcuda.so.1\",\"dir\":\"lib64\",\"class\":64,\"machine\":62,"
	"\"capability\":\"compute\",\"compat\":true},"
	"{\"soname\":\"libnvidia-gpucomp.so.535.261.03\",\"dir\":\"lib64\",\"class\":64,\"machine\":62,"
	"\"capability\":\"compute+graphics\"},"
	"{\"soname\":\"libnew.so.1\",\"dir\":\"lib64\",\"class\":64,\"machine\":62}],"
	"\"programs\":[{\"name\":\"nvidia-smi\",\"capability\":\"utility\"}],"
	"\"links\":[{\"path\":\"/etc/OpenCL/vendors/nvidia.icd\","
	"\"target\":\"share/OpenCL/vendors/nvidia.icd\",\"capability\":\"compute\"}]}";

TEST(reads_a_driver)
{
	struct err err = ERR_INIT;
	struct tree t;

	REQUIRE(tree_parse(&t, "/opt/nvidia/535.261.03/3975.2.0", full, strlen(full), &err) == 0);
	CHECK_STR(t.driver, "535.261.03");
	CHECK_STR(t.os, "3975.2.0");
	CHECK_STR(t.cuda, "12.2");
	CHECK(!t.is_cuda);
	CHECK_INT(t.capabilities, CAP_COMPUTE | CAP_UTILITY | CAP_GRAPHICS | CAP_DISPLAY);
	REQUIRE(t.n_libraries == 3 && t.n_programs == 1 && t.n_links == 1);
	CHECK(t.libraries[0].compat && !t.libraries[1].compat);
	CHECK_INT(t.libraries[1].capability, CAP_COMPUTE | CAP_GRAPHICS);
	CHECK_INT(t.libraries[2].capability, 0);
	CHECK_STR(t.links[0].path, "/etc/OpenCL/vendors/nvidia.icd");
	tree_free(&t);
}

TEST(dump_is_what_was_read)
{
	struct err err = ERR_INIT;
	struct tree t;
	char *text;

	REQUIRE(tree_parse(&t, "/t", full, strlen(full), &err) == 0);
	text = tree_dump(&t);
	CHECK_STR(text, full);
	free(text);
	tree_free(&t);
}

TEST(reads_a_toolkit)
{
	static const char text[] =
		"{\"format\":1,\"kind\":\"cuda\",\"arch\":\"x86_64\",\"cuda\":\"12.4.1\",\"dirs\":[\"lib64\"],"
		"\"libraries\":[{\"soname\":\"libcudart.so.12\",\"dir\":\"lib64\",\"class\":64,\"machine\":62}]}";
	struct err err = ERR_INIT;
	struct tree t;
	char *again;

	REQUIRE(tree_parse(&t, "/t", text, strlen(text), &err) == 0);
	CHECK(t.is_cuda && t.dirs.n == 1 && t.n_libraries == 1 && !t.driver);
	again = tree_dump(&t);
	CHECK_STR(again, text);
	free(again);
	tree_free(&t);
}

#define HEAD "{\"format\":1,\"kind\":\"driver\",\"driver\":\"1.2\",\"os\":\"x\""
#define LIB(rest) HEAD ",\"libraries\":[{" rest "}]}"

TEST(refuses)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{}",
		"{\"format\":2,\"kind\":\"driver\",\"driver\":\"1.2\",\"os\":\"x\"}",
		"{\"format\":1,\"kind\":\"other\",\"driver\":\"1.2\",\"os\":\"x\"}",
		"{\"format\":1,\"kind\":\"driver\",\"driver\":\"../x\",\"os\":\"x\"}",
		"{\"format\":1,\"kind\":\"driver\",\"driver\":\"1.2\",\"os\":\"..\"}",
		"{\"format\":1,\"kind\":\"cuda\"}",
		HEAD ",\"cuda\":\"new\"}",
		HEAD ",\"capabilities\":[\"root\"]}",
		HEAD ",\"capabilities\":[7]}",
		HEAD ",\"libraries\":{}}",
		HEAD ",\"libraries\":[7]}",
		LIB("\"soname\":\"../x\",\"dir\":\"lib64\",\"class\":64,\"machine\":62"),
		LIB("\"soname\":\"x\",\"dir\":\"/lib64\",\"class\":64,\"machine\":62"),
		LIB("\"soname\":\"x\",\"dir\":\"lib64/../..\",\"class\":64,\"machine\":62"),
		LIB("\"soname\":\"x\",\"dir\":\"lib64\",\"class\":33,\"machine\":62"),
		LIB("\"soname\":\"x\",\"dir\":\"lib64\",\"class\":64,\"machine\":0"),
		LIB("\"soname\":\"x\",\"dir\":\"lib64\",\"class\":64,\"machine\":62,\"capability\":\"compute+\""),
		HEAD ",\"programs\":[{\"name\":\"a/b\"}]}",
		HEAD ",\"links\":[{\"path\":\"etc/x\",\"target\":\"share/x\"}]}",
		HEAD ",\"links\":[{\"path\":\"/etc/../x\",\"target\":\"share/x\"}]}",
		HEAD ",\"links\":[{\"path\":\"/etc/x\",\"target\":\"../x\"}]}",
		HEAD ",\"dirs\":[\"..\"]}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct err err = ERR_INIT;
		struct tree t;

		CHECK(tree_parse(&t, "/t", texts[i], strlen(texts[i]), &err) < 0);
		CHECK_INT(err.code, ERR_TREE);
	}
}

TEST(load_names_the_file)
{
	struct err err = ERR_INIT;
	struct tree t;

	CHECK_INT(tree_load(&t, "/nonexistent/tree", &err), -ENOENT);
	CHECK_STR(err.what, "/nonexistent/tree/start.json");
}

/* Loads that text's head: how many libraries it then has, and as many programs and links; -1: not loaded. */
static int head_of(const char *text)
{
	const char *dir = tap_tmpdir();
	struct err err = ERR_INIT;
	struct tree t;
	int n;

	tap_write(dir, TREE_START, text);
	if (tree_load_head(&t, dir, &err) < 0)
		return -1;
	n = (int)t.n_libraries;
	CHECK(t.is_cuda || ((int)t.n_programs == n && (int)t.n_links == n));
	CHECK(t.is_cuda || (t.capabilities == CAP_COMPUTE && str_eq(t.driver, "535.261.03")));
	tree_free(&t);
	return n;
}

TEST(the_head_alone)
{
#define DRIVER(gap, libraries, behind) \
	"{\"format\":1,\"kind\":\"driver\",\"driver\":\"535.261.03\",\"os\":\"3975.2.0\",\"capabilities\":[\"compute\"]," \
	"\"libraries\":" gap "[" libraries "]" behind ",\"programs\":[{\"name\":\"nvidia-smi\"}]," \
	"\"links\":[{\"path\":\"/etc/a\",\"target\":\"share/a\"}]}"
#define ONE(soname) "{\"soname\":\"" soname "\",\"dir\":\"lib64\",\"class\":64,\"machine\":62}"
	CHECK_INT(head_of(DRIVER("", ONE("a") "," ONE("b"), "")), 0);
	CHECK_INT(head_of(DRIVER("", "", "")), 0);
	/* Nobody looks into it. */
	CHECK_INT(head_of(DRIVER("", "7", "")), 0);
	/* What is written otherwise is read whole, and so is a toolkit's. */
	CHECK_INT(head_of(DRIVER(" ", ONE("a"), "")), 1);
	CHECK_INT(head_of(DRIVER("", ONE("a"), " ")), 1);
	CHECK_INT(head_of(DRIVER(" ", "7", "")), -1);
	CHECK_INT(head_of(DRIVER("", ONE("]"), "")), 1);
	CHECK_INT(head_of(DRIVER("", ONE("a"), ",\"libraries\":[]")), -1);
	CHECK_INT(
		head_of("{\"format\":1,\"kind\":\"cuda\",\"cuda\":\"12.4.1\",\"dirs\":[\"lib64\"],\"libraries\":[" ONE(
			"a") "]}"),
		1);
	CHECK_INT(head_of("{"), -1);
#undef DRIVER
#undef ONE
}

/* What the head says counts wherever it stands. */
TEST(a_head_behind_the_lists)
{
#define DRIVER(after_libraries, after_programs, after_links) \
	"{\"format\":1,\"kind\":\"driver\",\"driver\":\"535.261.03\",\"os\":\"3975.2.0\",\"libraries\":[]" after_libraries \
	",\"programs\":[]" after_programs ",\"links\":[]" after_links "}"
#define CAPABILITIES ",\"capabilities\":[\"compute\"]"
	CHECK_INT(head_of(DRIVER(CAPABILITIES, "", "")), 0);
	CHECK_INT(head_of(DRIVER("", CAPABILITIES, "")), 0);
	CHECK_INT(head_of(DRIVER("", "", CAPABILITIES)), 0);
	CHECK_INT(head_of(DRIVER(CAPABILITIES, "", ",\"programs\":[]")), -1);
#undef CAPABILITIES
#undef DRIVER
}

TEST(view_names)
{
	static const struct {
		unsigned set;
		bool compat;
		const char *name;
	} cases[] = {
		{ 0, false, "none" },
		{ CAP_COMPUTE | CAP_UTILITY, false, "compute+utility" },
		{ CAP_COMPUTE | CAP_UTILITY, true, "compute+utility.nocuda" },
		{ CAP_UTILITY, true, "utility" },
		{ CAP_VIDEO, false, "compute" },
		{ CAP_DISPLAY, false, "graphics" },
		{ CAP_GRAPHICS | CAP_DISPLAY, true, "graphics" },
		{ CAP_ALL, false, "compute+utility+graphics" },
		{ CAP_ALL, true, "compute+utility+graphics.nocuda" },
	};
	struct err err = ERR_INIT;
	struct tree t;
	char buf[TREE_VIEW_MAX];

	REQUIRE(tree_parse(&t, "/t", full, strlen(full), &err) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CHECK_STR(tree_view_name(&t, cases[i].set, cases[i].compat, buf), cases[i].name);
	tree_free(&t);
}

TEST(view_shows)
{
	CHECK(tree_view_shows(0, 0));
	CHECK(!tree_view_shows(0, CAP_COMPUTE));
	CHECK(tree_view_shows(CAP_VIDEO, CAP_COMPUTE));
	CHECK(!tree_view_shows(CAP_COMPUTE, CAP_VIDEO));
	CHECK(tree_view_shows(CAP_DISPLAY, CAP_GRAPHICS));
	CHECK(tree_view_shows(CAP_GRAPHICS, CAP_DISPLAY));
	CHECK(tree_view_shows(CAP_GRAPHICS, CAP_COMPUTE | CAP_GRAPHICS));
	CHECK(!tree_view_shows(CAP_UTILITY, CAP_COMPUTE | CAP_GRAPHICS));
}

TEST(file_names)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "a\nb", "a\x7f", "a\x80", "lib\xc3\xa4.so" };
	char longest[NAME_MAX + 2];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (!CHECK(!tree_is_file_name(bad[i])))
			printf("# row %zu\n", i);
	CHECK(tree_is_file_name("...") && tree_is_file_name(" a~") && tree_is_file_name(".so"));
	memset(longest, 'a', sizeof(longest));
	longest[NAME_MAX + 1] = '\0';
	CHECK(!tree_is_file_name(longest));
	longest[NAME_MAX] = '\0';
	CHECK(tree_is_file_name(longest));
}
