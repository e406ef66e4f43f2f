/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "conf/capability.h"
#include "conf/keyval.h"
#include "conf/modparam.h"

#define FILE_MAX (64u << 10)
#define BLANKS " \t,"
#define IMEX_CHANNEL_MAX 2047 /* as many as the driver has where nobody tells it otherwise */

struct key;
/* Reads `value` into `field`. NULL, or what would be right. */
typedef const char *parse_fn(struct config *c, const struct key *key, const char *value, void *field);

struct key {
	const char *name;
	parse_fn *parse;
	size_t offset;
	const char *const *words; /* parse_word: their index is the value; ended by NULL */
	size_t size;		  /* parse_word: of the field */
	unsigned min, max;	  /* parse_number */
	const char *want;	  /* the advice where the value is not understood */
};

static const char *parse_path(struct config *c, const struct key *key, const char *value, void *field)
{
	char norm[PATH_MAX];

	/* Paths go into files and lines that others read. */
	for (const char *p = value; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return "give an absolute path without control characters";
	if (path_normalize(value, norm, sizeof(norm)) < 0)
		return key->want;
	*(const char **)field = arena_strdup(&c->arena, norm);
	return NULL;
}

/* A second run knows our entry in config.json by this name. */
static const char *parse_hook_path(struct config *c, const struct key *key, const char *value, void *field)
{
	return str_ends(value, "/nvcoreos-hook") ? parse_path(c, key, value, field) : key->want;
}

static const char *parse_log_file(struct config *c, const struct key *key, const char *value, void *field)
{
	if (*value && !str_eq(value, "journal"))
		return parse_path(c, key, value, field);
	*(const char **)field = NULL;
	return NULL;
}

static const char *parse_text(struct config *c, const struct key *key, const char *value, void *field)
{
	(void)key;
	*(const char **)field = *value ? arena_strdup(&c->arena, value) : NULL;
	return NULL;
}

static const char *parse_word(struct config *c, const struct key *key, const char *value, void *field)
{
	(void)c;
	for (unsigned i = 0; key->words[i]; i++) {
		if (!str_eq(value, key->words[i]))
			continue;
		if (key->size == sizeof(bool))
			*(bool *)field = i != 0;
		else
			*(unsigned *)field = i;
		return NULL;
	}
	return key->want;
}

static const char *parse_number(struct config *c, const struct key *key, const char *value, void *field)
{
	uint64_t v;

	(void)c;
	if (str_to_u64(value, key->max, &v) < 0 || v < key->min)
		return key->want;
	*(unsigned *)field = (unsigned)v;
	return NULL;
}

/* Fixed: an engine's PATH may be anything. */
const char *const config_runtime_dirs[] = { "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin",
					    "/sbin",	       "/bin",		 "/opt/bin",  NULL };

static const char *parse_runtimes(struct config *c, const struct key *key, const char *value, void *field)
{
	struct strlist all = { 0 }, *ret = field;

	strlist_split(&c->arena, &all, value, BLANKS, false);
	for (size_t i = 0; i < all.n; i++)
		if (all.v[i][0] != '/' && !str_is_name(all.v[i]))
			return key->want;
	if (!all.n)
		return key->want;
	*ret = all;
	return NULL;
}

static const char *parse_capabilities(struct config *c, const struct key *key, const char *value, void *field)
{
	struct strlist all = { 0 };
	unsigned set = 0;

	strlist_split(&c->arena, &all, value, BLANKS, false);
	for (size_t i = 0; i < all.n; i++) {
		unsigned add = str_eq(all.v[i], "all") ? CAP_ALL : capability_from_word(all.v[i]);

		if (!add)
			return key->want;
		set |= add;
	}
	if (!set)
		return key->want;
	*(unsigned *)field = set;
	return NULL;
}

static const char *parse_ipc(struct config *c, const struct key *key, const char *value, void *field)
{
	static const char *const names[] = { "persistenced", "fabricmanager", "mps" };
	struct strlist all = { 0 };
	unsigned set = 0;

	strlist_split(&c->arena, &all, value, BLANKS, false);
	for (size_t i = 0; i < all.n; i++) {
		unsigned n = 0;

		while (n < ARRAY_SIZE(names) && !str_eq(all.v[i], names[n]))
			n++;
		if (n == ARRAY_SIZE(names))
			return key->want;
		set |= 1u << n;
	}
	*(unsigned *)field = set;
	return NULL;
}

static const char *parse_parameters(struct config *c, const struct key *key, const char *value, void *field)
{
	struct strlist all = { 0 }, *ret = field;

	(void)key;
	/* A comma may be part of a value. */
	strlist_split(&c->arena, &all, value, " \t", false);
	for (size_t i = 0; i < all.n; i++) {
		const char *want = modparam_check(all.v[i]);

		if (want)
			return want;
	}
	*ret = all;
	return NULL;
}

static const char *parse_channels(struct config *c, const struct key *key, const char *value, void *field)
{
	struct strlist all = { 0 };
	unsigned *channels;
	uint64_t v;

	(void)field;
	strlist_split(&c->arena, &all, value, BLANKS, false);
	channels = arena_alloc(&c->arena, (all.n + 1) * sizeof(*channels));
	for (size_t i = 0; i < all.n; i++) {
		if (str_to_u64(all.v[i], IMEX_CHANNEL_MAX, &v) < 0)
			return key->want;
		channels[i] = (unsigned)v;
	}
	c->imex_channels = channels;
	c->n_imex_channels = all.n;
	return NULL;
}

static const char *parse_cuda(struct config *c, const struct key *key, const char *value, void *field)
{
	if (!str_eq(value, "auto") && !str_eq(value, "none") && !str_is_version(value))
		return key->want;
	*(const char **)field = arena_strdup(&c->arena, value);
	return NULL;
}

static const char *parse_level(struct config *c, const struct key *key, const char *value, void *field)
{
	(void)c;
	return log_level_parse(value, field) < 0 ? key->want : NULL;
}

static const char *const no_yes[] = { "no", "yes", NULL };
static const char *const none_auto[] = { "none", "auto", NULL };
static const char *const off_auto[] = { "off", "auto", NULL };
/* In the order of their enums. */
static const char *const accepts[] = { "all", "privileged", NULL };
static const char *const no_gpus[] = { "error", "ignore", NULL };
static const char *const flavours[] = { "auto", "open", "proprietary", NULL };
static const char *const peermems[] = { "auto", "yes", "no", NULL };

#define AT(field) .offset = offsetof(struct config, field)
#define PATH(field) parse_path, AT(field), .want = "give an absolute path"
#define WORD(field, list, text) \
	parse_word, AT(field), .words = list, .size = sizeof(((struct config *)NULL)->field), .want = text

static const struct key keys[] = {
	{ "low-level-runtimes", parse_runtimes, AT(low_level_runtimes),
	  .want = "give names or absolute paths of runtimes" },
	{ "hook-path", parse_hook_path, AT(hook_path),
	  .want = "give the absolute path of a program called nvcoreos-hook" },
	{ "libexec-dir", PATH(libexec_dir) },
	{ "driver-store", PATH(driver_store) },
	{ "cuda-store", PATH(cuda_store) },
	{ "proc-root", PATH(proc_root) },
	{ "sys-root", PATH(sys_root) },
	{ "dev-root", PATH(dev_root) },
	{ "run-dir", PATH(run_dir) },
	{ "log-file", parse_log_file, AT(log_file), .want = "give an absolute path, or journal" },
	{ "log-level", parse_level, AT(log_level), .want = "give error, warning, info or debug" },
	{ "accept-environment", WORD(accept_environment, accepts, "give all or privileged") },
	{ "accept-mounts", WORD(accept_mounts, no_yes, "give yes or no") },
	{ "no-gpu", WORD(no_gpu, no_gpus, "give error or ignore") },
	{ "default-capabilities", parse_capabilities, AT(default_capabilities),
	  .want = "give some of compute, utility, video, graphics, display, ngx, compat32, or all" },
	{ "cuda", parse_cuda, AT(cuda), .want = "give auto, none or a version" },
	{ "load-modules", WORD(load_modules, no_yes, "give yes or no") },
	{ "load-timeout", parse_number, AT(load_timeout), .min = 1, .max = 3600,
	  .want = "give seconds from 1 to 3600" },
	{ "device-cgroup", WORD(device_cgroup, none_auto, "give auto or none") },
	{ "cuda-compat", WORD(cuda_compat, off_auto, "give auto or off") },
	{ "ipc", parse_ipc, AT(ipc), .want = "give some of persistenced, fabricmanager, mps, or nothing" },
	{ "module-flavour", WORD(module_flavour, flavours, "give auto, open or proprietary") },
	{ "module-parameters", parse_parameters, AT(module_parameters) },
	{ "peermem", WORD(peermem, peermems, "give auto, yes or no") },
	{ "imex-channels", parse_channels, AT(imex_channels),
	  .want = "give numbers of channels from 0 to 2047, or nothing" },
	{ "index-url", parse_text, AT(index_url) },
	{ "public-key", parse_text, AT(public_key) },
	{ "keep-trees", parse_number, AT(keep_trees), .min = 1, .max = 100, .want = "give a number from 1 to 100" },
};

/* parse_word writes an enum as the unsigned that it is. */
_Static_assert(sizeof(enum config_accept) == sizeof(unsigned) && sizeof(enum config_no_gpu) == sizeof(unsigned) &&
		       sizeof(enum config_flavour) == sizeof(unsigned) &&
		       sizeof(enum config_peermem) == sizeof(unsigned),
	       "enums are as wide as unsigned");

void config_init(struct config *c)
{
	*c = (struct config){
		.hook_path = NVCOREOS_PREFIX "/bin/nvcoreos-hook",
		.libexec_dir = NVCOREOS_PREFIX "/libexec/nvcoreos",
		.driver_store = "/opt/nvidia",
		.cuda_store = "/opt/cuda",
		.proc_root = "/proc",
		.sys_root = "/sys",
		.dev_root = "/dev",
		.run_dir = "/run/nvcoreos",
		.log_level = LOG_LEVEL_INFO,
		.accept_environment = CONFIG_ACCEPT_ALL,
		.accept_mounts = true,
		.no_gpu = CONFIG_NO_GPU_ERROR,
		.default_capabilities = CAP_COMPUTE | CAP_UTILITY,
		.cuda = "auto",
		.load_modules = true,
		.load_timeout = 120,
		.device_cgroup = true,
		.cuda_compat = true,
		.module_flavour = CONFIG_FLAVOUR_AUTO,
		.keep_trees = 3,
	};
	strlist_add(&c->arena, &c->low_level_runtimes, "runc");
	strlist_add(&c->arena, &c->low_level_runtimes, "crun");
}

static const char *nearest_key(const char *name)
{
	const char *best = keys[0].name;
	unsigned least = UINT_MAX;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		unsigned d = str_distance(name, keys[i].name);

		if (d < least) {
			least = d;
			best = keys[i].name;
		}
	}
	return best;
}

