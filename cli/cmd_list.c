/* SPDX-License-Identifier: Apache-2.0 */
/* nvcoreos list: what is installed. */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>
#include <string.h>

#include "base/str.h"
#include "cli.h"
#include "oci/json.h"
#include "store/loaded.h"
#include "store/manifest.h"
#include "store/store.h"
#include "store/tree.h"
#include "store/usage.h"

struct row {
	const char *driver, *os, *cuda; /* driver NULL: a toolkit */
	const char *kernel;		/* that its modules are for; NULL: it has none */
	uint64_t size, shared;
	bool open, proprietary, damaged;
	bool selected, current, loaded;
};

struct rows {
	struct arena arena;
	struct row *v;
	size_t n;
};

static void read_manifest(struct rows *rows, struct row *row, const char *path)
{
	cleanup_manifest struct manifest m = { .arena = ARENA_INIT };
	cleanup_free char *start = mem_printf("%s/" TREE_START, path);

	row->damaged = access(start, F_OK) < 0;
	if (manifest_load(&m, path, NULL) < 0) {
		row->damaged = true;
		return;
	}
	row->size = manifest_size(&m);
	row->shared = usage_of(path).shared;
	if (m.cuda)
		row->cuda = arena_strdup(&rows->arena, m.cuda);
	for (size_t i = 0; i < m.n_modules; i++) {
		row->open |= str_eq(m.modules[i].flavour, "open");
		row->proprietary |= str_eq(m.modules[i].flavour, "proprietary");
		/* "6.6.1 SMP mod_unload" */
		if (!row->kernel && m.modules[i].vermagic[0])
			row->kernel =
				arena_strndup(&rows->arena, m.modules[i].vermagic, strcspn(m.modules[i].vermagic, " "));
	}
}

static void add(struct rows *rows, const struct row *row, const char *path)
{
	rows->v = arena_grow(&rows->arena, rows->v, rows->n, sizeof(*rows->v));
	rows->v[rows->n] = *row;
	read_manifest(rows, &rows->v[rows->n++], path);
}

static void collect(struct rows *rows, const struct store *s, const char *loaded)
{
	for (size_t i = 0; i < s->n_drivers; i++) {
		const struct store_driver *d = &s->drivers[i];
		cleanup_free char *name = mem_printf("%s/%s", d->driver, d->os);
		cleanup_free char *path = mem_printf("%s/%s", s->driver_path, name);
		struct row row = { .driver = d->driver, .os = d->os };

		row.selected = s->selected && str_eq(s->selected, d->driver);
		row.current = s->current && str_eq(s->current, name);
		row.loaded = loaded && str_eq(loaded, d->driver);
		add(rows, &row, path);
	}
	for (size_t i = 0; i < s->n_toolkits; i++) {
		cleanup_free char *path = mem_printf("%s/%s", s->cuda_path, s->toolkits[i]);
		struct row row = { .cuda = s->toolkits[i] };

		row.current = s->current_cuda && str_eq(s->current_cuda, s->toolkits[i]);
		add(rows, &row, path);
	}
}

static const char *flavours(const struct row *r)
{
	if (!r->driver)
		return "-";
	if (r->open && r->proprietary)
		return "proprietary,open";
	return r->open ? "open" : r->proprietary ? "proprietary" : "-";
}

static const char *marks(const struct row *r, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s%s", r->selected ? " selected" : "", r->current ? " current" : "",
		 r->loaded ? " loaded" : "", r->damaged ? " damaged" : "");
	return buf[0] ? buf + 1 : "-";
}

static int widest(const struct rows *rows, int wide, const char *(*text)(const struct row *))
{
	for (size_t i = 0; i < rows->n; i++)
		if ((int)strlen(text(&rows->v[i])) > wide)
			wide = (int)strlen(text(&rows->v[i]));
	return wide;
}

static const char *os_of(const struct row *r)
{
	return r->os ? r->os : "-";
}

static const char *kernel_of(const struct row *r)
{
	return r->kernel ? r->kernel : "-";
}

static unsigned long long mib(uint64_t bytes)
{
	return (unsigned long long)((bytes + (1u << 20) - 1) >> 20);
}

static void print_table(const struct rows *rows)
{
	int os = widest(rows, 10, os_of), kernel = widest(rows, 6, kernel_of);

	printf("%-16s %-*s %-*s %-16s %-6s %9s %9s  %s\n", "TREE", os, "OS VERSION", kernel, "KERNEL", "MODULES",
	       "CUDA", "SIZE", "SHARED", "STATE");
	for (size_t i = 0; i < rows->n; i++) {
		const struct row *r = &rows->v[i];
		char state[64], name[64];

		snprintf(name, sizeof(name), "%s%.33s", r->driver ? "" : "cuda/", r->driver ? r->driver : r->cuda);
		printf("%-16s %-*s %-*s %-16s %-6s %5llu MiB %5llu MiB  %s\n", name, os, os_of(r), kernel, kernel_of(r),
		       flavours(r), r->driver && r->cuda ? r->cuda : "-", mib(r->size), mib(r->shared),
		       marks(r, state, sizeof(state)));
	}
}

static struct json *row_json(const struct row *r)
{
	struct json *j = json_new_object(), *modules = json_new_array();

	if (r->driver) {
		json_set_str(j, "driver", r->driver);
		json_set_str(j, "os", r->os);
	}
	if (r->cuda)
		json_set_str(j, "cuda", r->cuda);
	if (r->kernel)
		json_set_str(j, "kernel", r->kernel);
	json_set_int(j, "size", (int64_t)r->size);
	json_set_int(j, "shared", (int64_t)r->shared);
	if (r->proprietary)
		json_append(modules, json_new_string("proprietary"));
	if (r->open)
		json_append(modules, json_new_string("open"));
	if (r->driver) {
		json_set(j, "modules", modules);
		json_set_bool(j, "selected", r->selected);
		json_set_bool(j, "loaded", r->loaded);
	} else {
		json_free(modules);
	}
	json_set_bool(j, "current", r->current);
	if (r->damaged)
		json_set_bool(j, "damaged", true);
	return j;
}

static void print_json(const struct rows *rows)
{
	cleanup_json struct json *root = json_new_object();
	struct json *drivers = json_new_array(), *cuda = json_new_array();
	cleanup_free char *text = NULL;

	for (size_t i = 0; i < rows->n; i++)
		json_append(rows->v[i].driver ? drivers : cuda, row_json(&rows->v[i]));
	json_set(root, "drivers", drivers);
	json_set(root, "cuda", cuda);
	text = json_dump(root, 2);
	puts(text);
}

int verb_list(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct option longs[] = { { 0 } };
	struct rows rows = { .arena = ARENA_INIT };
	char buf[LOADED_MAX];
	struct store s;
	int r;

	if (getopt_long(argc, argv, "", longs, NULL) != -1)
		return err_set(err, ERR_USAGE, 0, "list %s", argv[optind - 1]);
	if (optind < argc)
		return err_set(err, ERR_USAGE, 0, "list takes no '%s'", argv[optind]);
	r = store_read(&s, &cli->conf, err);
	if (r < 0)
		return r;
	collect(&rows, &s, loaded_driver(cli->conf.proc_root, buf));
	if (cli->json)
		print_json(&rows);
	else if (rows.n)
		print_table(&rows);
	else if (!cli->quiet)
		puts("nothing is installed");
	arena_free(&rows.arena);
	store_free(&s);
	return 0;
}
