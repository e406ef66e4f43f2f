/* SPDX-License-Identifier: Apache-2.0 */
#include "cdihook_args.h"

#include <stdlib.h>

#include "tap.h"

#define ARGS(...) ((char **)(const char *[]){ __VA_ARGS__, NULL })
#define COUNT(...) ((int)(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *)))
#define PARSE(...) parse(&a, COUNT("x", __VA_ARGS__), ARGS("nvidia-cdi-hook", __VA_ARGS__), &err)

static int parse(struct cdihook_args *a, int argc, char **argv, struct err *err)
{
	cdihook_args_free(a);
	*err = (struct err)ERR_INIT;
	return cdihook_args_parse(a, argc, argv, err);
}

TEST(lines_as_specifications_have_them)
{
	struct cdihook_args a = { .verb = CDIHOOK_UNKNOWN };
	struct err err;

	CHECK_INT(
		PARSE("create-symlinks", "--link", "libcuda.so.1::/usr/lib64/libcuda.so", "--link=../card0::dev/dri/x"),
		0);
	CHECK(a.verb == CDIHOOK_LINKS && a.n_links == 2 && !a.state && !a.config);
	CHECK_STR(a.links[0].target, "libcuda.so.1");
	CHECK_STR(a.links[0].path, "/usr/lib64/libcuda.so");
	CHECK_STR(a.links[1].target, "../card0");
	CHECK_STR(a.links[1].path, "/dev/dri/x");
	CHECK_INT(PARSE("update-ldcache", "--ldconfig-path", "/sbin/ldconfig", "--folder", "/a,/a/b/../c", "--folder",
			"/a"),
		  0);
	CHECK(a.verb == CDIHOOK_LDCACHE && a.folders.n == 2);
	CHECK_STR(a.folders.v[1], "/a/c");
	CHECK_INT(PARSE("chmod", "--mode", "755", "--path", "/dev/dri", "-path=dev/x"), 0);
	CHECK(a.verb == CDIHOOK_MODE && a.mode == 0755 && a.paths.n == 2);
	CHECK_STR(a.paths.v[1], "/dev/x");
	CHECK_INT(PARSE("enable-cuda-compat", "--host-driver-version=535.261.03", "--host-cuda-version=12.2",
			"--cuda-compat-container-root=/usr/local/cuda/compat_x"),
		  0);
	CHECK_STR(a.driver, "535.261.03");
	CHECK_STR(a.compat_dir, "/usr/local/cuda/compat_x");
	CHECK_INT(PARSE("enable-cuda-compat", "--host-driver-version="), 0);
	CHECK(a.verb == CDIHOOK_COMPAT && !a.driver);
	CHECK_INT(PARSE("disable-device-node-modification", "--container-spec", "/s"), 0);
	CHECK(a.verb == CDIHOOK_PROC);
	CHECK_STR(a.state, "/s");
	CHECK_INT(PARSE("noop", "--container-spec", "-"), 0);
	CHECK(a.verb == CDIHOOK_NOTHING && !a.state);
	cdihook_args_free(&a);
}

TEST(words_before_the_verb)
{
	struct cdihook_args a = { .verb = CDIHOOK_UNKNOWN };
	struct err err;

	CHECK_INT(PARSE("hook", "update-ldcache", "--folder", "/a"), 0);
	CHECK(a.verb == CDIHOOK_LDCACHE);
	CHECK_INT(PARSE("--debug", "-d", "--quiet=true", "--config", "/c", "hook", "noop", "--debug=false"), 0);
	CHECK(a.verb == CDIHOOK_NOTHING);
	CHECK_STR(a.config, "/c");
	CHECK_INT(PARSE("--help"), 0);
	CHECK(a.verb == CDIHOOK_HELP);
	CHECK_INT(PARSE("-v"), 0);
	CHECK(a.verb == CDIHOOK_VERSION);
	cdihook_args_free(&a);
}

