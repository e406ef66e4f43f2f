/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of nvidia-cdi-hook, a word a line: what specifications say, whoever wrote them. */
#include <limits.h>

#include "../../hook/cdihook_args.h"
#include "fuzz.h"

#define WORDS_MAX 64

static void check_folder(const char *folder)
{
	MUST(fuzz_is_normal(folder) && strlen(folder) < PATH_MAX);
	MUST(fuzz_matches(folder, "^/[!-~]*$") && !strpbrk(folder, "#=:,"));
}

static void check(const struct cdihook_args *a)
{
	for (size_t i = 0; i < a->n_links; i++) {
		MUST(a->links[i].target[0] && strlen(a->links[i].target) < PATH_MAX &&
		     !strstr(a->links[i].target, "::"));
		MUST(fuzz_is_normal(a->links[i].path) && !str_eq(a->links[i].path, "/"));
	}
	for (size_t i = 0; i < a->folders.n; i++)
		check_folder(a->folders.v[i]);
	for (size_t i = 0; i < a->paths.n; i++)
		MUST(fuzz_is_normal(a->paths.v[i]));
	if (a->compat_dir)
		check_folder(a->compat_dir);
	MUST(a->mode <= 0777 && (a->verb != CDIHOOK_MODE || a->has_mode));
	MUST(!a->driver || str_is_version(a->driver));
	MUST((!a->config || a->config[0] == '/') && (!a->state || a->state[0] == '/'));
	MUST(a->verb == CDIHOOK_UNKNOWN || a->verb >= CDIHOOK_VERSION || a->word);
}

FUZZ(cdihook)
{
	struct fuzz_input in = { data, size };
	char *argv[WORDS_MAX + 1] = { NULL };
	struct cdihook_args a;
	struct err err = ERR_INIT;
	int n = 0;

	argv[n++] = mem_strdup("nvidia-cdi-hook");
	while (in.size && n < WORDS_MAX)
		argv[n++] = fuzz_line(&in);
	if (cdihook_args_parse(&a, n, argv, &err) < 0)
		fuzz_refused(&err, ERR_USAGE, ERR_NONE);
	else
		check(&a);
	cdihook_args_free(&a);
	while (n > 0)
		free(argv[--n]);
}
