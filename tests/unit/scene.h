/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole planning scene out of one small JSON text, for the planner's tests. Members, all optional:
 *   env [..], privileged, annotations {..}, mounts [..] as in config.json; config: the text of nvcoreos.conf
 *   given [[major, minor], ..]: our CDI specification was applied, and these nodes are linux.devices
 *   host, driver: names in tests/golden/common.json; toolkits [..]: installed versions; currentCuda
 *   facts: {"known": true, "libc": "glibc"|"musl"|"none", "cuda": false, "compat": "550.54.15", "volumes": ["/etc"],
 *           "paths": {"/usr/bin/nvidia-smi": "file"|"link"|"dirlink"|"ours"|"dir"|"other"|"blocked"|"absent"}}
 * What is not said is a Debian image that was never started with a GPU, on the host "one" with the driver "535".
 */
#ifndef NVCOREOS_TESTS_SCENE_H
#define NVCOREOS_TESTS_SCENE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/path.h"
#include "oci/json.h"
#include "oci/request_features.h"
#include "oci/spec.h"
#include "plan/choose.h"
#include "plan/plan.h"
#include "tap.h"

#define SCENE_COMMON "tests/golden/common.json"

struct scene {
	struct arena arena;
	struct json *common, *text;
	struct spec spec;
	struct request request;
	struct config conf;
	struct inventory inventory;
	struct tree driver, toolkit;
	struct rootfacts facts;
	struct plan_input in;
	struct plan plan;
	struct err err;
};

static inline const struct json *scene_get(const struct scene *s, const char *key)
{
	return json_get(s->text, key);
}

/* Reads and parses a file of the tests; a test that cannot read its data ends at once. */
static inline struct json *scene_read(const char *path)
{
	char *text = NULL, why[160] = "cannot be read";
	size_t len = 0;
	struct json *j = NULL;

	if (fd_read_file_at(AT_FDCWD, path, 1 << 20, &text, &len) == 0)
		j = json_parse(text, len, why, sizeof(why));
	free(text);
	if (!j) {
		printf("Bail out! %s: %s (tests run in the root of the source)\n", path, why);
		exit(1);
	}
	return j;
}

static inline void scene_copy(struct json *to, const char *to_key, const struct json *from)
{
	if (from)
		json_set(to, to_key, json_clone(from));
}

/* linux.devices, as an engine writes it. */
static inline struct json *scene_given(const struct scene *s)
{
	const struct json *given = scene_get(s, "given");
	struct json *linux_ = json_new_object(), *list = json_new_array();

	for (size_t i = 0; i < json_len(given); i++) {
		struct json *d = json_new_object();

		json_set_str(d, "path", "/dev/somewhere");
		json_set_str(d, "type", "c");
		json_set(d, "major", json_clone(json_at(json_at(given, i), 0)));
		json_set(d, "minor", json_clone(json_at(json_at(given, i), 1)));
		json_append(list, d);
	}
	json_set(linux_, "devices", list);
	return linux_;
}

/* The request takes the same road as in production: config.json, spec, request. */
static inline int scene_request(struct scene *s)
{
	struct json *doc = json_new_object(), *process = json_new_object(), *caps = json_new_object(),
		    *set = json_new_array();
	char *text;
	int r;

	if (json_bool(scene_get(s, "privileged"), false))
		json_append(set, json_new_string("CAP_SYS_ADMIN"));
	json_set(caps, "bounding", set);
	json_set(process, "capabilities", caps);
	scene_copy(process, "env", scene_get(s, "env"));
	json_set_str(doc, "ociVersion", "1.0.2");
	json_set(doc, "process", process);
	scene_copy(doc, "mounts", scene_get(s, "mounts"));
	scene_copy(doc, "annotations", scene_get(s, "annotations"));
	if (scene_get(s, "given"))
		json_set(doc, "linux", scene_given(s));
	text = json_dump(doc, 0);
	r = spec_parse(&s->spec, text, strlen(text), &s->err);
	free(text);
	json_free(doc);
	if (r == 0 && scene_get(s, "given"))
		return request_from_engine(&s->request, &s->spec, &s->conf, &s->err);
	return r < 0 ? r : request_parse(&s->request, &s->spec, &s->conf, &s->err);
}

