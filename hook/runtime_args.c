/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime_args.h"

#include "base/mem.h"
#include "base/str.h"

/*
 * Options that take a value in a word of its own, before and after the verb: runc's and crun's together. All
 * others stand alone or carry "=".
 */
static const char *const with_value[] = {
	"log", "log-format", "log-level",      "root",	   "criu",	   "rootless", "cgroup-manager", "bundle",
	"b",   "f",	     "console-socket", "pid-file", "preserve-fds", "config",   "pidfd-socket",
};

static const char *bare_name(const char *word)
{
	return word[1] == '-' ? word + 2 : word + 1;
}

static bool takes_value(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(with_value); i++)
		if (str_eq(name, with_value[i]))
			return true;
	return name[0] == 'b' && str_starts("bundle", name);
}

static void note(struct runtime_args *a, const char *name, size_t n, const char *value)
{
	if (n == 3 && strncmp(name, "log", n) == 0)
		a->log = value;
	else if (n == 10 && strncmp(name, "log-format", n) == 0)
		a->log_json = str_eq(value, "json");
	else if (n >= 1 && n <= 6 && strncmp(name, "bundle", n) == 0)
		a->bundle = value;
}

static int own_option(struct runtime_args *a, const char *word, const char *next, struct err *err)
{
	const char **where = NULL, *rest = NULL;

	if ((rest = str_after(word, "--nvcoreos-config")))
		where = &a->config;
	else if ((rest = str_after(word, "--nvcoreos-debug")))
		where = &a->debug;
	if (!where || (*rest != '=' && *rest != '\0'))
		return err_set(err, ERR_USAGE, 0, "%s", word);
	*where = *rest == '=' ? rest + 1 : next;
	if (!*where || !**where)
		return err_set(err, ERR_USAGE, 0, "%s needs a value", word);
	return *rest == '=' ? 1 : 2;
}

/* One word of the low-level runtime's; returns how many it is. */
static int foreign_word(struct runtime_args *a, const char *word, const char *next, bool *have_verb)
{
	const char *name, *equals;

	if (word[0] != '-' || !word[1]) {
		if (!*have_verb)
			a->starts = str_eq(word, "create") || str_eq(word, "run");
		*have_verb = true;
		return 1;
	}
	name = bare_name(word);
	/* crun takes -bDIR and shortened names too. */
	if (word[1] == 'b' && word[2] && word[2] != '=' && !str_starts(name, "bundle")) {
		a->bundle = name + 1;
		return 1;
	}
	equals = strchr(name, '=');
	if (equals) {
		note(a, name, (size_t)(equals - name), equals + 1);
		return 1;
	}
	if (!takes_value(name) || !next)
		return 1;
	note(a, name, strlen(name), next);
	return 2;
}

int runtime_args_parse(struct runtime_args *ret, int argc, char **argv, struct err *err)
{
	bool have_verb = false, ended = false;
	int n = 0;

	*ret = (struct runtime_args){ .bundle = "." };
	ret->argv = mem_zalloc(((size_t)argc + 1) * sizeof(char *));
	for (int i = 0; i < argc;) {
		const char *next = i + 1 < argc ? argv[i + 1] : NULL;
		int words = 1;

		/* Ours stand before the verb: behind it may be a program's own words (exec). */
		if (i > 0 && !have_verb && str_starts(argv[i], "--nvcoreos-")) {
			words = own_option(ret, argv[i], next, err);
			if (words < 0)
				return words;
			i += words;
			continue;
		}
		/* Behind "--" stand names and programs. */
		ended = ended || (i > 0 && str_eq(argv[i], "--"));
		if (i > 0 && !ended)
			words = foreign_word(ret, argv[i], next, &have_verb);
		while (words-- > 0)
			ret->argv[n++] = argv[i++];
	}
	return 0;
}