struct parsing {
	struct config *config;
	const char *file;
};

static int assign(void *data, const char *name, const char *value, unsigned line, struct err *err)
{
	struct parsing *p = data;
	const char *want;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!str_eq(name, keys[i].name))
			continue;
		want = keys[i].parse(p->config, &keys[i], value, (char *)p->config + keys[i].offset);
		if (!want)
			return 0;
		err_set(err, ERR_CONF, 0, "%s:%u: %s=%.200s", p->file, line, name, value);
		return err_hint(err, "%s", want);
	}
	err_set(err, ERR_CONF_KEY, 0, "%s:%u: %.200s", p->file, line, name);
	return err_hint(err, "did you mean %s?", nearest_key(name));
}

int config_parse(struct config *c, const char *file, const char *text, size_t len, struct err *err)
{
	struct parsing p = { c, file };

	return keyval_parse(file, text, len, assign, &p, err);
}

/* Reads one file, `name` below dirfd, called `shown` in errors. -ENOENT comes back without an error set. */
static int load_file(struct config *c, int dirfd, const char *name, const char *shown, struct err *err)
{
	cleanup_free char *text = NULL;
	size_t len = 0;
	int r = fd_read_file_at(dirfd, name, FILE_MAX, &text, &len);

	if (r == -ENOENT)
		return r;
	if (r < 0) {
		err_set(err, ERR_CONF, -r, "%s", shown);
		return err_hint(err, "it must be a readable regular file of at most %u KiB", FILE_MAX >> 10);
	}
	return config_parse(c, shown, text, len, err);
}