static inline uint32_t scene_number(const struct json *j, const char *key, uint32_t fallback)
{
	int64_t v;

	return json_int(json_get(j, key), 0, UINT32_MAX, &v) ? (uint32_t)v : fallback;
}

static inline void scene_mig(struct scene *s, struct inventory_gpu *gpu, const struct json *list)
{
	gpu->n_mig = json_len(list);
	gpu->mig = arena_alloc(&s->arena, (gpu->n_mig + 1) * sizeof(*gpu->mig));
	for (size_t i = 0; i < gpu->n_mig; i++) {
		const struct json *m = json_at(list, i);

		gpu->mig[i] = (struct inventory_mig){
			.uuid = json_get_str(m, "uuid", NULL),
			.index = scene_number(m, "index", 0),
			.gi = scene_number(m, "gi", 0),
			.ci = scene_number(m, "ci", 0),
			.gi_minor = scene_number(m, "giMinor", INVENTORY_NO_MAJOR),
			.ci_minor = scene_number(m, "ciMinor", INVENTORY_NO_MAJOR),
		};
	}
}

static inline void scene_gi(struct scene *s, struct inventory_gpu *gpu, const struct json *list)
{
	gpu->n_gi = json_len(list);
	gpu->gi = arena_alloc(&s->arena, (gpu->n_gi + 1) * sizeof(*gpu->gi));
	for (size_t i = 0; i < gpu->n_gi; i++)
		gpu->gi[i] = (struct inventory_gi){ scene_number(json_at(list, i), "gi", 0),
						    scene_number(json_at(list, i), "minor", 0) };
}

static inline void scene_gpu(struct scene *s, uint32_t index, struct inventory_gpu *gpu, const struct json *g)
{
	const struct json *drm = json_get(g, "drm");

	gpu->index = index;
	gpu->pci = json_get_str(g, "pci", "");
	gpu->uuid = json_get_str(g, "uuid", NULL);
	gpu->minor = scene_number(g, "minor", index);
	gpu->model = json_get_str(g, "model", "");
	gpu->brand = json_get_str(g, "brand", NULL);
	gpu->arch = json_get_str(g, "arch", NULL);
	gpu->information = arena_printf(&s->arena, "Model: \t\t %s\nDevice Minor: \t %u\n", gpu->model, gpu->minor);
	gpu->mig_mode = json_bool(json_get(g, "migMode"), false);
	gpu->n_drm = json_len(drm);
	gpu->drm = arena_alloc(&s->arena, (gpu->n_drm + 1) * sizeof(*gpu->drm));
	for (size_t i = 0; i < gpu->n_drm; i++) {
		int64_t minor = 0;

		gpu->drm[i].name = json_str(json_at(json_at(drm, i), 0));
		gpu->drm[i].major = 226;
		if (json_int(json_at(json_at(drm, i), 1), 0, 1 << 20, &minor))
			gpu->drm[i].minor = (uint32_t)minor;
	}
	scene_gi(s, gpu, json_get(g, "gi"));
	scene_mig(s, gpu, json_get(g, "mig"));
}

static inline void scene_extra(struct scene *s, const struct json *list)
{
	struct inventory *inv = &s->inventory;

	inv->n_extra = json_len(list);
	inv->extra = arena_alloc(&s->arena, (inv->n_extra + 1) * sizeof(*inv->extra));
	for (size_t i = 0; i < inv->n_extra; i++) {
		const struct json *e = json_at(list, i);
		const struct request_features_entry *f;
		const char *variable = json_get_str(e, "of", "");

		inv->extra[i] = (struct inventory_extra){
			.name = json_get_str(e, "name", ""),
			.major = scene_number(e, "major", INVENTORY_NO_MAJOR),
			.minor = scene_number(e, "minor", INVENTORY_NO_MAJOR),
		};
		for (size_t k = 0; (f = request_features_entry(k)); k++)
			if (str_eq(f->variable, variable))
				inv->extra[i].feature = f->bit;
	}
}

