/* SPDX-License-Identifier: Apache-2.0 */
/* manifest.json, and what a start needs of it. */
#include "fuzz.h"
#include "store/manifest.h"
#include "store/start.h"

#define PATH "/opt/nvidia/535.261.03/3975.2.0"

static void check_files(const struct manifest *m)
{
	for (size_t i = 0; i < m->n_files; i++) {
		const struct manifest_file *f = &m->files[i];

		MUST(f->path[0] != '/' && !strstr(f->path, "//"));
		MUST(!str_starts(f->path, "../") && !strstr(f->path, "/../") && !str_ends(f->path, "/.."));
		MUST(f->link ? f->link[0] != '\0' : fuzz_matches(f->sha256, "^[0-9a-f]{64}$"));
		MUST(!f->soname || !strchr(f->soname, '/'));
		MUST(manifest_find(m, f->path));
	}
	for (size_t i = 0; i < m->n_modules; i++)
		MUST(!strchr(m->modules[i].name, '/') && m->modules[i].path[0] != '/');
}

/* What is written can be read. */
static void check_start(struct manifest *m)
{
	struct err err = ERR_INIT;
	struct tree t, again;
	char *text, *second;

	if (m->is_cuda)
		start_toolkit(&t, m, PATH);
	else
		start_driver(&t, m, PATH);
	text = tree_dump(&t);
	MUST(tree_parse(&again, PATH, text, strlen(text), &err) == 0);
	second = tree_dump(&again);
	MUST(str_eq(text, second));
	free(second);
	free(text);
	tree_free(&again);
	tree_free(&t);
}

FUZZ(manifest)
{
	struct err err = ERR_INIT;
	struct manifest m, again;
	char *text, *second;

	if (manifest_parse(&m, PATH, (const char *)data, size, &err) < 0) {
		fuzz_refused(&err, ERR_TREE, ERR_NONE);
		return;
	}
	check_files(&m);
	text = manifest_dump(&m);
	MUST(manifest_parse(&again, PATH, text, strlen(text), &err) == 0);
	second = manifest_dump(&again);
	MUST(str_eq(text, second));
	manifest_sort(&m);
	manifest_sort(&again);
	MUST(manifest_same_files(&m, &again) && manifest_size(&m) == manifest_size(&again));
	check_start(&m);
	free(second);
	free(text);
	manifest_free(&again);
	manifest_free(&m);
}