struct drop_ins {
	struct arena *arena;
	struct strlist names;
};

static int add_drop_in(void *data, const char *name)
{
	struct drop_ins *found = data;

	if (name[0] != '.' && str_ends(name, ".conf"))
		strlist_add(found->arena, &found->names, name);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int load_drop_ins(struct config *c, const char *file, struct err *err)
{
	cleanup_free char *dir = mem_printf("%s.d", file);
	cleanup_fd int fd = fd_open_dir(dir);
	struct drop_ins found = { .arena = &c->arena };
	int r = 0;

	if (fd == -ENOENT)
		return 0;
	r = fd < 0 ? fd : fd_each_name(fd, add_drop_in, &found);
	if (r < 0)
		return err_set(err, ERR_CONF, -r, "%s", dir);
	if (found.names.n)
		qsort(found.names.v, found.names.n, sizeof(*found.names.v), by_name);
	for (size_t i = 0; r == 0 && i < found.names.n; i++) {
		cleanup_free char *shown = mem_printf("%s/%s", dir, found.names.v[i]);

		r = load_file(c, fd, found.names.v[i], shown, err);
		/* A link to nowhere, or a file that an administrator is just taking away. */
		if (r == -ENOENT)
			r = 0;
	}
	return r;
}

/* Whether path is dir, or below it; both are normalized. */
static bool is_in(const char *path, const char *dir)
{
	const char *rest = str_after(path, dir);

	return rest && (!*rest || *rest == '/' || str_eq(dir, "/"));
}

/* What is cleared away or counted as a tree in one store must not be the other. */
static int check_stores(const struct config *c, struct err *err)
{
	if (!is_in(c->cuda_store, c->driver_store) && !is_in(c->driver_store, c->cuda_store))
		return 0;
	err_set(err, ERR_CONF, 0, "driver-store=%s and cuda-store=%s", c->driver_store, c->cuda_store);
	return err_hint(err, "give two directories, neither of which lies in the other");
}

int config_load(struct config *c, const char *file, struct err *err)
{
	const char *path = file ? file : CONFIG_DEFAULT_FILE;
	int r = load_file(c, AT_FDCWD, path, path, err);

	if (r == -ENOENT && file)
		return err_set(err, ERR_CONF, ENOENT, "%s", file);
	if (r < 0 && r != -ENOENT)
		return r;
	c->file = file ? arena_strdup(&c->arena, file) : NULL;
	r = load_drop_ins(c, path, err);
	return r < 0 ? r : check_stores(c, err);
}

void config_set_root(struct config *c, const char *root)
{
	const char **const paths[] = { &c->driver_store, &c->cuda_store, &c->proc_root,
				       &c->sys_root,	 &c->dev_root,	 &c->run_dir };
	size_t n = strlen(root);

	while (n && root[n - 1] == '/')
		n--;
	if (!n)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		*paths[i] = arena_printf(&c->arena, "%.*s%s", (int)n, root, *paths[i]);
}

void config_free(struct config *c)
{
	arena_free(&c->arena);
	*c = (struct config){ 0 };
}