static inline void scene_inventory(struct scene *s)
{
	const struct json *host = json_get(json_get(s->common, "hosts"), json_get_str(s->text, "host", "one"));
	const struct json *majors = json_get(host, "majors"), *gpus = json_get(host, "gpus");
	struct inventory *inv = &s->inventory;

	inv->driver = json_get_str(host, "driver", NULL);
	inv->has_pci_gpu = json_bool(json_get(host, "pci"), gpus != NULL);
	inv->major = scene_number(majors, "nvidia", INVENTORY_NO_MAJOR);
	inv->major_uvm = scene_number(majors, "uvm", INVENTORY_NO_MAJOR);
	inv->major_caps = scene_number(majors, "caps", INVENTORY_NO_MAJOR);
	inv->major_imex = scene_number(majors, "imex", INVENTORY_NO_MAJOR);
	inv->mig_config_minor = scene_number(host, "migConfig", INVENTORY_NO_MAJOR);
	inv->mig_monitor_minor = scene_number(host, "migMonitor", INVENTORY_NO_MAJOR);
	if (inv->driver) {
		inv->proc_version = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.261.03\n";
		inv->proc_params = "ResmanDebugLevel: 4294967295\nModifyDeviceFiles: 1\nDeviceFileMode: 438\n";
		inv->proc_registry = "Binary: \"\"\n";
	}
	inv->n_gpus = json_len(gpus);
	inv->gpus = arena_alloc(&s->arena, (inv->n_gpus + 1) * sizeof(*inv->gpus));
	for (size_t i = 0; i < inv->n_gpus; i++)
		scene_gpu(s, (uint32_t)i, &inv->gpus[i], json_at(gpus, i));
	scene_extra(s, json_get(host, "extra"));
}

static inline int scene_tree(struct scene *s, struct tree *t, const char *kind, const char *name, const char *path)
{
	const struct json *j = json_get(json_get(s->common, kind), name);
	char *text = json_dump(j, 0);
	int r = j ? tree_parse(t, path, text, strlen(text), &s->err)
		  : err_set(&s->err, ERR_TREE, 0, "no %s %s", kind, name);

	free(text);
	return r;
}

static inline enum rootfacts_kind scene_kind(const char *word)
{
	static const char *const words[] = {
		[ROOTFACTS_ABSENT] = "absent",	 [ROOTFACTS_DIR] = "dir",	 [ROOTFACTS_FILE] = "file",
		[ROOTFACTS_LINK] = "link",	 [ROOTFACTS_LINK_OURS] = "ours", [ROOTFACTS_OTHER] = "other",
		[ROOTFACTS_BLOCKED] = "blocked",
	};

	for (size_t i = 0; word && i < ARRAY_SIZE(words); i++)
		if (str_eq(words[i], word))
			return (enum rootfacts_kind)i;
	printf("Bail out! no kind of path: %s\n", word ? word : "(null)");
	exit(1);
}

static inline void scene_path(const struct json *facts, struct rootfacts_path *p)
{
	static const char *const debian[][2] = {
		{ "/etc/ld.so.conf.d", "dir" },
		{ "/etc/ld.so.conf", "file" },
		{ "/etc/ld.so.cache", "file" },
	};
	const struct json *said = json_get(json_get(facts, "paths"), p->path), *volumes = json_get(facts, "volumes");
	const char *word = said ? json_str(said) : "absent";

	for (size_t i = 0; i < ARRAY_SIZE(debian) && !said; i++)
		if (str_eq(debian[i][0], p->path))
			word = debian[i][1];
	p->kind = scene_kind(str_eq(word, "dirlink") ? "link" : word);
	p->resolves_to_dir = p->kind == ROOTFACTS_DIR || str_eq(word, "dirlink");
	for (size_t i = 0; i < json_len(volumes); i++) {
		if (!path_is_below(p->path, json_str(json_at(volumes, i))))
			continue;
		p->on_root = false;
		p->volume = json_str(json_at(volumes, i));
	}
}

static inline void scene_facts(struct scene *s)
{
	const struct json *facts = scene_get(s, "facts");
	const char *libc = json_get_str(facts, "libc", "glibc");
	struct rootfacts_ask ask = { 0 };
	const struct rootfacts_path *conf;
	struct spec empty;

	spec_init(&empty);
	plan_candidates(&s->arena, &ask.paths, &s->driver, s->request.capabilities, s->request.features);
	rootfacts_assume(&s->facts, &empty, &ask);
	spec_free(&empty);
	s->facts.known = json_bool(json_get(facts, "known"), true);
	s->facts.libc = str_eq(libc, "musl")   ? ROOTFACTS_MUSL
			: str_eq(libc, "none") ? ROOTFACTS_NO_LIBC
					       : ROOTFACTS_GLIBC;
	s->facts.has_cuda = json_bool(json_get(facts, "cuda"), false);
	s->facts.compat = json_get_str(facts, "compat", NULL);
	for (size_t i = 0; i < s->facts.n_paths; i++)
		scene_path(facts, &s->facts.paths[i]);
	conf = rootfacts_get(&s->facts, ROOTFACTS_CONF);
	s->facts.lacks_conf = conf->kind == ROOTFACTS_ABSENT && conf->on_root;
}

