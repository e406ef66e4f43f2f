/* SPDX-License-Identifier: Apache-2.0 */
/* start.json, and the plan for a container that asks for all of what such a tree says it has. */
#include "fuzz.h"
#include "oracle.h"

#define PATH "/opt/nvidia/535.261.03/3975.2.0"

static const struct inventory_drm drm = { "renderD128", 226, 128 };
static struct inventory_gpu gpu = { .pci = "0000:01:00.0",
				    .uuid = "GPU-11111111-aaaa-4444-8888-000000000001",
				    .model = "NVIDIA A100",
				    .information = "Model: \t\t NVIDIA A100\n",
				    .drm = (struct inventory_drm *)&drm,
				    .n_drm = 1 };
static const struct inventory host = { .driver = "535.261.03",
				       .proc_version = "NVRM version: 535.261.03\n",
				       .major = 195,
				       .major_uvm = 510,
				       .major_caps = INVENTORY_NO_MAJOR,
				       .major_imex = INVENTORY_NO_MAJOR,
				       .mig_config_minor = INVENTORY_NO_MAJOR,
				       .mig_monitor_minor = INVENTORY_NO_MAJOR,
				       .gpus = &gpu,
				       .n_gpus = 1 };

/* Nothing in a tree leads out of it. */
static void check_tree(const struct tree *t)
{
	static const char relative[] = "^([^/.]|\\.[^/.]|\\.\\.[^/])[^/]*$";
	cleanup_strbuf struct strbuf path = STRBUF_INIT;

	for (size_t i = 0; i < t->n_libraries; i++) {
		MUST(fuzz_matches(t->libraries[i].soname, relative) &&
		     fuzz_matches(t->libraries[i].soname, "^[ -~]+$"));
		path.len = 0;
		strbuf_printf(&path, "/%s", t->libraries[i].dir);
		MUST(fuzz_is_normal(path.buf));
		MUST(t->libraries[i].class == 32 || t->libraries[i].class == 64);
	}
	for (size_t i = 0; i < t->n_programs; i++)
		MUST(fuzz_matches(t->programs[i].name, relative));
	for (size_t i = 0; i < t->n_links; i++) {
		path.len = 0;
		strbuf_printf(&path, "/%s", t->links[i].target);
		MUST(fuzz_is_normal(path.buf) && fuzz_is_normal(t->links[i].path));
	}
	for (size_t i = 0; i < t->dirs.n; i++) {
		path.len = 0;
		strbuf_printf(&path, "/%s", t->dirs.v[i]);
		MUST(fuzz_is_normal(path.buf));
	}
}

/* The list of libraries is read in two ways; a blank is enough for the slower one. */
static void check_both_ways(const struct tree *t, const char *text)
{
	static const char list[] = "\"libraries\":";
	const char *at = strstr(text, list);
	cleanup_strbuf struct strbuf spaced = STRBUF_INIT;
	cleanup_free char *dumped = NULL;
	struct err err = ERR_INIT;
	struct tree slow;

	MUST(at);
	strbuf_add(&spaced, text, (size_t)(at - text) + strlen(list));
	strbuf_printf(&spaced, " %s", at + strlen(list));
	MUST(tree_parse(&slow, t->path, spaced.buf, spaced.len, &err) == 0);
	dumped = tree_dump(&slow);
	MUST(str_eq(dumped, text));
	tree_free(&slow);
}

FUZZ(start)
{
	struct err err = ERR_INIT;
	struct tree t, again;
	char *text, *second, view[TREE_VIEW_MAX];

	if (tree_parse(&t, PATH, (const char *)data, size, &err) < 0) {
		fuzz_refused(&err, ERR_TREE, ERR_NONE);
		return;
	}
	check_tree(&t);
	text = tree_dump(&t);
	MUST(tree_parse(&again, PATH, text, strlen(text), &err) == 0);
	second = tree_dump(&again);
	MUST(str_eq(text, second));
	check_both_ways(&t, text);
	for (unsigned set = 1; set <= CAP_ALL; set++)
		MUST(fuzz_matches(tree_view_name(&t, set, set & 1, view), "^[a-z0-9+]+(\\.nocuda)?$"));
	oracle_plan_all(&host, t.is_cuda ? NULL : &t, t.is_cuda ? &t : NULL);
	free(second);
	free(text);
	tree_free(&again);
	tree_free(&t);
}
