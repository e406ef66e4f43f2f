/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a container's words to the plan, on the hosts of the golden plans. The first line chooses with one digit
 * each: host, driver, libc, compat directory, sockets shown, and facts (1: cuda-compat off, 2: the image has CUDA,
 * 4: no root was looked at); the second what stands at each path that the planner asks about (a to g as in enum
 * rootfacts_kind, A to G the same on a volume). The rest is as in lines.h.
 */
#include "lines.h"
#include "oracle.h"
#include "plan/choose.h"
#include "scene.h"

static const char *const host_names[] = { "one", "three", "mig", "geforce", "no-uvm", "unloaded", "none", "extra" };
static const char *const driver_names[] = { "535", "compute-only", "desktop" };
static const char *toolkit_names[] = { "11.8.0", "12.2.2", "13.0.1" };

static struct inventory hosts[ARRAY_SIZE(host_names)];
static struct tree drivers[ARRAY_SIZE(driver_names)], toolkits[ARRAY_SIZE(toolkit_names)];

static void load(struct tree *t, const char *kind, const char *name, const char *path)
{
	static struct json *common;
	struct scene s = { .common = common ? common : (common = scene_read(SCENE_COMMON)) };

	MUST(scene_tree(&s, t, kind, name, path) == 0);
}

static void load_hosts(void)
{
	static struct json *texts[ARRAY_SIZE(host_names)];

	if (texts[0])
		return;
	for (size_t i = 0; i < ARRAY_SIZE(host_names); i++) {
		static struct scene s[ARRAY_SIZE(host_names)];

		texts[i] = json_new_object();
		json_set_str(texts[i], "host", host_names[i]);
		s[i].text = texts[i];
		s[i].common = scene_read(SCENE_COMMON);
		scene_inventory(&s[i]);
		hosts[i] = s[i].inventory;
	}
	for (size_t i = 0; i < ARRAY_SIZE(driver_names); i++)
		load(&drivers[i], "drivers", driver_names[i], "/opt/nvidia/535.261.03/3975.2.0");
	for (size_t i = 0; i < ARRAY_SIZE(toolkit_names); i++) {
		cleanup_free char *path = mem_printf("/opt/cuda/%s", toolkit_names[i]);

		load(&toolkits[i], "toolkits", toolkit_names[i], path);
	}
}

/* The i-th digit of the line, under n. */
static unsigned digit(const char *line, size_t i, unsigned n)
{
	return strlen(line) > i ? (unsigned char)(line[i] - '0') % n : 0;
}

static void set_facts(struct rootfacts *f, const char *line, const char *kinds, struct arena *a,
		      const struct tree *driver, const struct request *request, const struct spec *spec)
{
	static const char *const compat[] = { NULL, "550.54.15", "535.54.03", "470.256.02" };
	struct rootfacts_ask ask = { 0 };
	unsigned facts = digit(line, 5, 8);

	*f = (struct rootfacts){ 0 };
	plan_candidates(a, &ask.paths, driver, request->capabilities, request->features);
	rootfacts_assume(f, spec, &ask);
	f->libc = (enum rootfacts_libc)digit(line, 2, 3);
	f->compat = compat[digit(line, 3, ARRAY_SIZE(compat))];
	f->has_cuda = facts & 2;
	f->known = !(facts & 4);
	for (size_t i = 0; f->known && i < f->n_paths && kinds[i]; i++) {
		struct rootfacts_path *p = &f->paths[i];

		p->kind = (enum rootfacts_kind)((unsigned char)(kinds[i] - 'A') % 32 % (ROOTFACTS_BLOCKED + 1));
		p->resolves_to_dir = p->kind == ROOTFACTS_DIR;
		p->on_root = kinds[i] >= 'a';
		p->volume = p->on_root ? NULL : "/etc";
		if (str_eq(p->path, ROOTFACTS_CONF) && p->kind == ROOTFACTS_ABSENT && p->on_root)
			f->lacks_conf = facts & 1;
	}
}

static void plan(const char *line, const char *kinds, const struct spec *spec, struct config *conf,
		 const struct request *request)
{
	cleanup_arena struct arena a = ARENA_INIT;
	struct store store = { .cuda_path = "/opt/cuda", .toolkits = toolkit_names, .n_toolkits = 3 };
	const struct tree *driver = &drivers[digit(line, 1, ARRAY_SIZE(drivers))];
	const char *version = NULL, *why = NULL;
	struct err err = ERR_INIT;
	struct rootfacts facts;
	struct plan_input in = { .conf = conf,
				 .request = request,
				 .inventory = &hosts[digit(line, 0, ARRAY_SIZE(hosts))],
				 .driver = driver,
				 .facts = &facts };

	conf->ipc = digit(line, 4, 8);
	conf->cuda_compat = !(digit(line, 5, 8) & 1);
	set_facts(&facts, line, kinds, &a, driver, request, spec);
	if (choose_cuda(&store, conf, request, &facts, driver->cuda, &version, &why, &err) < 0) {
		fuzz_refused(&err, ERR_CUDA_UNKNOWN, ERR_NONE);
	} else {
		for (size_t i = 0; version && i < ARRAY_SIZE(toolkits); i++)
			if (str_eq(version, toolkit_names[i]))
				in.toolkit = &toolkits[i];
		in.toolkit_why = why;
		oracle_plan(&in, true);
	}
	rootfacts_free(&facts);
}

FUZZ(plan)
{
	struct fuzz_input in = { data, size };
	cleanup_free char *line = fuzz_line(&in), *kinds = fuzz_line(&in);
	struct request request;
	struct config conf;
	struct spec spec;

	load_hosts();
	lines_read(&in, &spec, &conf);
	if (oracle_request(&request, &spec, &conf)) {
		if (request.wanted)
			plan(line, kinds, &spec, &conf, &request);
		request_free(&request);
	}
	config_free(&conf);
	spec_free(&spec);
}