static inline int scene_toolkit(struct scene *s)
{
	const struct json *list = scene_get(s, "toolkits");
	struct store store = { .cuda_path = "/opt/cuda", .current_cuda = json_get_str(s->text, "currentCuda", NULL) };
	const char *version, *path;
	int r;

	store.n_toolkits = json_len(list);
	store.toolkits = arena_alloc(&s->arena, (store.n_toolkits + 1) * sizeof(*store.toolkits));
	for (size_t i = 0; i < store.n_toolkits; i++)
		store.toolkits[i] = json_str(json_at(list, i));
	r = choose_cuda(&store, &s->conf, &s->request, &s->facts, s->driver.cuda, &version, &s->in.toolkit_why,
			&s->err);
	if (r < 0 || !version)
		return r;
	path = arena_printf(&s->arena, "/opt/cuda/%s", version);
	s->in.toolkit = &s->toolkit;
	return scene_tree(s, &s->toolkit, "toolkits", version, path);
}

/* Everything up to the planner: 0, or the error of what refused. scene_close is due either way. */
static inline int scene_open(struct scene *s, struct json *text)
{
	const char *conf, *driver;
	int r;

	*s = (struct scene){ .text = text, .common = scene_read(SCENE_COMMON) };
	spec_init(&s->spec);
	config_init(&s->conf);
	conf = json_get_str(text, "config", "");
	driver = json_get_str(text, "driver", "535");
	r = config_parse(&s->conf, "nvcoreos.conf", conf, strlen(conf), &s->err);
	if (r == 0)
		r = scene_request(s);
	if (r < 0 || !s->request.wanted)
		return r;
	scene_inventory(s);
	r = plan_host_check(&s->inventory, &s->request, &s->err);
	if (r == 0)
		r = scene_tree(s, &s->driver, "drivers", driver, "/opt/nvidia/535.261.03/3975.2.0");
	if (r < 0)
		return r;
	scene_facts(s);
	s->in.conf = &s->conf;
	s->in.request = &s->request;
	s->in.inventory = &s->inventory;
	s->in.driver = &s->driver;
	s->in.facts = &s->facts;
	return scene_toolkit(s);
}

/* A scene from a text that stands in a test, planned. */
static inline int scene_plan(struct scene *s, const char *text)
{
	char why[160] = "";
	struct json *j = json_parse(text, strlen(text), why, sizeof(why));
	int r;

	if (!j) {
		printf("Bail out! %s: %s\n", text, why);
		exit(1);
	}
	r = scene_open(s, j);
	return r < 0 ? r : plan_make(&s->plan, &s->in, &s->err);
}

static inline void scene_close(struct scene *s)
{
	plan_free(&s->plan);
	rootfacts_free(&s->facts);
	tree_free(&s->toolkit);
	tree_free(&s->driver);
	inventory_free(&s->inventory);
	request_free(&s->request);
	spec_free(&s->spec);
	config_free(&s->conf);
	json_free(s->text);
	json_free(s->common);
	arena_free(&s->arena);
}

static inline bool scene_has_node(const struct scene *s, const char *name, uint32_t major, uint32_t minor)
{
	for (size_t i = 0; i < s->plan.n_nodes; i++)
		if (str_eq(s->plan.nodes[i].name, name))
			return s->plan.nodes[i].major == major && s->plan.nodes[i].minor == minor;
	return false;
}

static inline const char *scene_file(const struct scene *s, const char *path)
{
	for (size_t i = 0; i < s->plan.n_files; i++)
		if (str_eq(s->plan.files[i].path, path))
			return s->plan.files[i].content;
	return NULL;
}

/* Whether a note holds this text. */
static inline bool scene_notes(const struct scene *s, const char *part)
{
	for (size_t i = 0; i < s->plan.notes.n; i++)
		if (strstr(s->plan.notes.v[i], part))
			return true;
	return false;
}

#endif
