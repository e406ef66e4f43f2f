/* SPDX-License-Identifier: Apache-2.0 */
#include "cdihook_args.h"

#include <errno.h>
#include <limits.h>

#include "base/path.h"

#define MODE_MAX 0777

static const struct {
	const char *word;
	enum cdihook_verb verb;
} verbs[] = {
	{ "create-symlinks", CDIHOOK_LINKS },
	{ "update-ldcache", CDIHOOK_LDCACHE },
	{ "chmod", CDIHOOK_MODE },
	{ "enable-cuda-compat", CDIHOOK_COMPAT },
	{ "disable-device-node-modification", CDIHOOK_PROC },
	{ "noop", CDIHOOK_NOTHING },
};

typedef int take_fn(struct cdihook_args *a, const char *value, struct err *err);

static int bad(struct err *err, const char *value, const char *hint)
{
	err_set(err, ERR_USAGE, 0, "%s", value);
	return err_hint(err, "%s", hint);
}

/* A path in the container, from its root whether it begins with a slash or not. NULL for what is none. */
static const char *normal(struct cdihook_args *a, const char *value)
{
	cleanup_free char *whole = mem_printf("/%s", value);
	char norm[PATH_MAX];

	return *value && path_normalize(whole, norm, sizeof(norm)) == 0 ? arena_strdup(&a->arena, norm) : NULL;
}

/* Split as by NVIDIA's tool: there is one "::". */
static int take_link(struct cdihook_args *a, const char *value, struct err *err)
{
	const char *middle = strstr(value, "::"), *path = middle ? normal(a, middle + 2) : NULL;

	if (!path || middle == value || strstr(middle + 2, "::") || str_eq(path, "/") || middle - value >= PATH_MAX)
		return bad(err, value, "give a link as TARGET::LINK");
	a->links = arena_grow(&a->arena, a->links, a->n_links, sizeof(*a->links));
	a->links[a->n_links++] =
		(struct cdilinks_link){ arena_strndup(&a->arena, value, (size_t)(middle - value)), path };
	return 0;
}

/* Such as stands in a line of ld.so.conf: there are no quotes, "#" begins a comment, "=" and ":" say more of a directory. */
static const char *folder(struct cdihook_args *a, const char *value)
{
	for (const char *p = value; *p; p++)
		if (*p <= ' ' || *p > '~' || strchr("#=:,", *p))
			return NULL;
	return value[0] == '/' ? normal(a, value) : NULL;
}

static int take_folder(struct cdihook_args *a, const char *value, struct err *err)
{
	const char *dir = folder(a, value);

	if (!dir)
		return bad(err, value, "give a folder as an absolute path, as ld.so.conf can hold it");
	if (!strlist_has(&a->folders, dir))
		strlist_add(&a->arena, &a->folders, dir);
	return 0;
}

static int take_path(struct cdihook_args *a, const char *value, struct err *err)
{
	const char *path = normal(a, value);

	if (!path)
		return bad(err, value, "give a path in the container");
	strlist_add(&a->arena, &a->paths, path);
	return 0;
}

static int take_mode(struct cdihook_args *a, const char *value, struct err *err)
{
	unsigned mode = 0;

	if (!*value || strlen(value) > 4)
		return bad(err, value, "give a mode of three octal digits");
	for (const char *p = value; *p; p++) {
		if (*p < '0' || *p > '7')
			return bad(err, value, "give a mode of three octal digits");
		mode = mode * 8 + (unsigned)(*p - '0');
	}
	if (mode > MODE_MAX)
		return bad(err, value, "give a mode of three octal digits");
	a->mode = (mode_t)mode;
	a->has_mode = true;
	return 0;
}

static int take_driver(struct cdihook_args *a, const char *value, struct err *err)
{
	if (*value && !str_is_version(value))
		return bad(err, value, "give the version of the host's driver, like 535.261.03");
	a->driver = *value ? value : NULL;
	return 0;
}

static int take_compat_dir(struct cdihook_args *a, const char *value, struct err *err)
{
	a->compat_dir = *value ? folder(a, value) : NULL;
	return *value && !a->compat_dir ? bad(err, value, "give an absolute path, as ld.so.conf can hold it") : 0;
}

/* By then the hook stands in "/", wherever the runtime called it. */
static int take_state(struct cdihook_args *a, const char *value, struct err *err)
{
	if (*value && !str_eq(value, "-") && value[0] != '/')
		return bad(err, value, "give an absolute path, or - for stdin");
	a->state = value[0] == '/' ? value : NULL;
	return 0;
}

static int take_config(struct cdihook_args *a, const char *value, struct err *err)
{
	if (value[0] != '/')
		return bad(err, value, "give an absolute path");
	a->config = value;
	return 0;
}

static int take_nothing(struct cdihook_args *a, const char *value, struct err *err)
{
	(void)a;
	(void)value;
	(void)err;
	return 0;
}

#define BEFORE_TOO (1u << 31) /* may stand before the verb as well */
#define ANY \
	(BEFORE_TOO | (1u << CDIHOOK_LINKS) | (1u << CDIHOOK_LDCACHE) | (1u << CDIHOOK_MODE) | \
	 (1u << CDIHOOK_COMPAT) | (1u << CDIHOOK_PROC) | (1u << CDIHOOK_NOTHING))

