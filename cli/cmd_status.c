/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos status: whether a container would get its GPUs now, and what it would get them from. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/fd.h"
#include "base/str.h"
#include "cli.h"
#include "host/hostroot.h"
#include "host/inventory.h"
#include "host/osver.h"
#include "load/load_nodes.h"
#include "oci/json.h"
#include "plan/choose.h"
#include "store/store.h"

#define MODULES_MAX (1u << 20)
#define PERSISTENCED "/run/nvidia-persistenced/socket"

struct module {
	const char *name;
	uint64_t users;
};

struct status {
	struct arena arena;
	struct store store;
	struct inventory inv;
	struct hostroot root;
	struct utsname uts;
	const char *os;
	const struct store_driver *tree; /* that a start uses; NULL: none */
	struct module *modules;
	size_t n_modules;
	struct load_nodes seen;
	struct strlist nodes, missing; /* of these */
	bool persistenced;
	const char *note; /* of what may well be so; NULL: nothing */
	struct strlist problems;
	struct err first; /* of the problems */
};

/* What is wrong, and the code of the first of it. */
static void problem(struct status *s, enum err_code code, const char *hint, const char *text)
{
	strlist_add(&s->arena, &s->problems, text);
	if (s->problems.n > 1)
		return;
	err_set(&s->first, code, 0, "%s", text);
	if (hint)
		err_hint(&s->first, "%s", hint);
}

/* "nvidia_uvm 4661248 4 - Live 0x0000000000000000" */
static int read_modules(struct status *s, const struct cli *cli, struct err *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r = fd_read_file_at(s->root.proc, "modules", MODULES_MAX, &text, &len);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_set(err, ERR_HOST, -r, "%s/modules", cli->conf.proc_root);
	for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line ? 1 : 0) {
		struct strlist words = { 0 };
		uint64_t users = 0;

		if (!str_starts(line, "nvidia"))
			continue;
		strlist_split(&s->arena, &words, arena_strndup(&s->arena, line, strcspn(line, "\n")), " ", false);
		if (words.n < 3 || str_to_u64(words.v[2], UINT32_MAX, &users) < 0)
			continue;
		s->modules = arena_grow(&s->arena, s->modules, s->n_modules, sizeof(*s->modules));
		s->modules[s->n_modules++] = (struct module){ words.v[0], users };
	}
	return 0;
}

/* Those that `load` would make or mend. */
static int look_at_nodes(struct status *s, const struct cli *cli, struct err *err)
{
	int r = s->inv.driver ? load_nodes_look(&s->seen, &s->arena, &s->root, &cli->conf, &s->inv, err) : 0;

	for (size_t i = 0; r == 0 && i < s->seen.n; i++)
		strlist_add(&s->arena, s->seen.v[i].there ? &s->nodes : &s->missing, s->seen.v[i].name);
	return r;
}

static void find_problems(struct status *s, const struct err *no_tree)
{
	const struct inventory *inv = &s->inv;

	if (!inv->driver)
		problem(s, ERR_NOT_LOADED, "run 'nvcoreos load'", "no driver is loaded");
	else if (inv->major_uvm == INVENTORY_NO_MAJOR)
		problem(s, ERR_NOT_LOADED, "run 'nvcoreos load'", "nvidia-uvm is not loaded");
	if (!s->tree)
		problem(s, ERR_NO_TREE, no_tree->hint[0] ? no_tree->hint : NULL,
			arena_strdup(&s->arena, no_tree->what));
	else if (!str_eq(s->tree->os, s->os))
		problem(s, ERR_NO_TREE, "install the modules of this OS version",
			arena_printf(&s->arena, "driver %s has no tree for %s: a start uses the one for %s",
				     s->tree->driver, s->os, s->tree->os));
	for (size_t i = 0; i < s->seen.n; i++)
		if (s->seen.v[i].wrong)
			problem(s, ERR_NODE, "run 'nvcoreos load'", s->seen.v[i].wrong);
	if (inv->driver && s->store.selected && !str_eq(inv->driver, s->store.selected))
		problem(s, ERR_NOT_LOADED, "reboot, or run 'nvcoreos use --now'",
			arena_printf(&s->arena, "driver %s is loaded, and %s is selected", inv->driver,
				     s->store.selected));
}

static bool has_module(const struct status *s, const char *name)
{
	for (size_t i = 0; i < s->n_modules; i++)
		if (str_eq(s->modules[i].name, name))
			return true;
	return false;
}

/* Where nobody has asked for it by name it may be that it cannot be loaded: the kernel's InfiniBand may not be the one it was built for. */
static void look_at_peermem(struct status *s, const struct config *conf)
{
	struct stat st;

	if (!s->inv.driver || has_module(s, "nvidia_peermem"))
		return;
	if (conf->peermem == CONFIG_PEERMEM_YES)
		problem(s, ERR_NOT_LOADED, "run 'nvcoreos load'", "nvidia-peermem is not loaded, and peermem is yes");
	else if (conf->peermem == CONFIG_PEERMEM_AUTO && fstatat(s->root.sys, "module/ib_core", &st, 0) == 0)
		s->note = "nvidia-peermem is not loaded, and ib_core is: 'nvcoreos load' loads it where it can";
}