/* What NVIDIA's tool takes with a warning, so that a specification for another release of it starts containers. */
TEST(verbs_that_nobody_knows_are_no_error)
{
	struct cdihook_args a = { .verb = CDIHOOK_HELP };
	struct err err;

	CHECK_INT(PARSE("update-application-profile", "--anything", "at", "all"), 0);
	CHECK(a.verb == CDIHOOK_UNKNOWN);
	CHECK_STR(a.word, "update-application-profile");
	CHECK_INT(PARSE("--new-option", "hook", "hook"), 0);
	CHECK(a.verb == CDIHOOK_UNKNOWN);
	CHECK_STR(a.word, "hook");
	CHECK_INT(PARSE("hook"), 0);
	CHECK(a.verb == CDIHOOK_UNKNOWN && !a.word);
	CHECK_INT(cdihook_args_parse(&a, 0, ARGS("x"), &err), 0);
	CHECK(a.verb == CDIHOOK_UNKNOWN && !a.word);
	CHECK(PARSE("--new-option", "noop") < 0);
	CHECK_STR(err.what, "'--new-option'");
	cdihook_args_free(&a);
}

TEST(what_is_refused)
{
	static const char *const rows[][4] = {
		{ "create-symlinks", "--link", "a" },
		{ "create-symlinks", "--link", "" },
		{ "create-symlinks", "--link", "a::b::c" },
		{ "create-symlinks", "--link", "::b" },
		{ "create-symlinks", "--link", "a::" },
		{ "create-symlinks", "--link", "a::/" },
		{ "create-symlinks", "--link", "a::/b/.." },
		{ "create-symlinks", "--link" },
		{ "create-symlinks", "--folder", "/a" },
		{ "create-symlinks", "--link=a::b", "more" },
		{ "update-ldcache", "--folder", "lib" },
		{ "update-ldcache", "--folder", "" },
		{ "update-ldcache", "--folder", "/a b" },
		{ "update-ldcache", "--folder", "/a\ninclude /etc/passwd" },
		{ "update-ldcache", "--folder", "/a#b" },
		{ "update-ldcache", "--folder", "/a\xc3\xa4" },
		{ "update-ldcache", "--link", "a::b" },
		{ "chmod", "--path", "/dev/dri" },
		{ "chmod", "--mode", "" },
		{ "chmod", "--mode", "4755" },
		{ "chmod", "--mode", "00755" },
		{ "chmod", "--mode", "789" },
		{ "chmod", "--mode", "u+x" },
		{ "chmod", "--mode=755", "--path", "" },
		{ "enable-cuda-compat", "--host-driver-version", "535.x" },
		{ "enable-cuda-compat", "--cuda-compat-container-root", "compat" },
		{ "disable-device-node-modification", "--container-spec", "state" },
		{ "disable-device-node-modification", "--", "x" },
		{ "--config", "c", "noop" },
		{ "--config" },
	};
	struct cdihook_args a = { .verb = CDIHOOK_UNKNOWN };
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *argv[6] = { (char *)"nvidia-cdi-hook" };
		int n = 1;

		for (size_t k = 0; k < 4 && rows[i][k]; k++)
			argv[n++] = (char *)rows[i][k];
		if (!CHECK_INT(parse(&a, n, argv, &err), -22) || !CHECK_INT(err.code, ERR_USAGE))
			CHECK_STR(rows[i][2] ? rows[i][2] : rows[i][1], "refused");
	}
	CHECK(PARSE("chmod", "--mode", "u+x") < 0);
	CHECK_STR(err.what, "--mode: u+x");
	CHECK(PARSE("noop", "") < 0);
	CHECK_STR(err.what, "''");
	cdihook_args_free(&a);
}

TEST(ten_thousand_arguments)
{
	struct cdihook_args a = { .verb = CDIHOOK_UNKNOWN };
	char **argv = calloc(20003, sizeof(*argv));
	struct err err;

	REQUIRE(argv != NULL);
	argv[0] = (char *)"nvidia-cdi-hook";
	argv[1] = (char *)"create-symlinks";
	for (int i = 0; i < 10000; i++) {
		argv[2 + 2 * i] = (char *)"--link";
		argv[3 + 2 * i] = (char *)"a::/b";
	}
	CHECK_INT(parse(&a, 20002, argv, &err), 0);
	CHECK_INT(a.n_links, 10000);
	for (int i = 1; i < 20002; i++)
		argv[i] = (char *)"hook";
	CHECK_INT(parse(&a, 20002, argv, &err), 0);
	CHECK(a.verb == CDIHOOK_UNKNOWN);
	cdihook_args_free(&a);
	free(argv);
}