static const struct option {
	const char *name;
	unsigned verbs;
	bool list;   /* several values with commas */
	take_fn *fn; /* NULL: it has no value */
} options[] = {
	{ "link", 1u << CDIHOOK_LINKS, true, take_link },
	{ "folder", 1u << CDIHOOK_LDCACHE, true, take_folder },
	{ "ldconfig-path", 1u << CDIHOOK_LDCACHE, false, take_nothing },
	{ "path", 1u << CDIHOOK_MODE, true, take_path },
	{ "mode", 1u << CDIHOOK_MODE, false, take_mode },
	{ "host-driver-version", 1u << CDIHOOK_COMPAT, false, take_driver },
	{ "host-cuda-version", 1u << CDIHOOK_COMPAT, false, take_nothing },
	{ "cuda-compat-container-root", 1u << CDIHOOK_COMPAT, false, take_compat_dir },
	{ "container-spec", ANY & ~BEFORE_TOO, false, take_state },
	{ "config", ANY, false, take_config },
	{ "debug", ANY, false, NULL },
	{ "d", ANY, false, NULL },
	{ "quiet", ANY, false, NULL },
};

/* The option that a word names, its value behind "=" in *ret_value (NULL: none there). NULL for what is none of this verb's. */
static const struct option *find_option(const char *word, unsigned verb, const char **ret_value)
{
	const char *name = word + (word[1] == '-' ? 2 : 1);
	size_t n = strcspn(name, "=");

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if ((options[i].verbs & verb) && strlen(options[i].name) == n &&
		    strncmp(options[i].name, name, n) == 0) {
			*ret_value = name[n] ? name + n + 1 : NULL;
			return &options[i];
		}
	return NULL;
}

static int take(struct cdihook_args *a, const struct option *o, const char *value, struct err *err)
{
	struct strlist values = { NULL, 0 };
	int r = 0;

	if (!o->list)
		strlist_add(&a->arena, &values, value);
	else
		strlist_split(&a->arena, &values, value, ",", true);
	for (size_t i = 0; r == 0 && i < values.n; i++)
		r = o->fn(a, values.v[i], err);
	return r < 0 ? err_wrap(err, "--%s", o->name) : 0;
}

/* An option with what belongs to it: how many words that are. 0 where this verb has none of that name. */
static int read_option(struct cdihook_args *a, int left, char **argv, unsigned verb, struct err *err)
{
	const char *value = NULL;
	const struct option *o = find_option(argv[0], verb, &value);
	int words = 1, r;

	if (!o)
		return 0;
	/* Go's flags that have no value may have one. */
	if (!o->fn)
		return 1;
	if (!value) {
		if (left < 2)
			return err_set(err, ERR_USAGE, 0, "%s needs a value", argv[0]);
		value = argv[1];
		words = 2;
	}
	r = take(a, o, value, err);
	return r < 0 ? r : words;
}

static enum cdihook_verb find_verb(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (str_eq(word, verbs[i].word))
			return verbs[i].verb;
	return CDIHOOK_UNKNOWN;
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c)
{
	return str_eq(word, a) || str_eq(word, b) || str_eq(word, c);
}

/* An option before the verb: how many words it is. One that nobody knows is kept for later. */
static int read_early(struct cdihook_args *a, int left, char **argv, const char **ret_unknown, struct err *err)
{
	int n = read_option(a, left, argv, BEFORE_TOO, err);

	if (n)
		return n;
	if (is_one_of(argv[0], "--help", "-help", "-h"))
		a->verb = CDIHOOK_HELP;
	else if (is_one_of(argv[0], "--version", "-version", "-v"))
		a->verb = CDIHOOK_VERSION;
	else
		*ret_unknown = argv[0];
	return 1;
}

/* What stands before the verb, and that: the number of the first word behind it. */
static int read_front(struct cdihook_args *a, int argc, char **argv, const char **ret_unknown, struct err *err)
{
	bool hook = false; /* nvidia-ctk hook VERB */

	for (int i = 1; i < argc;) {
		int n = 1;

		if (argv[i][0] == '-') {
			n = read_early(a, argc - i, argv + i, ret_unknown, err);
			if (n < 0)
				return n;
		} else if (!hook && str_eq(argv[i], "hook")) {
			hook = true;
		} else {
			if (a->verb == CDIHOOK_UNKNOWN) {
				a->word = argv[i];
				a->verb = find_verb(argv[i]);
			}
			return i + 1;
		}
		i += n;
	}
	return argc;
}

int cdihook_args_parse(struct cdihook_args *ret, int argc, char **argv, struct err *err)
{
	const char *unknown = NULL;
	int i;

	*ret = (struct cdihook_args){ .verb = CDIHOOK_UNKNOWN };
	i = read_front(ret, argc, argv, &unknown, err);
	if (i < 0)
		return i;
	if (ret->verb == CDIHOOK_UNKNOWN || ret->verb >= CDIHOOK_VERSION)
		return 0;
	if (unknown)
		return err_set(err, ERR_USAGE, 0, "'%s'", unknown);
	while (i < argc) {
		int n = argv[i][0] == '-' ? read_option(ret, argc - i, argv + i, 1u << ret->verb, err) : 0;

		if (n <= 0)
			return n < 0 ? n : err_set(err, ERR_USAGE, 0, "'%s'", argv[i]);
		i += n;
	}
	if (ret->verb == CDIHOOK_MODE && !ret->has_mode)
		return err_set(err, ERR_USAGE, 0, "chmod needs --mode");
	return 0;
}

void cdihook_args_free(struct cdihook_args *a)
{
	arena_free(&a->arena);
	*a = (struct cdihook_args){ .verb = CDIHOOK_UNKNOWN };
}