static int collect(struct status *s, const struct cli *cli, struct err *err)
{
	struct err no_tree = ERR_INIT;
	struct stat st;
	int r = store_read(&s->store, &cli->conf, err);

	if (r == 0)
		r = osver_read(&s->arena, cli->root, NULL, &s->os, err);
	if (r == 0)
		r = hostroot_open(&s->root, &cli->conf, err);
	if (r == 0)
		r = inventory_read(&s->inv, &s->root, err);
	if (r == 0)
		r = read_modules(s, cli, err);
	if (r < 0)
		return r;
	if (uname(&s->uts) < 0)
		return err_set(err, ERR_HOST, errno, "uname");
	s->tree = choose_driver(&s->store, &s->inv, s->os, &no_tree);
	s->persistenced = stat(arena_printf(&s->arena, "%s" PERSISTENCED, cli->root), &st) == 0;
	r = look_at_nodes(s, cli, err);
	if (r < 0)
		return r;
	find_problems(s, &no_tree);
	look_at_peermem(s, &cli->conf);
	return 0;
}

static void print_text(const struct status *s)
{
	const struct inventory *inv = &s->inv;

	printf("driver        %s%s\n", inv->driver ? inv->driver : "not loaded",
	       !inv->driver	   ? ""
	       : inv->open_modules ? " (open modules)"
				   : " (proprietary modules)");
	printf("selected      %s\n", s->store.selected ? s->store.selected : "-");
	printf("current       %s\n", s->store.current ? s->store.current : "-");
	if (s->tree)
		printf("tree          %s/%s/%s\n", s->store.driver_path, s->tree->driver, s->tree->os);
	else
		printf("tree          -\n");
	printf("toolkit       %s\n", s->store.current_cuda ? s->store.current_cuda : "-");
	printf("kernel        %s (%s)\n", s->uts.release, s->os);
	printf("modules      ");
	for (size_t i = 0; i < s->n_modules; i++)
		printf(" %s (%llu)", s->modules[i].name, (unsigned long long)s->modules[i].users);
	printf("%s\nGPUs          %zu\nnodes        ", s->n_modules ? "" : " -", inv->n_gpus);
	for (size_t i = 0; i < s->nodes.n; i++)
		printf(" %s", s->nodes.v[i]);
	printf("%s\npersistenced  %s\n", s->nodes.n ? "" : " -", s->persistenced ? "running" : "not running");
	if (s->note)
		printf("note          %s\n", s->note);
	for (size_t i = 0; i < s->problems.n; i++)
		printf("problem       %s\n", s->problems.v[i]);
}

static void set_known(struct json *o, const char *key, const char *value)
{
	if (value)
		json_set_str(o, key, value);
}

static struct json *list_json(const struct strlist *l)
{
	struct json *array = json_new_array();

	for (size_t i = 0; i < l->n; i++)
		json_append(array, json_new_string(l->v[i]));
	return array;
}

static void print_json(const struct status *s)
{
	cleanup_json struct json *o = json_new_object();
	struct json *modules = json_new_array();
	cleanup_free char *text = NULL;

	set_known(o, "driver", s->inv.driver);
	if (s->inv.driver)
		json_set_str(o, "flavour", s->inv.open_modules ? "open" : "proprietary");
	set_known(o, "selected", s->store.selected);
	set_known(o, "current", s->store.current);
	if (s->tree)
		json_set_str(o, "tree", arena_printf((struct arena *)&s->arena, "%s/%s", s->tree->driver, s->tree->os));
	set_known(o, "toolkit", s->store.current_cuda);
	json_set_str(o, "kernel", s->uts.release);
	json_set_str(o, "os", s->os);
	for (size_t i = 0; i < s->n_modules; i++) {
		struct json *m = json_new_object();

		json_set_str(m, "name", s->modules[i].name);
		json_set_int(m, "users", (int64_t)s->modules[i].users);
		json_append(modules, m);
	}
	json_set(o, "modules", modules);
	json_set_int(o, "gpus", (int64_t)s->inv.n_gpus);
	json_set(o, "nodes", list_json(&s->nodes));
	json_set(o, "missingNodes", list_json(&s->missing));
	json_set_bool(o, "persistenced", s->persistenced);
	json_set(o, "problems", list_json(&s->problems));
	text = json_dump(o, 2);
	puts(text);
}

/* Nothing is wrong but that; who reads JSON gets it all the same. */
static int show_none(struct status *s, const struct cli *cli, struct err *err)
{
	const char *why = s->inv.passthrough;

	s->problems = (struct strlist){ 0 };
	problem(s, ERR_NO_GPU, NULL, why ? why : "no NVIDIA GPU on the PCI bus");
	if (cli->json)
		print_json(s);
	if (why)
		err_set(err, ERR_NO_GPU, 0, "%s", why);
	else
		err_set(err, ERR_NO_GPU, ENODEV, "%s", cli->conf.sys_root);
	return err_hint(err, "nothing is to be done here");
}

static int show(struct status *s, const struct cli *cli, struct err *err)
{
	int r = collect(s, cli, err);

	if (r < 0)
		return r;
	if (s->inv.passthrough || (!s->inv.has_pci_gpu && !s->inv.driver))
		return show_none(s, cli, err);
	if (cli->json)
		print_json(s);
	else if (!cli->quiet)
		print_text(s);
	if (!s->problems.n)
		return 0;
	if (err)
		*err = s->first;
	return -EINVAL;
}

int verb_status(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct option longs[] = { { 0 } };
	struct status s = {
		.arena = ARENA_INIT, .inv = { .arena = ARENA_INIT }, .root = HOSTROOT_INIT, .first = ERR_INIT
	};
	int r;

	if (getopt_long(argc, argv, "", longs, NULL) != -1)
		return err_set(err, ERR_USAGE, 0, "status %s", argv[optind - 1]);
	if (optind < argc)
		return err_set(err, ERR_USAGE, 0, "status takes no '%s'", argv[optind]);
	r = show(&s, cli, err);
	store_free(&s.store);
	inventory_free(&s.inv);
	hostroot_close(&s.root);
	arena_free(&s.arena);
	return r;
}
