/* SPDX-License-Identifier: Apache-2.0 */
#include "hook_args.h"

#include <stdlib.h>

#include "base/str.h"
#include "runtime_args.h"
#include "runtime_find.h"
#include "sandbox.h"
#include "tap.h"

#define ARGS(...) ((char **)(const char *[]){ __VA_ARGS__, NULL })
#define COUNT(...) ((int)(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *)))
#define HOOK(a, ...) hook_args_parse(a, COUNT(__VA_ARGS__), ARGS(__VA_ARGS__), &err)
#define RUNTIME(a, ...) runtime_args_parse(a, COUNT(__VA_ARGS__), ARGS(__VA_ARGS__), &err)

TEST(hook_command_lines)
{
	struct hook_args a;
	struct err err = ERR_INIT;

	CHECK_INT(HOOK(&a, "nvcoreos-hook", "prestart"), 0);
	CHECK(a.verb == HOOK_APPLY && !a.config && !a.cgroup_by_shim && !a.cdi);
	CHECK_INT(HOOK(&a, "nvcoreos-hook", "--config", "/c", "--cdi", "createRuntime"), 0);
	CHECK(a.verb == HOOK_APPLY && a.cdi && !a.cgroup_by_shim);
	CHECK_INT(HOOK(&a, "nvcoreos-hook", "--device-cgroup=none", "--config", "/c", "createRuntime"), 0);
	CHECK(a.verb == HOOK_APPLY && a.cgroup_by_shim);
	CHECK_STR(a.config, "/c");
	CHECK_INT(HOOK(&a, "nvidia-container-runtime-hook", "-config=/c", "-debug", "/d", "poststop"), 0);
	CHECK(a.verb == HOOK_NOTHING);
	CHECK_STR(a.debug, "/d");
	CHECK_INT(HOOK(&a, "nvcoreos-hook", "prestart", "--config", "/c"), 0);
	CHECK_STR(a.config, "/c");
	CHECK(HOOK(&a, "nvcoreos-hook") < 0);
	CHECK(HOOK(&a, "nvcoreos-hook", "start") < 0);
	CHECK(HOOK(&a, "nvcoreos-hook", "prestart", "prestart") < 0);
	CHECK(HOOK(&a, "nvcoreos-hook", "prestart", "--config") < 0);
	CHECK(HOOK(&a, "nvcoreos-hook", "prestart", "--config", "a/c") < 0);
	CHECK(HOOK(&a, "nvcoreos-hook", "prestart", "--config=/c", "--debug=d") < 0);
	CHECK(HOOK(&a, "nvcoreos-hook", "--device-cgroup=all", "prestart") < 0);
	CHECK(HOOK(&a, "nvcoreos-hook", "--cdi=x", "prestart") < 0);
	CHECK(HOOK(&a, "nvcoreos-hook", "--configure=x", "prestart") < 0);
	CHECK(hook_args_parse(&a, 0, ARGS("x"), &err) < 0);
}

TEST(runtime_command_lines)
{
	struct runtime_args a;
	struct err err = ERR_INIT;

	CHECK_INT(RUNTIME(&a, "nvcoreos-runtime", "--root", "/r", "--log", "/l", "--log-format", "json", "create",
			  "--bundle", "/b", "--pid-file", "/p", "id"),
		  0);
	CHECK(a.starts && a.log_json);
	CHECK_STR(a.bundle, "/b");
	CHECK_STR(a.log, "/l");
	CHECK_STR(a.argv[12], "id");
	CHECK(!a.argv[13]);
	free(a.argv);
	/* The container is called create: no verb. */
	CHECK_INT(RUNTIME(&a, "x", "kill", "create"), 0);
	CHECK(!a.starts);
	free(a.argv);
	CHECK_INT(RUNTIME(&a, "x", "--root", "create", "state", "id"), 0);
	CHECK(!a.starts);
	free(a.argv);
	CHECK_INT(RUNTIME(&a, "x", "--nvcoreos-config", "/c", "--debug", "--nvcoreos-debug=/d", "run", "-b=/b", "id"),
		  0);
	CHECK(a.starts);
	CHECK_STR(a.bundle, "/b");
	CHECK_STR(a.config, "/c");
	CHECK_STR(a.debug, "/d");
	CHECK_STR(a.argv[1], "--debug");
	CHECK_STR(a.argv[4], "id");
	CHECK(!a.argv[5]);
	free(a.argv);
	CHECK_INT(RUNTIME(&a, "x", "run", "id"), 0);
	CHECK_STR(a.bundle, ".");
	free(a.argv);
	/* Behind -- nothing is an option, ours neither. */
	CHECK_INT(RUNTIME(&a, "x", "exec", "id", "--", "prog", "--nvcoreos-config", "/c"), 0);
	CHECK(!a.starts && !a.config);
	CHECK_STR(a.argv[5], "--nvcoreos-config");
	free(a.argv);
	/* Behind the verb they are a program's own words. */
	CHECK_INT(RUNTIME(&a, "x", "exec", "id", "echo", "--nvcoreos-debug", "/d"), 0);
	CHECK(!a.debug);
	CHECK_STR(a.argv[5], "/d");
	free(a.argv);
	CHECK_INT(RUNTIME(&a, "x", "run", "-b/b", "id"), 0);
	CHECK_STR(a.bundle, "/b");
	free(a.argv);
	CHECK_INT(RUNTIME(&a, "x", "run", "--bundl", "/b", "id"), 0);
	CHECK_STR(a.bundle, "/b");
	free(a.argv);
	CHECK(RUNTIME(&a, "x", "--nvcoreos-what", "run", "id") < 0);
	free(a.argv);
	CHECK(RUNTIME(&a, "x", "--nvcoreos-config") < 0);
	free(a.argv);
	CHECK_INT(RUNTIME(&a, "x"), 0);
	CHECK(!a.starts);
	free(a.argv);
}

TEST(the_low_level_runtime_is_never_ourselves)
{
	struct arena arena = ARENA_INIT;
	struct strlist names = { 0 };
	struct err err = ERR_INIT;
	char *path;

	strlist_add(&arena, &names, "nvcoreos-no-such-runtime");
	strlist_add(&arena, &names, "/proc/self/exe");
	strlist_add(&arena, &names, "/etc");
	CHECK(!runtime_find(&names, &err));
	CHECK_INT(err.code, ERR_RUNTIME);
	strlist_add(&arena, &names, "sh");
	path = runtime_find(&names, &err);
	CHECK(path && path[0] == '/' && str_ends(path, "bin/sh"));
	free(path);
	arena_free(&arena);
}
