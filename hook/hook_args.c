/* SPDX-License-Identifier: Apache-2.0 */
#include "hook_args.h"

#include "base/str.h"
#include "oci/spec.h"

static const struct {
	const char *word;
	enum hook_verb verb;
} verbs[] = {
	{ "prestart", HOOK_APPLY },    { "createRuntime", HOOK_APPLY }, { "ldcache", HOOK_LDCACHE },
	{ "poststart", HOOK_NOTHING }, { "poststop", HOOK_NOTHING },	{ "version", HOOK_VERSION },
	{ "--version", HOOK_VERSION }, { "-version", HOOK_VERSION },	{ "--help", HOOK_HELP },
	{ "-h", HOOK_HELP },
};

/*
 * "--name value", "--name=value" and the same with one dash, as the alias's callers write it. Returns the words
 * taken: 0, 1 or 2.
 */
static int option(const char *name, int left, char **argv, const char **ret)
{
	const char *word = argv[0][0] == '-' && argv[0][1] == '-' ? argv[0] + 2 : argv[0] + 1;
	size_t n = strlen(name);

	if (argv[0][0] != '-' || strncmp(word, name, n) != 0)
		return 0;
	if (word[n] == '=') {
		*ret = word + n + 1;
		return 1;
	}
	if (word[n] || left < 2)
		return 0;
	*ret = argv[1];
	return 2;
}

static int parse_verb(struct hook_args *a, const char *word, bool *have, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (str_eq(word, verbs[i].word)) {
			if (*have)
				return err_set(err, ERR_USAGE, 0, "a second verb: %s", word);
			a->verb = verbs[i].verb;
			*have = true;
			return 0;
		}
	return err_set(err, ERR_USAGE, 0, "%s", word);
}

int hook_args_parse(struct hook_args *ret, int argc, char **argv, struct err *err)
{
	bool have = false;

	*ret = (struct hook_args){ .verb = HOOK_HELP };
	for (int i = 1; i < argc;) {
		const char *cgroup = NULL;
		int n = option("config", argc - i, argv + i, &ret->config), r;

		if (!n)
			n = option("debug", argc - i, argv + i, &ret->debug);
		if (!n)
			n = option("device-cgroup", argc - i, argv + i, &cgroup);
		if (cgroup && !str_eq(cgroup, "none"))
			return err_set(err, ERR_USAGE, 0, "--device-cgroup=%s", cgroup);
		ret->cgroup_by_shim |= cgroup != NULL;
		if (!n && str_eq(argv[i], SPEC_HOOK_BY_CDI)) {
			ret->cdi = true;
			n = 1;
		}
		i += n;
		if (n)
			continue;
		r = parse_verb(ret, argv[i++], &have, err);
		if (r < 0)
			return r;
	}
	/* By then the hook stands in "/", wherever the engine called it. */
	if ((ret->config && ret->config[0] != '/') || (ret->debug && ret->debug[0] != '/')) {
		err_set(err, ERR_USAGE, 0, "%s", ret->config && ret->config[0] != '/' ? ret->config : ret->debug);
		return err_hint(err, "give an absolute path");
	}
	return have ? 0 : err_set(err, ERR_USAGE, 0, "no verb");
}
